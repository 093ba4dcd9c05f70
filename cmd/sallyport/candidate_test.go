package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/gateway"
	"github.com/sallyport-dev/sallyport/internal/trial"
)

// tryingConfig is a config with a candidate.
func tryingConfig(candidate string) string {
	return strings.Replace(withOperator(bundledConfig), "bundle: { trust: key.pub, state: state, audience: prod }\n",
		"bundle:\n  trust: key.pub\n  state: state\n  audience: prod\n  candidate: { from: next.tar.gz, "+candidate+" }\n", 1)
}

// stricter is version n of a bundle that denies the tool b.
func stricter(n int64) func(*bundle.Manifest, map[string]string) {
	return func(m *bundle.Manifest, f map[string]string) {
		m.Version = n
		f["p.yaml"] = strings.Replace(bundledPolicy, " ]\n", ", { name: no, effect: deny, when: 'mcp.tool.name == \"b\"' } ]\n", 1)
		delete(f, "cases.yaml")
	}
}

func tried(t *testing.T, candidate string) (*bundled, *program) {
	t.Helper()
	w := newBundled(t)
	w.write("sallyport.yaml", []byte(tryingConfig(candidate)))
	w.write("p.tar.gz", w.archive(nil, w.key))
	w.write("next.tar.gz", w.archive(stricter(4), w.key))
	g, err := w.start()
	if err != nil {
		t.Fatal(err)
	}
	return w, g
}

func shownOf(t *testing.T, g *program) shownCandidate {
	t.Helper()
	k, ok := g.candidate().(shownCandidate)
	if !ok {
		t.Fatal("no candidate is shown")
	}
	if _, err := json.Marshal(k); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestCandidateIsTriedAndPromoted(t *testing.T) {
	w, g := tried(t, "mode: shadow")
	k := shownOf(t, g)
	if k.State != stateTried || k.Mode != "shadow" || k.Version != 4 || k.Found == nil || serving(g) != 3 {
		t.Fatalf("%+v", k)
	}
	if got := w.records("candidate_tried"); len(got) != 1 || got[0] != "sha256: shadow: acme 4" {
		t.Errorf("records: %q", got)
	}
	if s := g.state.build().snapshot; s.Candidate == nil || s.Candidate.Canary != nil || s.Candidate.Policy.Revision() != k.Revision {
		t.Errorf("%+v", s.Candidate)
	}
	before := g.state.build().candidate
	g.reload("a test")
	if g.state.build().candidate != before || len(w.records("candidate_tried")) != 1 {
		t.Error("a reload that changes nothing has begun the trial anew")
	}
	if err := g.change(t.Context(), by("promote", "", nil)); err != nil {
		t.Fatal(err)
	}
	if serving(g) != 4 || g.bundles()[0].Chosen == nil || shownOf(t, g).State != stateActive || g.state.build().snapshot.Candidate != nil {
		t.Errorf("%+v %+v", g.bundles()[0], shownOf(t, g))
	}
	if got := w.records("promoted"); len(got) != 1 || got[0] != "operator alice sha256: acme 4, was acme 3" {
		t.Errorf("records: %q", got)
	}
	if err := g.change(t.Context(), by("promote", "", nil)); err == nil || !strings.Contains(err.Error(), "SP8205") {
		t.Errorf("twice: %v", err)
	}
	g.reload("a test")
	if serving(g) != 4 {
		t.Error("a reload undid the promotion")
	}
	if err := g.change(t.Context(), by("rollback", "", nil)); err != nil || serving(g) != 3 {
		t.Error(err)
	}
}

func TestCandidateIsWithdrawn(t *testing.T) {
	w := newBundled(t)
	w.write("sallyport.yaml", []byte(tryingConfig("mode: canary, share: 5")))
	w.write("p.tar.gz", w.archive(nil, w.key))
	w.write("next.tar.gz", w.archive(stricter(4), w.key))
	t.Run("by an operator", func(t *testing.T) {
		w := &bundled{t: t, dir: w.dir, key: w.key}
		g, err := w.start()
		if err != nil {
			t.Fatal(err)
		}
		if c := g.state.build().snapshot.Candidate; c == nil || c.Canary.Share != 500 || c.Canary.Salt != gateway.SaltOf(c.Policy.Revision()) {
			t.Fatalf("%+v", c)
		}
		if err := g.change(t.Context(), by("withdraw", "", nil)); err != nil {
			t.Fatal(err)
		}
		k := shownOf(t, g)
		if k.State != stateWithdrawn || k.Withdrawn == nil || k.Withdrawn.By != "alice" || g.state.build().snapshot.Candidate != nil {
			t.Errorf("%+v", k)
		}
		if got := w.records("candidate_withdrawn"); len(got) != 1 || got[0] != "operator alice sha256: by an operator" {
			t.Errorf("records: %q", got)
		}
		if err := g.change(t.Context(), by("withdraw", "", nil)); err == nil || !strings.Contains(err.Error(), "SP8205") {
			t.Errorf("twice: %v", err)
		}
		if err := g.change(t.Context(), by("promote", "", nil)); err == nil || !strings.Contains(err.Error(), "SP8205") || serving(g) != 3 {
			t.Errorf("what was withdrawn is promoted: %v", err)
		}
	})
	t.Run("over a restart", func(t *testing.T) {
		w := &bundled{t: t, dir: w.dir, key: w.key}
		g, err := w.start()
		if err != nil {
			t.Fatal(err)
		}
		if k := shownOf(t, g); k.State != stateWithdrawn {
			t.Errorf("%+v", k)
		}
		w.write("next.tar.gz", w.archive(stricter(5), w.key))
		if g.reload("a test"); shownOf(t, g).State != stateTried || shownOf(t, g).Version != 5 {
			t.Errorf("another candidate: %+v", shownOf(t, g))
		}
	})
}

// A canary that passes a bound is withdrawn, and stays so.
func TestCandidateIsWithdrawnByItself(t *testing.T) {
	w, g := tried(t, "mode: canary, share: 100, withdraw: { after: 2, denials: 10 }")
	k := g.state.build().candidate
	q := &engine.Request{Method: "tools/call", Server: "a", Tool: "b", Principal: &engine.Principal{ID: "alice"}}
	d := k.policy.Decide(t.Context(), q)
	if d.Allowed() {
		t.Fatalf("%+v", d)
	}
	for range 3 {
		k.trial.Offer(q, &d, &trial.Offered{Candidate: true})
	}
	for deadline := time.Now().Add(20 * time.Second); shownOf(t, g).State != stateWithdrawn; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", shownOf(t, g))
		}
	}
	g.state.changing.Lock() // whoever withdraws has recorded it, too
	got := w.records("candidate_withdrawn")
	g.state.changing.Unlock()
	if len(got) != 1 || !strings.HasPrefix(got[0], "sha256: new denials: ") {
		t.Errorf("records: %q", got)
	}
	if kept, err := bundle.StoreIn(w.file("state")).Withdrawn(); err != nil || kept == nil || kept.Revision != k.policy.Revision() || kept.By != "" {
		t.Errorf("%+v, %v", kept, err)
	}
	g.reload("a test")
	if shownOf(t, g).State != stateWithdrawn || g.state.build().snapshot.Candidate != nil {
		t.Error("a reload tries it again")
	}
}

