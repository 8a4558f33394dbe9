//go:build tools

// Package crictl names the command that nodes of kind have, so that go.mod and
// go.sum pin it with everything it needs.
package crictl

import (
	_ "sigs.k8s.io/cri-tools/cmd/crictl"
)
