package engine_test

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport-dev/sallyport/engine"
)

// Snapshots are swapped under decisions: each decision is made wholly by the one it names.
func TestDecide_hammer(t *testing.T) {
	const common = `
match: { methods: [tools/call] }
variables: [ { name: x, expression: 'args.x' } ]
rules:
  - { name: fails, effect: deny, when: 'args.?bad.orValue(false) && args.nope == 1' }
  - { name: shadow, effect: deny, when: 'variables.x > 0', enforcement: shadow }
  - { name: list, effect: deny, when: 'args.list.exists(i, i == 100)' }
`
	allow := snapshot(t, engine.Options{}, policyText("allow", common+"  - { name: it, effect: allow, when: 'variables.x == 1' }\n"))
	deny := snapshot(t, engine.Options{}, policyText("deny", common+"  - { name: it, effect: deny, when: 'variables.x == 1', message: '\"x is %d\".format([variables.x])' }\n"))
	want := map[string]string{
		allow.Revision(): "allow allow/it - | shadow deny allow/shadow denied_by_rule | reads args.bad args.list args.nope args.x",
		deny.Revision():  "deny deny/it denied_by_rule | says x is 1 | shadow deny deny/shadow denied_by_rule | reads args.bad args.list args.nope args.x",
	}
	var current atomic.Pointer[engine.Snapshot]
	current.Store(allow)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r := request{Method: "tools/call", Tool: "t", Args: json.RawMessage(`{"x":1,"list":[1,2,3]}`)}.engine(t)
			for range 300 {
				s := current.Load()
				d := s.Decide(context.Background(), r)
				if d.Revision != s.Revision() || describe(d) != want[d.Revision] {
					t.Errorf("%s decided %s", d.Revision, describe(d))
					return
				}
				if v := s.Visible(context.Background(), r); v.Revision != s.Revision() {
					t.Errorf("%s", describe(v))
				}
				_ = s.Explain(context.Background(), r, nil)
			}
		})
	}
	for i := range 200 {
		current.Store([]*engine.Snapshot{allow, deny}[i%2])
	}
	wg.Wait()
}

// Whatever a message holds, the decision has an effect with a reason, and what no rule allows
// is denied.
func FuzzDecide(f *testing.F) {
	s := snapshot(f, engine.Options{CostLimit: 5000}, policyText("p", `
rules:
  - { name: a, effect: allow, when: 'args.path.startsWith("/srv") && args.list.all(x, x < 10)' }
  - { name: b, effect: deny, when: 'path.within(args.path, "/etc") || url(args.url).getHost() == "a"' }
  - { name: c, effect: deny, when: 'mcp.resource.uri.matches("^file:")' }
  - { name: d, effect: approve, when: 'json.encode(args).contains("x") && args.a[args.b] == args.c', message: 'args.path' }
  - { name: e, effect: deny, when: 'mcp.tool.result == args', phase: response }
  - { name: f, effect: deny, when: 'jwt.sub in params.list', enforcement: shadow }
`))
	f.Add("tools/call", "s", "t", []byte(`{"path":"/srv/a","list":[1],"url":"http://a"}`), []byte(`{"sub":"x"}`), false, false)
	f.Add("resources/read", "", "file:///a", []byte(`{}`), []byte(`{}`), true, true)
	f.Add("tools/call", "s", "t", []byte(`{"a":{"b":1},"b":"b","c":1,"path":"\u0000"}`), []byte(`[]`), false, true)
	f.Fuzz(func(t *testing.T, method, server, name string, args, claims []byte, response, resource bool) {
		r := &engine.Request{Method: method, Server: server, Tool: name, Principal: &engine.Principal{Kind: engine.KindJWT}}
		if resource {
			r.Tool, r.Resource = "", name
		}
		if response {
			r.Phase = engine.PhaseResponse
		}
		r.Arguments, r.Params = scanAny(args), scanAny(args)
		r.Result, r.Principal.Claims = scanAny(args), scanAny(claims)
		d := s.Decide(t.Context(), r)
		if d.Effect != engine.Allow && d.Reason == "" || d.Allowed() && d.Rule == nil && !response {
			t.Fatalf("%+v", d)
		}
		if again := s.Decide(t.Context(), r); describe(again) != describe(d) {
			t.Fatalf("%s, then %s", describe(d), describe(again))
		}
		if v := s.Visible(t.Context(), r); d.Allowed() && !v.Allowed() && !response {
			t.Fatalf("decided %s, listed %s", describe(d), describe(v))
		}
		_ = s.Explain(t.Context(), r, nil).Text()
	})
}
