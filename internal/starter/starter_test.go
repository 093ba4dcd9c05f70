package starter

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/internal/toolchain"
	"github.com/sallyport-dev/sallyport/sdk"
)

var (
	update = flag.Bool("update", false, "build the modules anew, with the compilers that they were built with")
	other  = flag.Bool("other-compilers", false, "build them with other ones, too")
)

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
	with := map[string]string{} // which compiler
	const compiled = "prebuilt/compilers.json"
	if text, err := os.ReadFile(compiled); err == nil {
		if err := json.Unmarshal(text, &with); err != nil {
			t.Fatal(err)
		}
	}
	for _, language := range toolchain.Languages() {
		t.Run(language, func(t *testing.T) {
			committed, _ := Module(language)
			files, err := sources(language)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range sdk.Files(language) {
				files = append(files, sdk.File{Name: "sdk/" + f.Name, Data: f.Data})
			}
			dir := spread(t, files)
			compilers(t, language, dir)
			here := toolchain.Compiler(t.Context(), language)
			if before, ok := with[language]; ok && here != "" && here != before && !*other {
				t.Skipf("the module was built with another compiler (%s) than is here (%s)", before, here)
			}
			built, err := toolchain.Build(t.Context(), dir)
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
				with[language] = here
			} else if !bytes.Equal(module, committed) {
				t.Errorf("prebuilt/%s.wasm.gz is not what its sources make: go generate ./internal/starter", language)
			}
		})
	}
	if *update {
		text, err := json.MarshalIndent(with, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(compiled, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// compilers puts those that make toolchains has installed below .cache where a plugin's author has them.
func compilers(t *testing.T, language, dir string) {
	t.Helper()
	cache, err := filepath.Abs("../../.cache")
	if err != nil {
		t.Fatal(err)
	}
	switch language {
	case "zig":
		t.Setenv("PATH", filepath.Join(cache, "zig/ziglang")+":"+os.Getenv("PATH"))
		t.Setenv("ZIG_GLOBAL_CACHE_DIR", filepath.Join(cache, "zig-cache"))
	case "assemblyscript":
		asc := filepath.Join(cache, "asc/node_modules")
		if _, err := os.Stat(asc); err != nil {
			return
		}
		modules := filepath.Join(dir, "node_modules")
		if err := os.MkdirAll(filepath.Join(modules, "@sallyport"), 0o755); err != nil {
			t.Fatal(err)
		}
		links := map[string]string{"@sallyport/assemblyscript": "../../sdk"}
		for _, name := range []string{"assemblyscript", "binaryen", "long"} {
			links[name] = filepath.Join(asc, name)
		}
		for name, to := range links {
			if err := os.Symlink(to, filepath.Join(modules, name)); err != nil {
				t.Fatal(err)
			}
		}
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

// The tests in the plugin's own language pass, by the commands of its README.
func TestUnitTestsPass(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles")
	}
	for language, command := range map[string]string{
		"go":             "GOWORK=off GOFLAGS= go test ./...",
		"c":              "cc -std=c11 -I sdk/include plugin_test.c -o plugin_test -lm && ./plugin_test",
		"zig":            "zig test --dep sallyport -Mroot=plugin_test.zig -Msallyport=sdk/src/sallyport.zig",
		"assemblyscript": "node --test test/",
		"js":             "node --test",
		"rust": "rustc --edition 2021 --crate-type rlib --crate-name sallyport sdk/src/lib.rs -o libsallyport.rlib && " +
			"rustc --edition 2021 --test --extern sallyport=libsallyport.rlib src/lib.rs -o no_dotdot_test && ./no_dotdot_test",
	} {
		t.Run(language, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new")
			if err := Write(language, dir); err != nil {
				t.Fatal(err)
			}
			compilers(t, language, dir)
			program := strings.Fields(strings.TrimPrefix(command, "GOWORK=off GOFLAGS= "))[0]
			if _, err := exec.LookPath(program); err != nil {
				t.Skip(err)
			}
			if language == "assemblyscript" {
				if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
					t.Skip("needs .cache/asc: make toolchains")
				}
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", command, err, out)
			}
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
