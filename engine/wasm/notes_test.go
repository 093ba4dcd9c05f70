package wasm_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// A guest whose memory isn't what the notes of its writes say it is must not serve: that this is found out needs as many calls as there are to
// one after which all of it is looked at.
func TestAMissingNoteEjects(t *testing.T) {
	p := plugin(t, stateful(), wasm.Config{MaxInstances: 1})
	if reset := p.Info().Reset; reset != "notes" {
		t.Fatalf("it is reset by %s", reset)
	}
	m := message(t, `{}`)
	for range 2 * wasm.ProvedEvery {
		if r := ask(t, p, m); r.Failure.Type != "" {
			t.Fatal(sum(r))
		}
	}
	wasm.Smudge(p)
	for range wasm.ProvedEvery {
		ask(t, p, m)
	}
	r := ask(t, p, m)
	if !r.Ejected || r.Verdict() != hostapi.VerdictDeny || !strings.Contains(p.Info().Ejected, "no note said so") {
		t.Errorf("%s; ejected: %q", sum(r), p.Info().Ejected)
	}
}

// A guest that fails on the message that nobody has sent has noted nothing of what it wrote, and serves.
func TestAGuestThatTrapsWhenItIsWarmedUpIsLoaded(t *testing.T) {
	m := (&module{}).manifest(simpleManifest)
	m.mem(1, 8)
	m.fun("sp_on_request", ":i", "", raw(0x03, 0x40), i32(3000), i32(7), store8(0), raw(0x0b), unreachable)
	p := plugin(t, m, wasm.Config{})
	if r := ask(t, p, message(t, `{}`)); r.Failure.Type != hostapi.FailureTrap || r.Failure.Text != "unreachable" {
		t.Error(sum(r))
	}
}

// A guest that begins with little memory and has much when it has booted is reset as those are that begin with much.
func TestAGuestThatGrowsWhenItBootsIsResetAsLargeOnesAre(t *testing.T) {
	for pages, want := range map[int32]bool{6: true, 7: false} {
		m := (&module{}).manifest(simpleManifest)
		m.mem(2, 0)
		m.fun("_initialize", ":", "", i32(pages), growMemory, drop)
		m.fun("sp_on_request", ":i", "", i32(70_000), i32(7), store8(0), i32(0))
		p := plugin(t, m, wasm.Config{})
		if got := p.Info().Reset; (got == "notes") != want {
			t.Errorf("with %d pages more it is reset by %s", pages, got)
		}
	}
}
