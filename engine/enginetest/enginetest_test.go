package enginetest_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/golden"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

func TestCasesHold(t *testing.T) { enginetest.Test(t, "testdata/pass") }

func TestReports(t *testing.T) {
	report, err := enginetest.Run(t.Context(), []string{"testdata/fail", "testdata/pass/cases.yaml"}, enginetest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text":      func(b *bytes.Buffer) error { return report.WriteText(b) },
		"json":      func(b *bytes.Buffer) error { return report.WriteJSON(b) },
		"junit.xml": func(b *bytes.Buffer) error { return report.WriteJUnit(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, "testdata/fail/report."+name, b.Bytes())
	}
}

func TestRun_onlyWhatIsCalledSo(t *testing.T) {
	o := enginetest.Options{Run: regexp.MustCompile(`elsewhere \(who="ci"`)}
	report, err := enginetest.Run(t.Context(), []string{"testdata/pass"}, o)
	if err != nil || report.Passed != 3 || report.Failed != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	o.Run = regexp.MustCompile("no such case")
	if _, err = enginetest.Run(t.Context(), []string{"testdata/pass"}, o); !errors.Is(err, enginetest.ErrNoCases) {
		t.Errorf("got %v", err)
	}
}

func TestRun_withoutCasesFails(t *testing.T) {
	_, err := enginetest.Run(t.Context(), []string{"testdata/pass/policy.yaml"}, enginetest.Options{})
	const want = "no cases found in testdata/pass/policy.yaml: a document of cases has `kind: PolicyTest`"
	if err == nil || err.Error() != want || !errors.Is(err, enginetest.ErrNoCases) {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err = enginetest.Run(t.Context(), []string{"testdata/pass", "testdata/pass/policy.yaml"}, enginetest.Options{}); err == nil || err.Error() != want {
		t.Errorf("beside a path with cases: got %v, want %s", err, want)
	}
	if _, err = enginetest.Run(t.Context(), []string{"testdata/nothing"}, enginetest.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestRun_followsALinkToADirectory(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"real/p.yaml": "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n  - { name: a, effect: allow }\n",
		"real/c.yaml": "apiVersion: sallyport/v1\nkind: PolicyTest\npolicies: [p.yaml]\ncases:\n  - { name: a, call: { tool: s/t }, expect: { effect: allow } }\n",
	} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	report, err := enginetest.Run(t.Context(), []string{link}, enginetest.Options{})
	if err != nil || report.Passed != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A document of cases whose kind is left out is a mistake, and not passed over.
func TestParse_kindLeftOut(t *testing.T) {
	const cases = "policies: [p.yaml]\ncases:\n  - { name: a, call: { tool: s/t }, expect: { effect: deny } }\n"
	suites, ds := enginetest.Parse("c.yaml", []byte("apiVersion: sallyport/v1\n"+cases))
	if len(suites) != 1 || !strings.Contains(ds.Error(), "missing field `kind`") {
		t.Errorf("got %d, %v", len(suites), ds)
	}
	if suites, ds := enginetest.Parse("c.yaml", []byte(cases)); len(suites) != 0 || len(ds) != 0 {
		t.Errorf("of somebody else's: got %d, %v", len(suites), ds)
	}
}

// Each testdata/<code>/*.yaml has beside it what is said of it, and one in a directory named after a code causes that code.
func TestMistakesAreReported(t *testing.T) {
	files, err := filepath.Glob("testdata/S*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range append(files, "testdata/shape/shape.yaml") {
		t.Run(strings.TrimPrefix(file, "testdata/"), func(t *testing.T) {
			_, err := enginetest.Run(t.Context(), []string{file}, enginetest.Options{})
			ds, ok := errors.AsType[source.Diagnostics](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			code := filepath.Base(filepath.Dir(file))
			if strings.HasPrefix(code, "SP") && !strings.Contains(ds.Error(), code) {
				t.Errorf("no %s among:\n%v", code, ds)
			}
			var out bytes.Buffer
			data := func(name string) []byte { b, _ := os.ReadFile(name); return b }
			if err := ds.WriteText(&out, data, false, 0); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, strings.TrimSuffix(file, ".yaml")+".txt", out.Bytes())
		})
	}
}

// Policies that don't compile are said with their own places.
func TestMistakesOfPoliciesAreReported(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"p.yaml": "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n  - { name: a, effect: alow }\n",
		"c.yaml": "apiVersion: sallyport/v1\nkind: PolicyTest\npolicies: [.]\ncases:\n  - { name: a, call: { tool: s/t }, expect: { effect: deny } }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := enginetest.Run(t.Context(), []string{dir}, enginetest.Options{})
	if want := filepath.Join(dir, "p.yaml") + ":5:24: error[SP1003]: `alow` is not a valid effect"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The examples of the pages cause their codes, and their fixes don't.
func TestPagesShowTheMistakeAndItsFix(t *testing.T) {
	for _, c := range source.Codes() {
		if !strings.HasPrefix(c.ID, "SP50") || c.ID == "SP5005" || c.ID == "SP5006" { // which are about other files
			continue
		}
		page, _ := source.Page(c.ID)
		blocks := strings.Split(page, "```yaml\n")
		for i, block := range blocks[1:] {
			text, _, _ := strings.Cut(block, "```\n")
			_, ds := enginetest.Parse("f.yaml", []byte(text))
			if bad := i == 0; bad != strings.Contains(ds.Error(), c.ID) || !bad && len(ds) > 0 {
				t.Errorf("%s: its block %d gives %v", c.ID, i+1, ds)
			}
		}
	}
}

// What this package knows of methods is what the gateway knows.
func TestMethodsAreThoseOfTheGateway(t *testing.T) {
	about := map[mcp.Target]string{mcp.TargetTool: "tool", mcp.TargetPrompt: "prompt", mcp.TargetResource: "resource", mcp.TargetRef: "ref"}
	for _, name := range append(mcp.Methods(), "acme/do") {
		m := mcp.LookupMethod(name)
		allowed, what, list := enginetest.Method(name)
		want := mcp.Method{}
		if m != nil {
			want = *m
		}
		if allowed != m.DefaultAllow() || what != about[want.Target] || list != want.List {
			t.Errorf("%s: %v %q %q", name, allowed, what, list)
		}
	}
}

func TestParseCall(t *testing.T) {
	r, ds := enginetest.ParseCall("m.yaml", []byte(`{"principal": {"id": "alice", "groups": ["dev"], "claims": {"tenant": "acme"}}, "call": {"tool": "files/read_file", "args": {"n": 2.50}}}`))
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	got := r.Server + " " + r.Tool + " " + string(r.Arguments.AppendTo(nil)) + " " + r.Principal.ID + " " + string(r.Principal.Claims.AppendTo(nil))
	if want := `files read_file {"n":2.50} alice {"sub":"alice","tenant":"acme"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for text, want := range map[string]string{
		"":                                     "error[SP1010]: there must be one message",
		"call: { tool: s/t }\n---\ncall: {}\n": "error[SP1010]: there must be one message",
		"principal: { id: a }":                 "error[SP1006]: missing field `call`",
		"apiVersion: sallyport/v1\nkind: PolicyTest\nmetadata: { name: a }\ncases: []\n": "m.yaml:2:7: error[SP5001]: these are cases, and not one message; `sallyport plugin test` runs them",
		"call: { tool: s/t }\n---\napiVersion: sallyport/v1\ncases: []\n":                "m.yaml:3:1: error[SP5001]: these are cases",
		"call: { as: bob, tool: s/t }":                                                   "error[SP5002]: no principal is called `bob`",
		"call: { tool: s/t, method: ping }":                                              "error[SP5001]: `method` doesn't go with `tool`",
		"call: { tool: t }":                                                              "error[SP5004]: `t` is not a server and its tool",
	} {
		if _, ds := enginetest.ParseCall("m.yaml", []byte(text)); !strings.Contains(ds.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, ds, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		suites, ds := enginetest.Parse("f.yaml", data)
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, d := range ds {
			if d.Line < 1 || d.Line > lines || strings.Contains(d.Message+d.Help, "\n") {
				t.Errorf("outside the file, or more than one line: %s", d)
			}
		}
		if ds.HasErrors() {
			return
		}
		for _, s := range suites {
			if s.Len() == 0 {
				t.Error("a document without cases was accepted")
			}
		}
	})
}

// What the cases of two files meet of one policy counts once, whichever of them meets it; a rule in shadow has no mutants.
func TestCoverageAndMutants(t *testing.T) {
	report, err := enginetest.Run(t.Context(), []string{"testdata/covered"}, enginetest.Options{Coverage: true, Mutate: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text": func(b *bytes.Buffer) error { return report.WriteText(b) },
		"json": func(b *bytes.Buffer) error { return report.WriteJSON(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, "testdata/covered/report."+name, b.Bytes())
	}
}

// A rule that allows what another doesn't deny anyway says the same without its condition: that is no mistake to find. It is one where
// the other says nothing, or speaks of something else.
func TestMutants_leaveOutWhatChangesNothing(t *testing.T) {
	for other, counts := range map[string]bool{
		`effect: deny`:                      false,
		`effect: approve`:                   false,
		`effect: deny, enforcement: shadow`: true,
		`effect: deny, phase: response`:     true,
		`effect: allow`:                     true,
	} {
		t.Run(other, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{
				"policy.yaml": `{apiVersion: sallyport/v1, kind: Policy, metadata: {name: p}, match: {tools: [t]}, rules: [
					{name: inside, when: "args.n < 5", effect: allow}, {name: outside, when: "!(args.n < 5)", ` + other + `}]}`,
				"cases.yaml": `{apiVersion: sallyport/v1, kind: PolicyTest, policies: [policy.yaml], cases: [
					{name: little, call: {tool: s/t, args: {n: 1}}, expect: {effect: allow}}]}`,
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			report, err := enginetest.Run(t.Context(), []string{dir}, enginetest.Options{Mutate: true})
			if err != nil || report.Mutation == nil {
				t.Fatal(err, report)
			}
			named := slices.ContainsFunc(report.Mutation.Survivors, func(m enginetest.Mutant) bool {
				return m.Of == "p/inside" && m.What == "without its condition"
			})
			if named != counts {
				t.Errorf("named %v, want %v: %+v", named, counts, report.Mutation.Survivors)
			}
		})
	}
}

// The cases that are left out meet nothing and kill nothing; where a case fails nothing is mutated.
func TestCoverage_isOfWhatWasRun(t *testing.T) {
	report, err := enginetest.Run(t.Context(), []string{"testdata/covered"}, enginetest.Options{Coverage: true, Mutate: true, Run: regexp.MustCompile("others see")})
	if err != nil {
		t.Fatal(err)
	}
	if c, m := report.Coverage, report.Mutation; c.Seen >= c.Outcomes/2 || m.Killed >= len(m.Survivors) {
		t.Errorf("one case of a list: %+v, %+v", c, m)
	}
	report, err = enginetest.Run(t.Context(), []string{"testdata/fail"}, enginetest.Options{Mutate: true})
	if err != nil || report.Mutation != nil || report.Coverage != nil {
		t.Errorf("%v, %+v", err, report)
	}
}

// Mocks stand in for plugins, and what they would hide of a case fails it.
func TestMocks(t *testing.T) {
	enginetest.Test(t, "testdata/mocks/pass.yaml", "testdata/mocks/tables-pass.yaml")
	report, err := enginetest.Run(t.Context(), []string{"testdata/mocks/fail.yaml"}, enginetest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := report.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/mocks/fail.txt", b.Bytes())
}
