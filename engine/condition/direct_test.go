package condition

import (
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
	"pgregory.net/rapid"
)

var directInputs = []string{
	`{}`,
	`{"path":"/srv/docs/a.txt","limit":10,"flag":true,"mode":"read","deep":{"n":-3,"s":"x"}}`,
	`{"path":"/etc/../srv","limit":10.0,"flag":"true","mode":1,"deep":{"n":9223372036854775807,"s":null}}`,
	`{"path":"\u002fsrv/docs/b","limit":18446744073709551615,"flag":false,"mode":"rea\u0064","deep":[]}`,
	`{"path":7,"limit":"10","flag":null,"mode":{"a":1},"deep":"s","odd name":"read"}`,
	`{"path":"` + strings.Repeat("x", 300) + `","limit":1e1,"mode":"","deep":{"s":"` + strings.Repeat("y", 300) + `"}}`,
}

// leaves are simple tests, some of which are nothing for a direct.
var leaves = []string{
	`"dev" in principal.groups`, `"ops" in principal.groups`, `"r" in principal.roles`, `"s:a" in principal.scopes`,
	`args.limit <= 10`, `args.limit < 10`, `args.limit >= 10`, `args.limit > 9`, `10 <= args.limit`, `args.limit == 10`, `10 != args.limit`,
	`args.deep.n < 0`, `args["deep"]["n"] == -3`, `args.limit <= 10.5`, `args.deep.n > 9223372036854775806`,
	`args.path.startsWith("/srv/")`, `args.path.endsWith(".txt")`, `args.path.contains("..")`, `args["odd name"] == "read"`,
	`args.mode == "read"`, `args.mode != "read"`, `"read" == args.mode`, `args.flag == true`, `args.flag != false`, `args.flag`,
	`mcp.method == "tools/call"`, `mcp.tool.name == "read"`, `mcp.tool.name.startsWith("r")`, `mcp.tool.target == "files"`,
	`principal.id == "alice"`, `jwt.sub == "alice"`, `principal.claims.sub == "alice"`, `jwt.level > 3`,
	`mcp.resource.uri.startsWith("file:")`, `mcp.prompt.name == "p"`, `mcp.tool.annotations.readOnlyHint == true`,
	`request.mcp.params.name == "read"`, `has(args.path)`, `args.path.size() > 3`, `request.headers["x-tenant"] == "a"`,
}

func directInput(t *rapid.T) func(testing.TB) Input {
	arguments := rapid.SampledFrom(append(directInputs, "")).Draw(t, "arguments")
	method := rapid.SampledFrom([]string{"tools/call", "resources/read", "prompts/get", "ping"}).Draw(t, "method")
	who := rapid.SampledFrom([]string{KindJWT, KindAPIKey, ""}).Draw(t, "principal")
	return func(tb testing.TB) Input {
		in := Input{Method: method, Server: "files"}
		switch method {
		case "tools/call":
			in.Tool, in.Params = "read", scan(tb, `{"name":"read"}`)
		case "resources/read":
			in.Resource = "file:///srv"
		case "prompts/get":
			in.Prompt = "p"
		}
		if arguments != "" && in.Tool != "" {
			in.Arguments = scan(tb, arguments)
		}
		if who != "" {
			in.Principal = &Principal{
				ID: "alice", Kind: who, Groups: []string{"dev", "qa"}, Roles: []string{"r"},
				Claims: scan(tb, `{"sub":"alice","level":4}`),
			}
		}
		return in
	}
}

func directExpression() *rapid.Generator[string] {
	leaf := rapid.SampledFrom(leaves)
	return rapid.Custom(func(t *rapid.T) string {
		out := leaf.Draw(t, "leaf")
		for range rapid.IntRange(0, 3).Draw(t, "joins") {
			if rapid.Bool().Draw(t, "not") {
				out = "!(" + out + ")"
			}
			out = "(" + out + rapid.SampledFrom([]string{") && (", ") || ("}).Draw(t, "op") + leaf.Draw(t, "leaf") + ")"
		}
		return out
	})
}

// What a direct says, CEL says; in a listing too, of which each input leaves out something.
func TestDirect_isCEL(t *testing.T) {
	env := newEnv(t, Options{InputLimit: 200})
	rapid.Check(t, func(r *rapid.T) {
		expression := directExpression().Draw(r, "expression")
		c := compile(t, env, expression, Bool, false)
		in, blank := directInput(r)(t), rapid.Bool().Draw(r, "blank")
		if blank && rapid.Bool().Draw(r, "template") {
			in.Resource = ""
		}
		if rapid.Bool().Draw(r, "annotated") {
			in.Annotations = scan(t, rapid.SampledFrom([]string{`{}`, `{"readOnlyHint":true}`, `{"readOnlyHint":1}`, `7`}).Draw(r, "annotations"))
		}
		f := open(t, env, in, blank)
		got := c.direct.test(f)
		if got == Unknown {
			return
		}
		v, err := c.value(f)
		agrees := v == types.Bool(got == True)
		if got == hidden {
			agrees = blank && types.IsUnknown(v)
		}
		if err != nil || !agrees {
			r.Fatalf("%s, blank %v: direct says %d, CEL %v, %v", expression, blank, got, v, err)
		}
	})
}

