package condition

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/source"
)

func TestBranches(t *testing.T) {
	env := newEnv(t, Options{})
	for expression, want := range map[string]string{
		`args.a == 1`: "1 args.a == 1",
		`!(args.a == 1 && "x" in principal.groups) || false`: "3 args.a == 1|18 \"x\" in principal.groups",
		`args.ok ? args.n > 1 : has(args.m)`:                 "1 args.ok|11 args.n > 1|24 has(args.m)",
		`args.l.exists(x, x == "a" || x == "b")`:             `1 args.l.exists(x, x == "a" || x == "b")`,
		`args.path.startsWith("/a") && path.within(args.path, "/srv")`: `1 args.path.startsWith("/a")|` +
			`36 path.within(args.path, "/srv")`,
		`true`: "",
	} {
		var got []string
		for _, b := range compile(t, env, expression, Bool, false).Branches() {
			got = append(got, fmt.Sprintf("%d %s", b.Column, b.Text))
		}
		if d := cmp.Diff(want, strings.Join(got, "|")); d != "" {
			t.Errorf("%s: %s", expression, d)
		}
	}
}

// What && and || pass over has not been seen.
func TestCover(t *testing.T) {
	env := newEnv(t, Options{})
	vs := env.NewVariables(false)
	for _, v := range [][2]string{{"one", `args.a == 1`}, {"two", `args.b == 2`}} {
		if ds := vs.Add(v[0], source.NewText(v[1])); len(ds) > 0 {
			t.Fatal(ds)
		}
	}
	c, ds := env.Compile(source.NewText(`variables.one && variables.two`), Bool, vs)
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	for args, want := range map[string]string{
		`{"a":1,"b":2}`: "[1 1] 1 [one two]",
		`{"a":1,"b":3}`: "[1 2] 2 [one two]",
		`{"a":2,"b":2}`: "[2 0] 2 [one]",
		`{"b":3}`:       "[0 2] 2 [one two]", // the failure of one is hidden by the other
		`{"b":2}`:       "[0 1] 0 [one two]",
	} {
		f := open(t, env, toolCall(t, args), false)
		f.SetVariables(vs)
		seen := make([]Seen, 2)
		whole, read := c.Cover(f, seen)
		if got := fmt.Sprintf("%v %d %v", seen, whole, read); got != want {
			t.Errorf("%s: got %s, want %s", args, got, want)
		}
	}
}

func TestMutants(t *testing.T) {
	env := newEnv(t, Options{})
	for expression, want := range map[string][]string{
		`args.a == 1`: {"negated: !(args.a == 1\n)", "with `!=` for `==` in `args.a == 1`: args.a != 1"},
		`args.a && args.b && args.l.all(x, x > 0)`: {
			"negated: !(args.a && args.b && args.l.all(x, x > 0)\n)",
			"without `args.a`: true && args.b && args.l.all(x, x > 0)",
			"without `args.b`: args.a && true && args.l.all(x, x > 0)",
			"without `args.l.all(x, x > 0)`: args.a && args.b && true",
		},
		`args.a ? args.b < 1 : args.c >= 2 || args.d`: {
			"negated: !(args.a ? args.b < 1 : args.c >= 2 || args.d\n)",
			"with `args.a` always true: true ? (args.b < 1) : (args.c >= 2 || args.d)",
			"with `args.a` always false: false ? (args.b < 1) : (args.c >= 2 || args.d)",
			"with `<=` for `<` in `args.b < 1`: args.a ? (args.b <= 1) : (args.c >= 2 || args.d)",
			"without `args.c >= 2`: args.a ? (args.b < 1) : (false || args.d)",
			"with `>` for `>=` in `args.c >= 2`: args.a ? (args.b < 1) : (args.c > 2 || args.d)",
			"without `args.d`: args.a ? (args.b < 1) : (args.c >= 2 || false)",
		},
		`args.a // why`: {"negated: !(args.a // why\n)"},
		`args.a &&`:     nil,
	} {
		var got []string
		for _, m := range env.Mutants(source.NewText(expression)) {
			got = append(got, m.What+": "+m.Text)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", expression, d)
		}
	}
}

func TestOpposite(t *testing.T) {
	env := newEnv(t, Options{})
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{`args.a == 1`, `!(args.a == 1)`, true},
		{`!(args.a  ==  1)`, `(args.a == 1) // why`, true},
		{`!has(args.a)`, `has(args.a)`, true},
		{`args.a && args.b`, `!(args.a && args.b)`, true},
		{`args.a && args.b`, `!args.a && args.b`, false},
		{`args.a == 1`, `args.a != 1`, false}, // nobody says so of every type
		{`args.a == 1`, `!(args.a == 1.0)`, false},
		{`args.a`, `args.a`, false},
		{`!args.a`, `!args.a`, false},
		{`args.l.all(x, x > 0)`, `!args.l.all(x, x > 0)`, false}, // what a macro makes is not compared
		{`args.a &&`, `!(args.a &&)`, false},
	} {
		a, b := source.NewText(tt.a), source.NewText(tt.b)
		if got := env.Opposite(a, b); got != tt.want || env.Opposite(b, a) != got {
			t.Errorf("Opposite(%q, %q) = %v", tt.a, tt.b, got)
		}
	}
}
