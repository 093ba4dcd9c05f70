package condition

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/source"
)

func TestConstants(t *testing.T) {
	env, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	vs := env.NewVariables(false)
	for name, expression := range map[string]string{"path": `path.clean(args.path)`} {
		if ds := vs.Add(name, source.NewText(expression)); ds.HasErrors() {
			t.Fatal(ds)
		}
	}
	if ds := vs.Add("inside", source.NewText(`path.within(variables.path, "/srv")`)); ds.HasErrors() {
		t.Fatal(ds)
	}
	for text, want := range map[string][]string{
		`args.n < 10 && args.n >= -3`:                                  {"args.n 0 int64 10", "args.n 0 int64 -3"},
		`args.x == 1.5 || args.x != true || args.x == null`:            {"args.x 0 float64 1.5", "args.x 0 bool true", "args.x 0 <nil> <nil>"},
		`args.s.startsWith("/a") || args.s.endsWith(".md")`:            {"args.s 1 string /a", "args.s 2 string .md"},
		`variables.path.contains("/.")`:                                {"args.path 3 string /."},
		`variables.inside`:                                             {"args.path 1 string /srv"},
		`args.s.size() > 100`:                                          {"args.s 4 int64 100"},
		`"ops" in principal.groups`:                                    {"principal.groups 5 string ops"},
		`args.s in ["a", "b"]`:                                         {"args.s 0 string a", "args.s 0 string b"},
		`now < timestamp("2026-01-01T00:00:00Z")`:                      {"now 0 time.Time 2026-01-01 00:00:00 +0000 UTC"},
		`now.getHours() < 12 && now.getDayOfWeek() == 0`:               {"now 6 int64 12", "now 7 int64 0"},
		`args.list.exists(x, x.name == "a")`:                           {"args.list 0 string a element"},
		`request.headers["x-a"] == "b"`:                                {`request.headers["x-a"] 0 string b`},
		`path.within(args.a + args.b, "/srv")`:                         {"args.a+args.b 1 string /srv"},
		`args.a == args.b || has(args.c) || args["d"]`:                 nil,
		`(args.flag ? args.n : 2) > 1`:                                 {"args.flag+args.n 0 int64 1"},
		`args.list.exists(x, x == "a") && principal.id == "x"`:         {"args.list 0 string a element", "principal.id 0 string x"},
		`args.list.all(x, x in ["a"]) && args.list.exists(x, x > 2.0)`: {"args.list 0 string a element", "args.list 0 float64 2 element"},
	} {
		c, ds := env.Compile(source.NewText(text), Any, vs)
		if ds.HasErrors() {
			t.Fatal(text, ds)
		}
		var got []string
		for _, k := range c.Constants() {
			line := fmt.Sprintf("%s %d %T %v", strings.Join(k.Fields, "+"), k.Of, k.Value, k.Value)
			if k.Element {
				line += " element"
			}
			got = append(got, line)
		}
		slices.Sort(got)
		slices.Sort(want)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
