// Package golden is for tests only: it compares what they get with files, which a test that is run with -update writes anew.
package golden

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// Compare reports in what got differs from a file.
func Compare(t testing.TB, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// Mistakes holds fixtures: each has what is said of it in a file called *.txt beside it, and one in a directory named after a code
// must cause that code. diagnose writes what is said of a file, which has no directory in its name.
func Mistakes(t *testing.T, files []string, diagnose func(to io.Writer, name string, data []byte) error) {
	t.Helper()
	if len(files) == 0 {
		t.Fatal("no fixtures")
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(filepath.ToSlash(file), "testdata/"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := diagnose(&out, filepath.Base(file), data); err != nil {
				t.Fatal(err)
			}
			code := filepath.Base(filepath.Dir(file))
			if strings.HasPrefix(code, "SP") && !strings.Contains(out.String(), "["+code+"]") {
				t.Errorf("no %s among:\n%s", code, out.String())
			}
			Compare(t, strings.TrimSuffix(file, filepath.Ext(file))+".txt", out.Bytes())
		})
	}
}
