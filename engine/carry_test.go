package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// file writes a policy as a file, somewhere in it.
func file(t *rapid.T, p *policy.Policy) string {
	var b strings.Builder
	b.WriteString(strings.Repeat("# moved\n", rapid.IntRange(0, 3).Draw(t, "moved")))
	fmt.Fprintf(&b, "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: %s }\nmatch:\n", p.Name)
	names := func(key string, list []string) {
		if list != nil {
			text, _ := json.Marshal(list) // strings
			fmt.Fprintf(&b, "  %s: %s\n", key, text)
		}
	}
	names("servers", p.Match.Servers)
	names("methods", p.Match.Methods)
	names("tools", p.Match.Tools)
	b.WriteString("  phase: request\nvariables:\n")
	for _, v := range p.Variables {
		fmt.Fprintf(&b, "  - { name: %s, expression: %q }\n", v.Name, v.Expression.Value)
	}
	b.WriteString("rules:\n")
	for i := range p.Rules {
		r := &p.Rules[i]
		fmt.Fprintf(&b, "  - name: %s\n    phase: %s\n    effect: %s\n", r.Name, r.Phase, r.Effect)
		if r.When.Value != "" {
			fmt.Fprintf(&b, "    when: %q\n", r.When.Value)
		}
		if r.Message.Value != "" {
			fmt.Fprintf(&b, "    message: %q\n", r.Message.Value)
		}
	}
	return b.String()
}

// mistakes are expressions that don't compile, the last of them in the request phase only.
var mistakes = []string{`args.x ==`, `unknown == 1`, `variables.late == 1`}

// texts are expressions of which many are alike, and one is too costly to run without a meter.
func texts(of string) []string {
	if of == "message" {
		return []string{"", `"no"`, `"%s".format([variables.v])`, `mcp.method`}
	}
	return []string{
		"", `args.x == 1`, `args.x > 1`, `variables.v == 1`, `variables.w && args.x == 1`, `jwt.role == "dev"`, `now.getHours() == 12`,
		`args.list.exists(i, args.list.exists(j, i == j))`, `args.x == 1`, `variables.v == 1`,
	}
}

// edited is a bundle that resembles another one: the same policies, with a few of their parts drawn anew.
func edited(t *rapid.T, last []*policy.Policy) ([]*policy.Policy, *bundle.Bundle) {
	draw := func(of string) source.Text { return source.NewText(rapid.SampledFrom(texts(of)).Draw(t, of)) }
	sometimes := func() bool { return last == nil || rapid.IntRange(0, 9).Draw(t, "changed") == 0 }
	fsys := fstest.MapFS{}
	var all []*policy.Policy
	for i := range 4 {
		p := &policy.Policy{Name: fmt.Sprintf("p%d", i)}
		if last != nil {
			old := *last[i]
			p = &old
			p.Rules = append([]policy.Rule(nil), old.Rules...)
		}
		if sometimes() {
			p.Match = policy.Match{Servers: some(t, "server", "a", "b"), Methods: some(t, "method", "tools/call", "*"), Tools: some(t, "tool", "read", "r*")}
		}
		if sometimes() {
			p.Variables = []policy.Variable{
				{Name: "v", Expression: source.NewText(rapid.SampledFrom([]string{"args.x", "size(args.list)", "1"}).Draw(t, "v"))},
				{Name: "w", Expression: source.NewText(rapid.SampledFrom([]string{`jwt.role == "dev"`, `variables.v == 1`}).Draw(t, "w"))},
			}
			if rapid.IntRange(0, 3).Draw(t, "late") == 0 {
				p.Variables = append(p.Variables, policy.Variable{Name: "late", Expression: source.NewText("mcp.tool.result.x")})
			}
		}
		if sometimes() {
			p.Rules = make([]policy.Rule, rapid.IntRange(1, 3).Draw(t, "rules"))
			for j := range p.Rules {
				p.Rules[j] = policy.Rule{Name: fmt.Sprintf("r%d", j), When: draw("when"), Effect: Deny}
				r := &p.Rules[j]
				if rapid.IntRange(0, 3).Draw(t, "phase") == 0 {
					r.Phase = PhaseResponse
				} else {
					r.Effect = rapid.SampledFrom([]Effect{Deny, Approve, Allow}).Draw(t, "effect")
				}
				if r.Effect != Allow {
					r.Message = draw("message")
				}
			}
		}
		if last != nil && i == 0 && rapid.IntRange(0, 3).Draw(t, "mistake") == 0 {
			p.Rules[0].When = source.NewText(rapid.SampledFrom(mistakes).Draw(t, "when"))
		}
		all = append(all, p)
		fsys[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: []byte(file(t, p))}
	}
	b, err := bundle.FS(fsys)
	if err != nil && b == nil {
		t.Fatal(err)
	}
	return all, b
}

