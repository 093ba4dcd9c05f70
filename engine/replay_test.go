package engine_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/sallyport-dev/sallyport/engine"
)

// saidBy is what a record of a decision would have of its plugins.
func saidBy(d *engine.Decision) (all []engine.Said) {
	for _, p := range d.Plugins {
		all = append(all, engine.Said{
			Policy: p.Rule.Policy, Rule: p.Rule.Name, Setup: p.Setup, Hook: p.Hook, Verdict: p.Verdict, Code: p.Code, Shadow: p.Shadow,
		})
	}
	return all
}

func replayed(d *engine.Decision, err error) string {
	if err != nil {
		return err.Error()
	}
	id := ""
	if d.Rule != nil {
		id = d.Rule.ID()
	}
	return fmt.Sprintf("%s %s %q", d.Effect, id, d.Reason)
}

func TestReplayTakesTheVerdictsThatWereGiven(t *testing.T) {
	host := pluginHost(t)
	compile := func(rules string) *engine.Snapshot {
		s, err := withPlugin(t, host, rules, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	const (
		mutate = `{"do":"patch","path":"args.object.a","json":"1","verdict":2}`
		deny   = `{"do":"reason","key":"not_here","verdict":1}`
		pass   = "\n  - { name: any, effect: allow }"
		ask    = "\n  - { name: ask, plugin: tck }"
		shadow = "\n  - { name: ask, plugin: tck, enforcement: shadow }"
		again  = "\n  - { name: again, plugin: tck, when: 'args.kind == \"x\"' }"
		when   = "\n  - { name: other, plugin: tck, when: 'args.kind == \"x\"' }"
		other  = "\n  - { name: ask, plugin: tck, config: { mode: x } }"
		late   = "\n  - { name: late, effect: deny, when: 'has(args.object.a)' }"
		early  = "\n  - { name: early, effect: deny, when: 'args.kind == \"x\"' }"
	)
	for _, tt := range []struct{ name, old, now, do, want string }{
		{"pass", pass + ask, pass + ask, `{}`, `allow p/any ""`},
		{"abstain", pass + ask, pass + ask, `{"verdict":4}`, `allow p/any ""`},
		{"deny", pass + ask, pass + ask, deny, `deny p/ask "not_here"`},
		{"trap", pass + ask, pass + ask, `{"do":"trap"}`, `deny p/ask "plugin_failed"`},
		{"approve", pass + ask, pass + ask, `{"do":"approve","text":"Send it?","verdict":3}`, `approve p/ask "approval_required"`},
		{"a change that nobody judges", pass + ask, pass + ask, mutate, `allow p/any ""`},
		{"a change that a rule behind judges", pass + ask, pass + ask + late, mutate, engine.ErrPluginRewrote.Error()},
		{"a change that no rule behind judges", pass + ask + late, pass + late + ask, `{}`, `allow p/any ""`},
		{"a change that the next plugin has seen", pass + ask + again, pass + ask + again, mutate, `allow p/any ""`},
		{"a change that the next plugin has seen, without it", pass + ask + again, pass + again, mutate, engine.ErrPluginRewrote.Error()},
		{"a change that the next plugin has not seen", pass + ask + again, pass + again + ask, mutate, engine.ErrPluginRewrote.Error()},
		{"a change in shadow", pass + shadow + again, pass + again, mutate, `allow p/any ""`},
		{"the same plugin by another rule", pass + ask, pass + when, deny, `deny p/other "not_here"`},
		{"from shadow to enforcement", pass + shadow, pass + ask, deny, `deny p/ask "not_here"`},
		{"from enforcement to shadow", pass + ask, pass + shadow, deny, `allow p/any ""`},
		{"a rule before it denies now", pass + ask, pass + early + ask, `{}`, `deny p/early "denied_by_rule"`},
		{"a rule before it denied then", pass + early + ask, pass + ask, `{}`, engine.ErrPluginNotAsked.Error()},
		{"there was none", pass, pass + ask, `{}`, engine.ErrPluginNotAsked.Error()},
		{"it is gone", pass + ask, pass, deny, `allow p/any ""`},
		{"other settings", pass + ask, pass + other, `{}`, engine.ErrPluginChanged.Error()},
	} {
		before, now := compile(tt.old), compile(tt.now)
		r := tckCall(t, tt.do, `{"kind":"x","object":{}}`)
		d := before.Decide(t.Context(), r)
		got, err := now.Replay(t.Context(), r, saidBy(&d))
		if s := replayed(&got, err); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, s, tt.want)
		}
		if len(got.Plugins) != 0 {
			t.Errorf("%s: a plugin was asked", tt.name)
		}
		if tt.old != tt.now || errors.Is(err, engine.ErrPluginRewrote) {
			continue
		}
		if s, want := replayed(&got, err), replayed(&d, nil); s != want {
			t.Errorf("%s: %s, but it was %s", tt.name, s, want)
		}
	}
}

func TestReplayKnowsWhatAPluginIsGiven(t *testing.T) {
	host := pluginHost(t)
	files := map[string]string{"detectors/pii.toml": fmt.Sprintf(pii, "no"), "tables/tenants.json": `{"ann":"acme"}`}
	before, err := giving(t, host, nil, files)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	r := tckCall(t, `{}`, `{}`)
	d := before.Decide(t.Context(), r)
	for name, change := range map[string]string{
		"":                    "",
		"tables/tenants.json": `{"ann":"other"}`,
		"detectors/pii.toml":  fmt.Sprintf(pii, "number"),
	} {
		with := maps.Clone(files)
		want := error(nil)
		if name != "" {
			with[name], want = change, engine.ErrPluginChanged
		}
		now, err := giving(t, host, before, with) // what has not changed is carried over
		if err != nil {
			t.Fatal(err)
		}
		if _, err := now.Replay(t.Context(), r, saidBy(&d)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
		now.Close()
	}
}

func TestReplayOfAList(t *testing.T) {
	s, err := withPlugin(t, pluginHost(t), "  - { name: ask, plugin: tck, phase: response }\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list := tckCall(t, `{}`, `{}`)
	list.Method, list.Tool, list.Phase = "tools/list", "", engine.PhaseResponse
	list.Result = scan(t, []byte(`{"tools":[{"name":"a"}]}`))
	list.ItemsField, list.Items = "tools", list.Result.Get("tools")
	d := s.Decide(t.Context(), list)
	said := saidBy(&d)
	if len(said) != 2 {
		t.Fatalf("%+v", said)
	}
	list.Items = list.Result.Get("none") // no record has them
	if got, err := s.Replay(t.Context(), list, said); err != nil || !got.Allowed() {
		t.Errorf("%v %v", got, err)
	}
	if _, err := s.Replay(t.Context(), list, said[:1]); !errors.Is(err, engine.ErrPluginNotAsked) {
		t.Errorf("with one hook of two: %v", err)
	}
	said[0].Verdict, said[0].Code = "deny", "no"
	if got, err := s.Replay(t.Context(), list, said[:1]); err != nil || got.Reason != "no" {
		t.Errorf("denied by the first hook: %v %v", got, err)
	}
}
