package condition

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

func newEnv(t testing.TB, o Options) *Env {
	t.Helper()
	env, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func scan(t testing.TB, text string) jsonscan.Value {
	t.Helper()
	if text == "" {
		return jsonscan.Value{}
	}
	var doc jsonscan.Doc
	if err := doc.Scan([]byte(text), jsonscan.Options{}); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc.Root()
}

func compile(t testing.TB, env *Env, expression string, want Want, response bool) *Condition {
	t.Helper()
	c, ds := env.Compile(source.NewText(expression), want, env.NewVariables(response))
	if len(ds) > 0 {
		t.Fatalf("%s: %v", expression, ds)
	}
	return c
}

// open returns a Frame on an input, closed when the test ends.
func open(t testing.TB, env *Env, in Input, blank bool) *Frame {
	t.Helper()
	f := env.NewFrame()
	f.Input, f.Blank = in, blank
	f.Open(context.Background())
	t.Cleanup(f.Close)
	return f
}

func toolCall(t testing.TB, args string) Input {
	return Input{
		Method: "tools/call", Server: "files", Tool: "read_file",
		Arguments: scan(t, args), Params: scan(t, `{"name":"read_file","_meta":{"a/b":1}}`),
		Annotations: scan(t, `{"readOnlyHint":true}`), Result: scan(t, `{"content":[{"type":"text","text":"hi"}]}`),
		Source: netip.MustParseAddr("::ffff:192.0.2.7"), Time: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		Header: func(name string) string { return map[string]string{"x-tenant": "acme"}[name] },
		Principal: &Principal{
			ID: "alice", Kind: KindJWT, Issuer: "https://idp.example", Groups: []string{"dev", "sre"},
			Roles: []string{"reader"}, Scopes: []string{"files:read"}, Claims: scan(t, `{"sub":"alice","amr":["pwd"]}`),
		},
	}
}

// outcome says in a word what a condition yields.
func outcomeOf(c *Condition, f *Frame) string {
	truth, err := c.Test(f)
	if err != nil {
		return "error: " + err.Error()
	}
	return [...]string{"false", "true", "unknown"}[truth]
}

const callArgs = `{"path":"/srv/a.txt","limit":20,"tags":["a","b"],"big":18446744073709551615,"huge":18446744073709551616,
	"ratio":0.5,"nothing":null,"deep":{"er":[1,{"x":"y"}]},"we ird":"k"}`

func TestTest(t *testing.T) {
	env := newEnv(t, Options{})
	for _, c := range []struct{ expression, want string }{
		// Every name of the vocabulary.
		{`mcp.method == "tools/call"`, "true"},
		{`mcp.tool.name == "read_file" && mcp.tool.target == "files"`, "true"},
		{`mcp.tool.arguments.path == args.path`, "true"},
		{`mcp.tool.annotations.readOnlyHint`, "true"},
		{`params.name == "read_file" && params._meta["a/b"] == 1`, "true"},
		{`jwt.sub == "alice" && token.sub == jwt.sub`, "true"},
		{`principal.id == "alice" && principal.type == "jwt" && principal.issuer == "https://idp.example"`, "true"},
		{`"sre" in principal.groups && "reader" in principal.roles && "files:read" in principal.scopes`, "true"},
		{`principal.claims.amr[0] == "pwd"`, "true"},
		{`source.address == "192.0.2.7"`, "true"},
		{`request.headers["x-tenant"] == "acme"`, "true"},
		{`request.headers.?accept.orValue("none") == "none"`, "true"},
		{`"x-tenant" in request.headers && !("accept" in request.headers)`, "true"},
		{`request.mcp.method == mcp.method && request.mcp.backend == "files"`, "true"},
		{`request.mcp.tool == "read_file" && request.mcp.params.name == params.name`, "true"},
		{`now == timestamp("2026-11-22T12:00:00Z")`, "true"},
		{`now.getHours() == 12`, "true"},
		// Presence.
		{`has(mcp.tool) && !has(mcp.resource) && !has(mcp.prompt)`, "true"},
		{`has(mcp.tool.name) && has(args.path) && !has(args.nope)`, "true"},
		{`has(apiKey.id)`, "false"},
		{`has(principal.id) && has(jwt.sub) && !has(jwt.email)`, "true"},
		{`args.?deep.?er[?1].?x.orValue("") == "y"`, "true"},
		{`args.?nope.?er.orValue("none") == "none"`, "true"},
		{`mcp.?tool.?name.orValue("") == "read_file"`, "true"},
		{`!mcp.?resource.hasValue()`, "true"},
		// Reading what is absent.
		{`args.nope == 1`, "error: no such key: nope"},
		{`args.nope == 1 || true`, "true"},
		{`apiKey.id == "ci"`, "error: the caller showed no API key"},
		{`mcp.resource.uri == "x"`, "error: mcp.resource.uri is absent: the message is not about a resource"},
		{`has(mcp.prompt.name)`, "error: mcp.prompt is absent: the message is not about a prompt"},
		// Numbers.
		{`args.limit == 20 && args.limit < 20.5 && args.limit == 20u`, "true"},
		{`args.big == 18446744073709551615u`, "true"},
		{`args.big > 5`, "true"},
		{`args.huge > 5`, "error: number out of range"},
		{`args.ratio == 0.5`, "true"},
		{`args.nothing == null && has(args.nothing)`, "true"},
		{`type(args.limit) == int && type(args.big) == uint && type(args.ratio) == double`, "true"},
		// Lists and maps.
		{`args.tags == ["a", "b"] && "b" in args.tags && size(args.tags) == 2`, "true"},
		{`args.tags.exists(t, t == "b") && args.tags.all(t, t < "c")`, "true"},
		{`args.tags + ["c"] == ["a", "b", "c"] && args.tags[1] == "b"`, "true"},
		{`args.tags[2] == "c"`, "error: index out of bounds: 2"},
		{`args.deep == {"er": [dyn(1), dyn({"x": "y"})]}`, "true"},
		{`args.exists(k, v, k == "limit" && v == 20)`, "true"},
		{`args["we ird"] == "k" && "we ird" in args`, "true"},
		{`args.deep.transformList(k, v, k) == ["er"]`, "true"},
		{`json.encode(args.deep) == "{\"er\":[1,{\"x\":\"y\"}]}"`, "true"},
		{`json.parse("{\"a\":[1]}").value().a[0] == 1 && !json.parse("{\"a\":1,\"a\":2}").hasValue()`, "true"},
		{`sets.contains(["a", "b", "c"], args.tags)`, "true"},
		{`math.greatest(args.limit, 3) == 20`, "true"},
		{`cel.bind(p, args.path, p.startsWith("/srv") && p.endsWith(".txt"))`, "true"},
		{`cidr("192.0.2.0/24").containsIP(source.address) && ip(source.address).isPrivate()`, "true"},
		{`regex.replace(args.path, "[a-z]+", "x") == "/x/x.x"`, "true"},
		{`"%s %d".format([args.path, args.limit]) == "/srv/a.txt 20"`, "true"},
		{`string(base64.decodeUrl("aGk")) == "hi" && base64.encodeUrl(b"hi") == "aGk="`, "true"},
		// A condition of no fixed type.
		{`args.limit`, "error: the condition is not a bool, but a int"},
	} {
		f := open(t, env, toolCall(t, callArgs), false)
		if got := outcomeOf(compile(t, env, c.expression, Bool, false), f); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expression, got, c.want)
		}
	}
}