// Another server, or another bound of messages, has policies compiled anew that are the same: what was found of them holds, and so do the
// bounds of the canary.
func TestWhatWasFoundGoesOn(t *testing.T) {
	w, g := tried(t, "mode: canary, share: 100, withdraw: { after: 2, denials: 10 }")
	q := &engine.Request{Method: "tools/call", Server: "a", Tool: "b", Principal: &engine.Principal{ID: "alice"}}
	since := shownOf(t, g).Since
	for n, change := range [][2]string{{"servers: { ", "servers: { c: { url: \"http://127.0.0.1:9/mcp\" }, "}, {"audit:", "limits: { depth: 100 }\naudit:"}} {
		before := g.state.build().candidate
		if n == 0 {
			d := before.policy.Decide(t.Context(), q)
			before.trial.Offer(q, &d, &trial.Offered{Candidate: true})
			for deadline := time.Now().Add(20 * time.Second); shownOf(t, g).Found.Calls == 0; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%+v", shownOf(t, g))
				}
			}
		}
		config := w.file("sallyport.yaml")
		w.write("sallyport.yaml", []byte(strings.Replace(string(readFile(config)), change[0], change[1], 1)))
		g.reload("a test")
		k := shownOf(t, g)
		if g.state.build().candidate == before || k.Found.Calls != 1 || k.Found.Denied != 1 || !k.Since.Equal(since) || len(w.records("candidate_tried")) != 1 {
			t.Fatalf("%+v %+v", k, k.Found)
		}
	}
	k := g.state.build().candidate
	d := k.policy.Decide(t.Context(), q)
	k.trial.Offer(q, &d, &trial.Offered{Candidate: true})
	for deadline := time.Now().Add(20 * time.Second); shownOf(t, g).State != stateWithdrawn; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", shownOf(t, g))
		}
	}
}

