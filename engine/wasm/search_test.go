package wasm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/detect"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

const searcherManifest = `{"abi":"sallyport/1","name":"searcher","version":"1.0.0","hooks":["request"],"reads":{"request":["args","args.path"]},` +
	`"verdicts":["deny"],"capabilities":["match:set"],"limits":{"pages":1,"fuel":1000000000,"deadline_ms":20}}`

// searcher is a guest that has the host search a path, and lets pass what nothing is found in.
func searcher() *module {
	m := (&module{}).manifest(searcherManifest)
	m.kind = m.host("field_kind")
	match := m.host("match")
	m.mem(1, 1)
	return m.attack("", i32(0), i32(1), i32(0), i32(0), call(match))
}

func searching(find func([]wasm.Match, []byte, func() bool) ([]wasm.Match, bool)) wasm.Config {
	return wasm.Config{
		Grant:    wasm.Grant{Capabilities: capabilities("match:set")},
		Matchers: map[string]wasm.Matcher{"set": {Rules: []string{"r"}, Find: find}},
	}
}

// The matcher finds nothing and comes back after a thousand questions, whatever it is told.
func TestSearchEndsAtTheDeadlineOfItsCall(t *testing.T) {
	asked, searches := 0, 0
	stubborn := func(dst []wasm.Match, _ []byte, stop func() bool) ([]wasm.Match, bool) {
		searches++
		for range 1000 {
			if asked++; stop() {
				return append(dst, wasm.Match{Start: 0, End: 1}), false
			}
		}
		return dst, true
	}
	h := newHost(t, wasm.Options{Now: ticking(time.Millisecond), EjectFailures: -1})
	p := load(t, h, searcher().bytes(), searching(stubborn))
	for range 3 {
		asked = 0
		r := ask(t, p, message(t, harm))
		if got, want := sum(r), "deny deadline: the guest was still running at its deadline"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if asked < 15 || asked > 25 || r.Time < 20*time.Millisecond || r.Time > 25*time.Millisecond {
			t.Errorf("ended after %v and %d questions", r.Time, asked)
		}
	}
	var r wasm.Result
	asked = 0
	p.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: message(t, harm), Timeout: 5 * time.Millisecond}, &r)
	if r.Failure.Type != hostapi.FailureDeadline || asked > 10 {
		t.Errorf("%s after %d questions, with 5 ms", sum(&r), asked)
	}
	if r := ask(t, p, message(t, `{}`)); sum(r) != "pass" || searches != 4 {
		t.Errorf("the next call, without a path: %s after %d searches", sum(r), searches)
	}
}

func TestSearchEndsWhenNobodyWaitsForIt(t *testing.T) {
	ctx, leave := context.WithCancel(context.Background())
	p := load(t, newHost(t, wasm.Options{Now: ticking(time.Microsecond)}), searcher().bytes(), searching(func(dst []wasm.Match, _ []byte, stop func() bool) ([]wasm.Match, bool) {
		if stop() {
			t.Error("stopped before its caller left")
		}
		leave()
		return dst, !stop()
	}))
	var r wasm.Result
	p.Call(ctx, &wasm.Call{Hook: hostapi.HookRequest, Message: message(t, harm), Timeout: time.Hour}, &r)
	if got, want := sum(&r), "deny deadline: nobody waits for the call any more: context canceled"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A search that gives up though it had time is a failure of its call, and not a clean text.
func TestSearchThatIsNotDoneIsNoAnswer(t *testing.T) {
	p := load(t, newHost(t, wasm.Options{Now: ticking(time.Microsecond)}), searcher().bytes(), searching(func(dst []wasm.Match, _ []byte, _ func() bool) ([]wasm.Match, bool) {
		return dst, false
	}))
	var r wasm.Result
	p.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: message(t, harm), Timeout: time.Hour}, &r)
	if r.Failure.Type != hostapi.FailureDeadline || r.Verdict() != hostapi.VerdictDeny {
		t.Errorf("got %s", sum(&r))
	}
}

// The built-in detectors, on a text that costs them very much: the clock goes on by 10 ms at
// each look, so that two questions are enough.
func TestBuiltinSearchAsksOnItsWay(t *testing.T) {
	set, found := detect.Parse(detect.Builtin())
	if set == nil {
		t.Fatal(found)
	}
	h := newHost(t, wasm.Options{Now: ticking(10 * time.Millisecond), EjectFailures: -1})
	p := load(t, h, searcher().bytes(), searching(func(dst []wasm.Match, text []byte, stop func() bool) ([]wasm.Match, bool) {
		return detect.FindUntil(set, dst, text, stop)
	}))
	words := strings.Repeat("token=secret api_key password: http://a:b ", 20_000)
	r := ask(t, p, message(t, `{"path":"`+words+`"}`))
	if got, want := sum(r), "deny deadline: the guest was still running at its deadline"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
