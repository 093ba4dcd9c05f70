package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/admin"
)

// handing hands a candidate over.
func handing(archive []byte, how string) admin.Change {
	c := by(admin.Try, "", archive)
	c.Trial = how
	return c
}

func codes(err error) string {
	ds, _ := errors.AsType[source.Diagnostics](err)
	var all []string
	for _, d := range ds {
		all = append(all, d.Code)
	}
	return strings.Join(all, " ")
}

// A candidate that an operator hands over is tried as one of the config is, over reloads, until it decides.
func TestCandidateThatIsHandedOver(t *testing.T) {
	w, g := operated(t)
	if err := g.change(t.Context(), handing(w.archive(stricter(4), w.key), "")); err != nil {
		t.Fatal(err)
	}
	k := shownOf(t, g)
	if k.State != stateTried || k.Mode != "shadow" || k.By != "alice" || k.Version != 4 || k.Found == nil || k.Source != "given.tar.gz" || serving(g) != 3 {
		t.Fatalf("%+v", k)
	}
	if got := w.records("candidate_tried"); len(got) != 1 || got[0] != "operator alice sha256: shadow: acme 4" {
		t.Errorf("records: %q", got)
	}
	before := g.state.build().candidate
	if g.reload("a test"); g.state.build().candidate != before {
		t.Error("a reload that changes nothing has begun the trial anew")
	}
	how := `{"mode":"canary","share":5,"principals":["ci"],"groups":["beta"],"claims":{"tenant":["acme"]},"withdraw":{"denials":1},"budget":100}`
	if err := g.change(t.Context(), handing(w.archive(stricter(4), w.key), how)); err != nil {
		t.Fatal(err)
	}
	now := g.state.build().candidate
	if c := g.state.build().snapshot.Candidate.Canary; now == before || c == nil || c.Share != 500 || c.Principals[0] != "ci" || c.Groups[0] != "beta" || c.Claims["tenant"][0] != "acme" {
		t.Errorf("%+v", c)
	}
	if now.config.Budget != 100 || now.config.Withdraw.Denials != 1 || now.config.Withdraw.After != 100 {
		t.Errorf("%+v", now.config)
	}
	if err := g.change(t.Context(), by("promote", "", nil)); err != nil {
		t.Fatal(err)
	}
	if serving(g) != 4 || g.candidate() != nil || g.builder.handed != nil {
		t.Errorf("%d decides, and %+v is tried", serving(g), g.candidate())
	}
	if err := g.change(t.Context(), by("rollback", "", nil)); err != nil || serving(g) != 3 || g.candidate() != nil {
		t.Errorf("%v: %d decides, and %+v is tried", err, serving(g), g.candidate())
	}
	if err := g.change(t.Context(), by(admin.Try, k.Revision, nil)); err != nil || shownOf(t, g).Version != 4 || shownOf(t, g).State != stateTried {
		t.Errorf("by its revision: %v", err)
	}
}

