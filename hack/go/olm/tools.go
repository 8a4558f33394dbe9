//go:build tools

// Package olm names the commands that make and check what OLM installs, so that
// go.mod and go.sum pin them with everything they need.
package olm

import (
	_ "github.com/grpc-ecosystem/grpc-health-probe"
	_ "github.com/operator-framework/api/cmd/operator-verify"
	_ "github.com/operator-framework/operator-registry/cmd/opm"
)
