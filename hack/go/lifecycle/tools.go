//go:build tools

// Package lifecycle names the commands that hack/olm-cluster runs, so that go.mod and go.sum pin
// them with everything they need.
package lifecycle

import (
	_ "github.com/operator-framework/operator-lifecycle-manager/cmd/catalog"
	_ "github.com/operator-framework/operator-lifecycle-manager/cmd/olm"
	_ "github.com/operator-framework/operator-lifecycle-manager/cmd/package-server"
	_ "github.com/operator-framework/operator-lifecycle-manager/util/cpb"
	_ "helm.sh/helm/v3/cmd/helm"
)
