package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// entries returns the files of a cache.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCompiledCodeIsKeptAcrossHosts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	for i := range 2 {
		h, err := wasm.New(wasm.Options{CacheDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		p := load(t, h, needPath().bytes(), wasm.Config{})
		if got := sum(ask(t, p, message(t, `{}`))); got != `deny no_path "A path is needed."` {
			t.Error(got)
		}
		if got := entries(t, dir); len(got) != 1 {
			t.Errorf("host %d: %q", i, got)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != 0o700 {
		t.Errorf("its mode is %o", mode)
	}
}

func TestBrokenEntryIsCompiledAnew(t *testing.T) {
	for name, broken := range map[string]func([]byte) []byte{
		"empty":     func([]byte) []byte { return nil },
		"cut":       func(b []byte) []byte { return b[:len(b)/2] },
		"scrambled": func(b []byte) []byte { b[len(b)/2] ^= 0x55; return b },
		"other":     func([]byte) []byte { return []byte(strings.Repeat("x", 1000)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			load(t, newHost(t, wasm.Options{CacheDir: dir}), needPath().bytes(), wasm.Config{})
			entry := entries(t, dir)[0]
			whole, err := os.ReadFile(entry)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(entry, broken(append([]byte(nil), whole...)), 0o600); err != nil {
				t.Fatal(err)
			}
			p := load(t, newHost(t, wasm.Options{CacheDir: dir}), needPath().bytes(), wasm.Config{})
			if got := sum(ask(t, p, message(t, `{}`))); got != `deny no_path "A path is needed."` {
				t.Error(got)
			}
			if now, err := os.ReadFile(entry); err != nil || len(now) != len(whole) {
				t.Errorf("the entry has %d bytes, had %d: %v", len(now), len(whole), err)
			}
		})
	}
}

func TestCacheThatOthersCanWriteToIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: this system's permissions are not those")
	}
	dir := t.TempDir()
	open, file := filepath.Join(dir, "open"), filepath.Join(dir, "file")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		open: "cache of compiled plugins: others can get at " + open + " (mode 0750), whose content is run: chmod 700 it, or name another directory",
		file: "cache of compiled plugins: mkdir " + file + ": not a directory",
	} {
		h, err := wasm.New(wasm.Options{CacheDir: path})
		if h != nil || fmt.Sprint(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestCacheForgetsOtherCompilers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	load(t, newHost(t, wasm.Options{CacheDir: dir}), needPath().bytes(), wasm.Config{})
	kept := entries(t, dir)
	old, own := filepath.Join(dir, "cost0-wazero-v0.9.0", "x"), filepath.Join(dir, "notes")
	for _, d := range []string{old, own} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, "file"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	newHost(t, wasm.Options{CacheDir: dir})
	if got, want := entries(t, dir), append(kept, filepath.Join(own, "file")); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Dir(old)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the other compiler's directory: %v", err)
	}
}

func TestCacheForgetsTheOldest(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for i, name := range []string{"c", "a", "sub/b"} { // c is the oldest
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 10), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		most int64
		left string
	}{{30, "a c sub/b"}, {29, "a sub/b"}, {20, "a sub/b"}, {10, "sub/b"}, {0, ""}} {
		if err := wasm.PruneEntries(dir, step.most); err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, e := range entries(t, dir) {
			name, _ := filepath.Rel(dir, e)
			left = append(left, filepath.ToSlash(name))
		}
		if got := strings.Join(left, " "); got != step.left {
			t.Errorf("of at most %d bytes: %q, want %q", step.most, got, step.left)
		}
	}
	if err := wasm.PruneEntries(filepath.Join(dir, "none"), 0); err != nil {
		t.Errorf("a directory that another process has removed: %v", err)
	}
}

func TestVersionOfTheCompilerIsThatOfTheModule(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`github.com/tetratelabs/wazero (\S+)`).FindSubmatch(mod)
	if m == nil || string(m[1]) != wasm.WazeroVersion {
		t.Errorf("go.mod says %s, the cache goes by %s", m[1], wasm.WazeroVersion)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := newHost(t, wasm.Options{}).Load(ctx, needPath().bytes(), wasm.Config{}); fmt.Sprint(err) != "context canceled" {
		t.Errorf("got %v", err)
	}
}
