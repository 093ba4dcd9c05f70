package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// goTool is the real go: the one on the PATH of the tests is ours.
var goTool = func() string {
	path, err := exec.LookPath("go")
	if err != nil {
		return "go"
	}
	return path
}()

// TestMain puts this program on the PATH of scripts and documents, with what else they call: a curl, a server on standard input and
// output, and a go, a make and a docker that only do what documents ask of them.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sallyport": main,
		"curl":      func() { os.Exit(curl(os.Args[1:], os.Stdout, os.Stderr)) },
		"go":        func() { os.Exit(goStandIn(os.Args[1:])) },
		"make":      func() { os.Exit(makeStandIn(os.Args[1:])) },
		"peer":      func() { os.Exit(peer(os.Stdin, os.Stdout, os.Stderr)) },
		"docker":    func() { os.Exit(dockerStandIn(os.Args[1:])) },
	})
}
