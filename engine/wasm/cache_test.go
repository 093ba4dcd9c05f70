package wasm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

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
