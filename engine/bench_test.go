package engine_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// manyRules is a bundle of n rules: 5 to a policy, each policy about one of n/5 tools, with
// the caller's role, a number and a path in its conditions.
func manyRules(t testing.TB, n int) *bundle.Bundle {
	t.Helper()
	fsys := fstest.MapFS{}
	for i := range (n + 4) / 5 {
		var b strings.Builder
		fmt.Fprintf(&b, "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: policy-%04d }\n", i)
		fmt.Fprintf(&b, "match: { servers: [docs], methods: [tools/call], tools: [tool_%d] }\nrules:\n", i)
		for j := range 5 {
			effect := "allow"
			if j == 0 {
				effect = "deny"
			}
			fmt.Fprintf(&b, "  - { name: r%d, effect: %s, when: '\"role-%d\" in principal.roles && args.limit <= %d && args.path.startsWith(\"/srv/docs/\")' }\n",
				j, effect, j, 100+i%7)
		}
		fsys[fmt.Sprintf("p%04d.yaml", i)] = &fstest.MapFile{Data: []byte(b.String())}
	}
	b, err := bundle.FS(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// call is a tools/call with 1 KiB of arguments by a caller with five roles.
func call(t testing.TB) *engine.Request {
	t.Helper()
	var doc jsonscan.Doc
	args := fmt.Sprintf(`{"path":"/srv/docs/finance/2026/report.md","limit":20,"text":%q,"filter":{"tags":["a","b"]}}`,
		strings.Repeat("x", 900))
	if err := doc.Scan([]byte(args), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	return &engine.Request{
		Method: "tools/call", Server: "docs", Tool: "tool_1", Arguments: doc.Root(), Time: time.Unix(1800000000, 0),
		Principal: &engine.Principal{ID: "alice", Kind: engine.KindJWT, Roles: []string{"employee", "eu", "contractor", "analyst", "role-4"}},
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, err := engine.Compile(b.Context(), manyRules(b, n), engine.Options{})
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

// BenchmarkCompile also reports what a rule costs at rest.
func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			policies := manyRules(b, n)
			compile := func() *engine.Snapshot {
				s, err := engine.Compile(b.Context(), policies, engine.Options{})
				if err != nil {
					b.Fatal(err)
				}
				return s
			}
			compile() // what cel-go keeps of its first use is not a rule's
			before := heap()
			s := compile()
			size := heap() - before
			runtime.KeepAlive(s)
			for b.Loop() {
				compile()
			}
			b.ReportMetric(float64(size)/float64(n), "heap-B/rule")
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
