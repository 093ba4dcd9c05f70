// Command gen writes the constants of the plugin ABI, for the host and for each SDK, from
// hostapi/abi.json. `go generate ./hostapi` runs it.
package main

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

// outputs is every file that is generated, by its path from the root of the repository, and
// the template that it is made of. In a Markdown file only what stands between
// `<!-- generated: NAME -->` and `<!-- end -->` is, by the template's part of that name.
var outputs = []struct{ path, template string }{
	{"hostapi/abi_generated.go", "host.go.tmpl"},
	{"hostapi/ABI.md", "abi.md.tmpl"},
	{"sdk/go/internal/abi/abi.go", "abi.go.tmpl"},
	{"sdk/go/internal/abi/abi_wasip1.go", "abi_wasip1.go.tmpl"},
	{"sdk/rust/src/abi.rs", "abi.rs.tmpl"},
	{"sdk/c/include/sallyport_abi.h", "abi.h.tmpl"},
	{"sdk/zig/src/abi.zig", "abi.zig.tmpl"},
	{"sdk/assemblyscript/assembly/abi.ts", "abi.ts.tmpl"},
	{"sdk/assemblyscript/testing/abi.mjs", "abi_testing.mjs.tmpl"},
	{"sdk/js/abi.js", "abi.js.tmpl"},
	{"sdk/js/testing/abi.mjs", "abi_testing.mjs.tmpl"},
}

//go:embed templates
var templates embed.FS

func main() {
	if err := run(".."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes every output under root.
func run(root string) error {
	s, err := load(root)
	if err != nil {
		return err
	}
	for _, out := range outputs {
		path := filepath.Join(root, filepath.FromSlash(out.path))
		text, err := s.render(path, out.template)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // source, for everybody
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // source, for everybody
			return err
		}
	}
	return nil
}

func load(root string) (*spec, error) {
	data, err := os.ReadFile(filepath.Join(root, "hostapi", "abi.json"))
	if err != nil {
		return nil, err
	}
	return parse(data)
}

// render makes the output that goes to path.
func (s *spec) render(path, name string) ([]byte, error) {
	t, err := template.New(name).Funcs(funcs).ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(name, ".md.tmpl") {
		return s.splice(path, t)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, s); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(name, ".go.tmpl") {
		return b.Bytes(), nil
	}
	out, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

var section = regexp.MustCompile(`(?s)<!-- generated: (\w+) -->\n.*?<!-- end -->`)

// splice puts the parts of a template into the file at path.
func (s *spec) splice(path string, t *template.Template) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var failed error
	out := section.ReplaceAllFunc(text, func(old []byte) []byte {
		name := string(section.FindSubmatch(old)[1])
		var b bytes.Buffer
		if err := t.ExecuteTemplate(&b, name, s); err != nil && failed == nil {
			failed = fmt.Errorf("%s: %w", path, err)
		}
		return fmt.Appendf(nil, "<!-- generated: %s -->\n\n%s\n<!-- end -->", name, b.Bytes())
	})
	return out, failed
}

var funcs = template.FuncMap{
	"camel": camel,
	"upper": strings.ToUpper,
	"quote": func(s string) string { return fmt.Sprintf("%q", s) },
	"wasm":  wasm,
	"role":  role,
	"type":  spell,
	"int":   intType,
	"ident": identifier,
	"join":  func(list []string) string { return strings.Join(list, ", ") },
}

// initials are the words that Go writes in capitals.
var initials = map[string]string{"abi": "ABI", "wasi": "WASI", "ms": "MS"}

// camel spells a name of abi.json as Go does.
func camel(name string) string {
	var b strings.Builder
	for w := range strings.SplitSeq(name, "_") {
		if up, ok := initials[w]; ok {
			b.WriteString(up)
		} else if w != "" {
			b.WriteString(strings.ToUpper(w[:1]) + w[1:])
		}
	}
	return b.String()
}

// wasm is the type of core Wasm behind one of abi.json.
func wasm(t string) string {
	switch t {
	case "i64", "f64":
		return t
	}
	return "i32"
}

// role is what the host's table calls what a parameter of a type means.
func role(t string) string {
	switch t {
	case "in", "out", "len":
		return "Role" + camel(t)
	}
	return "RoleValue"
}

// spellings are the types of abi.json as each language writes them.
var spellings = map[string]map[string]string{
	"go":   {"never": "", "i32": "int32", "i64": "int64", "f64": "float64", "in": "unsafe.Pointer", "out": "unsafe.Pointer", "len": "uint32"},
	"rust": {"never": "!", "i32": "i32", "i64": "i64", "f64": "f64", "in": "*const u8", "out": "*mut u8", "len": "usize"},
	"c":    {"": "void", "never": "SP_NORETURN void", "i32": "int32_t", "i64": "int64_t", "f64": "double", "in": "const void *", "out": "void *", "len": "uint32_t"},
	"zig":  {"": "void", "never": "noreturn", "i32": "i32", "i64": "i64", "f64": "f64", "in": "[*]const u8", "out": "[*]u8", "len": "usize"},
	"md":   {"never": "never", "i32": "i32", "i64": "i64", "f64": "f64", "out": "ptr"},
	"as":   {"": "void", "never": "void", "i32": "i32", "i64": "i64", "f64": "f64", "in": "usize", "out": "usize", "len": "usize"},
}

func spell(language, t string) (string, error) {
	if s, ok := spellings[language][t]; ok {
		return s, nil
	}
	return "", fmt.Errorf("no type %q in %s", t, language)
}

// intType is the smaller of two types that holds a number.
func intType(n int64, small, large string) string {
	if int64(int32(n)) == n {
		return small
	}
	return large
}

// keywords are the names of functions that a language can't spell.
var keywords = map[string][]string{"rust": {"match"}}

func identifier(language, name string) string {
	if slices.Contains(keywords[language], name) {
		return name + "_"
	}
	return name
}
