//go:build !linux

package wasm_test

import (
	"runtime"
	"testing"
)

// peak returns about how much memory the process has. That a call has given back is not seen
// here.
func peak(testing.TB) int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.Sys)
}
