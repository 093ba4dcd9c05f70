package wasm

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// cacheBytes is how much compiled code may lie in a cache when a host opens it.
const cacheBytes = 1 << 30

// prune removes what lies in the directory beside keep and was made by another cost model or compiler, which this process can't run,
// and then the entries that were written longest ago, until at most so many bytes are left. An entry that is missed is compiled again,
// so that another process which uses the directory loses time and nothing else.
func prune(dir, keep string, most int64) error {
	others, err := filepath.Glob(filepath.Join(dir, "cost*-wazero-*"))
	if err != nil {
		return err
	}
	for _, other := range others {
		if other != keep {
			err = errors.Join(err, os.RemoveAll(other))
		}
	}
	return errors.Join(err, pruneEntries(keep, most))
}

// entry is a file of compiled code.
type entry struct {
	path string
	info fs.FileInfo
}

func pruneEntries(dir string, most int64) error {
	var all []entry
	var total int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return gone(err)
		}
		info, err := d.Info()
		if err != nil {
			return gone(err)
		}
		all = append(all, entry{path, info})
		total += info.Size()
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(a.info.ModTime().Compare(b.info.ModTime()), strings.Compare(a.path, b.path))
	})
	for _, e := range all {
		if total <= most {
			break
		}
		total -= e.info.Size()
		if err := gone(os.Remove(e.path)); err != nil {
			return err
		}
	}
	return nil
}

// gone leaves out that something isn't there: another process prunes too.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
