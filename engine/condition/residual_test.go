package condition

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// residualOf gives the residual of a condition of a call by alice, of group dev, whose arguments are not known.
func residualOf(t *testing.T, expression string, mask Mask, unknown ...string) Residual {
	t.Helper()
	env, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	vs := env.NewVariables(false)
	for _, v := range [][2]string{
		{"path", "path.clean(args.path)"},
		{"mine", `variables.path.startsWith("/home/" + principal.id)`},
		{"developer", `"dev" in principal.groups`},
		{"x", "args.x"},
	} {
		if ds := vs.Add(v[0], source.NewText(v[1])); ds.HasErrors() {
			t.Fatal(ds)
		}
	}
	c, ds := env.Compile(source.NewText(expression), Bool, vs)
	if c == nil {
		t.Fatal(ds)
	}
	f := env.NewFrame()
	defer f.Close()
	var doc jsonscan.Doc
	if err := doc.Scan([]byte(`{"tenant":"acme","token":"s3cret","limit":10,"level":1.5,"teams":["a","b"],"at":{"site":"eu","since":"2026-01-01T00:00:00Z"},"nothing":null}`), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	f.Input = Input{
		Method: "tools/call", Server: "files", Tool: "read_file",
		Principal: &Principal{ID: "alice", Kind: KindJWT, Groups: []string{"dev", "eu"}, Claims: doc.Root()},
	}
	f.Open(context.Background())
	return c.Residual(f, append(UnknownFields{"args", "params"}, unknown...), mask)
}

func TestResidual(t *testing.T) {
	for _, c := range []struct{ expression, yes, no string }{
		// What is known is gone.
		{`mcp.tool.name == "read_file" && args.path.startsWith("/srv")`, `args.path.startsWith("/srv")`, `!args.path.startsWith("/srv")`},
		{`mcp.tool.name == "rm" && args.path.startsWith("/srv")`, `false`, `true`},
		{`"dev" in principal.groups || args.x == 1`, `true`, `false`},
		{`!("dev" in principal.groups && args.x == 1)`, `args.x != 1`, `args.x == 1`},
		{`"dev" in principal.groups ? args.x == 1 : args.y`, `args.x == 1`, `args.x != 1`},
		{`args.force ? "dev" in principal.groups : args.x < 3`, `args.force ? true : (args.x < 3)`, `!(args.force ? true : (args.x < 3))`},

		// Variables are what they stand for.
		{`variables.developer && variables.path == "/srv"`, `path.clean(args.path) == "/srv"`, `path.clean(args.path) != "/srv"`},
		{`variables.mine`, `path.clean(args.path).startsWith("/home/alice")`, `!path.clean(args.path).startsWith("/home/alice")`},
		{`variables.x.y == 1`, `args.x.y == 1`, `args.x.y != 1`},

		// Values take the place of names.
		{`args.team in jwt.teams`, `args.team in ["a", "b"]`, `!(args.team in ["a", "b"])`},
		{`args.tenant == jwt.tenant`, `args.tenant == "acme"`, `args.tenant != "acme"`},
		{`args.limit <= jwt.limit && args.level == jwt.level`, `args.limit <= 10 && args.level == 1.5`, `args.limit > 10 || args.level != 1.5`},
		{`args.site == jwt.at`, `args.site == {"site": "eu", "since": "2026-01-01T00:00:00Z"}`, `args.site != {"site": "eu", "since": "2026-01-01T00:00:00Z"}`},
		{`args.x == jwt.nothing`, `args.x == null`, `args.x != null`},
		{`principal.groups.exists(g, g == args.group)`, `["dev", "eu"].exists(g, g == args.group)`, `!(["dev", "eu"].exists(g, g == args.group))`},
		{`args.list.all(i, i in principal.groups && i != variables.x)`, `args.list.all(i, i in ["dev", "eu"] && i != args.x)`, `!(args.list.all(i, i in ["dev", "eu"] && i != args.x))`},
		{`args.list.exists(i, i.exists(j, j == principal.id))`, `args.list.exists(i, i.exists(j, j == "alice"))`, `!(args.list.exists(i, i.exists(j, j == "alice")))`},
		{`has(args.path) && args.?depth.orValue(jwt.limit) > 3`, `has(args.path) && args.?depth.orValue(10) > 3`, `!has(args.path) || !(args.?depth.orValue(10) > 3)`},
		{`args[jwt.tenant] == 1`, `args["acme"] == 1`, `args["acme"] != 1`},
		{`args.at > timestamp("2026-01-01T00:00:00Z") - duration("1h")`, `args.at > timestamp("2026-01-01T00:00:00Z") - duration("1h")`, `!(args.at > timestamp("2026-01-01T00:00:00Z") - duration("1h"))`},
		{`args.at > timestamp(jwt.at.since) - duration("1h")`, `args.at > timestamp("2025-12-31T23:00:00Z")`, `!(args.at > timestamp("2025-12-31T23:00:00Z"))`},

		// A macro's variable that hides a name doesn't catch what takes the place of a variable.
		{`args.list.exists(args, args == variables.x)`, `args.list.exists(args, args == .args.x)`, `!(args.list.exists(args, args == .args.x))`},

		// What fails is neither true nor false, unless the rest says it all.
		{`jwt.missing == args.x`, `false`, `false`},
		{`jwt.missing == 1 || args.x == 1`, `args.x == 1`, `false`},
		{`jwt.missing == 1 && args.x == 1`, `false`, `args.x != 1`},
		{`args.x == 1 && args.x == 2`, `args.x == 1 && args.x == 2`, `args.x != 1 || args.x != 2`},
		{`args.x == 1 && args.x != 1`, `false`, `args.x != 1 || args.x == 1`},

		// An order has no opposite among what may be no number.
		{`args.a / args.b < 1.0`, `args.a / args.b < 1.0`, `!(args.a / args.b < 1.0)`},
	} {
		r := residualOf(t, c.expression, nil)
		if yes, no := r.True.String(), r.False.String(); yes != c.yes || no != c.no {
			t.Errorf("%s\n    true if %s\n       want %s\n   false if %s\n       want %s", c.expression, yes, c.yes, no, c.no)
		}
	}
}

func TestResidual_isOfTheFieldsThatAreUnknown(t *testing.T) {
	if got := residualOf(t, `"ops" in principal.groups && jwt.tenant == "acme" && args.x == 1`, nil, "principal.groups").True.String(); got != `"ops" in principal.groups && args.x == 1` {
		t.Error(got)
	}
	if got := residualOf(t, `principal.id == args.owner && has(jwt.tenant)`, nil, "principal", "jwt").True.String(); got != `principal.id == args.owner && has(jwt.tenant)` {
		t.Error(got)
	}
}

func TestResidual_leavesSecretsToTheirNames(t *testing.T) {
	mask := func(path, value string) string {
		if strings.Contains(value, "s3cret") || path == "jwt.at.site" {
			return "[redacted]"
		}
		return value
	}
	for expression, want := range map[string]string{
		`args.token == jwt.token`:                                `args.token == jwt.token`,
		`args.token == "Bearer " + jwt.token`:                    `args.token == "Bearer " + jwt.token`,
		`args.token in [jwt.token, jwt.tenant]`:                  `args.token in [jwt.token, "acme"]`,
		`args.site == jwt.at`:                                    `args.site == jwt.at`,
		`args.token == "s3cret"`:                                 `args.token == "[redacted]"`,
		`args.token == cel.bind(t, jwt.token, t + "x") + "tail"`: `args.token == cel.bind(t, jwt.token, t + "x") + "tail"`,
	} {
		if got := residualOf(t, expression, mask).True.String(); got != want {
			t.Errorf("%s\n got %s\nwant %s", expression, got, want)
		}
	}
}

func TestResidual_isAbsentAsTheConditionIs(t *testing.T) {
	for expression, want := range map[string][3]string{
		`mcp.prompt.name == "p" || args.x == 1`: {`args.x == 1`, `false`, `args.x != 1`},
		`args.x == 1 || mcp.prompt.name == "p"`: {`args.x == 1`, `false`, `args.x != 1`},
		`mcp.prompt.name == "p" && args.x == 1`: {`false`, `args.x != 1`, `args.x == 1`},
		`args.x == 1 && mcp.prompt.name == "p"`: {`false`, `args.x != 1`, `args.x == 1`},
	} {
		r := residualOf(t, expression, nil)
		if got := [3]string{r.True.String(), r.False.String(), r.Absent.String()}; got != want {
			t.Errorf("%s\n got %q\nwant %q", expression, got, want)
		}
	}
}

func TestFormula_isSmall(t *testing.T) {
	a, b, c := Formula{op: formulaAtom, text: "a", not: "!a"}, Formula{op: formulaAtom, text: "b"}, Formula{op: formulaAtom, text: "c"}
	choice := Formula{op: formulaAtom, text: "x ? y : z", wrap: true}
	for _, x := range []struct {
		got  Formula
		want string
	}{
		{All(), "true"},
		{Some(), "false"},
		{All(a, Always(), a), "a"},
		{All(a, Formula{}), "false"},
		{Some(a, Formula{}, a), "a"},
		{Some(a, Always()), "true"},
		{All(a, Some(a, b)), "a"},
		{Some(a, All(a, b)), "a"},
		{Some(All(a, b), All(b, a)), "a && b"},
		{Some(All(a, b), All(a, b, c)), "a && b"},
		{Some(All(a, b), All(a, c)), "a && (b || c)"},
		{All(Some(a, b), Some(a, b, c)), "a || b"},
		{All(a, Some(All(a, b), c)), "a && (b || c)"},
		{All(a, Formula{op: formulaAtom, text: "!a", not: "a"}), "false"},
		{All(a, Some(Formula{op: formulaAtom, text: "!a", not: "a"}, b)), "a && b"},
		{Some(a, Formula{op: formulaAtom, text: "!a", not: "a"}), "a || !a"}, // a may fail
		{All(a, choice), "a && (x ? y : z)"},
		{All(All(a, b), All(c)), "a && b && c"},
	} {
		if got := x.got.String(); got != x.want {
			t.Errorf("got %s, want %s", got, x.want)
		}
	}
}