// A snapshot that took over from others is the one that is compiled from nothing: in what is said of it, in its decisions, and in
// what is said of those.
func TestCompile_afterAChangeIsAsFromNothing(t *testing.T) {
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		var last *Snapshot
		var ps []*policy.Policy
		for range 3 {
			next, b := edited(rt, ps)
			o := Options{CostLimit: rapid.SampledFrom([]uint64{0, 0, 0, 50_000, 12}).Draw(rt, "limit"), Servers: []string{"a"}}
			fresh, want := Compile(ctx, b, o)
			o.Previous = last
			s, got := Compile(ctx, b, o)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				rt.Fatalf("got %v\nwant %v", got, want)
			}
			if want != nil {
				continue
			}
			ps = next
			if diff := cmp.Diff(fmt.Sprint(fresh.Warnings()), fmt.Sprint(s.Warnings())); diff != "" {
				rt.Fatal(diff)
			}
			for range 3 {
				r := requests().Draw(rt, "request")
				if diff := cmp.Diff(told(fresh, r), told(s, r)); diff != "" {
					rt.Fatalf("%+v\n%s", r, diff)
				}
			}
			last = s
		}
	})
}

// told is all that a snapshot says of a message.
func told(s *Snapshot, r *Request) string {
	ctx := context.Background()
	d, v := s.Decide(ctx, r), s.Visible(ctx, r)
	rule := Rule{}
	if d.Rule != nil {
		rule = *d.Rule
	}
	return fmt.Sprintf("%s %+v %q because %v\nreads %v of %d\nvisible %s\n%s", brief(d), rule, d.Message, d.Cause, d.Reads(), s.Rules(), brief(v),
		s.Explain(ctx, r, nil).Text())
}

// A snapshot keeps nothing of those before it in memory.
func TestCompile_letsGoOfTheSnapshotBefore(t *testing.T) {
	text := func(limit int) *bundle.Bundle {
		b, err := bundle.FS(fstest.MapFS{"p.yaml": &fstest.MapFile{Data: fmt.Appendf(nil, `apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
variables: [ { name: x, expression: args.x } ]
rules:
  - { name: same, when: 'variables.x == 1 && args.path.startsWith("/srv")', effect: deny, message: '"%%s".format([variables.x])' }
  - { name: changed, when: 'args.x == %d', effect: allow }
`, limit)}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	gone := make(chan string, 8)
	watch := func(s *Snapshot, b *bundle.Bundle) {
		runtime.AddCleanup(s, func(what string) { gone <- what }, "snapshot")
		runtime.AddCleanup(b.Policies[0], func(what string) { gone <- what }, "policy")
		for _, c := range s.parts {
			runtime.AddCleanup(c, func(what string) { gone <- what }, "condition")
		}
	}
	build := func() *Snapshot { // in a frame of its own, so that nothing of it stays on the stack
		var s *Snapshot
		for i := range 3 {
			b := text(i)
			next, err := Compile(t.Context(), b, Options{Previous: s})
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				watch(next, b)
			}
			s = next
		}
		return s
	}
	s := build()
	left := map[string]int{"snapshot": 1, "policy": 1, "condition": 4}
	deadline := time.After(time.Minute)
	for len(left) > 0 {
		runtime.GC()
		select {
		case what := <-gone:
			if left[what]--; left[what] == 0 {
				delete(left, what)
			}
		case <-deadline:
			t.Fatalf("still in memory: %v", left)
		case <-time.After(time.Millisecond):
		}
	}
	runtime.KeepAlive(s)
}
