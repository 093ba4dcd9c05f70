package main

import (
	"os"
	"path/filepath"

	"github.com/sallyport-dev/sallyport/engine/bundle"
)

// replaceFile gives a file another content at once: who reads it meanwhile sees the old one or the new one. Its mode stays, and a link stays a link.
func replaceFile(name string, data []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return bundle.WriteFile(name, data, info.Mode().Perm())
}
