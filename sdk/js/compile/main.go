// Command compile makes a module of a script and its manifest, for the Makefiles of this
// repository: compile SCRIPT MANIFEST OUT. Authors have `sallyport plugin build`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport-dev/sallyport/sdk/js"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "compile:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("give three files: SCRIPT MANIFEST OUT")
	}
	source, err := os.ReadFile(args[0]) //nolint:gosec // what the caller names
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile(args[1]) //nolint:gosec // likewise
	if err != nil {
		return err
	}
	module, err := js.Script{File: filepath.Base(args[0]), Source: source, Manifest: manifest}.Build(context.Background())
	if err != nil {
		return err
	}
	return os.WriteFile(args[2], module, 0o600) //nolint:gosec // likewise
}
