package wasm_test

import (
	"fmt"
	"os"
	"regexp"
	"testing"
)

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak returns the most memory that the process has had resident since it was last asked.
func peak(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	var kib int
	if m := highWater.FindSubmatch(status); m == nil {
		t.Fatal("no VmHWM")
	} else if _, err := fmt.Sscan(string(m[1]), &kib); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
