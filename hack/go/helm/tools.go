//go:build tools

// Package helm names the command of Helm, so that go.mod and go.sum pin it with everything
// it needs.
package helm

import (
	_ "helm.sh/helm/v4/cmd/helm"
)
