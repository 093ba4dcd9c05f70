// Package starter is the plugins that authors begin with: one in each language, complete, with its tests and its module.
package starter

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/sdk"
)

// Name is what the plugins are called.
const Name = "no-dotdot"

// A template's name ends in .in, so that no tool takes it for a part of this repository.
//
//go:embed templates
var templates embed.FS

// The modules, built from the templates; `go generate ./internal/starter` builds those whose compilers are there, and a test compares.
//
//go:embed prebuilt/*.wasm.gz
var prebuilt embed.FS

//go:generate go generate ../../sdk
//go:generate go test . -count=1 -run TestModulesAreTheirSources -update

// manifests are the languages that keep the manifest in a file of its own.
var manifests = []string{"go", "rust", "assemblyscript"}

// Languages are the languages that there are starters in.
func Languages() []string {
	var out []string
	entries, err := prebuilt.ReadDir("prebuilt")
	if err != nil {
		panic(err) // they are embedded
	}
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".wasm.gz"))
	}
	return out
}

// Write writes the plugin of a language into a directory, which must not be there or be empty.
func Write(language, dir string) error {
	if !slices.Contains(Languages(), language) {
		return fmt.Errorf("there is no plugin to begin with in %s: there are %s", language, strings.Join(Languages(), ", "))
	}
	if entries, err := os.ReadDir(dir); len(entries) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	files, err := Files(language)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // as an editor would make it
			return err
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
	}
	return nil
}

// Files are those of the plugin of a language.
func Files(language string) ([]sdk.File, error) {
	out, err := sources(language)
	if err != nil {
		return nil, err
	}
	module, err := Module(language)
	if err != nil {
		return nil, err
	}
	out = append(out, sdk.File{Name: Name + ".wasm", Data: module})
	for _, f := range sdk.Files(language) {
		out = append(out, sdk.File{Name: path.Join("sdk", f.Name), Data: f.Data})
	}
	return out, nil
}

// sources are the templates of a language, and what all have in common.
func sources(language string) (out []sdk.File, err error) {
	for _, dir := range []string{"common", language} {
		root := path.Join("templates", dir)
		err := fs.WalkDir(templates, root, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || entry.Name() == "manifest.json" && !slices.Contains(manifests, language) {
				return err
			}
			data, err := templates.ReadFile(name)
			out = append(out, sdk.File{Name: strings.TrimSuffix(strings.TrimPrefix(name, root+"/"), ".in"), Data: data})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Module is the module of a language's plugin.
func Module(language string) ([]byte, error) {
	packed, err := prebuilt.ReadFile("prebuilt/" + language + ".wasm.gz")
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
