//go:build tools

// Package actionlint names the command that checks the workflows, so that go.mod
// and go.sum pin it with everything it needs.
package actionlint

import (
	_ "github.com/rhysd/actionlint/cmd/actionlint"
)
