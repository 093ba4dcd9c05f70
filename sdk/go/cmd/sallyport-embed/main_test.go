package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const manifest = `{"abi":"sallyport/1","name":"t","version":"1.0.0","hooks":["request"]}`

// built is a module with an export of a hook and the manifest in its data.
func built() []byte {
	data := manifest
	return []byte("\x00asm\x01\x00\x00\x00" + "\x07\x11\x01\x0dsp_on_request\x00\x00" + "\x0b" + string(byte(len(data))) + data)
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRun_replacesTheModuleOnceAndForAll(t *testing.T) {
	dir := t.TempDir()
	wasm := write(t, filepath.Join(dir, "p.wasm"), built())
	text := write(t, filepath.Join(dir, "manifest.json"), []byte(manifest))
	args := []string{"-manifest", text, wasm}
	var before []byte
	for range 2 {
		if err := run(args, io.Discard); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(wasm)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasSuffix(got, []byte("\x12sallyport.manifest"+manifest)) {
			t.Fatalf("no manifest at the end: %q", got)
		}
		if before != nil && !bytes.Equal(got, before) {
			t.Fatal("the second run made another module")
		}
		before = got
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 2 {
		t.Errorf("files are left: %v", left)
	}
}

func TestRun_leavesAModuleThatItRefuses(t *testing.T) {
	dir := t.TempDir()
	wasm := write(t, filepath.Join(dir, "p.wasm"), built())
	text := write(t, filepath.Join(dir, "manifest.json"), []byte(strings.Replace(manifest, "1.0.0", "2.0.0", 1)))
	err := run([]string{"-manifest", text, wasm}, io.Discard)
	if want := wasm + ": the module was not built with this manifest: embed the file in the code, give it to Register, and build again"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got, _ := os.ReadFile(wasm); !bytes.Equal(got, built()) {
		t.Error("the module was changed")
	}
}

func TestRun_writesToAnotherFile(t *testing.T) {
	dir := t.TempDir()
	wasm := write(t, filepath.Join(dir, "p.wasm"), built())
	text := write(t, filepath.Join(dir, "manifest.json"), []byte(manifest))
	out := filepath.Join(dir, "out.wasm")
	if err := run([]string{"-manifest", text, "-o", out, wasm}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(wasm); !bytes.Equal(got, built()) {
		t.Error("the module was changed")
	}
	if got, _ := os.ReadFile(out); len(got) <= len(built()) {
		t.Errorf("%d bytes were written", len(got))
	}
}

func TestRun_wantsOneModule(t *testing.T) {
	for _, args := range [][]string{nil, {"a", "b"}} {
		err := run(args, io.Discard)
		if err == nil || !strings.HasPrefix(err.Error(), "name one module") {
			t.Errorf("%v: got %v", args, err)
		}
	}
}
