package sdk

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write go.txtar")

// archive makes go.txtar: what a plugin's author needs of sdk/go.
func archive(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	err := fs.WalkDir(os.DirFS("go"), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name == "internal/probe" || entry.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		case strings.HasSuffix(name, "_test.go"), path.Ext(name) != ".go" && path.Ext(name) != ".mod" && path.Ext(name) != ".md":
			return nil
		}
		data, err := os.ReadFile(path.Join("go", name))
		if bytes.Contains(data, []byte("\n-- ")) || !bytes.HasSuffix(data, []byte("\n")) {
			return fmt.Errorf("%s can't be kept in an archive of this kind", name)
		}
		fmt.Fprintf(&b, "-- %s --\n%s", name, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchiveIsFresh(t *testing.T) {
	want := archive(t)
	if *update {
		if err := os.WriteFile("go.txtar", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(goArchive, want) {
		t.Error("go.txtar is not what is in sdk/go: go generate ./sdk")
	}
}

func TestFilesAreThoseOfTheSDK(t *testing.T) {
	for language, some := range map[string][]string{
		"go":             {"go.mod", "plugin.go", "register_wasip1.go", "internal/module/module.go", "cmd/sallyport-embed/main.go", "sallyporttest/sallyporttest.go"},
		"c":              {"include/sallyport.h", "include/sallyport_native.h"},
		"rust":           {"Cargo.toml", "src/lib.rs", "src/testing/mod.rs"},
		"js":             {"sallyport.d.ts", "testing.js", "testing/host.mjs"},
		"zig":            {"src/sallyport.zig", "build.zig"},
		"assemblyscript": {"package.json", "assembly/index.ts", "testing/index.mjs", "transform.mjs"},
	} {
		got := map[string][]byte{}
		for _, f := range Files(language) {
			got[f.Name] = f.Data
		}
		for _, name := range some {
			want, err := os.ReadFile(path.Join(language, name))
			if err != nil || !bytes.Equal(got[name], want) {
				t.Errorf("%s: %s has %d bytes, want %d (%v)", language, name, len(got[name]), len(want), err)
			}
		}
	}
	if got := Files("cobol"); got != nil {
		t.Errorf("there is an SDK for COBOL: %v", got)
	}
}
