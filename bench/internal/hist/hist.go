// Package hist is a latency histogram that records without allocating.
//
// Values are nanoseconds. Each power of two is cut into 256 equal steps, so a
// quantile is at most 0.4 % below the value that was recorded.
package hist

import "math/bits"

const (
	stepBits = 8
	steps    = 1 << stepBits
	buckets  = (65 - stepBits) * steps
)

// Histogram counts values. The zero value is empty and ready; it is not safe
// for concurrent use.
type Histogram struct {
	counts [buckets]uint64
	n      uint64
	max    int64
}

// Record counts one value; a negative one counts as 0.
func (h *Histogram) Record(ns int64) {
	ns = max(ns, 0)
	h.counts[bucketOf(uint64(ns))]++
	h.n++
	h.max = max(h.max, ns)
}

// Merge adds what o counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// Reset empties h.
func (h *Histogram) Reset() { *h = Histogram{} }

// Count is the number of values recorded.
func (h *Histogram) Count() uint64 { return h.n }

// Max is the largest value, exactly; 0 when there is none.
func (h *Histogram) Max() int64 { return h.max }

// Quantile returns the value below or at which the share q (0 to 1) of all
// values lies, rounded down to its step; 0 when there is none.
func (h *Histogram) Quantile(q float64) int64 {
	if h.n == 0 {
		return 0
	}
	rank := max(uint64(q*float64(h.n)+0.5), 1)
	var seen uint64
	for i, c := range h.counts {
		seen += c
		if seen >= rank {
			return floorOf(i)
		}
	}
	return h.max
}

// bucketOf returns the index of v's step: values below 256 have one each, then
// v>>shift is in [256, 512).
func bucketOf(v uint64) int {
	if v < steps {
		return int(v)
	}
	shift := bits.Len64(v) - stepBits - 1
	return (shift+1)*steps + int(v>>shift) - steps
}

// floorOf returns the smallest value of a step.
func floorOf(bucket int) int64 {
	if bucket < steps {
		return int64(bucket)
	}
	shift := bucket/steps - 1
	return int64(steps+bucket%steps) << shift
}
