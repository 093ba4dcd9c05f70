// Command tck builds the TCK's guest in JavaScript: go run ./sdk/js/tck OUT, from the root.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/sallyport-dev/sallyport/sdk/js"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tck:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("name the file to write")
	}
	source, err := os.ReadFile("sdk/js/tck/guest.js")
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile("hostapi/tck/manifest.json")
	if err != nil {
		return err
	}
	module, err := js.Script{File: "guest.js", Source: source, Manifest: manifest}.Build(context.Background())
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], module, 0o600) //nolint:gosec // where the caller wants it
}
