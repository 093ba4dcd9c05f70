package policy

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/golden"
)

// Each testdata/<code>/*.yaml has what `sallyport check` prints for it beside it; one in a directory named after a code must cause that code.
func TestMistakesAreReported(t *testing.T) {
	files, err := filepath.Glob("testdata/S*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	shapes, _ := filepath.Glob("testdata/shape/*.yaml")
	golden.Mistakes(t, append(files, shapes...), func(to io.Writer, name string, data []byte) error {
		_, ds := Parse(name, data)
		return ds.WriteText(to, func(string) []byte { return data }, false, 0)
	})
}

func has(ds source.Diagnostics, code string) bool {
	for _, d := range ds {
		if d.Code == code {
			return true
		}
	}
	return false
}

func TestEveryPolicyCodeHasAFixture(t *testing.T) {
	for _, c := range source.Codes() {
		if !strings.HasPrefix(c.ID, "SP30") {
			continue
		}
		if files, _ := filepath.Glob("testdata/" + c.ID + "/*.yaml"); len(files) == 0 {
			t.Errorf("testdata/%s holds no fixture for %q", c.ID, c.Title)
		}
	}
}

func TestParseReadsTheWholeFormat(t *testing.T) {
	data, err := os.ReadFile("testdata/valid/design.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, ds := Parse("design.yaml", data)
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	text := source.NewText
	want := []*Policy{
		{
			File: "design.yaml", Name: "fs-guard", Owner: "sec@acme.example", Description: "Keeps agents inside the project",
			Annotations: map[string]string{"ticket": "SEC-12"}, Env: "2026-11",
			Match:     Match{Servers: []string{"files"}, Methods: []string{"tools/call"}, Tools: []string{"read_*", "write_file"}},
			Variables: []Variable{{Name: "path", Expression: text("path.clean(args.path)")}},
			Rules: []Rule{
				{Name: "inside-project", When: text(`path.within(variables.path, "/srv/project")`), Effect: Allow},
				{
					Name: "no-dotfiles", When: text(`variables.path.contains("/.")`), Effect: Deny, Reason: "dotfile",
					Message: text(`"%s is hidden".format([variables.path])`),
				},
				{Name: "ask-first", When: text("args.size > 10 ||\n  args.force\n"), Effect: Approve, Shadow: true},
				{Name: "no-tokens", Phase: Response, When: text(`mcp.tool.result.content.exists(c, c.text.contains("ghp_"))`)},
			},
		},
		{
			File: "design.yaml", Name: "quiet", Env: "2026-11", Shadow: true,
			Match: Match{Resources: []string{"file:///srv/**"}, Phase: Response},
			Rules: []Rule{{Name: "all", Phase: Response, Shadow: true}, {Name: "live"}},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Policy{}, Rule{}, source.Text{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPlacesOfRulesAndFields(t *testing.T) {
	data, err := os.ReadFile("testdata/valid/design.yaml")
	if err != nil {
		t.Fatal(err)
	}
	policies, _ := Parse("design.yaml", data)
	r := &policies[0].Rules[1]
	for _, tt := range []struct {
		name string
		got  source.Pos
		want source.Pos
	}{
		{"rule", r.At(), source.Pos{File: "design.yaml", Line: 12, Column: 5, Width: 4}},
		{"effect", r.At("effect"), source.Pos{File: "design.yaml", Line: 14, Column: 13, Width: 4}},
		{"method", policies[0].At("match", "methods", "0"), source.Pos{File: "design.yaml", Line: 5, Column: 38, Width: 10}},
		{"absent field", r.At("phase"), r.At()},
		{"inside the condition", r.When.PosAt(1, 10, 4), source.Pos{File: "design.yaml", Line: 13, Column: 22, Width: 4}},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, tt.got, tt.want)
		}
	}
	if got := policies[0].ID(r); got != "fs-guard/no-dotfiles" {
		t.Errorf("id %q", got)
	}
}

func TestConflictsSeesAllFiles(t *testing.T) {
	one := "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules: [ { name: r, effect: deny } ]\n"
	a, _ := Parse("a.yaml", []byte(one))
	b, _ := Parse("b.yaml", []byte("# second\n"+one))
	got := Conflicts(append(a, b...)).Error()
	if want := "b.yaml:4:19: error[SP3001]: policy name `p` is used twice; it is first used in a.yaml:3"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The zero values are what an undecided rule must be: a denial of requests, enforced.
func TestZeroRuleDenies(t *testing.T) {
	var r Rule
	if r.Effect != Deny || r.Phase != Request || r.Shadow {
		t.Errorf("%+v", r)
	}
}

// pageBlock returns the nth YAML block of a code's page.
func pageBlock(t *testing.T, code string, nth int) (string, bool) {
	t.Helper()
	page, ok := source.Page(code)
	if !ok {
		t.Fatalf("no page for %s", code)
	}
	blocks := strings.Split(page, "```yaml\n")
	if len(blocks) <= nth+1 {
		return "", false
	}
	block, _, _ := strings.Cut(blocks[nth+1], "```\n")
	return block, true
}

// The examples on the pages of the codes of CEL and of plugins must be policies without mistakes of their own; that they cause their code is
// for the packages to test that compile conditions and load plugins.
func TestPagesShowTheMistakeAndItsFix(t *testing.T) {
	for _, c := range source.Codes() {
		cel := strings.HasPrefix(c.ID, "SP20") || strings.HasPrefix(c.ID, "SP31") || strings.HasPrefix(c.ID, "SP40") || strings.HasPrefix(c.ID, "SP70") || c.ID == "SP6005"
		bad, ok := pageBlock(t, c.ID, 0)
		other := slices.ContainsFunc([]string{"SP11", "SP12", "SP13", "SP14", "SP50", "SP8", "SP9"}, func(p string) bool { return strings.HasPrefix(c.ID, p) })
		if !ok || other { // no policies: their own packages look at those
			continue
		}
		if _, ds := Parse("f.yaml", []byte(bad)); has(ds, c.ID) == cel || cel && len(ds) > 0 {
			t.Errorf("%s: its example gives %v", c.ID, ds)
		}
		good, _ := pageBlock(t, c.ID, 1)
		if _, ds := Parse("f.yaml", []byte(good)); len(ds) > 0 {
			t.Errorf("%s: its fix gives %v", c.ID, ds)
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
		policies, ds := Parse("f.yaml", data)
		lines := strings.Split(string(data), "\n")
		for _, d := range ds {
			if d.Line < 1 || d.Line > len(lines) || d.Column < 1 || d.Width < 1 || d.Column > utf8.RuneCountInString(lines[d.Line-1])+2 {
				t.Errorf("outside the file: %s", d)
			}
			if strings.Contains(d.Message+d.Help, "\n") {
				t.Errorf("more than one line: %s", d)
			}
			if _, ok := source.Page(d.Code); !ok {
				t.Errorf("no page for %s", d.Code)
			}
		}
		if ds.HasErrors() {
			return
		}
		for _, p := range policies {
			if p.Name == "" || len(p.Rules) == 0 {
				t.Errorf("accepted without a name or rules: %+v", p)
			}
			for _, r := range p.Rules {
				if r.Phase == Response && r.Effect != Deny {
					t.Errorf("accepted %s in the response phase", r.Effect)
				}
			}
		}
	})
}
