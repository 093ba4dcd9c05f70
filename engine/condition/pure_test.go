package condition

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Every function of the environment, with every form that it has, was looked at: is what it says a function of its arguments alone? The
// list is in testdata/functions.txt. A form that is not in it fails here; so does a function that the list calls pure and the table
// does not, or the other way round.
func TestPureFunctions_areAllThereAre(t *testing.T) {
	env := newEnv(t, Options{})
	forms := map[string]bool{}
	for _, phase := range env.phases {
		for name, f := range phase.Functions() {
			for _, o := range f.OverloadDecls() {
				forms[name+" "+o.ID()] = true
			}
		}
	}
	known := map[string]bool{}
	pure := map[string]bool{}
	text, err := os.ReadFile("testdata/functions.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		is, form, _ := strings.Cut(strings.TrimSpace(line), " ")
		if is != "pure" && is != "impure" {
			continue
		}
		name, _, _ := strings.Cut(form, " ")
		known[form] = true
		if was, ok := pure[name]; ok && was != (is == "pure") {
			t.Errorf("%s: a function is pure in all its forms or in none", name)
		}
		pure[name] = is == "pure"
	}
	for _, form := range slices.Sorted(maps.Keys(forms)) {
		if !known[form] {
			t.Errorf("nobody has said whether this is pure: %s\nsay it in testdata/functions.txt, and in pure.go if it is", form)
		}
	}
	for form := range known {
		if !forms[form] {
			t.Errorf("there is no function %s", form)
		}
	}
	for name, is := range pure {
		if _, in := pureFunctions[name]; in != is {
			t.Errorf("%s: pure.go says %v", name, in)
		}
	}
	for name := range pureFunctions {
		if _, ok := pure[name]; !ok {
			t.Errorf("%s of pure.go is no function of the environment", name)
		}
	}
}

// A condition that calls a function which is not known to be pure is impure, whatever way it calls it.
func TestImpure_isWhatCallsAnImpureFunction(t *testing.T) {
	env := newEnv(t, Options{})
	was := pureFunctions
	defer func() { pureFunctions = was }()
	pureFunctions = maps.Clone(was)
	delete(pureFunctions, "lowerAscii")
	vs := env.NewVariables(false)
	if ds := vs.Add("low", source.NewText(`mcp.method.lowerAscii()`)); len(ds) > 0 {
		t.Fatal(ds)
	}
	for expression, want := range map[string]string{
		`mcp.method.lowerAscii() == "a"`:                         "lowerAscii()",
		`variables.low == "a"`:                                   "lowerAscii()",
		`principal.groups.exists(g, g.lowerAscii() == "a")`:      "lowerAscii()",
		`principal.groups.size() == 1`:                           "",
		`args.?x.orValue("A".lowerAscii()) == "a"`:               "lowerAscii()",
		`args[mcp.method.lowerAscii()] == 1`:                     "lowerAscii()",
		`false && now > timestamp("2026-01-01T00:00:00Z")`:       "now",
		`timestamp(args.at) > timestamp("2026-01-01T00:00:00Z")`: "",
	} {
		cond, ds := env.Compile(source.NewText(expression), Bool, vs)
		if ds.HasErrors() {
			t.Fatal(ds)
		}
		if got := cond.Impure(); got != want {
			t.Errorf("%s: impure for %q, want %q", expression, got, want)
		}
	}
}
