package bundle

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const emptyModule = "\x00asm\x01\x00\x00\x00"

func TestDir_readsWhatLiesBesideAModule(t *testing.T) {
	files := map[string]string{
		"p.yaml": named("p"), "x/a.wasm": emptyModule, "x/a.manifest.json": `{"a":1}`, "x/a.data.json": `{"b":2}`, "b.wasm": emptyModule,
		"x/manifest.json": "no", ".manifest.json": "no", "x/other.json": "no",
	}
	dir := write(t, files)
	b, err := Dir(dir)
	if err != nil || len(b.Diagnostics) > 0 {
		t.Fatal(err, b.Diagnostics)
	}
	if got, want := names(b), "p b.wasm p.yaml x/a.data.json x/a.manifest.json x/a.wasm"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(b.Modules) != 2 || string(b.Modules[0].Content) != emptyModule {
		t.Fatalf("%q", b.Modules)
	}
	want := []byte(emptyModule + "\x00\x1a\x12sallyport.manifest" + `{"a":1}` + "\x00\x16\x0esallyport.data" + `{"b":2}`)
	if !bytes.Equal(b.Modules[1].Content, want) {
		t.Errorf("%q", b.Modules[1].Content)
	}
	if got, err := Module(filepath.Join(dir, "x", "a.wasm")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q %v", got, err)
	}
	if got, err := Module(filepath.Join(dir, "b.wasm")); err != nil || string(got) != emptyModule {
		t.Errorf("%q %v", got, err)
	}
	if of, err := Of(filepath.Join(dir, "p.yaml"), filepath.Join(dir, "x", "a.wasm")); err != nil || len(of.Modules) != 1 || !bytes.Equal(of.Modules[0].Content, want) {
		t.Errorf("%v %v", of, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x", "a.data.json"), []byte(`{"b":3}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if other, err := Dir(dir); err != nil || other.Revision == b.Revision {
		t.Error("other data, and the same revision")
	}
}

func TestDir_refusesWhatLiesBesideNothing(t *testing.T) {
	b, err := Dir(write(t, map[string]string{"p.yaml": named("p"), "a.data.json": "{}", "b.manifest.json": "{}"}))
	if err != nil {
		t.Fatal(err)
	}
	got := b.Diagnostics.Error()
	for _, want := range []string{"there is no `a.wasm` that this could belong to", "there is no `b.wasm` that this could belong to"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestIsSource(t *testing.T) {
	for name, want := range map[string]bool{
		"a.yaml": true, "A.YML": true, "a.wasm": true, "a.manifest.json": true, "dir/a.data.json": true,
		"manifest.json": false, ".manifest.json": false, "dir/.data.json": false, "a.json": false, "a.yaml.bak": false,
	} {
		if IsSource(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// Cases that name files of policies have what plugins are given beside them, from a directory and from a bundle; nothing else that lies there.
func TestFilesOfPolicies_comeWithWhatPluginsAreGiven(t *testing.T) {
	files := map[string]string{
		"sub/p.yaml": fmt.Sprintf(text, "p"), "sub/q.yaml": fmt.Sprintf(text, "q"), "sub/other.yaml": fmt.Sprintf(text, "other"), "sub/m.wasm": "m",
		"sub/detectors/pii.toml": "x", "sub/detectors/no.yaml": fmt.Sprintf(text, "no"), "sub/detectors/.no.toml": "x", "sub/detectors/sub/no.toml": "x",
		"sub/tables/t.yaml": "a: 1", "sub/tables/u.csv": "k", "sub/tables/sub.json/no.json": "{}", "tables/above.json": "{}", "detectors": "no directory", "top.yaml": fmt.Sprintf(text, "top"),
		"node_modules/a": "->b", "sub/node_modules/a": "->/",
	}
	dir := write(t, files)
	whole := fstest.MapFS{}
	for name, content := range files {
		if in, ok := strings.CutPrefix(name, "sub/"); ok && !strings.HasPrefix(content, "->") {
			whole[in] = &fstest.MapFile{Data: []byte(content)}
		}
	}
	packed, err := FS(whole)
	if err != nil {
		t.Fatal(err)
	}
	given := func(b *Bundle, err error, below string) (out []string) {
		if err != nil || len(b.Diagnostics) > 0 {
			t.Fatal(err, b)
		}
		for _, f := range slices.Concat(b.Sets, b.Tables, b.Modules) {
			out = append(out, strings.TrimPrefix(f.Name, below))
		}
		return append(out, fmt.Sprint(len(b.Policies)))
	}
	at := func(name string) string { return filepath.Join(dir, "sub", name) }
	b, err := Of(at("p.yaml"), at("q.yaml"), at("m.wasm"))
	want := "detectors/pii.toml tables/t.yaml tables/u.csv m.wasm 2"
	if got := strings.Join(given(b, err, filepath.ToSlash(at(""))+"/"), " "); got != want {
		t.Errorf("of files: %s, want %s", got, want)
	}
	b, err = packed.Select("p.yaml", "q.yaml", "m.wasm")
	if got := strings.Join(given(b, err, ""), " "); got != want {
		t.Errorf("of a bundle: %s, want %s", got, want)
	}
	b, err = Of(filepath.Join(dir, "top.yaml"))
	if got := strings.Join(given(b, err, filepath.ToSlash(dir)+"/"), " "); got != "tables/above.json 1" {
		t.Errorf("beside a file that is called detectors: %s", got)
	}
	if err := os.Symlink("nowhere", at("tables/v.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Of(at("p.yaml")); err == nil {
		t.Error("a table that can't be read is left out")
	}
}
