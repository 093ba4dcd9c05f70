package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"
)

const text = "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: %s }\nrules: [ { name: r, effect: allow } ]\n"

// write fills a directory: a name that ends in a slash is a directory, a content that begins
// with "->" a link.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "->"); ok {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func named(name string) string { return fmt.Sprintf(text, name) }

func names(b *Bundle) string {
	var out []string
	for _, p := range b.Policies {
		out = append(out, p.Name)
	}
	for _, f := range b.Files {
		out = append(out, f.Name)
	}
	return strings.Join(out, " ")
}

func TestDir(t *testing.T) {
	b, err := Dir(write(t, map[string]string{
		"b.yaml": named("b"), "sub/a.yml": named("a"), "C.YAML": named("c"), "notes.md": "no", ".hidden.yaml": "no", ".git/x.yaml": "no", "a.json": "{}",
		"link.yaml": "->sub/a.target", "sub/a.target": named("l"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(b), "c b l a C.YAML b.yaml link.yaml sub/a.yml"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(b.Diagnostics) > 0 {
		t.Error(b.Diagnostics)
	}
	if string(b.Source(b.Files[0].Path)) != named("c") || b.Source("nope") != nil {
		t.Error("sources")
	}
}

// What plugins are given lies in two directories at the top, and nowhere else.
func TestDir_given(t *testing.T) {
	b, err := Dir(write(t, map[string]string{
		"p.yaml": named("p"), "detectors/pii.toml": "x", "detectors/q.yaml": named("q"), "detectors/sub/no.toml": "x", "no.toml": "x", "no.json": "{}",
		"tables/t.json": "{}", "tables/u.YML": "a: 1", "tables/v.csv": "a", "tables/no.txt": "x", "tables/sub/r.yaml": named("r"), "tables/sub/no.json": "{}",
	}))
	if err != nil || len(b.Diagnostics) > 0 {
		t.Fatal(err, b)
	}
	if got, want := names(b), "q p r detectors/pii.toml detectors/q.yaml p.yaml tables/sub/r.yaml tables/t.json tables/u.YML tables/v.csv"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(b.Sets) != 1 || b.Sets[0].Base() != "pii" || len(b.Tables) != 3 || b.Tables[1].Base() != "u" {
		t.Errorf("%+v %+v", b.Sets, b.Tables)
	}
}

// A mounted ConfigMap is a directory of links through a link.
func TestDir_configMap(t *testing.T) {
	b, err := Dir(write(t, map[string]string{
		"..2026_11_22/p.yaml": named("p"), "..data": "->..2026_11_22", "p.yaml": "->..data/p.yaml",
	}))
	if err != nil || names(b) != "p p.yaml" {
		t.Error(err, b)
	}
}

// Of a mounted volume whose files lie in directories, the directories are links, too.
func TestDir_linkedDirectories(t *testing.T) {
	b, err := Dir(write(t, map[string]string{
		"..2026_11_22/detectors/pii.toml": "x", "..2026_11_22/tables/t.json": "{}", "..2026_11_22/deny/d.yaml": named("d"), "..2026_11_22/p.yaml": named("p"),
		"..data": "->..2026_11_22", "p.yaml": "->..data/p.yaml", "detectors": "->..data/detectors", "tables": "->..data/tables", "deny": "->..data/deny",
	}))
	if err != nil || names(b) != "d p deny/d.yaml detectors/pii.toml p.yaml tables/t.json" {
		t.Error(err, b)
	}
}

func TestDir_refuses(t *testing.T) {
	outside := write(t, map[string]string{"secret.yaml": named("s")})
	fifo := write(t, nil)
	if err := mkfifo(filepath.Join(fifo, "p.yaml")); err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat("d/", maxDepth+1) + "p.yaml"
	top := write(t, map[string]string{"a/a.yaml": named("a"), "a/b": "->.."})
	for name, c := range map[string]struct{ dir, want string }{
		"no policy":           {write(t, map[string]string{"a.txt": ""}), "no policy found"},
		"an empty file":       {write(t, map[string]string{"a.yaml": "\n"}), ""},
		"a link that escapes": {write(t, map[string]string{"a.yaml": named("a"), "b.yaml": "->" + outside + "/secret.yaml"}), "b.yaml: path escapes from parent"},
		"a dangling link":     {write(t, map[string]string{"a.yaml": named("a"), "b.yaml": "->nope"}), "b.yaml: no such file or directory"},
		"a link to nothing":   {write(t, map[string]string{"a.yaml": named("a"), "deny": "->nope"}), "deny: no such file or directory"},
		"a link that leaves":  {write(t, map[string]string{"a.yaml": named("a"), "deny": "->" + outside}), "deny: path escapes from parent"},
		"a circle":            {write(t, map[string]string{"a/a.yaml": named("a"), "a/b": "->../a"}), "/a/b: the same directory as DIR/a"},
		"a circle at the top": {top, "a/b: the same directory as " + top},
		"a link behind":       {write(t, map[string]string{"a/a.yaml": named("a"), "b": "->a"}), "/b: the same directory as DIR/a"},
		"a link before":       {write(t, map[string]string{"b/a.yaml": named("a"), "a": "->b"}), "/b: the same directory as DIR/a"},
		"two links":           {write(t, map[string]string{".c/a.yaml": named("a"), "a": "->.c", "b": "->.c"}), "/b: the same directory as DIR/a"},
		"a pipe":              {fifo, "p.yaml: not a regular file"},
		"a huge file":         {write(t, map[string]string{"a.yaml": strings.Repeat("#", MaxFileSize+1)}), "a.yaml: larger than 1 MiB"},
		"a huge table":        {write(t, map[string]string{"a.yaml": named("a"), "tables/t.json": strings.Repeat(" ", MaxTableSize+1)}), "t.json: larger than 4 MiB"},
		"a huge set":          {write(t, map[string]string{"a.yaml": named("a"), "detectors/s.toml": strings.Repeat("#", MaxFileSize+1)}), "s.toml: larger than 1 MiB"},
		"deep directories":    {write(t, map[string]string{deep: named("a")}), "directories stand too deep inside one another"},
		"nothing":             {"/nonexistent", "open /nonexistent: no such file or directory"},
	} {
		b, err := Dir(c.dir)
		c.want = strings.ReplaceAll(c.want, "DIR", c.dir)
		switch {
		case c.want == "":
			if err == nil && !b.Diagnostics.HasErrors() {
				t.Errorf("%s: accepted", name)
			}
		case err == nil || !strings.HasSuffix(err.Error(), c.want):
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	if _, err := Dir(write(t, nil)); !errors.Is(err, ErrNoPolicy) {
		t.Error(err)
	}
}

func TestOpen(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": named("a"), "b.yaml": named("b"), "c.txt": named("c")})
	b, err := Open(filepath.Join(dir, "b.yaml"))
	if err != nil || names(b) != "b b.yaml" || b.Files[0].Path != filepath.Join(dir, "b.yaml") {
		t.Error(err, b)
	}
	if b, err := Open(dir); err != nil || names(b) != "a b a.yaml b.yaml" {
		t.Error(err, b)
	}
	if _, err := Open(filepath.Join(dir, "c.txt")); err == nil || !strings.HasSuffix(err.Error(), "c.txt: a policy file ends in .yaml or .yml") {
		t.Error(err)
	}
	if _, err := Open(filepath.Join(dir, "d.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// Who reads beside calls can give way to them between documents, of files and of archives. It changes nothing.
func TestOpenPaced(t *testing.T) {
	dir := write(t, map[string]string{"bundle.yaml": "apiVersion: sallyport/v1\nkind: Bundle\nmetadata: { name: acme, version: 1 }\n", "a.yaml": named("a") + "---\n" + named("b"), "c.yaml": named("c")})
	a, err := Build(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "b.tar.gz")
	if err := os.WriteFile(file, a.Data(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, filepath.Join(dir, "a.yaml"), file} {
		pauses := 0
		paced, err := OpenPaced(name, func() { pauses++ })
		if err != nil {
			t.Fatal(err)
		}
		plain, err := Open(name)
		if err != nil || plain.Revision != paced.Revision || names(plain) != names(paced) {
			t.Errorf("%s: %v %v", name, err, paced)
		}
		if least := 2 * len(plain.Policies); pauses < least { // before each is read, and before it is understood
			t.Errorf("%s: %d pauses, want %d", name, pauses, least)
		}
	}
}

// Mistakes of every file are kept, beside the policies that could be read.
func TestFS_diagnostics(t *testing.T) {
	b, err := FS(fstest.MapFS{
		"a.yaml": {Data: []byte("kind: Polcy\n")}, "b.yaml": {Data: []byte(named("b") + "rulez: 1\n")}, "c.yaml": {Data: []byte(named("c"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]bool{}
	for _, d := range b.Diagnostics {
		files[d.File] = true
	}
	if !files["a.yaml"] || !files["b.yaml"] || files["c.yaml"] {
		t.Error(b.Diagnostics)
	}
}

func TestFS_tooManyFiles(t *testing.T) {
	fsys := fstest.MapFS{}
	for i := range MaxFiles + 1 {
		fsys[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: []byte("#")}
	}
	if _, err := FS(fsys); err == nil || err.Error() != "more than 4096 policy files" {
		t.Error(err)
	}
}

// Two sets of files have one revision only if they are the same: where a name ends and a
// content begins cannot be moved.
func TestRevision_isInjective(t *testing.T) {
	parts := rapid.StringOfN(rapid.SampledFrom([]rune("ab")), 0, 3, -1)
	set := rapid.MapOfN(parts, parts, 0, 3)
	sorted := func(m map[string]string) []File {
		var out []File
		for _, name := range []string{"", "a", "b", "aa", "ab", "ba", "bb", "aaa", "aab", "aba", "abb", "baa", "bab", "bba", "bbb"} {
			if content, ok := m[name]; ok {
				out = append(out, File{Name: name, Content: []byte(content)})
			}
		}
		return out
	}
	rapid.Check(t, func(rt *rapid.T) {
		a, b := set.Draw(rt, "a"), set.Draw(rt, "b")
		if (revision(sorted(a)) == revision(sorted(b))) != (fmt.Sprint(a) == fmt.Sprint(b)) {
			rt.Fatalf("%q and %q", a, b)
		}
	})
	one := []File{{Name: "a", Content: []byte("b")}, {Name: "c"}}
	other := []File{{Name: "a\x00\x00\x00\x00\x00\x00\x00\x01bc"}}
	if revision(one) == revision(other) {
		t.Error("a name can hold what looks like the next file")
	}
	if got := revision(nil); got != "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error(got)
	}
}

func TestOf_readsFilesAndDirectoriesIntoOne(t *testing.T) {
	dir := write(t, map[string]string{
		"a.yaml": fmt.Sprintf(text, "a"), "more/b.yaml": fmt.Sprintf(text, "b"), "more/cases.yaml": "kind: PolicyTest\n",
		"more/p.wasm": "x", "q.wasm": "y", "unnamed.wasm": "z", "only/cases.yaml": "kind: PolicyTest\n",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	b, err := Of(at("a.yaml"), at("more"), at("q.wasm"), at("more/b.yaml"))
	if err != nil || len(b.Diagnostics) > 0 {
		t.Fatal(err, b.Diagnostics)
	}
	var modules []string
	for _, m := range b.Modules {
		modules = append(modules, m.Path)
	}
	if want := []string{at("more/p.wasm"), at("q.wasm")}; len(b.Policies) != 2 || strings.Join(modules, " ") != strings.Join(want, " ") {
		t.Errorf("%d policies, modules %v, want %v", len(b.Policies), modules, want)
	}
	if b.Source(at("more/b.yaml")) == nil {
		t.Error("a file is not known by the path that it can be opened by")
	}
	for _, tt := range []struct {
		name string
		want error
	}{{"only", ErrNoPolicy}, {"nothing", os.ErrNotExist}} {
		if _, err := Of(at(tt.name)); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	if _, err := Of("bundle.go"); err == nil {
		t.Error("a file of Go was taken")
	}
}
