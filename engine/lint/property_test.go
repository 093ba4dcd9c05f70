package lint_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/lint"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// atoms are few, so that conditions meet each other.
var atoms = []string{
	`args.x == "a"`, `args.x == "b"`, `args.x != "a"`, `args.x != "b"`, `args.x in ["a", "b"]`, `args.x in ["b"]`, `has(args.x)`, `variables.x`, `variables.y`,
	`"dev" in principal.groups`, `mcp.tool.name == "read"`, `mcp.tool.name in ["read", "write"]`, `token.sub == "s"`, `request.mcp.backend == "one"`, `true`, `false`,
	`["a", "b"].exists(x, x == args.x)`, `args.n > 1`,
}

func condition(t *rapid.T, depth int) string {
	if depth == 0 {
		return rapid.SampledFrom(atoms).Draw(t, "atom")
	}
	switch rapid.IntRange(0, 5).Draw(t, "shape") {
	case 0:
		return "!(" + condition(t, depth-1) + ")"
	case 1, 2:
		return "(" + condition(t, depth-1) + " && " + condition(t, depth-1) + ")"
	case 3, 4:
		return "(" + condition(t, depth-1) + " || " + condition(t, depth-1) + ")"
	default:
		return "(" + condition(t, depth-1) + " ? " + condition(t, depth-1) + " : " + condition(t, depth-1) + ")"
	}
}

// policies writes policies of one rule for each line, which is how a rule is left out of them.
func policies(t *rapid.T) string {
	var b strings.Builder
	for i := range rapid.IntRange(1, 3).Draw(t, "policies") {
		fmt.Fprintf(&b, "---\napiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p%d }\n", i)
		tools := rapid.SampledFrom([]string{"", ", tools: [read]", `, tools: ["*"]`, `, tools: ["r*", write]`}).Draw(t, "tools")
		servers := rapid.SampledFrom([]string{"", ", servers: [one]"}).Draw(t, "servers")
		fmt.Fprintf(&b, "match: { methods: [tools/call]%s%s }\nvariables:\n", tools, servers)
		fmt.Fprintf(&b, "  - { name: x, expression: '%s' }\n", rapid.SampledFrom([]string{"true", `args.x == "a"`, `has(args.x)`}).Draw(t, "x"))
		b.WriteString("  - { name: y, expression: '!variables.x' }\nrules:\n")
		for j := range rapid.IntRange(1, 4).Draw(t, "rules") {
			effect := rapid.SampledFrom([]string{"allow", "deny", "approve", "deny, enforcement: shadow"}).Draw(t, "effect")
			when := ""
			if rapid.IntRange(0, 4).Draw(t, "always") > 0 {
				when = fmt.Sprintf(", when: '%s'", condition(t, rapid.IntRange(0, 2).Draw(t, "depth")))
			}
			fmt.Fprintf(&b, "  - { name: r%d, effect: %s%s }\n", j, effect, when)
		}
	}
	return b.String()
}

func compile(t *rapid.T, text string) *engine.Snapshot {
	b, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(context.Background(), b, engine.Options{})
	if err != nil {
		t.Skip(err) // a condition about something that the match excludes
	}
	return s
}

// calls are all that the atoms can tell apart.
func calls(use func(*engine.Request)) {
	for _, args := range []string{`{}`, `{"x":"a"}`, `{"x":"b","n":2}`, `{"x":"c","n":0}`, `{"x":1,"n":"1"}`} {
		var d, claims jsonscan.Doc
		if d.Scan([]byte(args), jsonscan.Options{}) != nil || claims.Scan([]byte(`{"sub":"s"}`), jsonscan.Options{}) != nil {
			panic(args)
		}
		for _, tool := range []string{"read", "write", "rest", "other"} {
			for _, server := range []string{"one", "two"} {
				for _, p := range []*engine.Principal{nil, {ID: "s", Kind: engine.KindJWT, Groups: []string{"dev"}, Claims: claims.Root()}} {
					use(&engine.Request{Method: "tools/call", Server: server, Tool: tool, Arguments: d.Root(), Principal: p})
				}
			}
		}
	}
}

