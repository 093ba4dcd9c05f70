package js_test

import (
	"fmt"
	"os"
	"testing"
)

// cache keeps what is compiled, as a gateway does: a second for every plugin otherwise.
var cache string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "js")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cache = dir
	return m.Run()
}
