// Package toolchain builds plugins from their sources, each with the tools of its language.
package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/sdk"
)

const manifestFile = "manifest.json"

// A language is how plugins in it are known and built.
type language struct {
	name  string
	files []string // a directory with one of these is a plugin in it; globs
	build func(*job) error
	// inCode says that the code holds the text of manifest.json, and that it is to be put into the module too.
	inCode bool
	// whole says that there is nothing to be done to what was built: manifest.json was given to the compiler.
	whole bool
}

// languages are looked for in this order.
var languages = []language{
	{name: "go", files: []string{"go.mod"}, build: buildGo, inCode: true},
	{name: "rust", files: []string{"Cargo.toml", "*.rs"}, build: buildRust},
	{name: "zig", files: []string{"*.zig"}, build: buildZig},
	{name: "assemblyscript", files: []string{"asconfig.json", "assembly"}, build: buildAssemblyScript},
	{name: "c", files: []string{"*.c"}, build: buildC},
	{name: "js", files: []string{"*.js"}, build: buildJS, whole: true},
}

// Languages are the names of the languages.
func Languages() []string {
	var out []string
	for _, l := range languages {
		out = append(out, l.name)
	}
	return out
}

// MissingError says that a program is needed that isn't there.
type MissingError struct {
	Program string
	Install string // what to do about it
}

func (e *MissingError) Error() string { return e.Program + " is not there: " + e.Install }

// BuildError is what a toolchain has said of the sources.
type BuildError struct {
	Program, Output string
}

func (e *BuildError) Error() string {
	return e.Program + " has failed:\n" + strings.TrimRight(e.Output, "\n")
}

// Built is a plugin that was built.
type Built struct {
	Language string
	File     string // DIR/NAME.wasm
	Info     *wasm.Info
}

// job is the building of one plugin.
type job struct {
	ctx  context.Context //nolint:containedctx // a job ends with the call that it is made in
	dir  string          // absolute
	temp string          // for whatever is made
	out  string          // the module
}

// Build builds the plugin in a directory into the file NAME.wasm there, NAME being that of its manifest. The same sources and tools make
// the same bytes. A module that a gateway would refuse is not written; the error then is wasm.LoadErrors.
func Build(ctx context.Context, dir string) (*Built, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	l, err := recognize(dir)
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "sallyport-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // of the system's own for such things
	j := &job{ctx: ctx, dir: dir, temp: temp, out: filepath.Join(temp, "plugin.wasm")}
	if err := l.build(j); err != nil {
		return nil, err
	}
	module, err := j.module(l)
	if err != nil {
		return nil, err
	}
	info, err := wasm.Inspect(module)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, info.Manifest.Name+".wasm")
	return &Built{Language: l.name, File: file, Info: info}, bundle.WriteFile(file, module, 0o644)
}

// module is what was built, with its manifest.
func (j *job) module(l *language) ([]byte, error) {
	module, err := os.ReadFile(j.out)
	if err != nil || l.whole {
		return module, err
	}
	text, err := os.ReadFile(filepath.Join(j.dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) && !l.inCode { // the sources have it; if not, that will be said
		return module, nil
	}
	if err != nil {
		return nil, err
	}
	return complete(module, text, l.inCode)
}

func recognize(dir string) (*language, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var wanted []string
	for i := range languages {
		for _, pattern := range languages[i].files {
			wanted = append(wanted, pattern)
			if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { ok, _ := filepath.Match(pattern, e.Name()); return ok }) {
				return &languages[i], nil
			}
		}
	}
	return nil, fmt.Errorf("%s has no plugin's sources: none of %s; `sallyport plugin new` writes some", dir, strings.Join(wanted, ", "))
}

// run runs a program of the toolchain in the plugin's directory.
func (j *job) run(env []string, name string, args ...string) error {
	cmd := exec.CommandContext(j.ctx, name, args...) //nolint:gosec // a compiler
	cmd.Dir = j.dir
	cmd.Env = append(cmd.Environ(), env...)
	out, err := cmd.CombinedOutput()
	switch exit, ok := errors.AsType[*exec.ExitError](err); {
	case j.ctx.Err() != nil:
		return j.ctx.Err()
	case ok && exit != nil:
		return &BuildError{Program: filepath.Base(name), Output: string(bytes.TrimSpace(out))}
	}
	return err
}

// first finds the first of several programs that is there.
func first(install string, names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{Program: names[0], Install: install}
}

// sources lists the files of the directory that fit a pattern, but for tests.
func (j *job) sources(pattern, tests string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(j.dir, pattern))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range all {
		base := filepath.Base(name)
		if test, _ := filepath.Match(tests, base); !test {
			out = append(out, base)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has tests and nothing to test", j.dir)
	}
	return out, nil
}

// sdk is the directory of the SDK, from the plugin's: sdk beside the sources, or else the one that this program carries.
func (j *job) sdk(language, file string) (string, error) {
	if _, err := os.Stat(filepath.Join(j.dir, "sdk", file)); err == nil {
		return "sdk", nil
	}
	dir := filepath.Join(j.temp, "sdk")
	return dir, unpack(sdk.Files(language), dir)
}

// root is the file that is compiled: the first of some names that is there, or else the only source.
func (j *job) root(pattern, tests string, names ...string) (string, error) {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(j.dir, name)); err == nil {
			return name, nil
		}
	}
	all, err := j.sources(pattern, tests)
	if err != nil {
		return "", err
	}
	if len(all) > 1 {
		return "", fmt.Errorf("%s has several sources (%s) and none is called %s", j.dir, strings.Join(all, ", "), strings.Join(names, " or "))
	}
	return all[0], nil
}

// unpack writes an SDK that this program carries.
func unpack(files []sdk.File, to string) error {
	for _, f := range files {
		name := filepath.Join(to, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // below a directory of our own
			return err
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
	}
	return nil
}
