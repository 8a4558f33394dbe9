//go:build tools

// Package registry names the command that the release's test pushes images to,
// so that go.mod and go.sum pin it with everything it needs.
package registry

import (
	_ "github.com/distribution/distribution/v3/cmd/registry"
)
