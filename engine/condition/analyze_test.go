package condition

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/source"
)

func TestReads(t *testing.T) {
	env := newEnv(t, Options{})
	vs := env.NewVariables(false)
	for _, v := range [][2]string{{"path", "path.clean(args.path)"}, {"both", "variables.path + jwt.sub"}} {
		if ds := vs.Add(v[0], source.NewText(v[1])); len(ds) > 0 {
			t.Fatal(ds)
		}
	}
	for _, c := range []struct {
		expression string
		reads      string
		needs      Subjects
	}{
		{`true`, ``, 0},
		{`args.path == "x"`, `args.path`, Tool},
		{`mcp.tool.arguments.path == "x"`, `args.path`, Tool},
		{`args.path == "x" && size(args) > 1`, `args`, Tool},
		{`args["we ird"].x == 1`, `args["we ird"].x`, Tool},
		{`args.items[0].x == 1`, `args.items`, Tool},
		{`args[mcp.tool.name] == 1`, `args mcp.tool.name`, Tool},
		{`args.tags.all(t, t.x == args.limit)`, `args.limit args.tags`, Tool},
		{`args.?a.?b.orValue(jwt.sub) == ""`, `args.a.b jwt.sub`, Tool},
		{`token.sub == "x"`, `jwt.sub`, 0},
		{`request.mcp.tool == "x" && request.mcp.params.a == 1`, `mcp.tool.name params.a`, Tool},
		{`request.headers["x-a"] == request.headers.b`, `request.headers.b request.headers["x-a"]`, 0},
		{`"x-a" in request.headers`, `request.headers`, 0},
		{`variables.path == "x"`, `args.path`, Tool},
		{`variables.both.contains("x")`, `args.path jwt.sub`, Tool},
		{`has(mcp.tool)`, `mcp.method`, Tool},
		{`!has(mcp.tool)`, `mcp.method`, 0},
		{`has(args.x)`, `args.x`, Tool},
		{`!has(args.x)`, `args.x`, Tool},
		{`has(mcp.tool) && args.x == 1`, `args.x mcp.method`, Tool},
		{`!has(mcp.tool) || args.x == 1`, `args.x mcp.method`, 0},
		{`mcp.method == "ping" || args.x == 1`, `args.x mcp.method`, 0},
		{`!(mcp.method == "ping" && args.x == 1)`, `args.x mcp.method`, 0},
		{`!(mcp.method == "ping" || args.x == 1)`, `args.x mcp.method`, Tool},
		{`mcp.method == "ping" ? true : args.x == 1`, `args.x mcp.method`, 0},
		{`args.y ? true : args.x == 1`, `args.x args.y`, Tool},
		{`args.x == mcp.resource.uri`, `args.x mcp.resource.uri`, Tool | Resource},
		{`mcp.resource.uri == "a" || mcp.prompt.name == "a"`, `mcp.prompt.name mcp.resource.uri`, 0},
		{`[1].all(x, x == args.x)`, `args.x`, 0},
		{`args.tags.exists(t, t == "x")`, `args.tags`, Tool},
		{`cel.bind(p, args.path, p == "x")`, `args.path`, 0},
		{`cel.bind(p, 1, args.path == "x")`, `args.path`, Tool},
		{`["a"].exists(args, args == "x")`, ``, 0},
		{`mcp.?tool.?name.orValue("") == ""`, `mcp.tool.name`, 0},
		{`now > timestamp("2026-01-01T00:00:00Z")`, `now`, 0},
	} {
		cond, ds := env.Compile(source.NewText(c.expression), Bool, vs)
		if len(ds) > 0 {
			t.Errorf("%s: %v", c.expression, ds)
			continue
		}
		if got := strings.Join(cond.Reads(), " "); got != c.reads {
			t.Errorf("%s\nreads %s\n want %s", c.expression, got, c.reads)
		}
		if cond.Subjects() != c.needs {
			t.Errorf("%s is about %q, want %q", c.expression, cond.Subjects(), c.needs)
		}
		if want := slices.Contains(cond.Reads(), "now"); (cond.Impure() == "now") != want {
			t.Errorf("%s: impure is %q", c.expression, cond.Impure())
		}
	}
}

// expressions generates conditions out of parts that are true, false, absent and failing.
func expressions() *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{
		`true`, `false`, `has(mcp.tool)`, `has(mcp.resource)`, `has(args.x)`, `args.x == 1`, `args.?x.orValue(1) == 1`,
		`mcp.tool.name == "t"`, `mcp.resource.uri == "r"`, `mcp.prompt.name == "p"`, `mcp.method == "ping"`, `jwt.nope == 1`,
		`"g" in principal.groups`, `args.list.exists(i, i == 1)`, `[1, 2].all(i, i == args.x)`, `cel.bind(p, args.x, p == 1)`,
		`mcp.?tool.hasValue()`, `args.x.matches("a+")`, `path.within(args.path, "/srv")`, `args.x in [1, 2]`,
	})
	return rapid.Custom(func(t *rapid.T) string {
		var build func(depth int) string
		build = func(depth int) string {
			kind := 0
			if depth > 0 {
				kind = rapid.IntRange(0, 5).Draw(t, "kind")
			}
			switch kind {
			case 1:
				return "(" + build(depth-1) + " && " + build(depth-1) + ")"
			case 2:
				return "(" + build(depth-1) + " || " + build(depth-1) + ")"
			case 3:
				return "!" + build(depth-1)
			case 4:
				return "(" + build(depth-1) + " ? " + build(depth-1) + " : " + build(depth-1) + ")"
			}
			return leaf.Draw(t, "leaf")
		}
		return build(3)
	})
}

func messages(t testing.TB) []Input {
	args := []string{"", `{}`, `{"x":1}`, `{"x":"aa","path":"/srv/a","list":[1]}`, `{"x":2,"path":"../a","list":{}}`, `{"path":"/etc"}`}
	var out []Input
	for _, method := range []string{"tools/call", "resources/read", "prompts/get", "ping"} {
		for _, a := range args {
			out = append(out, Input{
				Method: method, Tool: map[string]string{"tools/call": "t"}[method], Arguments: scan(t, a), Params: scan(t, a),
				Principal: &Principal{Groups: []string{"g"}},
			})
		}
	}
	return out
}

// A condition is never true of a message without what Subjects says that it needs, and where
// a blank frame knows the answer it is the answer whatever the arguments are.
func TestSubjectsAndBlank_areSound(t *testing.T) {
	env := newEnv(t, Options{})
	inputs := messages(t)
	vs := env.NewVariables(false)
	rapid.Check(t, func(rt *rapid.T) {
		expression := expressions().Draw(rt, "expression")
		c, ds := env.Compile(source.NewText(expression), Bool, vs)
		if len(ds) > 0 {
			rt.Skip()
		}
		for _, in := range inputs {
			f := open(t, env, in, false)
			got, err := c.Test(f)
			if c.Subjects()&^f.Subjects() != 0 && got == True {
				rt.Fatalf("%s is true of %s, but needs %s", expression, in.Method, c.Subjects())
			}
			blank := open(t, env, in, true)
			known, blankErr := c.Test(blank)
			switch {
			case blankErr != nil && err == nil, blankErr == nil && known != Unknown && (err != nil || known != got):
				rt.Fatalf("%s on %s %s: blank says %v, %v; it is %v, %v", expression, in.Method, in.Arguments.Raw(), known, blankErr, got, err)
			}
		}
	})
}
