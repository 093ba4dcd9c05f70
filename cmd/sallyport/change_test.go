package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/admin"
)

const operators = "admin: { listen: \"127.0.0.1:0\", tokens: [ { id: alice, hash: \"sha256:0123456789012345678901234567890123456789012345678901234567890123\" } ] }\n"

// operated is a gateway with an operator.
func operated(t *testing.T) (*bundled, *program) {
	t.Helper()
	w := newBundled(t)
	w.write("sallyport.yaml", []byte(withOperator(bundledConfig)))
	w.write("p.tar.gz", w.archive(nil, w.key))
	g, err := w.start()
	if err != nil {
		t.Fatal(err)
	}
	return w, g
}

func hashOf(token string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(token))) }

func withOperator(config string) string {
	return strings.Replace(config, "admin: { listen: \"127.0.0.1:0\" }\n", operators, 1)
}

// by is a change that alice wants.
func by(action, revision string, data []byte) admin.Change {
	c := admin.Change{Action: action, By: "alice", From: "127.0.0.1", Revision: revision, Archive: data}
	if data != nil {
		c.Name = "given.tar.gz"
	}
	return c
}

// records are the lifecycle records of an event, as "id cause".
func (w *bundled) records(event string) (out []string) {
	w.t.Helper()
	text, err := os.ReadFile(w.file("audit.jsonl"))
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var r struct {
			Event, Cause, Revision string
			Principal              struct{ Kind, ID string }
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			w.t.Fatal(err)
		}
		if r.Event == event {
			out = append(out, strings.TrimSpace(r.Principal.Kind+" "+r.Principal.ID+" "+r.Revision[:min(len(r.Revision), 7)]+" "+r.Cause))
		}
	}
	return out
}

func serving(g *program) int64 { return g.bundles()[0].Version }

func TestOperatorActivatesAndGoesBack(t *testing.T) {
	w, g := operated(t)
	three := g.state.build().policy.Revision()
	if err := g.change(t.Context(), by("rollback", "", nil)); err == nil || !strings.Contains(err.Error(), "SP8202") {
		t.Errorf("nothing to go back to: %v", err)
	}
	if err := g.change(t.Context(), by("activate", "", w.archive(numbered(4), w.key))); err != nil {
		t.Fatal(err)
	}
	four := g.bundles()[0]
	if four.Version != 4 || four.Chosen == nil || four.Chosen.By != "alice" || four.Cases != 1 || !four.Last.OK {
		t.Errorf("%+v", four)
	}
	g.reload("a test") // the source has version 3 still
	if serving(g) != 4 || !g.bundles()[0].Last.OK {
		t.Errorf("a reload undid what the operator has chosen: %+v", g.bundles()[0])
	}
	if err := g.change(t.Context(), by("rollback", "", nil)); err != nil || serving(g) != 3 {
		t.Fatal(err, serving(g))
	}
	if err := g.change(t.Context(), by("rollback", "", nil)); err == nil || !strings.Contains(err.Error(), "SP8202") || serving(g) != 3 {
		t.Errorf("twice: %v, version %d", err, serving(g))
	}
	g.reload("a test")
	if serving(g) != 3 {
		t.Errorf("a reload undid the rollback: version %d", serving(g))
	}
	for _, step := range []struct {
		revision string
		version  int64
	}{{four.Revision, 4}, {three, 3}, {four.Revision, 4}, {three, 3}} {
		if err := g.change(t.Context(), by("activate", step.revision, nil)); err != nil || serving(g) != step.version {
			t.Fatalf("%v: version %d, want %d", err, serving(g), step.version)
		}
	}
	if err := g.change(t.Context(), by("activate", "sha256:none", nil)); err == nil || !strings.Contains(err.Error(), "SP8203") || serving(g) != 3 {
		t.Errorf("a revision that isn't kept: %v, version %d", err, serving(g))
	}
	want := []string{"operator alice sha256: acme 3, was acme 4", "operator alice sha256: acme 3, was acme 4", "operator alice sha256: acme 3, was acme 4"}
	if got := w.records("rolled_back"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("records: %q", got)
	}
	if got := w.records("activated"); len(got) != 3 || got[0] != "operator alice sha256: acme 4, was acme 3" {
		t.Errorf("records: %q", got)
	}
	if got := w.records("change_refused"); len(got) != 3 || !strings.Contains(got[0], "operator alice sha256: rollback: ") || !strings.Contains(got[0], "SP8202") || !strings.Contains(got[2], "SP8203") {
		t.Errorf("records: %q", got)
	}
}

