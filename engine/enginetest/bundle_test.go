package enginetest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// The cases of a bundle are run on what is in it, wherever it lies.
func TestRunBundle(t *testing.T) {
	const (
		policy = "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules: [ { name: r, effect: allow } ]\n"
		cases  = "apiVersion: sallyport/v1\nkind: PolicyTest\nmetadata: { name: c }\npolicies: [%s]\ncases: [ { name: all, call: { tool: a/b }, expect: { effect: allow } } ]\n"
	)
	for name, c := range map[string]struct{ path, want string }{
		"the policies beside it":    {"p.yaml", ""},
		"and a module":              {"p.yaml, m.wasm", ""},
		"and none":                  {"p.yaml, n.wasm", "SP5005"},
		"a module alone":            {"m.wasm", "SP5005"},
		"its directory":             {".", ""},
		"the directory above it":    {"..", ""},
		"another file":              {"../q.yaml", ""},
		"what isn't there":          {"r.yaml", "SP5005"},
		"outside":                   {"../../p.yaml", "SP5005"},
		"the root of the disk":      {"/tests/p.yaml", "SP5005"},
		"the directory of the disk": {"../../tests", "SP5005"},
	} {
		b, err := bundle.FS(fstest.MapFS{
			"tests/p.yaml": {Data: []byte(policy)}, "q.yaml": {Data: []byte(strings.Replace(policy, "name: p", "name: q", 1))},
			"tests/c.yaml": {Data: []byte(strings.Replace(cases, "%s", c.path, 1))}, "tables/t.yaml": {Data: []byte("a: 1\n")},
			"tests/m.wasm": {Data: []byte("\x00asm\x01\x00\x00\x00")},
		})
		if err != nil {
			t.Fatal(err)
		}
		report, err := enginetest.RunBundle(t.Context(), b, enginetest.Options{})
		ds, _ := errors.AsType[source.Diagnostics](err)
		switch {
		case c.want == "" && (err != nil || report.Passed != 1):
			t.Errorf("%s: %v %+v", name, err, report)
		case c.want != "" && (len(ds) != 1 || ds[0].Code != c.want):
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	b, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte(policy)}, "C.YAML": {Data: []byte(strings.NewReplacer("%s", ".", "effect: allow", "effect: deny").Replace(cases))}})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := enginetest.RunBundle(t.Context(), b, enginetest.Options{}); err != nil || report.Failed != 1 {
		t.Error("a file of cases is one however its name is written:", err)
	}
	b, err = bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte(policy)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enginetest.RunBundle(t.Context(), b, enginetest.Options{}); !errors.Is(err, enginetest.ErrNoCases) {
		t.Error(err)
	}
}

// What was compiled already is not compiled for the cases once more, and they say the same.
func TestRunBundle_afterPoliciesWereCompiled(t *testing.T) {
	files := fstest.MapFS{}
	for _, name := range []string{"p", "q", "r"} { // each with cases of its own
		var rules strings.Builder
		for i := range 50 {
			fmt.Fprintf(&rules, "  - { name: r%d, effect: allow, when: 'args.%s == %d' }\n", i, name, i)
		}
		files[name+".yaml"] = &fstest.MapFile{Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: " + name + " }\nrules:\n" + rules.String())}
		files[name+"-cases.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: sallyport/v1\nkind: PolicyTest\nmetadata: { name: " + name + " }\npolicies: [" + name + ".yaml]\ncases:\n" +
			"  - { name: one, call: { tool: a/b, args: { " + name + ": 1 } }, expect: { effect: allow } }\n" +
			"  - { name: none, call: { tool: a/b, args: { " + name + ": 50 } }, expect: { effect: deny } }\n")}
	}
	b, err := bundle.FS(files)
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(t.Context(), b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run := func(o enginetest.Options) (report *enginetest.Report, made float64) {
		made = testing.AllocsPerRun(1, func() {
			if report, err = enginetest.RunBundle(t.Context(), b, o); err != nil {
				t.Fatal(err)
			}
		})
		return report, made
	}
	want, anew := run(enginetest.Options{})
	got, again := run(enginetest.Options{Previous: s})
	if diff := cmp.Diff(want, got); diff != "" || want.Passed != 6 {
		t.Errorf("%d passed; %s", want.Passed, diff)
	}
	if again > anew/2 {
		t.Errorf("%v allocations, of %v without what was compiled", again, anew)
	}
}