func TestTest_response(t *testing.T) {
	env := newEnv(t, Options{})
	f := open(t, env, toolCall(t, callArgs), false)
	c := compile(t, env, `mcp.tool.result.content.exists(c, c.type == "text" && c.text == "hi")`, Bool, true)
	if got := outcomeOf(c, f); got != "true" {
		t.Error(got)
	}
}

// A message that is not about a tool is not one with an empty tool.
func TestTest_absent(t *testing.T) {
	env := newEnv(t, Options{})
	for _, c := range []struct {
		in         Input
		expression string
		want       string
	}{
		{Input{Method: "initialize"}, `args.x == 1`, "error: args is absent: the message is not about a tool"},
		{Input{Method: "initialize"}, `!has(args.x)`, "error: args is absent: the message is not about a tool"},
		{Input{Method: "initialize"}, `has(mcp.tool)`, "false"},
		{Input{Method: "initialize"}, `has(mcp.tool) && mcp.tool.name == ""`, "false"},
		{Input{Method: "tools/call"}, `mcp.tool.name == "" && args == {} && !has(args.x)`, "true"},
		{Input{Method: "tools/call", Arguments: scan(t, `null`)}, `args.size() == 0 && args.?x.orValue(1) == 1`, "true"},
		{Input{Method: "tools/call", Arguments: scan(t, `[1]`)}, `has(args.x)`, "error: the arguments are not an object"},
		{Input{Method: "tools/call"}, `args.x == 1`, "error: no such key: x"},
		{Input{Method: "resources/read", Resource: "file:///a"}, `mcp.resource.uri == "file:///a"`, "true"},
		{Input{Method: "prompts/get", Prompt: "p"}, `mcp.prompt.name == "p"`, "true"},
		{Input{Method: "ping"}, `principal.id == ""`, "error: nobody is known to make this call"},
		{Input{Method: "ping"}, `has(principal.id) || has(jwt.sub) || jwt.size() > 0`, "false"},
		{Input{Method: "ping"}, `jwt.sub == ""`, "error: no such key: sub"},
		{Input{Method: "ping"}, `source.address == ""`, "error: the address of the caller is not known"},
		{Input{Method: "ping"}, `has(source.address)`, "false"},
		{Input{Method: "ping"}, `request.headers["a"] == ""`, "error: no such key: a"},
		{
			Input{Method: "ping", Principal: &Principal{Kind: KindAPIKey, APIKey: "ci", Claims: scan(t, `{"a":1}`)}},
			`apiKey.id == "ci" && apiKey.claims.a == 1 && jwt == {} && has(apiKey.id)`, "true",
		},
		{Input{Method: "ping", Principal: &Principal{Kind: KindAnonymous}}, `principal.type == "anonymous" && principal.id == "" && principal.groups == []`, "true"},
	} {
		f := open(t, env, c.in, false)
		if got := outcomeOf(compile(t, env, c.expression, Bool, false), f); got != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.in.Method, c.expression, got, c.want)
		}
	}
}

