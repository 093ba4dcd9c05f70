// Command sallyport-embed completes a plugin that the Go toolchain has built. It writes the
// manifest into the module, as the custom section in which gateways look for it, and removes
// the exports of hooks that the manifest doesn't declare.
//
//	sallyport-embed [-manifest manifest.json] [-o out.wasm] plugin.wasm
//
// Without -o the module is replaced. The same files make the same bytes, and a module that is
// complete is left as it is. A module that was not built with this manifest is refused.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/module"
)

func main() {
	err := run(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "sallyport-embed:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("sallyport-embed", flag.ContinueOnError)
	flags.SetOutput(stderr)
	text := flags.String("manifest", "manifest.json", "the manifest's `file`")
	out := flags.String("o", "", "the `file` to write; empty replaces the module")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("name one module: sallyport-embed [-manifest manifest.json] [-o out.wasm] plugin.wasm")
	}
	wasm, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile(*text)
	if err != nil {
		return err
	}
	done, err := module.Complete(wasm, string(manifest))
	if err != nil {
		return fmt.Errorf("%s: %w", flags.Arg(0), err)
	}
	if *out == "" {
		*out = flags.Arg(0)
	}
	return replace(*out, done)
}

// replace writes a file so that it is whole or as it was.
func replace(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
