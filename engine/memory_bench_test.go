package engine_test

import (
	"fmt"
	"os"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
)

// threeDear is a bundle of n rules of which three apply to call(t): two cheap ones, and one whose cost is not bounded by analysis.
func threeDear(t testing.TB, n int) *bundle.Bundle {
	t.Helper()
	fsys := fstest.MapFS{}
	for i := range n / 3 {
		fsys[fmt.Sprintf("p%04d.yaml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, `apiVersion: sallyport/v1
kind: Policy
metadata: { name: policy-%04d }
match: { servers: [docs], methods: [tools/call], tools: [tool_%d] }
rules:
  - { name: roles, effect: allow, when: '"role-4" in principal.roles && args.limit <= 100' }
  - { name: path, effect: deny, when: '!path.within(args.path, "/srv/docs")' }
  - { name: tags, effect: deny, when: 'args.filter.tags.exists(a, args.filter.tags.exists(b, a != b && a + b == "ba" + args.path))' }
`, i, i)}
	}
	b, err := bundle.FS(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// BenchmarkCache times a decision that is remembered, the same without a cache, and one that is looked up in vain; and what the costs in
// caching.go are of: a rule answered directly, one that CEL answers, one under a meter, and a plugin's call.
func BenchmarkCache(b *testing.B) {
	compile := func(b *testing.B, set *bundle.Bundle, o engine.Options) *engine.Snapshot {
		s, err := engine.Compile(b.Context(), set, o)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(s.Close)
		return s
	}
	three := threeDear(b, 999)
	run := func(name string, s *engine.Snapshot, r *engine.Request, want engine.Caching) {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if d := s.Decide(ctx, r); !d.Allowed() || d.Cache != want {
					b.Fatal(d.Effect, d.Reason, d.Cache, d.Cause)
				}
			}
		})
	}
	r := call(b)
	cached := compile(b, three, engine.Options{Cache: 16 << 20})
	warm(b, cached, r)
	run("hit", cached, r, engine.CacheHit)
	run("off", compile(b, three, engine.Options{}), r, engine.CacheUnused)
	b.Run("miss", func(b *testing.B) {
		ctx, tools := b.Context(), 0
		calls := make([]*engine.Request, 1<<16)
		for i := range calls {
			q := *r
			q.Arguments = scan(b, fmt.Appendf(nil, `{"path":"/srv/docs/%d","limit":20,"filter":{"tags":["a","b"]}}`, i))
			calls[i] = &q
		}
		small := compile(b, three, engine.Options{Cache: engine.CacheLeast})
		b.ReportAllocs()
		for b.Loop() {
			small.Decide(ctx, calls[tools%len(calls)])
			tools++
		}
	})
	for name, when := range map[string]string{
		"direct": `args.limit <= 100`, "cel": `path.within(args.path, "/srv/docs")`, "metered": `args.filter.tags.exists(a, args.filter.tags.exists(b, a + b == "ab"))`,
	} {
		set, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules: [ { name: r, effect: allow, when: '" + when + "' } ]\n")}})
		if err != nil {
			b.Fatal(err)
		}
		run(name, compile(b, set, engine.Options{}), r, engine.CacheUnused)
	}
	module, err := os.ReadFile("../plugins/redact-secrets/redact-secrets.wasm")
	if err != nil {
		b.Fatal(err)
	}
	set, err := bundle.FS(fstest.MapFS{"x/p.wasm": {Data: module}, "p.yaml": {Data: []byte(`apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
rules:
  - { name: all, effect: allow }
  - { name: secrets, plugin: redact-secrets, grant: ["match:secrets"] }
`)}})
	if err != nil {
		b.Fatal(err)
	}
	r.Params = scan(b, []byte(`{"name":"tool_1","arguments":`+string(r.Arguments.Raw())+`}`))
	r.Arguments = r.Params.Get("arguments")
	h := pluginHost(b)
	run("plugin", compile(b, set, engine.Options{Plugins: h}), r, engine.CacheUnused)
	cached = compile(b, set, engine.Options{Plugins: h, Cache: 16 << 20})
	warm(b, cached, r)
	run("plugin-hit", cached, r, engine.CacheHit)
}

// warm decides until the decision is remembered: what is put is taken in by another goroutine.
func warm(t testing.TB, s *engine.Snapshot, r *engine.Request) {
	t.Helper()
	for range 1000 {
		if d := s.Decide(t.Context(), r); d.Cache == engine.CacheHit {
			return
		} else if d.Cache != engine.CacheMiss {
			t.Fatalf("%s %s (%v), cache %q", d.Effect, d.Reason, d.Cause, d.Cache)
		}
		s.SettleCache()
	}
	t.Fatal("never remembered")
}
