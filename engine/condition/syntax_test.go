package condition

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// draw writes a tree as one line.
func draw(n *Node) string {
	if n == nil {
		return "none"
	}
	var args []string
	for _, a := range n.Args {
		if n.Op == OpLocal {
			continue
		}
		args = append(args, draw(a))
	}
	list := "(" + strings.Join(args, ", ") + ")"
	optional := ""
	if n.Optional {
		optional = "?"
	}
	switch n.Op {
	case OpLiteral:
		return fmt.Sprintf("%#v", n.Value)
	case OpRead:
		return optional + n.Name
	case OpHas:
		return "has:" + n.Name + strings.TrimSuffix(list, "()")
	case OpLocal:
		return fmt.Sprintf("local:%s of %s", n.Name, draw(n.Args[0]))
	case OpField:
		return fmt.Sprintf("field:%s%s%s", optional, n.Name, list)
	case OpCall, OpAnd, OpOr, OpNot, OpIf, OpList, OpEach:
	}
	return [...]string{OpCall: n.Name, OpAnd: "and", OpOr: "or", OpNot: "not", OpIf: "if", OpList: "list", OpEach: "each " + n.Name}[n.Op] + list
}

func TestSyntaxIsWhatIsWritten(t *testing.T) {
	env := newEnv(t, Options{})
	for expression, want := range map[string]string{
		`args.path`:                            `args.path`,
		`mcp.tool.arguments["a b"].c`:          `args["a b"].c`,
		`request.mcp.params.name == "x"`:       `==(params.name, "x")`,
		`token.sub in ["a", "b"]`:              `in(jwt.sub, list("a", "b"))`,
		`has(args.path) && !has(token.sub)`:    `and(has:args.path, not(has:jwt.sub))`,
		`has(request.mcp.tool)`:                `has:mcp.tool`,
		`has(request.mcp.params)`:              `has:request.mcp.params`,
		`args.?limit.orValue(3)`:               `orValue(?args.limit, 3)`,
		`args.items[0].path`:                   `field:path(field:[](args.items, 0))`,
		`args.items[0].?path`:                  `field:?path(field:[](args.items, 0))`,
		`has(args.items[0].path)`:              `has:(field:path(field:[](args.items, 0)))`,
		`args.all(k, v, k != v)`:               `each all(args, !=(local:k of args, local:v of args))`,
		`args.a.exists(x, has(x.y) && x.y)`:    `each exists(args.a, and(has:(field:y(local:x of args.a)), field:y(local:x of args.a)))`,
		`args.a.exists(x, x.exists(y, y))`:     `each exists(args.a, each exists(local:x of args.a, local:y of local:x of args.a))`,
		`cel.bind(p, args.x, p == p)`:          `each cel.bind(args.x, ==(local:p of args.x, local:p of args.x))`,
		`args.a.exists(jwt, token.sub == jwt)`: `each exists(args.a, ==(jwt.sub, local:jwt of args.a))`,
		`path.clean(args.path)`:                `path.clean(args.path)`,
		`args.path.startsWith("/")`:            `startsWith(args.path, "/")`,
		`true ? now : now`:                     `if(true, now, now)`,
		`variables.x.y && 1 < 2`:               `and(variables.x.y, <(1, 2))`,
		`{"a": args.b}.a`:                      `field:a({}("a", args.b))`,
		`args.`:                                `none`,
	} {
		if diff := cmp.Diff(want, draw(env.Syntax(source.NewText(expression), false))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expression, diff)
		}
	}
}

func TestNodesKnowTheirPlace(t *testing.T) {
	env := newEnv(t, Options{})
	n := env.Syntax(source.NewText("has(args.a) &&\n  args.path.x.startsWith(token . sub)"), false)
	var got []string
	n.Walk(func(n *Node) {
		got = append(got, fmt.Sprintf("%s %d:%d+%d", draw(n), n.At.Line, n.At.Column, n.At.Width))
	})
	want := []string{
		"and(has:args.a, startsWith(args.path.x, jwt.sub)) 1:13+1", "has:args.a 1:1+3", "startsWith(args.path.x, jwt.sub) 2:15+10",
		"args.path.x 2:3+11", "jwt.sub 2:26+11",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRenames(t *testing.T) {
	env := newEnv(t, Options{})
	for expression, want := range map[string]string{
		`request.mcp.tool == "x" && token.sub == "y"`:    `mcp.tool.name == "x" && jwt.sub == "y"`,
		`request . mcp.tool.startsWith("x")`:             `mcp.tool.name.startsWith("x")`,
		`has(request.mcp.tool)`:                          `has(request.mcp.tool)`,
		`has(request.mcp.method) && has(token.sub)`:      `has(mcp.method) && has(jwt.sub)`,
		`has(request.mcp.params)`:                        `has(request.mcp.params)`,
		`has(request.mcp.params.name)`:                   `has(params.name)`,
		`request.mcp.params.?name.orValue("")`:           `params.?name.orValue("")`,
		`request.mcp.backend == "files"`:                 `request.mcp.backend == "files"`,
		`mcp.tool.arguments.x == args.x`:                 `mcp.tool.arguments.x == args.x`,
		`args.a.exists(token, token == "token")`:         `args.a.exists(token, token == "token")`,
		`args.a.exists(jwt, token.sub == jwt)`:           `args.a.exists(jwt, token.sub == jwt)`,
		`args.a.exists(x, has(token.x) && token.y == x)`: `args.a.exists(x, has(jwt.x) && jwt.y == x)`,
		`"request.mcp.tool" == request.mcp. /**/ tool`:   `"request.mcp.tool" == request.mcp. /**/ tool`,
		"// token\n token.a == token.b":                  "// token\n jwt.a == jwt.b",
		`args.token == 1 && params.token == 2`:           `args.token == 1 && params.token == 2`,
		"\"\u00e9\" == args.x && token.sub == args.x":    "\"\u00e9\" == args.x && jwt.sub == args.x",
		`token in [{"a": "b"}]`:                          `jwt in [{"a": "b"}]`,
	} {
		got := []byte(expression)
		var changes []source.Change
		for _, r := range env.Renames(source.NewText(expression), false) {
			changes = append(changes, source.Change(r))
		}
		if got = source.Apply(got, changes); string(got) != want {
			t.Errorf("%s\n got %s\nwant %s", expression, got, want)
		}
	}
}
