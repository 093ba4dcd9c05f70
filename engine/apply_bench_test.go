package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
)

// conditions are of three rules that apply to one call, by what evaluating them takes.
var conditions = []struct {
	name string
	of   [3]string
}{
	{"fields beside constants", [3]string{`principal.id == "mallory"`, `args.limit <= 10`, `"role-4" in principal.roles && args.path.startsWith("/srv/docs/")`}},
	{"fields beside fields", [3]string{`args.path == principal.id`, `args.limit <= 10`, `args.path != principal.id && "role-4" in principal.roles`}},
	{"a function", [3]string{`principal.id == "mallory"`, `args.limit <= 10`, `path.within(args.path, "/srv/docs")`}},
	{"a loop", [3]string{`principal.id == "mallory"`, `args.limit <= 10`, `args.filter.tags.all(t, t.size() == 1)`}},
}

// threeOf is a bundle of a thousand rules, three to a tool.
func threeOf(t testing.TB, of [3]string) *bundle.Bundle {
	t.Helper()
	var b strings.Builder
	for i := range 334 {
		fmt.Fprintf(&b, "---\napiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: policy-%04d }\nmatch: { servers: [docs], methods: [tools/call], tools: [tool_%d] }\nrules:\n", i, i)
		for j, when := range of {
			fmt.Fprintf(&b, "  - { name: r%d, effect: %s, when: %q }\n", j, [3]string{"deny", "deny", "allow"}[j], when)
		}
	}
	policies, err := bundle.FS(fstest.MapFS{"p.yaml": &fstest.MapFile{Data: []byte(b.String())}})
	if err != nil {
		t.Fatal(err)
	}
	return policies
}

// BenchmarkDecide_threeApply decides among a thousand rules of which three apply, all of which have to be evaluated.
func BenchmarkDecide_threeApply(b *testing.B) {
	for _, c := range conditions {
		b.Run(strings.ReplaceAll(c.name, " ", "_"), func(b *testing.B) {
			s, err := engine.Compile(b.Context(), threeOf(b, c.of), engine.Options{})
			if err != nil {
				b.Fatal(err)
			}
			r := call(b)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if d := s.Decide(ctx, r); !d.Allowed() {
					b.Fatal(d)
				}
			}
		})
	}
}
