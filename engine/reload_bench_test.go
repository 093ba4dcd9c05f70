package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
)

// distinctRules is like manyRules, but no condition is the same as another; changed is put into one of them.
func distinctRules(t testing.TB, n, changed int) *bundle.Bundle {
	t.Helper()
	fsys := fstest.MapFS{}
	for i := range (n + 4) / 5 {
		var b strings.Builder
		fmt.Fprintf(&b, "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: policy-%04d }\n", i)
		fmt.Fprintf(&b, "match: { servers: [docs], methods: [tools/call], tools: [tool_%d] }\nrules:\n", i)
		for j := range 5 {
			limit := 5*i + j
			if limit == n/2 {
				limit = n + changed
			}
			fmt.Fprintf(&b, "  - { name: r%d, effect: allow, when: '\"role-%d\" in principal.roles && args.limit <= %d && args.path.startsWith(\"/srv/docs/\")' }\n",
				j, j, limit)
		}
		fsys[fmt.Sprintf("p%04d.yaml", i)] = &fstest.MapFile{Data: []byte(b.String())}
	}
	b, err := bundle.FS(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// BenchmarkCompile_afterAChange compiles a thousand rules of which one has changed since the snapshot before.
func BenchmarkCompile_afterAChange(b *testing.B) {
	before, err := engine.Compile(b.Context(), distinctRules(b, 1000, 0), engine.Options{})
	if err != nil {
		b.Fatal(err)
	}
	after := distinctRules(b, 1000, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engine.Compile(b.Context(), after, engine.Options{Previous: before}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompile_distinct compiles rules without two alike.
func BenchmarkCompile_distinct(b *testing.B) {
	policies := distinctRules(b, 1000, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engine.Compile(b.Context(), policies, engine.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