// The conditions that most rules are do without CEL.
func TestDirect_says(t *testing.T) {
	env := newEnv(t, Options{})
	in := Input{
		Method: "tools/call", Tool: "read", Arguments: scan(t, directInputs[1]),
		Principal: &Principal{Kind: KindJWT, Groups: []string{"dev"}, Claims: scan(t, `{"sub":"alice"}`)},
	}
	for expression, want := range map[string]Truth{
		`"dev" in principal.groups && args.limit <= 10 && args.path.startsWith("/srv/")`: True,
		`"ops" in principal.groups && args.path.matches("^/srv")`:                        False,
		`args.path.matches("^/srv") && "ops" in principal.groups`:                        Unknown,
		`!args.path.contains("..")`:                                                      True,
		`args.mode != "read"`:                                                            False,
		`args.nothing == "x"`:                                                            Unknown,
		`args.nothing == "x" && args.limit > 100`:                                        Unknown,
		`args.limit > 100 && args.nothing == "x"`:                                        False,
		`jwt.sub == "alice" || args.nothing == "x"`:                                      True,
		`args.limit <= 10.5`:                                                             Unknown,
	} {
		c := compile(t, env, expression, Bool, false)
		if got := c.direct.test(open(t, env, in, false)); got != want {
			t.Errorf("%s: %d, want %d", expression, got, want)
		}
	}
}

// A listing doesn't know the arguments: what depends on them is Unknown, and most of it without CEL.
func TestDirect_saysInListings(t *testing.T) {
	env := newEnv(t, Options{})
	for _, tt := range []struct {
		expression string
		direct     Truth
		want       Truth
	}{
		{`args.limit == 10`, hidden, Unknown},
		{`args.limit != 10`, hidden, Unknown},
		{`args.limit == 10 && "dev" in principal.groups`, hidden, Unknown},
		{`args.limit == 10 && "ops" in principal.groups`, False, False},
		{`args.limit == 10 || "dev" in principal.groups`, True, True},
		{`args.limit == 10 || "ops" in principal.groups`, hidden, Unknown},
		{`"dev" in principal.groups && args.limit <= 10 && args.path.startsWith("/srv/")`, hidden, Unknown},
		{`"ops" in principal.groups && args.limit <= 10`, False, False},
		{`args.limit == 10 && args.path.matches("^/srv")`, Unknown, Unknown},
		{`params.name.startsWith("x")`, hidden, Unknown},
		{`mcp.tool.annotations.readOnlyHint == true`, hidden, Unknown},
		{`mcp.tool.name == "read"`, True, True},
	} {
		c := compile(t, env, tt.expression, Bool, false)
		f := open(t, env, Input{
			Method: "tools/call", Tool: "read", Arguments: scan(t, directInputs[1]), Params: scan(t, `{"name":"read"}`),
			Principal: &Principal{Kind: KindJWT, Groups: []string{"dev"}},
		}, true)
		if got := c.direct.test(f); got != tt.direct {
			t.Errorf("%s: direct says %d, want %d", tt.expression, got, tt.direct)
		}
		if got, err := c.Test(f); got != tt.want || err != nil {
			t.Errorf("%s: %d, %v; want %d", tt.expression, got, err, tt.want)
		}
	}
}

// What a listing does know of a tool or a resource is asked for.
func TestDirect_asksWhatListingsKnow(t *testing.T) {
	env := newEnv(t, Options{})
	annotated := Input{Method: "tools/call", Tool: "read", Annotations: scan(t, `{"readOnlyHint":true}`)}
	resource, template := Input{Method: "resources/read", Resource: "file:///srv"}, Input{Method: "resources/read"}
	for _, tt := range []struct {
		expression string
		in         Input
		want       Truth
	}{
		{`mcp.tool.annotations.readOnlyHint == true`, annotated, True},
		{`mcp.tool.annotations.readOnlyHint == false`, annotated, False},
		{`mcp.tool.annotations.title == "x"`, annotated, Unknown},
		{`mcp.resource.uri.startsWith("file:")`, resource, True},
		{`mcp.resource.uri.startsWith("file:")`, template, hidden},
		{`mcp.resource.uri.startsWith("file:")`, annotated, Unknown},
	} {
		c := compile(t, env, tt.expression, Bool, false)
		if got := c.direct.test(open(t, env, tt.in, true)); got != tt.want {
			t.Errorf("%s of %+v: %d, want %d", tt.expression, tt.in, got, tt.want)
		}
	}
}
