package format_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/format"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

func newEnv(t testing.TB) *condition.Env {
	t.Helper()
	env, err := condition.New(condition.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return env
}

const before = `# request.mcp.tool
apiVersion: sallyport/v1
kind: Policy  
metadata: { name: a, description: "about request.mcp.tool and token.sub" }
variables:
  - { name: sub, expression: token.sub } # token.sub
rules:
  - name: block
    when: |
      request.mcp.tool == "token.sub" && // token.sub
        has(token.email)
    effect: allow
  - name: folded
    when: >-
      request.mcp.tool == "x" &&
      args.items.exists(token,
        token == request.mcp.params.name)
    effect: allow
  - { name: quoted, when: 'request.mcp.tool == ''x'' && jwt.a == token.a', effect: deny, message: "token.sub + \"\u00e9\" + token.x" }
  - { name: split, when: "request.mcp\
      .tool == 'x' && token.\u0061 == 'b'", effect: allow }
---
kind: PolicyTest   
notes: request.mcp.tool`

const after = `# request.mcp.tool
apiVersion: sallyport/v1
kind: Policy
metadata: { name: a, description: "about request.mcp.tool and token.sub" }
variables:
  - { name: sub, expression: jwt.sub } # token.sub
rules:
  - name: block
    when: |
      mcp.tool.name == "token.sub" && // token.sub
        has(jwt.email)
    effect: allow
  - name: folded
    when: >-
      mcp.tool.name == "x" &&
      args.items.exists(token,
        token == params.name)
    effect: allow
  - { name: quoted, when: 'mcp.tool.name == ''x'' && jwt.a == jwt.a', effect: deny, message: "jwt.sub + \"\u00e9\" + jwt.x" }
  - { name: split, when: "request.mcp\
      .tool == 'x' && jwt.\u0061 == 'b'", effect: allow }
---
kind: PolicyTest
notes: request.mcp.tool
`

func TestFormat(t *testing.T) {
	env := newEnv(t)
	got, err := format.File(env, "p.yaml", []byte(before))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(after, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := format.File(env, "p.yaml", got)
	if err != nil || string(again) != string(got) {
		t.Errorf("%v: formatted again it is\n%s", err, again)
	}
}

func TestWhatHasMistakesIsNotFormatted(t *testing.T) {
	env := newEnv(t)
	for _, text := range []string{"kind: [", "kind: Policy\nrules: []\n", "kind: Policy\nkind: Policy\n"} {
		out, err := format.File(env, "p.yaml", []byte(text))
		if _, ok := errors.AsType[source.Diagnostics](err); !ok || out != nil {
			t.Errorf("%q: %q, %v", text, out, err)
		}
	}
	if out, err := format.File(env, "sallyport.yaml", []byte("servers:  \n  a: b\t\n")); err != nil || string(out) != "servers:\n  a: b\n" {
		t.Errorf("a config: %q, %v", out, err)
	}
}

// atoms are spelled in every way that is accepted.
var atoms = []string{
	`request.mcp.tool == "read"`, `request.mcp.tool.startsWith("w")`, `has(request.mcp.tool)`, `!has(request.mcp.tool)`, `request.mcp.method == "tools/call"`,
	`request.mcp.backend == "one"`, `token.sub == "s"`, `has(token.sub)`, `token.?sub.orValue("") == "s"`, `request.mcp.params.name == "read"`,
	`has(request.mcp.params.name)`, `has(request.mcp.params)`, `"sub" in token`, `token == jwt`, `args.list.exists(jwt, token.sub == jwt)`,
	`args.list.all(token, token == "s")`, `variables.token`, `request . mcp . tool == "read"`, `"token.sub" == token["sub"]`,
	`request.mcp.params == params`,
}

func expression(t *rapid.T, depth int) string {
	if depth == 0 {
		return rapid.SampledFrom(atoms).Draw(t, "atom")
	}
	operator := rapid.SampledFrom([]string{" && ", " || ", " ||\n        "}).Draw(t, "operator")
	not := rapid.SampledFrom([]string{"", "!"}).Draw(t, "not")
	return not + "(" + expression(t, depth-1) + operator + expression(t, depth-1) + ")"
}

func policies(t *rapid.T) string {
	var b strings.Builder
	methods := rapid.SampledFrom([]string{"", "match: { methods: [tools/call] }\n", "match: { methods: [\"*\"] }\n"}).Draw(t, "match")
	fmt.Fprintf(&b, "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\n%svariables:\n  - { name: token, expression: 'has(token.sub)' }\nrules:\n", methods)
	for i := range rapid.IntRange(1, 3).Draw(t, "rules") {
		style := rapid.SampledFrom([]string{"|", ">-"}).Draw(t, "style")
		effect := rapid.SampledFrom([]string{"allow", "deny", "approve"}).Draw(t, "effect")
		fmt.Fprintf(&b, "  - name: r%d\n    effect: %s\n    when: %s\n      %s\n", i, effect, style, expression(t, rapid.IntRange(0, 2).Draw(t, "depth")))
	}
	return b.String()
}

func decisions(t *rapid.T, text string) []string {
	b, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(context.Background(), b, engine.Options{})
	if err != nil {
		return []string{"refused"}
	}
	var out []string
	for _, params := range []string{`{"name":"read","arguments":{"list":["s","t"]}}`, `{"name":"write","arguments":{"list":[]}}`, `{}`} {
		for _, method := range []string{"tools/call", "tools/list", "resources/read", "ping"} {
			for _, claims := range []string{`{"sub":"s"}`, `{}`} {
				var d, c jsonscan.Doc
				if d.Scan([]byte(params), jsonscan.Options{}) != nil || c.Scan([]byte(claims), jsonscan.Options{}) != nil {
					t.Fatal(params)
				}
				r := &engine.Request{Method: method, Server: "one", Params: d.Root(), DefaultAllow: method == "ping", Principal: &engine.Principal{Kind: engine.KindJWT, Claims: c.Root()}}
				if method == "tools/call" {
					r.Tool, r.Arguments = d.Root().Get("name").Text(), d.Root().Get("arguments")
				}
				for _, decision := range []engine.Decision{s.Decide(context.Background(), r), s.Visible(context.Background(), r)} {
					out = append(out, fmt.Sprintf("%s %s %v %s", decision.Effect, decision.Reason, decision.Rule, params))
				}
			}
		}
	}
	return out
}

// What is formatted decides the same, and isn't formatted again.
func TestFormattedDecidesTheSame(t *testing.T) {
	env := newEnv(t)
	rapid.Check(t, func(t *rapid.T) {
		text := policies(t)
		got, err := format.File(env, "p.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(decisions(t, text), decisions(t, string(got))); diff != "" {
			t.Fatalf("%s\nbecame\n%s\nwhich decides otherwise:\n%s", text, got, diff)
		}
		again, err := format.File(env, "p.yaml", got)
		if err != nil || string(again) != string(got) {
			t.Fatalf("%v: formatted again it is\n%s", err, again)
		}
	})
}