// What was rolled back from doesn't come back by itself, over a restart either; what is newer than it does.
func TestRollbackHolds(t *testing.T) {
	w := newBundled(t)
	w.write("p.tar.gz", w.archive(nil, w.key))
	t.Run("before the restart", func(t *testing.T) {
		w := &bundled{t: t, dir: w.dir, key: w.key}
		g, err := w.start()
		if err != nil {
			t.Fatal(err)
		}
		w.write("p.tar.gz", w.archive(numbered(4), w.key))
		if g.reload("a test"); serving(g) != 4 || g.bundles()[0].Chosen != nil {
			t.Fatalf("%+v", g.bundles()[0])
		}
		if err := g.change(t.Context(), by("rollback", "", nil)); err != nil || serving(g) != 3 {
			t.Fatal(err, serving(g))
		}
	})
	for _, c := range []struct {
		name   string
		source func() // puts something in the place of the bundle
		want   int64
	}{
		{"the source is as it was", func() {}, 3},
		{"the source goes back, too", func() { w.write("p.tar.gz", w.archive(nil, w.key)) }, 3},
		{"the source is older still", func() { w.write("p.tar.gz", w.archive(numbered(1), w.key)) }, 3},
		{"the source is broken", func() { w.write("p.tar.gz", nil) }, 3},
		{"the source is newer", func() { w.write("p.tar.gz", w.archive(numbered(5), w.key)) }, 5},
		{"the source is older again", func() { w.write("p.tar.gz", w.archive(numbered(4), w.key)) }, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.source()
			w := &bundled{t: t, dir: w.dir, key: w.key}
			g, err := w.start()
			if err != nil {
				t.Fatal(err)
			}
			if g.reload("a test"); serving(g) != c.want {
				t.Errorf("version %d, want %d", serving(g), c.want)
			}
			if c.want == 5 {
				if before, err := bundle.StoreIn(w.file("state")).Previous(); err != nil || before == nil || before.Manifest.Version != 3 {
					t.Errorf("the bundle to go back to is not the one that decided before: %v", err)
				}
			}
		})
	}
}

