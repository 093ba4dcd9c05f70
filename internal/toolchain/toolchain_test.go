package toolchain

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

const cPlugin = `#include "sallyport.h"
SP_MANIFEST({"abi":"sallyport/1","name":"tiny","version":"1.0.0","hooks":["request"],"verdicts":["deny"]})
SP_ON_REQUEST(call) { return sp_deny(call, SP_TEXT("no"), SP_TEXT("No.")); }
`

const tiny = `{"abi": "sallyport/1", "name": "tiny", "version": "1.0.0", "hooks": ["request"], "verdicts": ["deny"]}`

func dir(t *testing.T, files map[string]string) string {
	t.Helper()
	d := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// build builds a plugin, or skips the test if its compiler isn't there.
func build(t *testing.T, d string) (*Built, error) {
	t.Helper()
	b, err := Build(t.Context(), d)
	if missing, ok := errors.AsType[*MissingError](err); ok {
		t.Skip(missing)
	}
	return b, err
}

func TestBuild_twiceMakesTheSameBytes(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"c":                 {"tiny.c": cPlugin, "tiny_test.c": "#error not a part of the plugin"},
		"c with a manifest": {"tiny.c": cPlugin, "manifest.json": tiny},
	} {
		t.Run(name, func(t *testing.T) {
			var first string
			for range 2 {
				d := dir(t, files)
				b, err := build(t, d)
				if err != nil {
					t.Fatal(err)
				}
				if b.Language != "c" || b.File != filepath.Join(d, "tiny.wasm") || b.Info.Manifest.Name != "tiny" {
					t.Errorf("%+v", b)
				}
				data, err := os.ReadFile(b.File)
				if err != nil {
					t.Fatal(err)
				}
				if first == "" {
					first = string(data)
				} else if first != string(data) {
					t.Error("the second build made another module")
				}
				if left, _ := filepath.Glob(filepath.Join(d, "*")); len(left) != len(files)+1 {
					t.Errorf("files are left: %v", left)
				}
			}
		})
	}
}

func TestBuild_refuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"a directory without sources", map[string]string{"README": "hello"}, "has no plugin's sources: none of go.mod,"},
		{"only tests", map[string]string{"tiny_test.c": ""}, "has tests and nothing to test"},
		{"sources that don't compile", map[string]string{"tiny.c": "int main("}, "has failed:\ntiny.c:1:"},
		{"no manifest", map[string]string{"tiny.c": "int sp_on_request(void) { return 0; }\n"}, "manifest"},
		{"another manifest", map[string]string{"tiny.c": cPlugin, "manifest.json": strings.Replace(tiny, "1.0.0", "2.0.0", 1)}, "the module has another manifest than manifest.json: change one of the two"},
		{"a manifest that is none", map[string]string{"tiny.c": cPlugin, "manifest.json": "{"}, "manifest.json: "},
		{"a script with a manifest that is none", map[string]string{"tiny.js": "export function onRequest() {}\n", "manifest.json": "{"}, "manifest.json: "},
		{"a script with a mistake in its manifest", map[string]string{"tiny.js": "export const manifest = { abi: 'sallyport/1', name: 'T' }; export function onRequest() {}\n"}, "tiny.js: "},
		{"a hook that isn't there", map[string]string{"tiny.c": strings.Replace(cPlugin, `["request"]`, `["request","list"]`, 1)}, "sp_on_list"},
		{"an import that isn't there", map[string]string{"tiny.c": strings.Replace(cPlugin, "SP_ON_REQUEST(call) {", "__attribute__((import_module(\"env\"),import_name(\"open\"))) int e(void);\nSP_ON_REQUEST(call) { if (e()) return 0;", 1)}, "env.open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := dir(t, tt.files)
			b, err := build(t, d)
			if err == nil || !strings.Contains(err.Error(), tt.want) || b != nil && b.File == "" {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if left, _ := filepath.Glob(filepath.Join(d, "*.wasm")); len(left) > 0 {
				t.Errorf("%v was written", left)
			}
		})
	}
}

