// Package budget accounts for the memory that is held for calls under way, so that no number of them takes more than there is.
package budget

import (
	"math"
	"math/bits"
	"runtime/debug"
	"sync/atomic"
)

// Free is how many bytes a holder has uncounted. What a connection takes is of that order, and connections have a bound of their own.
const Free = 16 << 10

// Unknown is the size of a budget where nothing says how much memory there is.
const Unknown = 512 << 20

// Budget bounds the bytes that are taken from it and not given back. A nil one has no bound. Safe for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// New makes a Budget of so many bytes.
func New(limit int64) *Budget { return &Budget{limit: limit} }

// Default is the size of a budget within a limit on memory: an eighth. A message that is held has been read, too, and the places of its
// values take eight times its size if it is made of nothing but digits and commas.
func Default(memory int64) int64 {
	if memory <= 0 || memory == math.MaxInt64 {
		return Unknown
	}
	return memory / 8
}

// Memory is the most that this process may use: GOMEMLIMIT, or what its control group may. math.MaxInt64 is no limit.
func Memory() int64 { return min(debug.SetMemoryLimit(-1), groupMemory()) }

// Take takes n bytes, or nothing if they would pass the bound.
func (b *Budget) Take(n int64) bool {
	if b == nil || n == 0 {
		return true
	}
	for {
		used := b.used.Load()
		if n > b.limit-used {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// Owe takes n bytes whatever the bound: they are held already.
func (b *Budget) Owe(n int64) {
	if b != nil && n != 0 {
		b.used.Add(n)
	}
}

// Give gives back what was taken.
func (b *Budget) Give(n int64) {
	if b != nil && n != 0 {
		b.used.Add(-n)
	}
}

// Used is what is taken now.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// Limit is the bound; 0 is none.
func (b *Budget) Limit() int64 {
	if b == nil {
		return 0
	}
	return b.limit
}

// Held is what one holder has of a Budget. The zero Held has nothing of none. It is for one goroutine.
type Held struct {
	of *Budget
	n  int64
}

// Grow makes h hold at least the memory that a buffer grows to for n bytes, up to the next power of two. false: there is no room, and
// h holds what it did.
func (h *Held) Grow(of *Budget, n int) bool {
	if n <= Free || int64(n) <= h.n {
		return true
	}
	return h.Add(of, int(Footprint(n)-h.n))
}

// Add makes h hold n bytes more, counted whatever their number. false: there is no room, and h holds what it did.
func (h *Held) Add(of *Budget, n int) bool {
	if !of.Take(int64(n)) {
		return false
	}
	h.of = of
	h.n += int64(n)
	return true
}

// Keep makes h hold n bytes that the caller has taken, to be given back by h.
func (h *Held) Keep(of *Budget, n int64) {
	if n > 0 {
		h.of, h.n = of, h.n+n
	}
}

// Yield says how much h holds, and leaves it to the caller to give it back.
func (h *Held) Yield() int64 {
	n := h.n
	h.n = 0
	return n
}

// Release gives back all of it.
func (h *Held) Release() {
	if h.n > 0 {
		h.of.Give(h.n)
		h.n = 0
	}
}

// Footprint is the memory of a buffer that has grown to n bytes: a power of two.
func Footprint(n int) int64 {
	if n <= Free {
		return int64(n)
	}
	return 1 << bits.Len(uint(n-1))
}
