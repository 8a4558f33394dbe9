//go:build tools

// Package monitoring names the commands that hack/monitoring runs, so that go.mod and go.sum pin
// them with everything they need.
package monitoring

import (
	_ "github.com/prometheus-operator/prometheus-operator/cmd/operator"
	_ "github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader"
)