func TestBuild_namesAMissingCompiler(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for file, want := range map[string]string{
		"go.mod":        "go is not there: install Go 1.26 or later, as https://go.dev/doc/install says",
		"a.c":           "clang-19 is not there: apt-get install -y clang-19 lld-19",
		"a.zig":         "zig is not there: pip install ziglang==0.17.1",
		"asconfig.json": "node is not there: apt-get install -y nodejs npm",
	} {
		_, err := Build(t.Context(), dir(t, map[string]string{file: ""}))
		if _, ok := errors.AsType[*MissingError](err); !ok || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestBuild_namesAMissingLinkerOfRust(t *testing.T) {
	programs := t.TempDir()
	const rustc = "#!/bin/sh\ncase $* in --print*) echo \"${0%/*}\";; *cdylib*) echo 'error: linker `rust-lld` not found' >&2; exit 1;; esac\n"
	if err := os.WriteFile(filepath.Join(programs, "rustc"), []byte(rustc), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", programs)
	_, err := Build(t.Context(), dir(t, map[string]string{"plugin.rs": ""}))
	if missing, ok := errors.AsType[*MissingError](err); !ok || missing.Program != "rust-lld" {
		t.Errorf("got %v", err)
	}
}

func TestCargo(t *testing.T) {
	const refused = ": build the plugin with cargo, and check it with `sallyport plugin inspect`"
	for _, tt := range []struct{ name, text, cfg, err string }{
		{"nothing needed", "[package]\nname = \"a\"\n", "", ""},
		{"the SDK", "[dependencies]\nsallyport = { path = \"sdk\" }\n", "", ""},
		{"the SDK with std", "[dependencies]\nsallyport = { path = \"sdk\", features = [\"std\"] }\n", "--cfg feature=\"std\"", ""},
		{"the SDK, in full", "[dependencies.sallyport]\npath = \"sdk\"\nfeatures = [\"std\"]\n", "--cfg feature=\"std\"", ""},
		{"what only tests need", "[dev-dependencies]\nquickcheck = \"1\"\n", "", ""},
		{"comments and profiles", "[dependencies]\n# serde = \"1\"\n\n[profile.release]\nlto = true\n", "", ""},
		{"something else", "[dependencies]\nserde = \"1\"\n", "", "what Cargo.toml needs is more than the SDK (serde = \"1\")" + refused},
		{"something else, in full", "[dependencies.serde]\nversion = \"1\"\n", "", "what Cargo.toml needs is more than the SDK ([dependencies.serde])" + refused},
		{"something to build with", "[build-dependencies]\ncc = \"1\"\n", "", "what Cargo.toml needs is more than the SDK ([build-dependencies])" + refused},
	} {
		cfg, err := (&job{dir: dir(t, map[string]string{"Cargo.toml": tt.text})}).cargo()
		if strings.Join(cfg, " ") != tt.cfg || tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) {
			t.Errorf("%s: got %v and %v", tt.name, cfg, err)
		}
	}
}

func TestRoot(t *testing.T) {
	for _, tt := range []struct {
		files []string
		want  string
	}{
		{[]string{"plugin.zig", "other.zig", "plugin_test.zig"}, "plugin.zig"},
		{[]string{"guard.zig", "guard_test.zig"}, "guard.zig"},
		{[]string{"a.zig", "b.zig"}, "has several sources (a.zig, b.zig) and none is called plugin.zig"},
		{[]string{"a_test.zig"}, "has tests and nothing to test"},
	} {
		files := map[string]string{}
		for _, f := range tt.files {
			files[f] = ""
		}
		got, err := (&job{dir: dir(t, files)}).root("*.zig", "*_test.zig", "plugin.zig")
		if err != nil {
			got = err.Error()
		}
		if !strings.HasSuffix(got, tt.want) {
			t.Errorf("%v: got %s, want %s", tt.files, got, tt.want)
		}
	}
}

func TestBuild_endsWhenItIsNotWaitedFor(t *testing.T) {
	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, dir(t, map[string]string{"tiny.c": cPlugin})); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// module makes one of sections.
func module(sections ...[]byte) []byte { return slices.Concat(append([][]byte{magic}, sections...)...) }

func section(id byte, body string) []byte { return appendSection(nil, id, []byte(body)) }

func named(s string) string { return string(appendSized(nil, []byte(s))) }

func export(name string, index byte) string { return named(name) + "\x00" + string(rune(index)) }

func TestComplete(t *testing.T) {
	const compact = `{"abi":"sallyport/1","name":"tiny","version":"1.0.0","hooks":["request"],"verdicts":["deny"]}`
	exported := section(sectionExport, "\x03"+export("sp_on_list", 3)+export("sp_on_request", 1)+export("sp_on_typo", 2))
	kept := section(sectionExport, "\x02"+export("sp_on_request", 1)+export("sp_on_typo", 2))
	data := section(11, "..."+tiny+"...")
	custom := section(sectionCustom, named(hostapi.ManifestSection)+compact)
	spaced := section(sectionCustom, named(hostapi.ManifestSection)+tiny)
	other := section(sectionCustom, named(hostapi.ManifestSection)+"{}")
	for _, tt := range []struct {
		name   string
		in     []byte
		inCode bool
		want   []byte
		err    string
	}{
		{"a module of Go", module(exported, data), true, module(kept, data, custom), ""},
		{"one that is complete", module(kept, data, custom), true, module(kept, data, custom), ""},
		{"one with an older manifest", module(other, kept, data), true, module(kept, data, custom), ""},
		{"one of another manifest", module(kept, section(11, "{}"), custom), true, nil, "the code was not built with manifest.json: embed the file and give it to Register"},
		{"a module without a manifest", module(exported), false, module(kept, custom), ""},
		{"one that has it", module(spaced, exported), false, module(spaced, kept), ""},
		{"one that has another", module(exported, other), false, nil, "the module has another manifest than manifest.json: change one of the two"},
		{"no module", []byte("#!/bin/sh"), false, nil, "what was built is not a Wasm module"},
		{"a part of one", module(exported)[:20], false, nil, "what was built is not a whole Wasm module"},
		{"exports that are cut off", module(section(sectionExport, "\x02"+export("a", 0))), false, nil, "what was built is not a whole Wasm module"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := complete(tt.in, []byte(tiny), tt.inCode)
			if tt.err != "" && (err == nil || err.Error() != tt.err) || tt.err == "" && err != nil || !bytes.Equal(got, tt.want) {
				t.Errorf("got %q and %v, want %q and %s", got, err, tt.want, tt.err)
			}
		})
	}
}

// FuzzComplete holds that what is not a module makes no trouble, and that what was completed stays as it is.
func FuzzComplete(f *testing.F) {
	f.Add(module(section(sectionExport, "\x01"+export("sp_on_list", 3)), section(11, tiny)))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, inCode := range []bool{false, true} {
			once, err := complete(in, []byte(tiny), inCode)
			if err != nil {
				continue
			}
			if twice, err := complete(once, []byte(tiny), inCode); err != nil || !bytes.Equal(once, twice) {
				t.Fatalf("%q became %q (%v)", once, twice, err)
			}
			_, _ = wasm.Inspect(once)
		}
	})
}
