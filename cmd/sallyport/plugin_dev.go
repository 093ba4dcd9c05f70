package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/internal/toolchain"
)

type pluginDev struct {
	Dir  string `arg:"" help:"The plugin's directory."`
	Into string `placeholder:"DIR" help:"The folder of policies of a running gateway, which takes the module from there when its cases hold."`
}

// Run builds and tests, and does so again whenever a file changes, until it is interrupted.
func (c pluginDev) Run(p *process) error {
	for _, dir := range []string{c.Dir, c.Into} {
		if info, err := os.Stat(dir); dir != "" && (err != nil || !info.IsDir()) {
			return failf(exitUsage, "%s is not a directory", dir)
		}
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("files can't be watched: %w", err)
	}
	defer w.Close() //nolint:errcheck // the command ends
	for {
		if err := watchTree(w, c.Dir); errors.Is(err, fs.ErrNotExist) {
			return failf(exitUsage, "%s is not there any more", c.Dir)
		} else if err != nil {
			return err
		}
		if err := c.round(p); err != nil && p.ctx.Err() == nil {
			code := report(err, process{stderr: p.stdout, getenv: p.getenv})
			if code == exitUsage || code == exitUnreachable {
				return &fail{code: code}
			}
		}
		fmt.Fprintf(p.stdout, "watching %s\n", c.Dir)
		if !changed(p, w, notModule) {
			return nil
		}
	}
}

// round builds the plugin, runs its cases, and passes the module on. A module whose cases don't hold is not passed on.
func (c pluginDev) round(p *process) error {
	b, err := makePlugin(p.ctx, c.Dir)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, builtLine(c.Dir, b))
	if _, err := (caseFlags{Output: "text"}).cases(p, []string{c.Dir}, enginetest.Options{}); err != nil {
		return err
	}
	if err := areTested(c.Dir, filepath.Join(c.Dir, filepath.Base(b.File))); err != nil {
		return err
	}
	if c.Into == "" {
		return nil
	}
	target := filepath.Join(c.Into, filepath.Base(b.File))
	if err := copyModule(b, target); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "passed to %s\n", target)
	return err
}

// copyModule puts the module there as a whole: the gateway never sees a part of it.
func copyModule(b *toolchain.Built, target string) error {
	module, err := os.ReadFile(b.File)
	if err != nil {
		return err
	}
	return bundle.WriteFile(target, module, 0o644)
}

// notModule leaves out what building writes.
func notModule(name string) bool { return filepath.Ext(name) != ".wasm" }
