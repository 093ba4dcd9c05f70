package hist

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestQuantilesAreWithinOneStepOfTheTruth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	values := make([]int64, 10_000)
	for i := range values {
		values[i] = int64(math.Exp(r.Float64() * 25))
		h.Record(values[i])
	}
	slices.Sort(values)
	for _, q := range []float64{0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
		want := values[int(q*float64(len(values))+0.5)-1]
		got := h.Quantile(q)
		if got > want || float64(want-got) > float64(want)/steps {
			t.Errorf("Quantile(%v) = %d, want %d less at most 1/%d", q, got, want, steps)
		}
	}
	if h.Max() != values[len(values)-1] || h.Count() != uint64(len(values)) {
		t.Errorf("Max, Count = %d, %d; want %d, %d", h.Max(), h.Count(), values[len(values)-1], len(values))
	}
}

func TestEveryValueFallsIntoItsOwnStep(t *testing.T) {
	for _, v := range []uint64{0, 1, 255, 256, 257, 511, 512, 1 << 20, 1<<20 + 4095, math.MaxInt64} {
		b := bucketOf(v)
		low, next := floorOf(b), int64(math.MaxInt64)
		if b+1 < buckets && v < math.MaxInt64/2 {
			next = floorOf(b + 1)
		}
		if int64(v) < low || int64(v) > next {
			t.Errorf("%d is in step %d = [%d, %d)", v, b, low, next)
		}
	}
}

func TestMergeCountsBoth(t *testing.T) {
	var a, b Histogram
	a.Record(10)
	b.Record(1000)
	b.Record(-5)
	a.Merge(&b)
	if a.Count() != 3 || a.Quantile(0) != 0 || a.Quantile(0.5) != 10 || a.Max() != 1000 {
		t.Errorf("merged: count %d, min %d, median %d, max %d", a.Count(), a.Quantile(0), a.Quantile(0.5), a.Max())
	}
	a.Reset()
	if a.Count() != 0 || a.Quantile(0.5) != 0 || a.Max() != 0 {
		t.Error("Reset left something")
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	h := new(Histogram)
	if n := testing.AllocsPerRun(1000, func() { h.Record(123_456) }); n != 0 {
		t.Errorf("Record allocates %v times", n)
	}
}
