package limit

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// stores are where state can be: every test of what limits do runs on each.
var stores = []struct {
	name string
	open func(t *testing.T) *Limiter
}{
	{"local", func(t *testing.T) *Limiter {
		t.Helper()
		l, err := New(time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}},
	{"valkey", func(t *testing.T) *Limiter {
		t.Helper()
		return newStoreServer(t).limiter(t)
	}},
	{"cluster", func(t *testing.T) *Limiter {
		t.Helper()
		return emptyCluster(t).limiter(t)
	}},
}

func onEach(t *testing.T, test func(t *testing.T, l *Limiter)) {
	t.Helper()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) { test(t, s.open(t)) })
	}
}

// slow is a limit of n calls that doesn't fill up while a test runs.
func slow(name string, n int64, key string) Spec {
	return Spec{Name: name, Methods: []string{"tools/call"}, Key: source.NewText(key), Count: 1, Per: 24 * time.Hour, Burst: n}
}

func compile(t testing.TB, l *Limiter, specs ...Spec) *Set {
	t.Helper()
	for i := range specs {
		if specs[i].At == nil {
			specs[i].At = func(path ...string) source.Pos { return source.Pos{File: strings.Join(path, ".")} }
		}
	}
	s, ds := l.Compile(specs, []string{"files", "mail"})
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	return s
}