// A gateway doesn't start by a bundle from which an operator has gone back.
func TestRollbackToWhatIsNotTrustedAnyMore(t *testing.T) {
	w := newBundled(t)
	w.write("p.tar.gz", w.archive(nil, w.other))
	w.write("sallyport.yaml", []byte(strings.Replace(bundledConfig, "key.pub", "both.pub", 1)))
	one, err := os.ReadFile(w.file("key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(w.file("other.pub"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("both.pub", append(one, two...))
	t.Run("before the restart", func(t *testing.T) {
		w := &bundled{t: t, dir: w.dir, key: w.key}
		g, err := w.start()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(g.change(t.Context(), by("activate", "", w.archive(numbered(4), w.key))), g.change(t.Context(), by("rollback", "", nil))); err != nil {
			t.Fatal(err)
		}
	})
	w.write("sallyport.yaml", []byte(bundledConfig))
	w.write("p.tar.gz", w.archive(numbered(4), w.key))
	if _, err := w.start(); err == nil || !strings.Contains(err.Error(), "SP8106") {
		t.Errorf("only a key that isn't trusted has signed what was chosen: %v", err)
	}
	w.write("state/choice.json", []byte("{}"))
	if _, err := w.start(); err == nil || !strings.Contains(err.Error(), "SP8201") {
		t.Errorf("a choice that can't be read: %v", err)
	}
	if err := os.Remove(w.file("state/choice.json")); err != nil {
		t.Fatal(err)
	}
	if g, err := w.start(); err != nil || serving(g) != 4 {
		t.Errorf("without a choice the newest decides: %v", err)
	}
}

// Whatever an operator sends is judged as what the source gives is, for the same reasons, and changes nothing if it is refused.
func TestOperatorsBundlesAreVerified(t *testing.T) {
	w, g := operated(t)
	active := g.state.build()
	for name, c := range map[string]struct {
		data []byte
		code string
	}{
		"no archive":       {[]byte("hello"), "SP8002"},
		"unsigned":         {w.archive(numbered(4)), "SP8101"},
		"signed by others": {w.archive(numbered(4), w.other), "SP8106"},
		"an old version":   {w.archive(numbered(2), w.key), "SP8113"},
		"a case that fails": {w.archive(func(m *bundle.Manifest, f map[string]string) {
			m.Version, f["p.yaml"] = 4, strings.Replace(bundledPolicy, "allow", "deny", 1)
		}, w.key), "SP8023"},
	} {
		t.Run(name, func(t *testing.T) {
			w.log.Reset()
			err := g.change(t.Context(), by("activate", "", c.data))
			if err == nil || !strings.Contains(err.Error(), c.code) || g.state.build() != active {
				t.Fatalf("%v, want %s", err, c.code)
			}
			records := w.records("change_refused")
			if !strings.Contains(w.log.String(), c.code) || !strings.Contains(records[len(records)-1], c.code) {
				t.Errorf("log: %s\nrecords: %q", w.log.String(), records)
			}
		})
	}
	if len(w.records("activated")) > 0 {
		t.Error("an activation was recorded that didn't happen")
	}
}

func TestPoliciesThatCannotBeChangedByCommand(t *testing.T) {
	for name, config := range map[string]string{
		"a file of policies": strings.Replace(strings.Replace(bundledConfig, "p.tar.gz", "p.yaml", 1), "bundle: { trust: key.pub, state: state, audience: prod }\n", "", 1),
		"without a state":    strings.Replace(bundledConfig, "trust: key.pub, state: state", "unsigned: true", 1),
		"no policies":        strings.Replace(strings.Replace(bundledConfig, "policies: p.tar.gz\n", "", 1), "bundle: { trust: key.pub, state: state, audience: prod }\n", "", 1),
	} {
		t.Run(name, func(t *testing.T) {
			w := newBundled(t)
			w.write("p.yaml", []byte(bundledPolicy))
			w.write("p.tar.gz", w.archive(nil, w.key))
			w.write("sallyport.yaml", []byte(config))
			g, err := w.start()
			if err != nil {
				t.Fatal(err)
			}
			if err := g.change(t.Context(), by("activate", "", w.archive(numbered(4), w.key))); err == nil || !strings.Contains(err.Error(), "SP8204") {
				t.Error(err)
			}
		})
	}
}

// A change that can't be recorded, or kept, is not made.
func TestNoRecordNoChange(t *testing.T) {
	w := newBundled(t)
	w.write("p.tar.gz", w.archive(nil, w.key))
	g, err := start(process{ctx: t.Context(), stdout: io.Discard, stderr: &w.log, getenv: os.LookupEnv, now: time.Now}, origin{config: w.file("sallyport.yaml")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(g.data.Close(), g.stop()) }) // its log is closed
	next := w.archive(numbered(4), w.key)
	if err := os.Mkdir(w.file("state/choice.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := g.change(t.Context(), by("activate", "", next)); err == nil || serving(g) != 3 {
		t.Errorf("%v: version %d", err, serving(g))
	}
	if err := errors.Join(os.Remove(w.file("state/choice.json")), g.audit.Close()); err != nil {
		t.Fatal(err)
	}
	if err := g.change(t.Context(), by("activate", "", next)); err == nil || serving(g) != 3 {
		t.Errorf("%v: version %d", err, serving(g))
	}
	if last, err := bundle.StoreIn(w.file("state")).Last(); err != nil || last.Manifest.Version != 3 {
		t.Errorf("it was kept, and not recorded: %v", err)
	}
}

// The command, the log and the admin API say the same of a bundle that is refused.
func TestCommandSaysWhatTheGatewaySays(t *testing.T) {
	w, g := operated(t)
	server := httptest.NewServer(g.adminer.Handler)
	t.Cleanup(server.Close)
	call := func(token string, args ...string) (code int, out string) {
		var stdout, stderr strings.Builder
		code = run(append([]string{"bundle"}, args...), process{ctx: t.Context(), stdout: &stdout, stderr: &stderr, now: g.now, getenv: func(name string) (string, bool) {
			if name == "SALLYPORT_ADMIN_TOKEN" {
				return token, token != ""
			}
			return "", false
		}})
		return code, stdout.String() + stderr.String()
	}
	w.write("old.tar.gz", w.archive(numbered(2), w.key))
	w.write("new.tar.gz", w.archive(numbered(4), w.key))
	w.write("sallyport.yaml", []byte(strings.Replace(withOperator(bundledConfig), "0123456789012345678901234567890123456789012345678901234567890123", hashOf("another"), 1)))
	g.reload("a test")
	if code, out := call("guessed", "rollback", "--admin", server.URL); code != exitUnexpected || !strings.Contains(out, "the token is missing, or nobody's") {
		t.Errorf("%d %s", code, out)
	}
	if got := w.records("change_refused"); len(got) != 1 || !strings.Contains(got[0], "rollback: the token is missing, or nobody's") {
		t.Errorf("records: %q", got)
	}
	w.write("sallyport.yaml", []byte(strings.Replace(withOperator(bundledConfig), "0123456789012345678901234567890123456789012345678901234567890123", hashOf("operator-of-a-test"), 1)))
	g.reload("a test")
	code, out := call("operator-of-a-test", "activate", w.file("old.tar.gz"), "--admin", server.URL)
	if code != exitSignature || !strings.HasPrefix(out, "error[SP8113]: the bundle has version 2, and version 3 was active already\n  --> old.tar.gz\n") {
		t.Errorf("%d %s", code, out)
	}
	if code, out = call("operator-of-a-test", "activate", w.file("new.tar.gz"), "--admin", server.URL); code != exitOK || !strings.HasPrefix(out, "active: acme 4, sha256:") || serving(g) != 4 {
		t.Errorf("%d %s", code, out)
	}
	if code, out = call("operator-of-a-test", "rollback", "--admin", server.URL); code != exitOK || !strings.HasPrefix(out, "active: acme 3, sha256:") || serving(g) != 3 {
		t.Errorf("%d %s", code, out)
	}
	if code, out = call("", "rollback", "--admin", server.URL); code != exitUsage || !strings.Contains(out, "needs an operator's token") {
		t.Errorf("%d %s", code, out)
	}
}

// A token goes to this machine, or under TLS, and nowhere else.
func TestTokenStaysHere(t *testing.T) {
	for to, ok := range map[string]bool{
		"http://127.0.0.1:9090": true, "http://localhost:9090/": true, "http://[::1]:9090": true, "https://gw.example": true, "https://gw.example/behind": true,
		"http://gw.example": false, "http://10.0.0.1:9090": false, "http://localhost.evil.example": false, "ftp://127.0.0.1": false, "127.0.0.1:9090": false, "http://a@127.0.0.1": false, "": false,
	} {
		got, err := operator{Admin: to}.url("bundles/activate", url.Values{"name": {"a.tar.gz"}})
		if (err == nil) != ok || ok && !strings.HasSuffix(got, "/admin/v1/bundles/activate?name=a.tar.gz") {
			t.Errorf("%s: %q, %v", to, got, err)
		}
	}
	stolen := false
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen = true }))
	defer thief.Close()
	here := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer here.Close()
	p := &process{ctx: t.Context(), getenv: func(string) (string, bool) { return "token", true }}
	if err := (bundleRollback{operator{Admin: here.URL}}).Run(p); err == nil || stolen {
		t.Errorf("%v; the token went elsewhere: %v", err, stolen)
	}
}
