package wasm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tetratelabs/wazero"

	"github.com/sallyport-dev/sallyport/engine/wasm/binary"
)

// wazeroVersion is that of go.mod, which a test compares: in some builds wazero doesn't know
// its own.
const wazeroVersion = "v1.12.0"

// cache is a directory of compiled code. An entry's name is a digest of the rewritten module,
// that of its directory the version of the rewriter's cost model and of the compiler.
type cache struct {
	dir      string
	compiled wazero.CompilationCache
}

// openCache makes the directory, or refuses one that others could write to.
func openCache(dir string) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cache of compiled plugins: %w", err)
	}
	if err := private(dir); err != nil {
		return nil, fmt.Errorf("cache of compiled plugins: %w", err)
	}
	own := filepath.Join(dir, fmt.Sprintf("cost%d-wazero-%s", binary.CostVersion, wazeroVersion))
	if err := os.MkdirAll(own, 0o700); err != nil {
		return nil, fmt.Errorf("cache of compiled plugins: %w", err)
	}
	if err := private(own); err != nil {
		return nil, fmt.Errorf("cache of compiled plugins: %w", err)
	}
	if err := prune(dir, own, cacheBytes); err != nil {
		return nil, fmt.Errorf("cache of compiled plugins: %w", err)
	}
	compiled, err := wazero.NewCompilationCacheWithDir(own)
	if err != nil {
		return nil, fmt.Errorf("cache of compiled plugins: %w", err)
	}
	return &cache{own, compiled}, nil
}

// CheckCache says whether a directory can be Options.CacheDir, and writes nothing: it is private, or could be made.
func CheckCache(dir string) error {
	err := private(dir)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	for parent != filepath.Dir(parent) {
		if _, err := os.Stat(parent); !errors.Is(err, os.ErrNotExist) {
			break
		}
		parent = filepath.Dir(parent)
	}
	if err := writable(parent); err != nil {
		return fmt.Errorf("%s can't be made: %w", dir, err)
	}
	return nil
}

// private says whether only the owner of a directory, who is this process's user, can get at
// it: what lies in it is run.
func private(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("others can get at %s (mode %04o), whose content is run: chmod 700 it, or name another directory", dir, info.Mode().Perm())
	case !owned(info):
		return fmt.Errorf("%s belongs to another user, and its content is run: name another directory", dir)
	}
	return nil
}

// broken says whether an error of the compiler is about an entry that can't be read.
func (c *cache) broken(err error) bool {
	return err != nil && strings.Contains(err.Error(), "compilationcache: ")
}

// clear removes all entries.
func (c *cache) clear() error {
	versions, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, v := range versions {
		entries, err := os.ReadDir(filepath.Join(c.dir, v.Name()))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := os.Remove(filepath.Join(c.dir, v.Name(), e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

func (c *cache) close(err error) error {
	return errors.Join(err, c.compiled.Close(context.Background()))
}
