package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/internal/fetch/fetchtest"
)

// The documents say `go run` and `go build`, and mean the programs of this tree. They are built once, before the documents run,
// into the folder that this variable names.
const programsVariable = "SALLYPORT_TEST_PROGRAMS"

// goStandIn is `go run PACKAGE ARGS...`, `go build -o DIR/ PACKAGES...` and `go build -o FILE PACKAGE` for packages of this tree. Nothing is compiled.
func goStandIn(args []string) int {
	switch {
	case len(args) >= 3 && args[0] == "build" && args[1] == "-C":
		return linkPlugin(args[2], args[3:])
	case len(args) >= 3 && args[0] == "run" && args[1] == "-C":
		return 0 // the module has its manifest already
	case len(args) >= 2 && args[0] == "run":
		return runProgram(args[1], args[2:])
	case len(args) >= 4 && args[0] == "build" && args[1] == "-o":
		return linkPrograms(args[2], args[3:])
	}
	fmt.Fprintln(os.Stderr, "go: the documents' go only runs and builds the programs of this tree, not:", args)
	return 2
}

// programOf finds the program of a package, such as ./examples/server.
func programOf(pkg string) (string, error) {
	dir := os.Getenv(programsVariable)
	if pkg == "./cmd/sallyport" {
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		dir = filepath.Dir(self)
	}
	name := filepath.Join(dir, filepath.Base(pkg))
	_, err := os.Stat(name)
	return name, err
}

func runProgram(pkg string, args []string) int {
	name, err := programOf(pkg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		return 1
	}
	if slices.Equal(args, []string{"demo"}) {
		args = append(args, "--once") // for a reader it stays up; here it ends, and checks itself
	}
	err = syscall.Exec(name, append([]string{name}, args...), os.Environ())
	fmt.Fprintln(os.Stderr, "go:", err)
	return 1
}

// linkPlugin copies the module that was built of the example. The documents build none other.
func linkPlugin(dir string, args []string) int {
	at := slices.Index(args, "-o")
	module, err := os.ReadFile(filepath.Join(os.Getenv(programsVariable), "tenant-paths.wasm"))
	if err == nil && at >= 0 && at+1 < len(args) {
		err = os.WriteFile(filepath.Join(dir, args[at+1]), module, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		return 1
	}
	return 0
}

func linkPrograms(to string, pkgs []string) int {
	err := os.MkdirAll(filepath.Dir(to), 0o755)
	for _, pkg := range pkgs {
		name, found := programOf(pkg)
		if found != nil {
			err = found
			break
		}
		link := to
		if strings.HasSuffix(to, "/") {
			link = filepath.Join(to, filepath.Base(pkg))
		}
		if err == nil {
			err = os.Symlink(name, link)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		return 1
	}
	return 0
}

// dockerStandIn is `docker run --rm -p HOST:PORT:5000 registry:2`: a registry in this process.
func dockerStandIn(args []string) int {
	if len(args) != 5 || args[0] != "run" || args[2] != "-p" || args[4] != "registry:2" {
		fmt.Fprintln(os.Stderr, "docker: the documents' docker only runs a registry, not:", args)
		return 2
	}
	server := http.Server{Addr: strings.TrimSuffix(args[3], ":5000"), Handler: new(fetchtest.Registry), ReadHeaderTimeout: time.Minute}
	fmt.Fprintln(os.Stderr, "docker:", server.ListenAndServe())
	return 1
}

// makeStandIn knows which targets there are, and runs none: they run the tests that run this.
func makeStandIn(targets []string) int {
	makefile, err := os.ReadFile("Makefile")
	for _, t := range targets {
		if err == nil && !strings.Contains(t, "=") && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(t)+`:`).Match(makefile) {
			err = fmt.Errorf("no rule to make target %q", t)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make:", err)
		return 2
	}
	return 0
}