func call(t testing.TB, who, args string) *engine.Request {
	t.Helper()
	doc := new(jsonscan.Doc)
	if err := doc.Scan([]byte(args), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	return &engine.Request{
		Method: "tools/call", Server: "files", Tool: "read_file", Arguments: doc.Root(),
		Principal: &engine.Principal{ID: who, Kind: "api_key", APIKey: who},
	}
}

// taken makes a call and says in short what became of it.
func taken(t testing.TB, s *Set, r *engine.Request) string {
	t.Helper()
	refused := s.Take(t.Context(), r, true, time.Now())
	switch {
	case refused == nil:
		return "ok"
	case refused.Cause != nil:
		return fmt.Sprintf("%s %s: %v", refused.Limit, refused.Reason, refused.Cause)
	}
	return fmt.Sprintf("%s %s %d", refused.Limit, refused.Reason, refused.Remaining)
}

func takeAll(t *testing.T, s *Set, rs ...*engine.Request) (out []string) {
	t.Helper()
	for _, r := range rs {
		out = append(out, taken(t, s, r))
	}
	return out
}

func TestTake_countsByKey(t *testing.T) {
	onEach(t, func(t *testing.T, l *Limiter) {
		s := compile(t, l, slow("user", 2, "principal.id"))
		a, b := call(t, "a", `{}`), call(t, "b", `{}`)
		got := takeAll(t, s, a, a, a, b, a, b, b)
		want := []string{"ok", "ok", "user rate_limited 0", "ok", "user rate_limited 0", "ok", "user rate_limited 0"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		stat := l.Stats()[0]
		if stat.Name != "user" || stat.Admitted != 4 || stat.Refused != 3 || stat.Local && stat.Keys != 2 {
			t.Errorf("%+v", stat)
		}
	})
}

func TestTake_limitsWithOneKeyCountApart(t *testing.T) {
	onEach(t, func(t *testing.T, l *Limiter) {
		one, two := compile(t, l, slow("one", 1, "principal.id")), compile(t, l, slow("two", 1, "principal.id"))
		r := call(t, "a", `{}`)
		got := []string{taken(t, one, r), taken(t, two, r), taken(t, one, r), taken(t, two, r)}
		if diff := cmp.Diff([]string{"ok", "ok", "one rate_limited 0", "two rate_limited 0"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestTake_saysHowLongToWait(t *testing.T) {
	onEach(t, func(t *testing.T, l *Limiter) {
		s := compile(t, l, slow("one", 1, "principal.id"))
		r := call(t, "a", `{}`)
		if got := taken(t, s, r); got != "ok" {
			t.Fatal(got)
		}
		refused := s.Take(t.Context(), r, true, time.Now())
		if refused == nil || refused.Wait > 24*time.Hour || refused.Wait < 23*time.Hour {
			t.Errorf("%+v, want a wait of about a day", refused)
		}
	})
}

func TestTake_admitsAgainLater(t *testing.T) {
	onEach(t, func(t *testing.T, l *Limiter) {
		spec := slow("quick", 1, "principal.id")
		spec.Per = 20 * time.Millisecond
		s := compile(t, l, spec)
		r := call(t, "a", `{}`)
		start, admitted := time.Now(), 0
		eventually(t, "five calls are admitted", func() bool {
			if s.Take(t.Context(), r, true, time.Now()) == nil {
				admitted++
			}
			return admitted == 5
		})
		if took := time.Since(start); took < 79*time.Millisecond {
			t.Errorf("five calls at one in 20 ms took only %v", took)
		}
	})
}

func TestTake_allLimitsOrNone(t *testing.T) {
	onEach(t, func(t *testing.T, l *Limiter) {
		s := compile(t, l, slow("user", 3, "principal.id"), slow("all", 2, ""), slow("tool", 5, "[principal.id, mcp.tool.name]"))
		a, b := call(t, "a", `{}`), call(t, "b", `{}`)
		got := takeAll(t, s, a, a, a, a, b)
		want := []string{"ok", "ok", "all rate_limited 0", "all rate_limited 0", "all rate_limited 0"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// What was refused for one limit has used up nothing of the others.
		others := compile(t, l, slow("user", 3, "principal.id"), slow("tool", 5, "[principal.id, mcp.tool.name]"))
		got = takeAll(t, others, a, a)
		if diff := cmp.Diff([]string{"ok", "user rate_limited 0"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestTake_namesTheLimitWithTheLongestWait(t *testing.T) {
	onEach(t, func(t *testing.T, l *Limiter) {
		short, long := slow("short", 1, ""), slow("long", 1, "")
		short.Per = time.Hour
		s := compile(t, l, short, long)
		r := call(t, "a", `{}`)
		if diff := cmp.Diff([]string{"ok", "long rate_limited 0"}, takeAll(t, s, r, r)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestTake_cost(t *testing.T) {
	onEach(t, func(t *testing.T, l *Limiter) {
		spec := slow("ids", 10, "principal.id")
		spec.Cost = source.NewText("size(args.ids)")
		s := compile(t, l, spec)
		n := func(n int) *engine.Request {
			return call(t, "a", `{"ids":[`+strings.TrimSuffix(strings.Repeat("1,", n), ",")+`]}`)
		}
		got := takeAll(t, s, n(6), n(5), n(0), n(4), n(1), n(11), n(0))
		want := []string{
			"ok", "ids rate_limited 4", "ok", "ok", "ids rate_limited 0",
			"ids rate_limited: the call costs 11, and no more than 10 can be had at once", "ok",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestTake_whatCantBeComputedIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, l *Limiter) {
		spec := slow("paid", 10, "args.account")
		spec.Cost = source.NewText("args.n")
		s := compile(t, l, spec)
		got := takeAll(t, s,
			call(t, "a", `{}`), call(t, "a", `{"account":{"a":1},"n":1}`), call(t, "a", `{"account":1}`), call(t, "a", `{"account":1,"n":-3}`),
			call(t, "a", `{"account":1,"n":0.5}`), call(t, "a", `{"account":1,"n":2}`))
		want := []string{
			"paid rate_limit_key: rate limit paid: key: no such key: account",
			"paid rate_limit_key: rate limit paid: key: a key is made of strings, numbers and bools, and lists of them, but this is a map",
			"paid rate_limit_key: rate limit paid: cost: no such key: n",
			"paid rate_limit_key: rate limit paid: cost: -3 is less than nothing",
			"paid rate_limit_key: rate limit paid: cost: 0.5 is not a whole number that can be counted",
			"ok",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if stat := l.Stats()[0]; stat.Failed != 5 || stat.Admitted != 1 {
			t.Errorf("%+v", stat)
		}
	})
}

func TestTake_survivesAReload(t *testing.T) {
	onEach(t, func(t *testing.T, l *Limiter) {
		r := call(t, "a", `{}`)
		wide := compile(t, l, slow("user", 5, "principal.id"))
		takeAll(t, wide, r, r, r)
		narrow := compile(t, l, slow("user", 2, "principal.id"))
		l.Retain(narrow)
		if got := taken(t, narrow, r); got != "user rate_limited 0" {
			t.Errorf("after the limit was narrowed: %s", got)
		}
		if refused := narrow.Take(t.Context(), r, true, time.Now()); refused.Wait > 24*time.Hour {
			t.Errorf("the wait is %v, but one call is admitted every day", refused.Wait)
		}
	})
}

func TestReplicas_admitTogetherWhatOneWould(t *testing.T) {
	t.Run("one server", func(t *testing.T) { admitTogether(t, newStoreServer(t).limiter) })
	t.Run("a cluster", func(t *testing.T) { admitTogether(t, emptyCluster(t).limiter) })
}

func admitTogether(t *testing.T, replica func(t *testing.T) *Limiter) {
	t.Helper()
	const burst, callers, each = 3000, 4, 400
	var admitted atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range 3 {
		spec := slow("all", burst, "")
		spec.Count, spec.Per = burst, time.Hour
		s := compile(t, replica(t), spec)
		for range callers {
			r := call(t, "a", `{}`)
			wg.Go(func() {
				for range each {
					if s.Take(t.Context(), r, true, time.Now()) == nil {
						admitted.Add(1)
					}
				}
			})
		}
	}
	wg.Wait()
	refilled := int64(time.Since(start)/(time.Hour/burst)) + 1
	if got := admitted.Load(); got < burst || got > burst+refilled {
		t.Errorf("%d of %d calls were admitted, want %d, and %d at most for the time it took", got, 3*callers*each, burst, burst+refilled)
	}
}

func TestMatch(t *testing.T) {
	l := stores[0].open(t)
	base := call(t, "ci-1", `{}`)
	other := *base
	other.Server, other.Tool = "mail", "send"
	list := engine.Request{Method: "tools/list", Server: "files", Principal: base.Principal}
	note := engine.Request{Method: "notifications/initialized", Server: "files", Principal: base.Principal}
	nobody := *base
	nobody.Principal = nil
	all := []*engine.Request{base, &other, &list, &note, &nobody}
	for i, c := range []struct {
		spec Spec
		want string // which of all are counted
	}{
		{Spec{}, "11101"},
		{Spec{Methods: []string{"*"}}, "11111"},
		{Spec{Methods: []string{"tools/call"}}, "11001"},
		{Spec{Methods: []string{"tools/*"}}, "11101"},
		{Spec{Servers: []string{"mail"}}, "01000"},
		{Spec{Tools: []string{"read_*"}}, "10001"},
		{Spec{Tools: []string{"*"}}, "11001"},
		{Spec{Principals: []string{"ci-*"}}, "11100"},
		{Spec{Principals: []string{"alice"}}, "00000"},
		{Spec{Key: source.NewText("mcp.tool.name")}, "11001"},
		{Spec{Key: source.NewText(`mcp.method == "tools/call" ? mcp.tool.name : mcp.method`)}, "11101"},
		{Spec{Key: source.NewText(`principal.type == "api_key" ? mcp.tool.name : "x"`)}, "1100!"},
	} {
		c.spec.Name, c.spec.Count, c.spec.Per, c.spec.Burst = fmt.Sprint("l", i), 1, time.Hour, 100
		s := compile(t, l, c.spec)
		got := ""
		for _, r := range all {
			before := s.limits[0].state.admitted.Load()
			refused := s.Take(t.Context(), r, r != &note, time.Now())
			switch {
			case refused != nil:
				got += "!"
			case s.limits[0].state.admitted.Load() > before:
				got += "1"
			default:
				got += "0"
			}
		}
		if got != c.want {
			t.Errorf("%d: %+v counts %s, want %s", i, c.spec, got, c.want)
		}
	}
}