// What was promoted decides after a restart, though its file was only ever in memory; what was only tried is gone.
func TestHandedOverCandidateOverARestart(t *testing.T) {
	w := newBundled(t)
	w.write("sallyport.yaml", []byte(withOperator(bundledConfig)))
	w.write("p.tar.gz", w.archive(nil, w.key))
	t.Run("tried", func(t *testing.T) {
		w := &bundled{t: t, dir: w.dir, key: w.key}
		g, err := w.start()
		if err != nil {
			t.Fatal(err)
		}
		if err := g.change(t.Context(), handing(w.archive(stricter(4), w.key), "")); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("promoted", func(t *testing.T) {
		w := &bundled{t: t, dir: w.dir, key: w.key}
		g, err := w.start()
		if err != nil || g.candidate() != nil || serving(g) != 3 {
			t.Fatal(err, g.candidate())
		}
		if err := g.change(t.Context(), handing(w.archive(stricter(4), w.key), "")); err != nil {
			t.Fatal(err)
		}
		if err := g.change(t.Context(), by("promote", "", nil)); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("after that", func(t *testing.T) {
		w := &bundled{t: t, dir: w.dir, key: w.key}
		g, err := w.start()
		if err != nil || serving(g) != 4 || g.bundles()[0].Chosen == nil {
			t.Fatal(err)
		}
	})
}

// What can't be tried is refused with its reason, and what is tried stays.
func TestHandedOverCandidateIsRefused(t *testing.T) {
	w, g := operated(t)
	good := w.archive(stricter(4), w.key)
	if err := g.change(t.Context(), handing(good, "")); err != nil {
		t.Fatal(err)
	}
	before := g.state.build()
	for name, c := range map[string]struct {
		change admin.Change
		codes  string
	}{
		"unsigned":         {handing(w.archive(stricter(5)), ""), "SP8101"},
		"signed by others": {handing(w.archive(stricter(5), w.other), ""), "SP8106"},
		"an older version": {handing(w.archive(stricter(2), w.key), ""), "SP8113"},
		"cut off":          {handing(good[:len(good)-9], ""), "SP8002"},
		"expired": {handing(w.archive(func(m *bundle.Manifest, f map[string]string) {
			stricter(5)(m, f)
			m.Expires = "2020-01-01T00:00:00Z"
		}, w.key), ""), "SP8110"},
		"for others": {handing(w.archive(func(m *bundle.Manifest, f map[string]string) {
			stricter(5)(m, f)
			m.Audience = []string{"test"}
		}, w.key), ""), "SP8111"},
		"a case that fails": {handing(w.archive(func(m *bundle.Manifest, f map[string]string) {
			m.Version, f["p.yaml"] = 5, strings.Replace(bundledPolicy, "allow", "deny", 1)
		}, w.key), ""), "SP8023"},
		"what decides":           {handing(w.archive(nil, w.key), ""), "SP8208"},
		"a revision nobody has":  {by(admin.Try, "sha256:aa", nil), "SP8203"},
		"a canary of nobody":     {handing(good, `{"mode":"canary"}`), "SP1112"},
		"a share of a shadow":    {handing(good, `{"share":5}`), "SP1112"},
		"a share beyond all":     {handing(good, `{"mode":"canary","share":101}`), "SP1011"},
		"a word of no config":    {handing(good, `{"shares":5}`), "SP1002"},
		"another place":          {handing(good, `{"from":"other.tar.gz"}`), "SP1112"},
		"no object":              {handing(good, `[]`), "SP1112"},
		"not even JSON":          {handing(good, `{`), "SP1112"},
		"a bound without a name": {handing(good, `{"mode":"canary","share":5,"withdraw":{}}`), "SP1112"},
	} {
		t.Run(name, func(t *testing.T) {
			w.log.Reset()
			refused := len(w.records("change_refused"))
			err := g.change(t.Context(), c.change)
			if codes(err) != c.codes || !strings.Contains(w.log.String(), strings.Split(c.codes, " ")[0]) {
				t.Errorf("%v\n%s", err, w.log.String())
			}
			if g.state.build() != before || g.builder.handed == nil || string(g.builder.handed.archive) != string(good) {
				t.Error("it changes what is tried")
			}
			if got := w.records("change_refused"); len(got) != refused+1 || !strings.HasPrefix(got[refused], "operator alice sha256: try: ") {
				t.Errorf("records: %q", got)
			}
		})
	}
	if err := g.change(t.Context(), by("withdraw", "", nil)); err != nil || shownOf(t, g).State != stateWithdrawn {
		t.Fatal(err)
	}
	if err := g.change(t.Context(), handing(good, `{"mode":"canary","share":5}`)); codes(err) != "SP8208" || !strings.Contains(err.Error(), "withdrawn by `alice`") {
		t.Error(err)
	}
	w.write("next.tar.gz", w.archive(stricter(6), w.key))
	w.write("sallyport.yaml", []byte(tryingConfig("mode: shadow")))
	g.reload("a test")
	if k := shownOf(t, g); k.Version != 6 || k.By != "" || g.builder.handed != nil {
		t.Errorf("the config names another: %+v", k)
	}
	err := g.change(t.Context(), handing(w.archive(stricter(7), w.key), ""))
	if want := w.file("sallyport.yaml") + ":10:14"; codes(err) != "SP8207" || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want it at %s", err, want)
	}
}
