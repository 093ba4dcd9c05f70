//go:build !race

package wasm_test

import (
	"context"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// A call allocates nothing, but the texts of what the guest says, which are one string.
func TestCallAllocatesOneStringAtMost(t *testing.T) {
	h := newHost(t, wasm.Options{})
	for _, c := range []struct {
		guest, arguments string
		config           wasm.Config
		groups           []string
		verdict          hostapi.Verdict
		want             float64
	}{
		{"authorise", `{"path":"/srv/a"}`, wasm.Config{}, []string{"dev"}, hostapi.VerdictPass, 0},
		{"authorise", `{"path":"/etc/a"}`, wasm.Config{}, []string{"dev"}, hostapi.VerdictDeny, 1},
		{"redact", clean, withPII(), nil, hostapi.VerdictPass, 0},
		{"redact", dirty, withPII(), nil, hostapi.VerdictMutate, 0},
		{"scan", dirty, wasm.Config{}, nil, hostapi.VerdictMutate, 0},
	} {
		p := load(t, h, cGuest(t, c.guest), c.config)
		m := message(t, c.arguments)
		m.Principal.Groups = c.groups
		call := &wasm.Call{Hook: hostapi.HookRequest, Message: m}
		var r wasm.Result
		got := testing.AllocsPerRun(200, func() { p.Call(context.Background(), call, &r) })
		if r.Verdict() != c.verdict || got != c.want {
			t.Errorf("%s of %.20s: %v, with %v allocations, want %v", c.guest, c.arguments, r.Verdict(), got, c.want)
		}
	}
}
