package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
)

// costlyRules are rules that all apply to call, that none but CEL can answer, and of which each has to be evaluated: the first denies
// that do not match, the last allows.
func costlyRules(t testing.TB) *engine.Snapshot {
	var b strings.Builder
	b.WriteString("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: docs }\n" +
		"match: { servers: [docs], methods: [tools/call] }\nvariables:\n  - { name: path, expression: 'path.clean(args.path)' }\nrules:\n")
	for i := range 4 {
		fmt.Fprintf(&b, "  - { name: deny-%d, effect: deny, when: '!path.within(variables.path, \"/srv\") || path.base(args.path).startsWith(\".%d\") && !(\"admin\" in principal.roles)' }\n", i, i)
	}
	b.WriteString("  - { name: allow, effect: allow, when: 'mcp.tool.name in [\"tool_1\", \"tool_2\"] && path.within(variables.path, \"/srv/docs\") && args.limit <= 100' }\n")
	set, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte(b.String())}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(t.Context(), set, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// BenchmarkExplain compares a decision, which evaluates every rule, with one that keeps the value of every part, and that with its text.
func BenchmarkExplain(b *testing.B) {
	s, r, ctx := costlyRules(b), call(b), b.Context()
	if d := s.Decide(ctx, r); !d.Allowed() {
		b.Fatal(d)
	}
	s.Explain(ctx, r, nil) // what is made when it is first asked for
	b.Run("decide", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Decide(ctx, r)
		}
	})
	b.Run("explain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Explain(ctx, r, nil)
		}
	})
	b.Run("text", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = s.Explain(ctx, r, nil).Text()
		}
	})
}
