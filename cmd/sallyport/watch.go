package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// notSources are directories that compilers fill.
var notSources = []string{"node_modules", "target", "build", "zig-out"}

// watchTree follows a directory and those below it.
func watchTree(w *fsnotify.Watcher, dir string) error {
	root := dir + string(filepath.Separator) // a link to a directory is followed
	return filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if name != root && errors.Is(err, fs.ErrNotExist) { // it has just gone
			return nil
		}
		if err != nil || !entry.IsDir() {
			return err
		}
		if name != root && (strings.HasPrefix(entry.Name(), ".") || slices.Contains(notSources, entry.Name())) {
			return fs.SkipDir
		}
		if err := w.Add(name); name == root || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// saved is how long files must be quiet before something is built of them.
const saved = 100 * time.Millisecond

// changed waits until a file has changed that matters and all are quiet; false if it is interrupted meanwhile.
func changed(p *process, w *fsnotify.Watcher, matters func(name string) bool) bool {
	var quiet <-chan time.Time
	for {
		select {
		case <-p.ctx.Done():
			return false
		case e := <-w.Events:
			if base := filepath.Base(e.Name); matters(base) && !strings.HasPrefix(base, ".") && e.Op != fsnotify.Chmod {
				quiet = time.After(saved)
			}
		case err := <-w.Errors:
			fmt.Fprintln(p.stdout, "watching files:", err)
		case <-quiet:
			return true
		}
	}
}