// Arguments, params and the URI of a template are unknown in a Blank frame, the rest is not.
func TestTest_blank(t *testing.T) {
	env := newEnv(t, Options{})
	for _, c := range []struct{ expression, want string }{
		{`args.path.startsWith("/srv")`, "unknown"},
		{`has(args.path)`, "unknown"},
		{`params.name == "x"`, "unknown"},
		{`mcp.tool.name == "read_file" && args.x == 1`, "unknown"},
		{`mcp.tool.name == "write_file" && args.x == 1`, "false"},
		{`mcp.tool.name == "read_file" || args.x == 1`, "true"},
		{`args.x == 1 || jwt.nope == 1`, "unknown"},
		{`jwt.nope == 1`, "error: no such key: nope"},
		{`args.tags.all(t, t == "a")`, "unknown"},
		{`["a"].all(t, t == args.x)`, "unknown"},
		{`args.x == 1 ? true : true`, "unknown"},
		{`args.?x.orValue("") == ""`, "unknown"},
		{`mcp.tool.annotations.readOnlyHint`, "true"},
	} {
		f := open(t, env, toolCall(t, callArgs), true)
		if got := outcomeOf(compile(t, env, c.expression, Bool, false), f); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expression, got, c.want)
		}
	}
	template := open(t, env, Input{Method: "resources/read"}, true)
	if got := outcomeOf(compile(t, env, `mcp.resource.uri == ""`, Bool, false), template); got != "unknown" {
		t.Errorf("URI of a template: %s", got)
	}
	named := open(t, env, Input{Method: "resources/read", Resource: "a"}, true)
	if got := outcomeOf(compile(t, env, `mcp.resource.uri == "a"`, Bool, false), named); got != "true" {
		t.Errorf("URI of a listed resource: %s", got)
	}
}

func TestMessage(t *testing.T) {
	env := newEnv(t, Options{})
	f := open(t, env, toolCall(t, `{"path":"a\nb\u2028c","n":1}`), false)
	for _, c := range []struct{ expression, want string }{
		{`"%s is hidden".format([args.path])`, "a b c is hidden"},
		{`args.path`, "a b c"},
		{`args.n`, "error: the message is not a string, but a int"},
		{`args.nope`, "error: no such key: nope"},
		{`"` + strings.Repeat("x", 2000) + `"`, strings.Repeat("x", maxMessage)},
	} {
		got, err := compile(t, env, c.expression, Text, false).Message(f)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.expression, got, c.want)
		}
	}
}

// The names that are resolved by a switch are those of the table.
func TestHotSlot_isTheVocabulary(t *testing.T) {
	for _, n := range vocabulary {
		s, subject := hotSlot(n.path)
		if s != noSlot && (s != n.slot || subject != n.subject) {
			t.Errorf("%s is slot %d in the switch, %d in the table", n.path, s, n.slot)
		}
	}
	if s, _ := hotSlot("args"); s == noSlot {
		t.Error("args is not in the switch")
	}
}

func TestSubjectsOf_isWithinMaySubjects(t *testing.T) {
	for _, m := range []string{"tools/call", "prompts/get", "resources/read", "completion/complete", "initialize", "x/y"} {
		if SubjectsOf(m)&^MaySubjects(m) != 0 {
			t.Errorf("%s", m)
		}
	}
	if MaySubjects("initialize") != 0 || MaySubjects("acme/do") != Tool|Resource|Prompt {
		t.Error("initialize is about nothing, a foreign method may be about anything")
	}
}

func TestNew_unknownName(t *testing.T) {
	if _, err := New(Options{Name: "2020-01"}); err == nil || err.Error() != `unknown environment "2020-01"` {
		t.Error(err)
	}
}
