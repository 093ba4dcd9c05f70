package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// deterministic is the kit's guest with a manifest that says so. The word takes the place of the features that it can do without.
func deterministic(t testing.TB) []byte {
	t.Helper()
	const was, is = `"features": { "optional": ["newer", "strings", "view"] }`, `"deterministic": true`
	text := string(guest(t))
	if strings.Count(text, was) != 1 {
		t.Fatal("the guest's manifest reads otherwise")
	}
	return []byte(strings.Replace(text, was, is+strings.Repeat(" ", len(was)-len(is)), 1))
}

func cachedPlugin(t testing.TB, h *wasm.Host, module []byte, rules string) *engine.Snapshot {
	t.Helper()
	b, err := bundle.FS(fstest.MapFS{
		"p.yaml":       {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n" + rules)},
		"x/guest.wasm": {Data: module},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(t.Context(), b, engine.Options{Plugins: h, Cache: engine.CacheLeast})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// twice is what is said of a message, and what is said of it again, in the words of the record and the cache's.
func twice(t testing.TB, s *engine.Snapshot, r *engine.Request) (first, again engine.Decision) {
	t.Helper()
	first = s.Decide(t.Context(), r)
	s.SettleCache()
	return first, s.Decide(t.Context(), r)
}

// A decision that is remembered says what it said, plugins included; the plugin is not asked. What can't be said again is not remembered.
func TestCache_ofPlugins(t *testing.T) {
	s := cachedPlugin(t, pluginHost(t), deterministic(t), "  - { name: any, effect: allow }\n  - { name: ask, plugin: tck }\n")
	defer s.Close()
	for _, tt := range []struct {
		name, do     string
		first, again engine.Caching
	}{
		{"pass", `{}`, engine.CacheMiss, engine.CacheHit},
		{"a note", `{"do":"note","key":"k","text":"t"}`, engine.CacheMiss, engine.CacheHit},
		{"a label", `{"do":"label","text":"l"}`, engine.CacheMiss, engine.CacheHit},
		{"deny", `{"do":"reason","key":"not_here","text":"go away","verdict":1}`, engine.CacheMiss, engine.CacheHit},
		{"approve", `{"do":"approve","text":"Send it?","verdict":3}`, engine.CacheMiss, engine.CacheHit},
		{"mutate", `{"do":"patch","path":"args.object.a","json":"1","verdict":2}`, engine.CacheRewritten, engine.CacheRewritten},
		{"a trap", `{"do":"trap"}`, engine.CacheFailed, engine.CacheFailed},
		{"the time", `{"do":"now_ms"}`, engine.CacheFailed, engine.CacheFailed},
	} {
		r := tckCall(t, tt.do, `{"kind":"x","object":{}}`)
		before := s.Plugins()[0].Stats.Calls
		first, again := twice(t, s, r)
		asked := s.Plugins()[0].Stats.Calls - before
		if first.Cache != tt.first || again.Cache != tt.again {
			t.Errorf("%s: %q, then %q (%v)", tt.name, first.Cache, again.Cache, first.Cause)
		}
		want := uint64(2)
		if tt.again == engine.CacheHit && again.Cache == engine.CacheHit {
			want = 1
			if diff := cmp.Diff(first, again, cmpopts.IgnoreFields(engine.Decision{}, "Cache"), cmpopts.IgnoreUnexported(engine.Decision{}), cmpopts.EquateComparable(first.Rewritten)); diff != "" {
				t.Errorf("%s: (-first +again)\n%s", tt.name, diff)
			}
		}
		if asked != want || len(again.Plugins) != 1 {
			t.Errorf("%s: the plugin was asked %d times, want %d", tt.name, asked, want)
		}
		other := tckCall(t, tt.do, `{"kind":"y","object":{}}`) // it reads args
		if d := s.Decide(t.Context(), other); d.Cache == engine.CacheHit {
			t.Errorf("%s: remembered for other arguments", tt.name)
		}
		later := *r
		later.Time = time.Unix(2, 0)
		if d := s.Decide(t.Context(), &later); d.Cache != tt.again {
			t.Errorf("%s: at another time %q", tt.name, d.Cache)
		}
	}
}

func TestCache_notOfPluginsThatDependOnMore(t *testing.T) {
	s := cachedPlugin(t, pluginHost(t), guest(t), "  - { name: any, effect: allow }\n  - { name: ask, plugin: tck }\n")
	defer s.Close()
	first, again := twice(t, s, tckCall(t, `{}`, `{}`))
	if first.Cache != engine.CachePlugin || again.Cache != engine.CachePlugin {
		t.Errorf("%q, then %q", first.Cache, again.Cache)
	}
}

// What an ejected plugin said before is not said again: whoever asks now is denied, as without the cache.
func TestCache_notOfEjectedPlugins(t *testing.T) {
	h, err := wasm.New(wasm.Options{EjectFailures: 3, EjectWindow: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	s := cachedPlugin(t, h, deterministic(t), "  - { name: any, effect: allow }\n  - { name: ask, plugin: tck }\n")
	defer s.Close()
	good := tckCall(t, `{}`, `{}`)
	if _, again := twice(t, s, good); again.Cache != engine.CacheHit {
		t.Fatalf("%q", again.Cache)
	}
	for range 3 {
		s.Decide(t.Context(), tckCall(t, `{"do":"trap"}`, `{}`))
	}
	if d := s.Decide(t.Context(), good); d.Allowed() || d.Cache != engine.CacheEjected || d.Reason != engine.ReasonPluginFailed {
		t.Errorf("%s %s, cache %q", d.Effect, d.Reason, d.Cache)
	}
}

// A snapshot that is closed leaves nothing running.
func TestCache_endsWithItsSnapshot(t *testing.T) {
	h := pluginHost(t)
	before := goleak.IgnoreCurrent()
	for range 3 {
		s := cachedPlugin(t, h, deterministic(t), "  - { name: any, effect: allow }\n  - { name: ask, plugin: tck }\n")
		if _, again := twice(t, s, tckCall(t, `{}`, `{}`)); again.Cache != engine.CacheHit {
			t.Fatalf("%q", again.Cache)
		}
		s.Close()
		s.Close()
	}
	goleak.VerifyNone(t, before)
}

// Of each rule it is known whether it can be remembered, why not, and what its key holds.
func TestCaching(t *testing.T) {
	s := cachedPlugin(t, pluginHost(t), deterministic(t), `
  - { name: any, effect: allow }
  - { name: paths, effect: deny, when: 'args.path == "x" && "a" in principal.groups', message: 'args.why' }
  - { name: hours, effect: deny, when: 'now.getHours() > 20' }
  - { name: header, effect: deny, when: 'request.headers[args.h] == "x"' }
  - { name: lists, effect: deny, when: 'args.l.exists(a, args.l.exists(b, a + b == "x"))' }
  - { name: ask, plugin: tck, phase: response, when: 'args.kind == "x"' }
`)
	defer s.Close()
	var got []string
	for _, c := range s.Caching() {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %v %v %s %s %s", c.Rule.Name, c.Cacheable, c.Worthwhile, c.Why, c.Blame, strings.Join(c.Fields[:min(len(c.Fields), 4)], " "))))
	}
	want := []string{
		"any true false", "paths true false   args.path args.why principal.groups", "hours false false impure now now",
		"header false false any_header request.headers[*] args.h request.headers[*]", "lists true true   args.l",
	}
	if diff := cmp.Diff(want, got[:5]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if c := s.Caching()[5]; !c.Cacheable || !c.Worthwhile || len(c.Fields) < 20 || c.Fields[2] != "args" {
		t.Errorf("%+v", c)
	}
	if (*engine.Snapshot)(nil).Caching() != nil {
		t.Error("nil has rules")
	}
}
