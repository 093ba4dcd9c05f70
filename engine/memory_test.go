package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// remembering returns a snapshot that looks every decision up, however cheap its rules are.
func remembering(t interface{ Fatal(...any) }, ps []*policy.Policy) *Snapshot {
	// A rule that applies to nothing that is asked makes the cache worthwhile.
	dear := &policy.Policy{Name: "zzz", Match: policy.Match{Servers: []string{"nowhere"}}, Rules: []policy.Rule{
		{Name: "dear", Effect: Deny, When: source.NewText(`args.l.exists(a, args.l.exists(b, a + b == "x"))`)},
	}}
	s, err := Compile(context.Background(), &bundle.Bundle{Policies: append(slices.Clone(ps), dear), Revision: "r"}, Options{Cache: CacheLeast})
	if err != nil {
		t.Fatal(err)
	}
	s.memory.least = 0
	return s
}

// whole is everything that a decision says, but for what the cache had to do with it.
func whole(d Decision) string {
	text := fmt.Sprintf("%s %q %v %v %q", brief(d), d.Message, d.Cause, d.Reads(), d.Revision)
	for _, o := range d.Shadow {
		text += fmt.Sprintf(" %q %v", o.Reason, o.Cause)
	}
	for i := range d.Plugins {
		text += fmt.Sprintf("%+v", d.Plugins[i])
	}
	return text
}

// remembered asks until what can be remembered is, and returns what is said then.
func remembered(t interface{ Fatal(...any) }, s *Snapshot, r *Request) Decision {
	d := s.Decide(context.Background(), r)
	if d.Cache == CacheMiss {
		s.SettleCache()
		if d = s.Decide(context.Background(), r); d.Cache != CacheHit {
			t.Fatal("what was missed is not remembered: ", d.Cache)
		}
	}
	return d
}

// travelled asks until the route of a message is known as well, and returns what is said by it.
func travelled(t interface{ Fatal(...any) }, s *Snapshot, r *Request) Decision {
	remembered(t, s, r)
	s.Decide(context.Background(), r)
	return s.Decide(context.Background(), r)
}

// With the cache every decision is the one without it: for random policies, and messages that are alike in some parts and not in others.
func TestCache_changesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ps := withMessages(policies().Draw(rt, "policies"))
		plain, _ := compiled(rt, ps)
		s := remembering(rt, ps)
		defer s.Close()
		asked := rapid.SliceOfN(requests(), 2, 6).Draw(rt, "requests")
		for i := range len(asked) { // and others with a part of one and the rest of another
			asked = append(asked, mixed(asked[i], asked[(i+1)%len(asked)], rapid.IntRange(0, 1<<6-1).Draw(rt, "mix")))
		}
		for _, r := range asked {
			want := plain.Decide(context.Background(), r)
			for _, ask := range []func(interface{ Fatal(...any) }, *Snapshot, *Request) Decision{remembered, travelled} {
				if got := ask(rt, s, r); whole(got) != whole(want) {
					rt.Fatalf("%+v\n%s: %s\nwithout cache: %s", r, got.Cache, whole(got), whole(want))
				}
			}
		}
	})
}

// withMessages gives rules that deny a message about what they read.
func withMessages(ps []*policy.Policy) []*policy.Policy {
	for _, p := range ps {
		for i := range p.Rules {
			if r := &p.Rules[i]; r.Effect != Allow && r.Phase == PhaseRequest && i%2 == 0 && len(p.Match.Tools) > 0 {
				r.Message = source.NewText(`"no %s".format([args.?x.orValue("x")])`)
			}
		}
	}
	return ps
}

// mixed is a request with some of its parts another's.
func mixed(a, b *Request, parts int) *Request {
	r := *a
	for i, take := range []func(){
		func() { r.Arguments = b.Arguments }, func() { r.Principal = b.Principal }, func() { r.Annotations = b.Annotations },
		func() { r.Time = b.Time }, func() { r.DefaultAllow = b.DefaultAllow }, func() { r.Server = b.Server },
	} {
		if parts>>i&1 != 0 {
			take()
		}
	}
	return &r
}

