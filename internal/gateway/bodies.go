package gateway

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"github.com/sallyport-dev/sallyport/internal/budget"
)

// smallBody is the most of a body that is read before it is counted. A connection's own buffers take as much.
const smallBody = budget.Free

// bodies bounds the memory of all request bodies that are under way at once. A body takes its size before it is read, and gives it
// back when its request ends. What is beyond the bound is refused, never queued. Small bodies are counted once they are read; an
// eighth is kept back for them. Safe for concurrent use.
type bodies struct {
	all, large int64 // for all bodies together, and for those that are not small while others are under way
	limit      int   // the largest body
	used       atomic.Int64
	memory     *budget.Budget // of which those that are not small are taken, too

	// What was taken for a body that is being read, until its request begins. fasthttp says nothing of the connection when a head is
	// read, but the head's address stays the request's.
	waiting  atomic.Int64 // len(expected): most requests need no lock
	mu       sync.Mutex
	expected map[*fasthttp.RequestHeader]expected
}

type expected struct {
	size   int64
	capped bool   // there was no room: only a small body is read
	at     uint64 // the tick
}

func newBodies(all int64, limit int, memory *budget.Budget) *bodies {
	all = max(all, 2*budget.Footprint(limit)) // one body always fits
	return &bodies{all: all, large: all - all/8, limit: limit, memory: memory, expected: make(map[*fasthttp.RequestHeader]expected)}
}

// expect takes what the body after this head will need, and gives the most of it that may be read; 0 is the usual bound. A chunked body
// doesn't say, and counts as the largest.
func (b *bodies) expect(h *fasthttp.RequestHeader, tick uint64) int {
	b.give(b.forget(h).size) // of a request that ended before it began
	n := h.ContentLength()
	if n == -1 {
		n = b.limit
	}
	if n <= smallBody || n > b.limit {
		return 0
	}
	e := expected{size: budget.Footprint(n), at: tick}
	if !b.take(e.size) {
		e.size, e.capped = 0, true
	}
	b.mu.Lock()
	b.expected[h] = e
	b.waiting.Add(1)
	b.mu.Unlock()
	if e.capped {
		return smallBody
	}
	return 0
}

func (b *bodies) take(n int64) bool {
	for {
		used := b.used.Load()
		if used+n > b.large {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			break
		}
	}
	if !b.memory.Take(n) {
		b.used.Add(-n)
		return false
	}
	return true
}

// give gives back what was taken for a body.
func (b *bodies) give(size int64) {
	b.used.Add(-size)
	if size > smallBody {
		b.memory.Give(size)
	}
}

// forget ends the wait for the body after this head, and says what was taken for it.
func (b *bodies) forget(h *fasthttp.RequestHeader) expected {
	if b.waiting.Load() == 0 {
		return expected{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.expected[h]
	if ok {
		delete(b.expected, h)
		b.waiting.Add(-1)
	}
	return e
}

// begin takes what a body of n bytes needs, now that it has been read, in the place of what was expected. fits is false if that is beyond
// the bound; it is taken anyway.
func (b *bodies) begin(h *fasthttp.RequestHeader, n int) (size int64, capped, fits bool) {
	size = budget.Footprint(n)
	e := b.forget(h)
	used := b.used.Add(size - e.size)
	if e.size > smallBody {
		b.memory.Give(e.size)
	}
	if size > smallBody {
		b.memory.Owe(size)
	}
	return size, e.capped, used <= b.all || e.size > 0
}

// sweep gives back what was taken for requests that are too old to be read any more. Only one way out of fasthttp leaves one behind:
// a client that closes in order between two chunks.
func (b *bodies) sweep(tick, age uint64) {
	if b.waiting.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for h, e := range b.expected {
		if tick-e.at > age {
			delete(b.expected, h)
			b.waiting.Add(-1)
			b.give(e.size)
		}
	}
}

// unknownMemory is the bound on all bodies where nothing says how much memory there is.
const unknownMemory = 256 << 20

// bodiesWithin is the bound on all bodies within a limit on memory: a sixteenth. While a call is under way its message is held as received
// and as it was written anew, beside what answers it. That is about three times the body; but the places of a message's values take
// eight times the body if it is made of nothing but digits and commas, and as much again in garbage while they are found.
func bodiesWithin(memory int64) int64 {
	if memory <= 0 || memory == math.MaxInt64 {
		return unknownMemory
	}
	return memory / 16
}

// received is told of every request's head before the body is read.
func (g *Gateway) received(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	most := g.bodies.expect(h, g.watch.tick.Load())
	if most == 0 && g.isPassage(h) {
		most = g.Limits.Body + maxEnvelope
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: most}
}

// holdBody counts the request's body until letGo.
func (x *exchange) holdBody() {
	n := len(x.ctx.Request.Body())
	x.outcome.in = int64(n)
	var fits bool
	x.held, x.capped, fits = x.g.bodies.begin(&x.ctx.Request.Header, n)
	x.crowded = !fits
}

// dropBody frees a large body: what is left of its request, writing the answer, may take long.
func (x *exchange) dropBody() {
	if x.held > smallBody {
		x.ctx.Request.ResetBody()
	}
	x.g.bodies.give(x.held)
	x.held = 0
}

// afford refuses a small request beyond the bound on all bodies. Its body has been read, so the connection goes on.
func (x *exchange) afford() *refusal {
	if x.crowded {
		return overloaded()
	}
	return nil
}

func overloaded() *refusal {
	r := plain(503, codeUnavailable, "overloaded", "The gateway holds as many requests as it has memory for; try again later", nil)
	r.header = [2]string{"Retry-After", "1"}
	return r
}
