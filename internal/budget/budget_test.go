package budget

import (
	"math"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// Whatever several holders do, the account is the sum of what they hold, never above the bound, and nothing when all have let go.
func TestAccountIsWhatIsHeld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := New(rapid.Int64Range(0, 1<<20).Draw(t, "limit"))
		held := make([]Held, 4)
		sum := func() (n int64) {
			for i := range held {
				n += held[i].n
			}
			return n
		}
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			i, n := rapid.IntRange(0, 3).Draw(t, "who"), rapid.IntRange(0, 1<<19).Draw(t, "bytes")
			h, before := &held[i], held[i].n
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				if ok := h.Grow(b, n); ok && n > Free && h.n < int64(n) || !ok && h.n != before {
					t.Fatalf("grown to %d from %d for %d: %v", h.n, before, n, ok)
				}
			case 1:
				if ok := h.Add(b, n); ok != (h.n == before+int64(n)) {
					t.Fatalf("%d more than %d: %d, %v", n, before, h.n, ok)
				}
			case 2:
				to := &held[(i+1)%4]
				had := to.n
				to.Keep(b, h.Yield())
				if h.n != 0 || to.n != had+before {
					t.Fatalf("%d moved to %d: %d, %d", before, had, h.n, to.n)
				}
			case 3:
				h.Release()
			}
			if b.Used() != sum() || b.Used() > b.Limit() {
				t.Fatalf("%d are used of %d, %d are held", b.Used(), b.Limit(), sum())
			}
		}
		for i := range held {
			held[i].Release()
		}
		if b.Used() != 0 {
			t.Fatalf("%d are used by nobody", b.Used())
		}
	})
}

// Those who take at once pass the bound no more than one who takes alone, and whoever finds no room leaves nothing behind.
func TestTakersAtOnceDontPassTheBound(t *testing.T) {
	b := New(100)
	var all sync.WaitGroup
	got := make([]int64, 8)
	for i := range got {
		all.Go(func() {
			for range 1000 {
				if b.Take(30) {
					got[i] += 30
				}
			}
		})
	}
	all.Wait()
	total := int64(0)
	for _, n := range got {
		total += n
	}
	if total > 100 || total != b.Used() {
		t.Errorf("%d are taken of 100, %d are counted", total, b.Used())
	}
}

func TestNilHasNoBound(t *testing.T) {
	var b *Budget
	var h Held
	if !b.Take(math.MaxInt64) || !h.Grow(b, 1<<40) || b.Used() != 0 || b.Limit() != 0 {
		t.Error("a nil budget has a bound")
	}
	b.Give(5)
	h.Release()
}

func TestDefaultFollowsMemory(t *testing.T) {
	for memory, want := range map[int64]int64{math.MaxInt64: Unknown, 0: Unknown, 1 << 30: 128 << 20} {
		if got := Default(memory); got != want {
			t.Errorf("within %d: %d, want %d", memory, got, want)
		}
	}
	if Memory() <= 0 {
		t.Error("there is no memory")
	}
}

func BenchmarkHold(b *testing.B) {
	for name, n := range map[string]int{"small": 1 << 10, "large": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			all, h := New(1<<30), Held{}
			b.ReportAllocs()
			for b.Loop() {
				h.Grow(all, n)
				h.Release()
			}
		})
	}
}