// The same under swaps: who asks one of several snapshots, while they are swapped, gets what that one says without its cache.
func TestCache_changesNothingUnderSwaps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const snapshots = 2
		var all [snapshots]*Snapshot
		var current atomic.Pointer[Snapshot]
		asked := rapid.SliceOfN(requests(), 3, 6).Draw(rt, "requests")
		want := map[*Snapshot][]string{}
		for i := range all {
			ps := policies().Draw(rt, "policies")
			plain, _ := compiled(rt, ps)
			all[i] = remembering(rt, ps)
			for n, r := range asked {
				want[all[i]] = append(want[all[i]], whole(plain.Decide(context.Background(), r)))
				if n%2 == 0 { // the others are met while they are remembered
					remembered(rt, all[i], r)
				}
			}
		}
		current.Store(all[0])
		var wg sync.WaitGroup
		failed := make(chan string, 4)
		for w := range 4 {
			wg.Go(func() {
				for i := range 40 {
					s, n := current.Load(), (i+w)%len(asked)
					if d := s.Decide(context.Background(), asked[n]); whole(d) != want[s][n] {
						failed <- fmt.Sprintf("%+v\n%s: %s\nwithout cache: %s", asked[n], d.Cache, whole(d), want[s][n])
						return
					}
					if i%10 == 0 {
						current.Store(all[(i/10+w)%snapshots])
					}
				}
			})
		}
		wg.Wait()
		for _, s := range all {
			s.Close()
		}
		select {
		case why := <-failed:
			rt.Fatal(why)
		default:
		}
	})
}

// remembersRules is a snapshot of one policy with rules as they are written, whose every decision is looked up.
func remembersRules(t *testing.T, rules ...policy.Rule) *Snapshot {
	t.Helper()
	s := remembering(t, []*policy.Policy{{Name: "p", Rules: rules}})
	t.Cleanup(s.Close)
	return s
}

func rule1(name string, e Effect, when string) policy.Rule {
	return policy.Rule{Name: name, Effect: e, When: source.NewText(when)}
}

// What a decision doesn't follow from for good is not remembered, and the decision says why.
func TestCache_saysWhyNot(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	big := fmt.Sprintf(`{"x":"%0*d"}`, maxKey, 0)
	allow := rule1("allow", Allow, "true")
	shadow := rule1("shadow", Deny, `args.nope == 1`)
	shadow.Shadow = true
	said := rule1("deny", Deny, `true`)
	said.Message = source.NewText(`string(now)`)
	for _, tt := range []struct {
		name string
		ctx  context.Context
		args string
		want Caching
		rule policy.Rule
	}{
		{"nothing against it", t.Context(), `{"x":1}`, CacheMiss, rule1("r", Deny, `args.x == 2`)},
		{"a clock", t.Context(), `{"x":1}`, CacheImpure, rule1("r", Deny, `now.getHours() > 24`)},
		{"a clock behind what is false", t.Context(), `{"x":1}`, CacheImpure, rule1("r", Deny, `false && now.getHours() > 24`)},
		{"a clock in a message", t.Context(), `{"x":1}`, CacheImpure, said},
		{"a header whose name is computed", t.Context(), `{"x":"y"}`, CacheHeaders, rule1("r", Deny, `request.headers[?args.x].orValue("") == "z"`)},
		{"headers as such", t.Context(), `{"x":"y"}`, CacheHeaders, rule1("r", Deny, `"x" in request.headers`)},
		{"an error", t.Context(), `{}`, CacheFailed, rule1("r", Deny, `args.x == 2`)},
		{"an error of a shadow rule", t.Context(), `{}`, CacheFailed, shadow},
		{"an interrupt", cancelled, `{"x":1}`, CacheFailed, rule1("r", Deny, `args.x == 2`)},
		{"too much", t.Context(), big, CacheTooLarge, rule1("r", Deny, `args.x == "2"`)},
		{"much that nothing reads", t.Context(), big, CacheMiss, rule1("r", Deny, `has(args.y)`)},
	} {
		s := remembersRules(t, allow, tt.rule)
		r := &Request{Method: "tools/call", Server: "s", Tool: "t", Arguments: scanned(t, tt.args)}
		for range 2 {
			if d := s.Decide(tt.ctx, r); d.Cache != tt.want {
				t.Errorf("%s: %q, want %q", tt.name, d.Cache, tt.want)
			}
			if s.SettleCache(); tt.want == CacheMiss {
				tt.want = CacheHit
			}
		}
	}
}

