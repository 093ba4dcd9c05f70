package engine_test

import (
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// A plugin that the bundle lacks denies, unless something stands in for it.
func TestDecideWith(t *testing.T) {
	b, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte(`{apiVersion: sallyport/v1, kind: Policy, metadata: {name: p}, rules: [
		{name: any, effect: allow}, {name: scan, plugin: absent, grant: ["lookup:absent"]}]}`)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, lacking := range []engine.Lacking{{}, {Plugins: []string{"other"}}} {
		if _, err := engine.Compile(t.Context(), b, engine.Options{Lacking: lacking}); err == nil {
			t.Errorf("%v: it compiles", lacking)
		}
	}
	for _, name := range []string{"absent", "p/scan"} {
		s, err := engine.Compile(t.Context(), b, engine.Options{Lacking: engine.Lacking{Plugins: []string{name}}, Cache: engine.CacheLeast})
		if err != nil {
			t.Fatal(err)
		}
		r := &engine.Request{Method: "tools/call", Server: "s", Tool: "t"}
		for range 2 { // whatever is remembered
			if d := s.Decide(t.Context(), r); d.Allowed() || d.Reason != engine.ReasonPluginFailed || d.Cause == nil {
				t.Errorf("without anything: %+v", d)
			}
			if d := s.DecideWith(t.Context(), r, &engine.StandIns{}); d.Allowed() || d.Reason != engine.ReasonPluginFailed {
				t.Errorf("with nothing: %+v", d)
			}
			with := &engine.StandIns{Plugin: func(rule *engine.Rule, plugin string, hook hostapi.Hook) *engine.Answer {
				if rule.ID() != "p/scan" || plugin != "absent" || hook != hostapi.HookRequest {
					t.Errorf("asked: %v %s %v", rule, plugin, hook)
				}
				return &engine.Answer{Verdict: "pass", Labels: []string{"seen"}}
			}}
			if d := s.DecideWith(t.Context(), r, with); !d.Allowed() || len(d.Plugins) != 1 || d.Plugins[0].Labels[0] != "seen" || d.Cache != engine.CacheUnused {
				t.Errorf("with an answer: %+v", d)
			}
			with.Plugin = func(*engine.Rule, string, hostapi.Hook) *engine.Answer { return &engine.Answer{} }
			if d := s.DecideWith(t.Context(), r, with); d.Allowed() {
				t.Errorf("the zero answer: %+v", d)
			}
		}
		if got := s.Caching()[1]; got.Cacheable || got.Why != engine.CachePlugin.String() {
			t.Errorf("%+v", got)
		}
		s.Close()
	}
}
