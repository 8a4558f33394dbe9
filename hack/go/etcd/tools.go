//go:build tools

// Package etcd names the command that the local cluster runs, so that go.mod
// and go.sum pin it with everything it needs.
package etcd

import (
	_ "go.etcd.io/etcd/server/v3"
)
