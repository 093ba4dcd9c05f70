package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
	"github.com/sallyport-dev/sallyport/internal/starter"
	"github.com/sallyport-dev/sallyport/internal/toolchain"
)

type pluginNew struct {
	Lang string `required:"" placeholder:"LANGUAGE" help:"The language: go, rust, assemblyscript, c, zig or js."`
	Dir  string `arg:"" help:"The directory to write; it must be new or empty."`
}

func (c pluginNew) Run(p *process) error {
	if all := starter.Languages(); !slices.Contains(all, c.Lang) {
		return failf(exitUsage, "--lang: there is no plugin to begin with in %q: there are %s", c.Lang, strings.Join(all, ", "))
	}
	if err := starter.Write(c.Lang, c.Dir); err != nil {
		return failf(exitUsage, "%w", err)
	}
	_, err := fmt.Fprintf(p.stdout, "wrote the plugin %s into %s; its README.md says how it is built and tested\n", starter.Name, c.Dir)
	return err
}

type pluginBuild struct {
	Dir string `arg:"" help:"The plugin's directory."`
}

func (c pluginBuild) Run(p *process) error {
	b, err := makePlugin(p.ctx, c.Dir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, builtLine(c.Dir, b))
	return err
}

func builtLine(dir string, b *toolchain.Built) string {
	return fmt.Sprintf("%s %s: %s, %d bytes, %s", b.Info.Manifest.Name, b.Info.Manifest.Version, filepath.Join(dir, filepath.Base(b.File)), b.Info.ModuleBytes, b.Info.Module)
}

// makePlugin builds a plugin; its error has the exit code for why it couldn't.
func makePlugin(ctx context.Context, dir string) (*toolchain.Built, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, failf(exitUsage, "%s is not a plugin's directory", dir)
	}
	b, err := toolchain.Build(ctx, dir)
	if err == nil {
		return b, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if several, ok := errors.AsType[wasm.LoadErrors](err); ok {
		return nil, unfit(dir, several)
	}
	if _, missing := errors.AsType[*toolchain.MissingError](err); missing {
		return nil, failf(exitUnreachable, "%w", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failf(exitUsage, "%w", err)
	}
	return nil, failf(exitInvalid, "%s: %w", dir, err)
}

type pluginTest struct {
	Dir string `arg:"" help:"The plugin's directory."`

	caseFlags
}

func (c pluginTest) Run(p *process) error {
	if err := builtFromThis(c.Dir); err != nil {
		return err
	}
	if _, err := c.cases(p, []string{c.Dir}, enginetest.Options{}); err != nil {
		return err
	}
	modules, err := filepath.Glob(filepath.Join(c.Dir, "*.wasm"))
	if err != nil {
		return err
	}
	return areTested(c.Dir, modules...)
}

// areTested says whether the cases in a directory, which hold, were run on each of some modules.
func areTested(dir string, modules ...string) error {
	suites, err := enginetest.Load([]string{dir})
	if err != nil {
		return casesError(err)
	}
	var all []os.FileInfo
	for _, s := range suites {
		b, err := s.Bundle()
		if err != nil {
			return err
		}
		for i := range b.Files {
			if info, err := os.Stat(b.Files[i].Path); err == nil {
				all = append(all, info)
			}
		}
	}
	for _, name := range modules {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(f os.FileInfo) bool { return os.SameFile(f, info) }) {
			return failf(exitFailed, "no case is run on %s: name it in `policies` of the cases, or remove it", name)
		}
	}
	return nil
}

// builtFromThis says whether the module in a directory is that of the manifest beside it. Whether it is that of the sources only a build
// can say.
func builtFromThis(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return failf(exitUsage, "%s is not a plugin's directory", dir)
	}
	modules, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	if err != nil {
		return err
	}
	if len(modules) == 0 {
		return failf(exitInvalid, "%s has no module yet: sallyport plugin build %s", dir, dir)
	}
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if errors.Is(err, fs.ErrNotExist) { // the sources have it
		return nil
	}
	if err != nil {
		return failf(exitUsage, "%w", err)
	}
	want, err := hostapi.ParseManifest(text)
	if err != nil {
		return failf(exitInvalid, "%s: %w", filepath.Join(dir, "manifest.json"), err)
	}
	for _, name := range modules {
		module, err := readModule(name)
		if err != nil {
			return err
		}
		info, err := wasm.Inspect(module)
		if err != nil {
			return unfit(name, err)
		}
		if info.Manifest.Name == want.Name && !sameManifest(info.Manifest, want) {
			return failf(exitInvalid, "%s was built with another manifest.json: sallyport plugin build %s", name, dir)
		}
	}
	return nil
}

func sameManifest(a, b *hostapi.Manifest) bool {
	x, errA := a.Encode()
	y, errB := b.Encode()
	return errA == nil && errB == nil && string(x) == string(y)
}
