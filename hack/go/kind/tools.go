//go:build tools

// Package kind names the command that creates kind clusters, so that go.mod and
// go.sum pin it with everything it needs.
package kind

import (
	_ "sigs.k8s.io/kind"
)
