package starter

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/internal/toolchain"
	"github.com/sallyport-dev/sallyport/sdk"
)

var update = flag.Bool("update", false, "build the modules anew")

// spread writes files into a new directory.
func spread(t *testing.T, files []sdk.File) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What is committed is what the sources make, to the byte. This needs the compilers; make toolchains installs them.
func TestModulesAreTheirSources(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles")
	}
	for _, language := range toolchain.Languages() {
		t.Run(language, func(t *testing.T) {
			committed, _ := Module(language)
			if language == "go" && !*update && !bytes.Contains(committed, []byte(runtime.Version())) {
				t.Skipf("the module was built by another Go than %s", runtime.Version())
			}
			files, err := sources(language)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range sdk.Files(language) {
				files = append(files, sdk.File{Name: "sdk/" + f.Name, Data: f.Data})
			}
			built, err := toolchain.Build(t.Context(), spread(t, files))
			if missing, ok := errors.AsType[*toolchain.MissingError](err); ok {
				t.Skip(missing)
			}
			if err != nil {
				t.Fatal(err)
			}
			module, err := os.ReadFile(built.File)
			if err != nil {
				t.Fatal(err)
			}
			if *update && !bytes.Equal(module, committed) {
				pack(t, language, module)
			} else if !bytes.Equal(module, committed) {
				t.Errorf("prebuilt/%s.wasm.gz is not what its sources make: go generate ./internal/starter", language)
			}
		})
	}
}

func pack(t *testing.T, language string, module []byte) {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(module); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("prebuilt/"+language+".wasm.gz", b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A plugin that was just written passes its cases as it is.
func TestCasesHold(t *testing.T) {
	for _, language := range Languages() {
		t.Run(language, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new")
			if err := Write(language, dir); err != nil {
				t.Fatal(err)
			}
			enginetest.Test(t, dir)
		})
	}
}

func TestEveryLanguageHasAStarter(t *testing.T) {
	want := toolchain.Languages()
	slices.Sort(want)
	if got := Languages(); !slices.Equal(got, want) {
		t.Errorf("there are plugins to begin with in %v, and builders of %v", got, want)
	}
}

func TestWrite_refuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write("go", dir); err == nil || err.Error() != dir+" is not empty" {
		t.Errorf("got %v", err)
	}
	if err := Write("cobol", t.TempDir()); err == nil || len(err.Error()) < 40 {
		t.Errorf("got %v", err)
	}
}
