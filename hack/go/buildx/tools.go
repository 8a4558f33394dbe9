//go:build tools

// Package buildx names docker's command that builds images, so that go.mod and go.sum pin
// it with everything it needs.
package buildx

import (
	_ "github.com/docker/buildx/cmd/buildx"
)