// A candidate that can't be tried is shown with its reason, and the active policies decide on.
func TestCandidateThatIsRefused(t *testing.T) {
	w, g := tried(t, "mode: canary, share: 50")
	good := w.archive(stricter(4), w.key)
	for name, c := range map[string]struct {
		data []byte
		code string
	}{
		"unsigned":         {w.archive(stricter(4)), "SP8101"},
		"an older version": {w.archive(stricter(2), w.key), "SP8113"},
		"cut off":          {good[:len(good)-9], "SP8002"},
		"a case that fails": {w.archive(func(m *bundle.Manifest, f map[string]string) {
			m.Version, f["p.yaml"] = 4, strings.Replace(bundledPolicy, "allow", "deny", 1)
		}, w.key), "SP8023"},
		"a broken policy": {w.archive(func(m *bundle.Manifest, f map[string]string) {
			m.Version, f["p.yaml"] = 4, strings.Replace(bundledPolicy, "allow", "alow", 1)
		}, w.key), "SP1003"},
	} {
		t.Run(name, func(t *testing.T) {
			w.write("next.tar.gz", c.data)
			w.log.Reset()
			g.reload("a test")
			k := shownOf(t, g)
			if k.State != stateRefused || len(k.Diagnostics) == 0 || k.Diagnostics[0].Code != c.code || !strings.Contains(k.Text, c.code) || !strings.Contains(w.log.String(), c.code) {
				t.Errorf("%+v\n%s", k, w.log.String())
			}
			if g.state.build().snapshot.Candidate != nil || serving(g) != 3 || !g.bundles()[0].Last.OK {
				t.Error("it changes what decides")
			}
			before, err := check(&process{ctx: t.Context(), getenv: os.LookupEnv, now: g.now}, w.file("sallyport.yaml"))
			if diff := cmp.Diff(k.Diagnostics, before.mistakes); diff != "" || err != nil {
				t.Errorf("check says something else (- what is shown, + what it says), %v:\n%s", err, diff)
			}
		})
	}
	w.write("next.tar.gz", good)
	if g.reload("a test"); shownOf(t, g).State != stateTried {
		t.Errorf("a good one: %+v", shownOf(t, g))
	}
	w.write("sallyport.yaml", []byte(bundledConfig))
	if g.reload("a test"); g.candidate() != nil || g.state.build().snapshot.Candidate != nil {
		t.Error("the config names none any more")
	}
}

// A directory beside a directory can be tried; to make it decide is its files' business.
func TestDirectoryAsCandidate(t *testing.T) {
	w := newBundled(t)
	for dir, policy := range map[string]string{"now": bundledPolicy, "next": strings.Replace(bundledPolicy, "allow", "deny", 1)} {
		if err := os.Mkdir(w.file(dir), 0o700); err != nil {
			t.Fatal(err)
		}
		w.write(filepath.Join(dir, "p.yaml"), []byte(policy))
	}
	w.write("sallyport.yaml", []byte(strings.Replace(strings.Replace(bundledConfig, "p.tar.gz", "now", 1), "{ trust: key.pub, state: state, audience: prod }", "{ candidate: { from: next } }", 1)))
	g, err := w.start()
	if err != nil {
		t.Fatal(err)
	}
	if k := shownOf(t, g); k.State != stateTried || k.Mode != "shadow" {
		t.Fatalf("%+v", k)
	}
	if err := g.change(t.Context(), by("promote", "", nil)); err == nil || !strings.Contains(err.Error(), "SP8204") {
		t.Error(err)
	}
	if err := g.change(t.Context(), by("withdraw", "", nil)); err != nil || shownOf(t, g).State != stateWithdrawn {
		t.Errorf("%v %+v", err, shownOf(t, g))
	}
	g.reload("a test")
	if shownOf(t, g).State != stateWithdrawn {
		t.Error("a reload tries it again")
	}
	w.write("next/p.yaml", []byte(bundledPolicy))
	if g.reload("a test"); shownOf(t, g).State != stateActive {
		t.Errorf("the same as what decides: %+v", shownOf(t, g))
	}
}
