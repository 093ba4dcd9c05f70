//go:build !race

package engine_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/engine"
)

// A decision among a thousand rules allocates what a condition makes of its input, here one
// string, and nothing of its own.
func TestDecide_allocations(t *testing.T) {
	s, err := engine.Compile(t.Context(), manyRules(t, 1000), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := call(t)
	ctx := t.Context()
	if got := testing.AllocsPerRun(1000, func() {
		if d := s.Decide(ctx, r); !d.Allowed() {
			t.Fatal(d.Reason)
		}
	}); got > 2 {
		t.Errorf("%v allocations", got)
	}
	r.Tool = "unknown"
	if got := testing.AllocsPerRun(1000, func() { s.Decide(ctx, r) }); got != 0 {
		t.Errorf("%v allocations where no rule applies", got)
	}
}

// Three rules that apply, of a thousand, allocate little unless they loop.
func TestDecide_allocationsByCondition(t *testing.T) {
	for _, c := range conditions[:3] {
		s, err := engine.Compile(t.Context(), threeOf(t, c.of), engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, ctx := call(t), t.Context()
		if got := testing.AllocsPerRun(1000, func() {
			if d := s.Decide(ctx, r); !d.Allowed() {
				t.Fatal(d.Reason)
			}
		}); got > 2 {
			t.Errorf("%s: %v allocations", c.name, got)
		}
	}
}

// A decision that is remembered allocates nothing.
func TestCache_allocations(t *testing.T) {
	s, err := engine.Compile(t.Context(), threeDear(t, 999), engine.Options{Cache: engine.CacheLeast})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := call(t)
	warm(t, s, r)
	ctx := t.Context()
	if got := testing.AllocsPerRun(1000, func() {
		if d := s.Decide(ctx, r); d.Cache != engine.CacheHit || !d.Allowed() {
			t.Fatal(d.Cache)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
