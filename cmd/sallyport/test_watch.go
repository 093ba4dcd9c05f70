package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"

	"github.com/sallyport-dev/sallyport/engine/enginetest"
)

// watch runs the cases, and again whenever they or what decides them changes, until it is interrupted.
func (c testCommand) watch(p *process) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("files can't be watched: %w", err)
	}
	defer w.Close() //nolint:errcheck // the command ends
	for {
		if err := c.follow(w); err != nil {
			return err
		}
		if err := c.once(p); err != nil && p.ctx.Err() == nil {
			if code := report(err, process{stderr: p.stdout, getenv: p.getenv}); code == exitUsage {
				return &fail{code: code}
			}
		}
		fmt.Fprintln(p.stdout, "watching")
		if !changed(p, w, func(string) bool { return true }) {
			return nil
		}
	}
}

// follow watches where the cases are and, as far as they can be read, the policies that they name.
func (c testCommand) follow(w *fsnotify.Watcher) error {
	places := c.Paths
	if suites, err := enginetest.Load(c.Paths); err == nil {
		for _, s := range suites {
			places = append(slices.Clip(places), s.Sources()...)
		}
	}
	for i, path := range places {
		info, err := os.Stat(path)
		switch {
		case err != nil && i < len(c.Paths):
			return failf(exitUsage, "%w", err)
		case err != nil:
			continue // running the cases says so
		case !info.IsDir(): // an editor replaces a file: its directory sees it
			err = w.Add(filepath.Dir(path))
			for _, given := range []string{"detectors", "tables"} { // what is beside it is read, if it is there
				_ = w.Add(filepath.Join(filepath.Dir(path), given))
			}
		default:
			err = watchTree(w, path)
		}
		if err != nil {
			return fmt.Errorf("%s can't be watched: %w", path, err)
		}
	}
	return nil
}