var newLinter = sync.OnceValues(lint.New)

func lintText(t *rapid.T, text string) []lint.Finding {
	ps, ds := policy.Parse("p.yaml", []byte(text))
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	l, err := newLinter()
	if err != nil {
		t.Fatal(err)
	}
	return l.Policies(ps, func(string) []byte { return []byte(text) }, nil)
}

func id(r *engine.Rule) string {
	if r == nil {
		return ""
	}
	return r.ID()
}

// A rule that is said never to decide decides nothing; a condition that is said always or never to hold does so, wherever it doesn't fail.
func TestFindingsAreTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := policies(t)
		lines := strings.Split(text, "\n")
		for _, f := range lintText(t, text) {
			switch f.Code {
			case "SP3101":
				less := slices.Delete(slices.Clone(lines), f.Line-1, f.Line)
				without := less
				if rules(less, f.Line-1) {
					without = slices.Insert(slices.Clone(less), f.Line-1, "  - { name: nothing, effect: allow, when: 'mcp.tool.name == \"none\"' }")
				}
				same(t, f, compile(t, text), compile(t, strings.Join(without, "\n")))
			case "SP3102":
				always := strings.Contains(f.Message, "always")
				holds(t, f, lines, always)
			}
		}
	})
}

// rules says that the line above is `rules:` and none is left below: a policy needs one.
func rules(lines []string, at int) bool {
	return lines[at-1] == "rules:" && !strings.HasPrefix(lines[at], "  - ")
}

func same(t *rapid.T, f lint.Finding, with, without *engine.Snapshot) {
	calls(func(r *engine.Request) {
		a, b := with.Decide(context.Background(), r), without.Decide(context.Background(), r)
		// A rule that fails is named for that, though the other would have denied as well.
		if a.Effect != b.Effect || id(a.Rule) != id(b.Rule) && a.Reason != engine.ReasonEvaluationError {
			t.Fatalf("%s\nbut for %s %s: %s by %q, without it %s by %q", f.Diagnostic, r.Tool, r.Arguments.Raw(), a.Effect, id(a.Rule), b.Effect, id(b.Rule))
		}
	})
}

// holds asks for a condition alone, in its policy, which every call that fits is denied by or none is.
func holds(t *rapid.T, f lint.Finding, lines []string, always bool) {
	first := f.Line - 1
	for !strings.HasPrefix(lines[first], "---") {
		first--
	}
	last := first
	for lines[last] != "rules:" {
		last++
	}
	alone := slices.Concat(lines[first:last+1], []string{
		strings.NewReplacer("effect: allow", "effect: deny", "effect: approve", "effect: deny", ", enforcement: shadow", "").Replace(lines[f.Line-1]),
		"  - { name: otherwise, effect: allow }",
	})
	s := compile(t, strings.Join(alone, "\n"))
	calls(func(r *engine.Request) {
		d := s.Decide(context.Background(), r)
		if d.Reason == engine.ReasonNoRuleMatched || d.Reason == engine.ReasonEvaluationError {
			return // it isn't about this, or it fails
		}
		if always == d.Allowed() {
			t.Fatalf("%s\nbut for %s %s: %s", f.Diagnostic, r.Tool, r.Arguments.Raw(), d.Effect)
		}
	})
}

// What is mended decides the same, and is mended once.
func TestFixesKeepDecisions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := policies(t)
		var changes []source.Change
		for _, f := range lintText(t, text) {
			changes = append(changes, f.Fix...)
		}
		mended := string(source.Apply([]byte(text), changes))
		for _, f := range lintText(t, mended) {
			if f.Fix != nil {
				t.Fatalf("not mended: %s", f.Diagnostic)
			}
		}
		if mended != text {
			same(t, lint.Finding{}, compile(t, text), compile(t, mended))
		}
	})
}
