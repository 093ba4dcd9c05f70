package bundle

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Who has the file open keeps what it was; who opens it finds the whole of the other.
func TestWriteFile_replacesAtOnce(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	if err := WriteFile(name, []byte("what it was"), 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := WriteFile(name, []byte("other"), 0o640); err != nil {
		t.Fatal(err)
	}
	if was, err := io.ReadAll(open); string(was) != "what it was" || err != nil {
		t.Errorf("who reads meanwhile gets %q, %v", was, err)
	}
	if is, err := os.ReadFile(name); string(is) != "other" || err != nil {
		t.Errorf("got %q, %v", is, err)
	}
	if info, err := os.Stat(name); err != nil {
		t.Error(err)
	} else if info.Mode() != 0o640 {
		t.Errorf("got %v", info.Mode())
	}
	alone(t, dir)
}

func TestWriteFile_leavesNothingWhenItFails(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	if err := os.MkdirAll(filepath.Join(name, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*os.LinkError](WriteFile(name, []byte("x"), 0o600)); !ok {
		t.Error("a directory was replaced")
	}
	alone(t, dir)
	if err := WriteFile(filepath.Join(dir, "none", "f"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// alone refuses what lies beside the file f in a directory.
func alone(t *testing.T, dir string) {
	t.Helper()
	if found, err := os.ReadDir(dir); err != nil || len(found) != 1 || found[0].Name() != "f" {
		t.Errorf("found %v, %v", found, err)
	}
}