// What no rule reads is not in the key; what one reads is.
func TestCache_sharesWhatIsAlike(t *testing.T) {
	s := remembersRules(t, rule1("allow", Allow, `args.a.b == 1 && "x" in principal.groups`))
	base := func() *Request {
		return &Request{
			Method: "tools/call", Server: "s", Tool: "t", Arguments: scanned(t, `{"a":{"b":1,"c":2},"d":3}`),
			Principal: &Principal{ID: "i", Groups: []string{"x"}, Roles: []string{"r"}},
		}
	}
	remembered(t, s, base())
	for name, tt := range map[string]struct {
		change func(r *Request)
		want   Caching
	}{
		"another member":      {func(r *Request) { r.Arguments = scanned(t, `{"d":4,"a":{"c":[],"b":1}}`) }, CacheHit},
		"another tool":        {func(r *Request) { r.Tool, r.Server = "u", "v" }, CacheHit},
		"another role":        {func(r *Request) { r.Principal = &Principal{Groups: []string{"x"}} }, CacheHit},
		"another number":      {func(r *Request) { r.Arguments = scanned(t, `{"a":{"b":1.0}}`) }, CacheMiss},
		"a group more":        {func(r *Request) { r.Principal = &Principal{Groups: []string{"x", "y"}} }, CacheMiss},
		"nobody":              {func(r *Request) { r.Principal = nil }, CacheMiss},
		"allowed by default":  {func(r *Request) { r.DefaultAllow = true }, CacheMiss},
		"a resource besides":  {func(r *Request) { r.Resource = "file:///" }, CacheMiss},
		"news of the server":  {func(r *Request) { r.FromServer = true }, CacheMiss},
		"no arguments at all": {func(r *Request) { r.Arguments = jsonscan.Value{} }, CacheMiss},
	} {
		r := base()
		tt.change(r)
		if d := s.Decide(t.Context(), r); d.Cache != tt.want && (d.Cache != CacheFailed || tt.want != CacheMiss) {
			t.Errorf("%s: %q, want %q", name, d.Cache, tt.want)
		}
	}
}

// There is a bound to the combinations of rules; beyond it nothing is remembered, and decisions are as ever.
func TestCache_boundsShapes(t *testing.T) {
	s := remembersRules(t, rule1("allow", Allow, `true`))
	s.memory.count = maxShapes
	r := &Request{Method: "tools/call", Server: "s", Tool: "t"}
	if d := s.Decide(t.Context(), r); d.Cache != CacheTooMany || !d.Allowed() {
		t.Errorf("%s, cache %q", brief(d), d.Cache)
	}
}

// A cache is made only where a rule pays for it, and cheap rules are not looked up.
func TestCache_isForWhatCosts(t *testing.T) {
	for _, tt := range []struct {
		name, when string
		has        bool
		want       Caching
	}{
		{"cheap", `args.x == 1 && path.within(string(args.p), "/srv")`, false, CacheUnused},
		{"dear", `args.l.exists(a, args.l.exists(b, a + b == "x"))`, true, CacheMiss},
	} {
		b := &bundle.Bundle{Policies: []*policy.Policy{{Name: "p", Rules: []policy.Rule{rule1("r", Allow, tt.when)}}}}
		for _, size := range []int64{0, CacheLeast} {
			s, err := Compile(t.Context(), b, Options{Cache: size})
			if err != nil {
				t.Fatal(err)
			}
			_, has := s.Cache()
			want := tt.want
			if size == 0 {
				want = CacheUnused
			}
			d := s.Decide(t.Context(), &Request{Method: "tools/call", Tool: "t", Arguments: scanned(t, `{"x":1,"p":"/srv","l":["x",""]}`)})
			if has != (tt.has && size > 0) || d.Cache != want {
				t.Errorf("%s with %d bytes: has one is %v, cache %q (%v)", tt.name, size, has, d.Cache, d.Cause)
			}
			s.Close()
		}
	}
}

// Every reason has a word of its own, and no other value has one.
func TestCaching_hasWords(t *testing.T) {
	seen := map[string]Caching{}
	for c := range cachingOutcomes {
		if other, ok := seen[c.String()]; ok || (c.String() == "") != (c == CacheUnused) {
			t.Errorf("%d and %d are called %q", c, other, c)
		}
		seen[c.String()] = c
	}
	if cachingOutcomes.String() != "" || Caching(255).String() != "" {
		t.Error("there are more words than outcomes")
	}
}
