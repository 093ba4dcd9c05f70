package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/trial"
)

const (
	activeRules = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: files }
rules:
  - { name: all, effect: allow }
`
	triedRules = activeRules + `  - { name: no-shell, when: 'mcp.tool.name == "shell"', effect: deny, reason: shell }
  - { name: no-secrets, when: 'mcp.tool.name == "read_file" && args.path.contains("secret")', effect: deny, reason: secret }
`
)

// trying is a gateway with a candidate. Alice and bob have keys of their name.
func trying(t *testing.T, canary *Canary, bounds trial.Bounds) (*world, *Snapshot) {
	t.Helper()
	who, err := identity.New(identity.Options{AnonymousAllow: true, Now: time.Now, Keys: []identity.APIKey{
		{ID: "alice", Hash: sum("alice"), Claims: []byte(`{"groups":["beta"],"tenant":"acme"}`)}, {ID: "bob", Hash: sum("bob"), Claims: []byte(`{"groups":["ops"]}`)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var snap *Snapshot
	w := newWorld(t, activeRules, func(_ *Options, s *Snapshot) { s.Identity, snap = who, s })
	next := snapCopy(snap)
	next.Candidate = &Candidate{Policy: compile(t, triedRules), Canary: canary}
	next.Candidate.Trial = trial.New(trial.Options{
		Active: next.Policy, Candidate: next.Candidate.Policy, Metrics: w.Metrics, Show: w.ShowExample, Bounds: bounds,
		Scan: jsonscan.Options{Depth: w.Limits.Depth, Values: w.Limits.Values}, Head: w.head,
	})
	t.Cleanup(func() {
		next.Candidate.Trial.Close()
		<-next.Candidate.Trial.Done()
	})
	w.Swap(next)
	return w, next
}

// found waits until the trial has compared n decisions.
func (w *world) found(c *Candidate, n uint64) trial.Report {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if r := c.Trial.Report(); r.Calls >= n {
			return r
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("found %+v, want %d calls", c.Trial.Report(), n)
		}
	}
}

func as(who string) string { return "Authorization: Bearer " + who }

// A candidate in shadow decides everything that the active policies decide, and enforces nothing.
func TestShadowEnforcesNothing(t *testing.T) {
	w, s := trying(t, nil, trial.Bounds{})
	if r := w.raw(post(call("read_file", `{"path":"/srv/a"}`), as("alice"))); r.status != 200 || !strings.Contains(r.body, "done") {
		t.Fatalf("%+v", r)
	}
	if r := w.raw(post(call("read_file", `{"path":"/srv/secret","password":"hunter2"}`), as("alice"))); r.status != 200 || !strings.Contains(r.body, "done") {
		t.Fatalf("%+v", r)
	}
	records := w.recorded(4)
	for _, r := range records {
		if r.Revision != "" && (r.Revision != s.Policy.Revision() || r.Effect != "allow") {
			t.Errorf("a record names what is only tried: %+v", r)
		}
	}
	found := w.found(s.Candidate, 2)
	if found.Same != 1 || found.Different != 1 || len(found.Groups) != 1 || found.Enforced != 0 {
		t.Fatalf("%+v", found)
	}
	g := found.Groups[0]
	if g.Direction != "allow_to_deny" || g.Rule != "files/no-secrets" || g.Server != "files" || g.Tool != "other" || len(g.Examples) != 1 {
		t.Fatalf("%+v", g)
	}
	var shown struct {
		Kind, Effect, Rule, Reason, Revision string
		ID                                   string `json:"decision_id"`
		Tool                                 string `json:"gen_ai.tool.name"`
		Principal                            struct{ ID string }
		Inputs                               map[string]any
	}
	if err := json.Unmarshal(g.Examples[0].Record, &shown); err != nil {
		t.Fatal(err)
	}
	if shown.Effect != "deny" || shown.Rule != "no-secrets" || shown.Reason != "secret" || shown.Revision != s.Candidate.Policy.Revision() || shown.Tool != "read_file" ||
		shown.Principal.ID != "alice" || shown.Inputs["args.path"] != "/srv/secret" {
		t.Errorf("%s", g.Examples[0].Record)
	}
	if strings.Contains(string(g.Examples[0].Record), "hunter2") {
		t.Errorf("an example holds a secret: %s", g.Examples[0].Record)
	}
	if shown.ID != records[len(records)-1].DecisionID.String() {
		t.Errorf("an example names decision %s, and the record %s", shown.ID, records[len(records)-1].DecisionID)
	}
	if v := g.Examples[0].Active; v.Effect != "allow" || v.Rule != "files/all" {
		t.Errorf("%+v", v)
	}
}

const toolsListed = `{"jsonrpc":"2.0","id":$ID,"result":{"tools":[{"name":"read_file","inputSchema":{"type":"object"}},{"name":"shell","inputSchema":{"type":"object"}}]}}`

// For those whom a canary names the candidate decides: their calls, and what they see in lists; for nobody else.
func TestCanary(t *testing.T) {
	for name, c := range map[string]*Canary{
		"a principal":           {Principals: []string{"alice"}},
		"a group":               {Groups: []string{"beta"}},
		"a tenant":              {Claims: map[string][]string{"tenant": {"acme", "other"}}},
		"one of several claims": {Claims: map[string][]string{"groups": {"beta"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := trying(t, c, trial.Bounds{})
			revision := map[string]string{"alice": s.Candidate.Policy.Revision(), "bob": s.Policy.Revision(), "": s.Policy.Revision()}
			for who, headers := range map[string][]string{"alice": {as("alice")}, "bob": {as("bob")}, "": nil} {
				tried := who == "alice"
				w.server.answer = says(200, toolsListed)
				listed := w.raw(post(`{"jsonrpc":"2.0","id":7,"method":"tools/list"}`, headers...))
				if strings.Contains(listed.body, `"shell"`) == tried || !strings.Contains(listed.body, "read_file") {
					t.Errorf("%q sees %s", who, listed.body)
				}
				w.server.answer = says(200, okResult)
				before := len(w.server.received())
				called := w.raw(post(call("shell", `{}`), headers...))
				if called.status != 200 || strings.Contains(called.body, "done") == tried || len(w.server.received()) > before == tried {
					t.Errorf("%q gets %+v", who, called)
				}
				if batch := w.raw(post(`[`+call("shell", `{}`)+`]`, append([]string{"MCP-Protocol-Version: 2025-03-26"}, headers...)...)); strings.Contains(batch.body, "done") == tried {
					t.Errorf("%q gets %+v in a batch", who, batch)
				}
				if r := w.raw(post(call("read_file", `{"path":"a secret"}`), headers...)); strings.Contains(r.body, `"code":40301`) != tried {
					t.Errorf("%q gets %+v", who, r)
				}
			}
			counts := map[string]int{}
			for _, r := range w.recorded(4*2 + 4*2 + 5) { // of alice's four, the list alone goes through
				if r.Revision == "" {
					continue
				}
				counts[r.PrincipalID]++
				want := revision[r.PrincipalID]
				if r.PrincipalID == "anonymous" {
					want = revision[""]
				}
				if r.Revision != want {
					t.Errorf("%s is decided by %s, want %s: %+v", r.PrincipalID, r.Revision, want, r)
				}
			}
			if counts["alice"] != 4 || counts["bob"] != 4 {
				t.Errorf("records: %v", counts)
			}
			if found := w.found(s.Candidate, 12); found.Enforced != 4 || found.Denied != 3 {
				t.Errorf("%+v", found)
			}
		})
	}
}

// A canary that goes wrong decides for nobody from then on.
func TestCanaryThatGoesWrong(t *testing.T) {
	w, s := trying(t, &Canary{Principals: []string{"alice"}}, trial.Bounds{After: 3, Denials: 50})
	for range 3 {
		if r := w.raw(post(call("shell", `{}`), as("alice"))); strings.Contains(r.body, "done") {
			t.Fatalf("%+v", r)
		}
	}
	if found := w.found(s.Candidate, 3); found.Denied != 3 || !s.Candidate.Trial.HasPassed() {
		t.Fatalf("%+v", found)
	}
	if r := w.raw(post(call("shell", `{}`), as("alice"))); !strings.Contains(r.body, "done") {
		t.Errorf("%+v", r)
	}
	if records := w.recorded(5); records[3].Revision != s.Policy.Revision() || records[3].Effect != "allow" {
		t.Errorf("%+v", records[3])
	}
}

// A share is of principals, the same ones each time, and other ones for another candidate.
func TestShareIsStable(t *testing.T) {
	const all = 10_000
	in := map[string]bool{}
	both := 0
	for _, salt := range []string{"one", "two"} {
		n := 0
		for i := range all {
			who := &engine.Principal{ID: fmt.Sprint("user-", i), Kind: engine.KindJWT, Issuer: "https://idp.example"}
			c := &Canary{Share: 5 * 100, Salt: SaltOf(salt)}
			named := c.names(who)
			if named != c.names(&engine.Principal{ID: who.ID, Kind: who.Kind, Issuer: who.Issuer, Groups: []string{"other"}}) {
				t.Fatal("the same principal is in, and out")
			}
			if !named {
				continue
			}
			n++
			if in[who.ID] {
				both++
			}
			in[who.ID] = true
		}
		if n < all*4/100 || n > all*6/100 { // the places of these names don't change
			t.Errorf("%d of %d are in a share of 5 %%", n, all)
		}
	}
	if both > all/100 {
		t.Errorf("%d are in the share of both candidates", both)
	}
	c, who := &Canary{Salt: SaltOf("sha256:one")}, &engine.Principal{ID: "alice", Kind: engine.KindJWT, Issuer: "https://idp.example"}
	if got := c.place(who); got != 4574 { // other versions of the program, and other machines, must come to the same
		t.Errorf("alice has place %d", got)
	}
	if n := testing.AllocsPerRun(100, func() { c.place(who) }); n != 0 {
		t.Errorf("a place takes %g allocations", n)
	}
	for share, want := range map[int]bool{0: false, wholeShare: true} {
		if (&Canary{Share: share}).names(&engine.Principal{ID: "a"}) != want {
			t.Errorf("a share of %d", share)
		}
	}
	if (&Canary{Share: wholeShare}).names(nil) || (*Canary)(nil).names(&engine.Principal{ID: "a"}) {
		t.Error("nobody is named")
	}
}

// What a server says of its own accord is decided by who decides for the stream's reader.
func TestCanaryDecidesNews(t *testing.T) {
	w, s := trying(t, &Canary{Principals: []string{"alice"}}, trial.Bounds{})
	for who, want := range map[string]*engine.Snapshot{"alice": s.Candidate.Policy, "bob": s.Policy} {
		x := newExchange(w.Gateway)
		x.snap, x.who = s, &engine.Principal{ID: who}
		if by := x.policy(); by != want {
			t.Errorf("%s is decided by %s", who, by.Revision())
		}
		if by, _ := s.policyFor(x.who); by != want {
			t.Errorf("news for %s are decided by %s", who, by.Revision())
		}
	}
}

// BenchmarkCanary is what each request costs beside a canary of a share: whether its principal is in it.
func BenchmarkCanary(b *testing.B) {
	who := &engine.Principal{ID: "3f0c5a4e-6f5e-4a55-9d0e-7d3f8a1f2c11", Kind: engine.KindJWT, Issuer: "https://idp.example/realms/acme"}
	c := &Canary{Share: 5 * 100, Salt: SaltOf("sha256:9f86")}
	b.ReportAllocs()
	for b.Loop() {
		c.names(who)
	}
}
