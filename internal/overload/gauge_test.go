package overload

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// scale is a Gauge of two resources that a test sets.
func scale() (g *Gauge, a, b *int64) {
	a, b = new(int64), new(int64)
	return NewGauge(
		Resource{"a", func() (used, of int64) { return *a, 50 }},
		Resource{"b", func() (used, of int64) { return *b, 2000 }},
	), a, b
}

// What is shown rises at once to the scarcest resource, and falls by a hundredth each time, however low the resources are.
func TestGaugeRisesAtOnceAndFallsSlowly(t *testing.T) {
	g, a, b := scale()
	steps := []struct {
		a, b  int64
		want  Level
		worst string
	}{
		{0, 0, 0, "a"},
		{25, 900, 500, "a"},
		{25, 1700, 850, "b"},
		{0, 0, 840, "b"},
		{0, 0, 830, "b"},
		{41, 0, 820, "b"}, // it has fallen as far as that
		{0, 0, 810, "b"},
		{44, 0, 880, "a"},
		{60, 0, 1000, "a"}, // more than there is
		{-1, 0, 990, "a"},
	}
	for i, s := range steps {
		*a, *b = s.a, s.b
		g.Sample()
		if g.Level() != s.want || g.Worst() != s.worst {
			t.Errorf("step %d: %d of %s, want %d of %s", i, g.Level(), g.Worst(), s.want, s.worst)
		}
	}
	*a, *b = 10, 100
	g.Sample()
	if got := maps.Collect(g.Shares); len(got) != 2 || got["a"] != 200 || got["b"] != 50 {
		t.Errorf("shares %v, want what is in use now", got)
	}
	for range g.Shares {
		break // a reader may stop
	}
}

// A resource without a bound never runs out.
func TestWhatHasNoBoundIsNeverShort(t *testing.T) {
	g := NewGauge(Resource{"memory", func() (used, of int64) { return 1 << 40, 0 }})
	if g.Sample(); g.Level() != 0 {
		t.Errorf("%d", g.Level())
	}
}

// Who comes back after the wait finds the level below his own, if nothing has raised it meanwhile; one who comes a tick sooner doesn't.
func TestWaitIsUntilTheLevelHasFallen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := Level(rapid.Uint32Range(1, uint32(Full)).Draw(t, "at"))
		level := Level(rapid.Uint32Range(uint32(at), uint32(Full)).Draw(t, "level"))
		g := NewGauge()
		g.level.Store(uint32(level))
		ticks := int(Wait(level, at) / Tick)
		for i := range ticks {
			if p := (Priority{At: at}); !p.Sheds(g.Level()) {
				t.Fatalf("at %d after %d of %d ticks", g.Level(), i, ticks)
			}
			g.Sample()
		}
		if p := (Priority{At: at}); p.Sheds(g.Level()) {
			t.Fatalf("at %d after %d ticks", g.Level(), ticks)
		}
	})
	if Wait(100, 200) != 0 || Wait(Full, Percent(80)) != 21*Tick {
		t.Errorf("%v and %v", Wait(100, 200), Wait(Full, Percent(80)))
	}
}
