// Package cache remembers values by keys within a bound in bytes. It is the decision cache of one snapshot: it is made with it, and
// closed with it.
package cache

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"unsafe"

	"github.com/dgraph-io/ristretto/v2"
)

// Least is the smallest bound in bytes: what the buffers and counters take is a good part of it.
const Least = 1 << 20

// Cache remembers values. It is safe for concurrent use, but for Close. A nil Cache remembers nothing.
//
// What holds the values finds them by a hash of 64 bits, which is not enough: two keys of the same hash exist, and can be looked for. So
// the entry has the key, which is compared.
type Cache[V any] struct {
	items *ristretto.Cache[uint64, *entry[V]]
	seed  maphash.Seed
	most  int64 // bytes of values

	// front has entries that were found, each at the place of its hash: none but those that items has. To find one there takes no lock, and
	// no word to the goroutine that counts how often each is looked for.
	front []atomic.Pointer[entry[V]]

	// What is put waits in a queue until it is taken in, or not, by another goroutine. The queue has no bound in bytes of its own.
	queued, queuedBytes atomic.Int64

	evicted, rejected, dropped atomic.Uint64
}

// entry is a value with its key.
type entry[V any] struct {
	key   []byte // or its digest
	long  bool   // it is the digest
	gone  atomic.Bool
	hash  uint64
	size  int64
	value V
}

// told is how many finds in front stand for one that is counted: those that are looked for often are counted often even so.
const told = 8

// whole is the longest key that is kept as it is. Of longer ones the SHA-256 is: it costs more than comparing, and takes less room.
const whole = 4096

// overhead is what an entry takes beside itself and its key, at most: its places in two maps, and what allocation rounds up.
// TestCache_isBoundedInBytes holds it to the heap.
const overhead = 256

// The bounds of the queue: less than the 32,768 at which it would be full, for then it forgets some without a word, and a part of all
// bytes.
const (
	maxQueued  = 16 << 10
	queuedPart = 16
)

// New makes a cache that takes about as many bytes in all; fewer than Least count as that. Close it.
func New[V any](size int64) (*Cache[V], error) {
	size = max(size, Least)
	const (
		usual      = 1024      // bytes of an entry
		counters   = 10        // an entry, as advised
		perCounter = 5         // bytes, with the rounding to powers of two
		buffers    = 384 << 10 // of fixed size
	)
	n := size / usual * counters
	c := &Cache[V]{seed: maphash.MakeSeed(), front: make([]atomic.Pointer[entry[V]], 1<<bits.Len64(uint64(size/usual-1)))}
	c.most = size - n*perCounter - buffers - int64(len(c.front))*int64(unsafe.Sizeof(c.front[0]))
	var err error
	c.items, err = ristretto.NewCache(&ristretto.Config[uint64, *entry[V]]{
		NumCounters: n, MaxCost: c.most, BufferItems: 256, // finds to a word to the goroutine that counts them: to wake it costs more than a find
		IgnoreInternalCost: true, // it counts a part of its own; overhead has all of it
		KeyToHash:          func(k uint64) (uint64, uint64) { return k, 0 },
		Cost: func(e *entry[V]) int64 { // called when the entry leaves the queue
			c.queued.Add(-1)
			c.queuedBytes.Add(-e.size)
			return e.size
		},
		OnEvict:  func(*ristretto.Item[*entry[V]]) { c.evicted.Add(1) },
		OnReject: func(*ristretto.Item[*entry[V]]) { c.rejected.Add(1) },
		OnExit:   c.left,
	})
	if err != nil {
		return nil, fmt.Errorf("cache of %d bytes: %w", size, err)
	}
	return c, nil
}

// Get finds the value of a key. It is shared: it must not be changed.
func (c *Cache[V]) Get(key []byte) *V {
	if c == nil {
		return nil
	}
	hash := c.hash(key)
	place := c.place(hash)
	if e := place.Load(); e != nil && e.hash == hash && e.is(key) {
		if rand.Uint32()%told == 0 { //nolint:gosec // which finds are counted is no secret
			c.items.Get(hash)
		}
		return &e.value
	}
	e, ok := c.items.Get(hash)
	if !ok || !e.is(key) {
		return nil
	}
	place.Store(e)
	if e.gone.Load() { // it left meanwhile
		place.CompareAndSwap(e, nil)
	}
	return &e.value
}

func (c *Cache[V]) place(hash uint64) *atomic.Pointer[entry[V]] {
	return &c.front[hash&uint64(len(c.front)-1)]
}

// left takes an entry that items has no more out of the front. Whoever is about to put it there sees that it is gone, or left sees it there.
func (c *Cache[V]) left(e *entry[V]) {
	if e == nil {
		return
	}
	e.gone.Store(true)
	c.place(e.hash).CompareAndSwap(e, nil)
}

func (c *Cache[V]) hash(key []byte) uint64 { return maphash.Bytes(c.seed, key) }

func (e *entry[V]) is(key []byte) bool {
	if e.long != (len(key) > whole) {
		return false
	}
	if !e.long {
		return bytes.Equal(e.key, key)
	}
	sum := sha256.Sum256(key)
	return bytes.Equal(e.key, sum[:])
}

// Put remembers a value, if there is room for it and it is looked for often enough; not at once, and perhaps not at all. size is the
// bytes that the value points to. The key is copied.
func (c *Cache[V]) Put(key []byte, value V, size int) {
	if c == nil {
		return
	}
	e := &entry[V]{hash: c.hash(key), value: value}
	if len(key) <= whole {
		e.key = bytes.Clone(key)
	} else {
		sum := sha256.Sum256(key)
		e.key, e.long = sum[:], true
	}
	e.size = int64(size) + int64(cap(e.key)) + int64(unsafe.Sizeof(*e)) + overhead
	n, all := c.queued.Add(1), c.queuedBytes.Add(e.size)
	if n <= maxQueued && all <= c.most/queuedPart && c.items.Set(e.hash, e, 0) {
		return
	}
	c.queued.Add(-1)
	c.queuedBytes.Add(-e.size)
	c.dropped.Add(1)
}

// Stats are the counts of a cache.
type Stats struct {
	Bytes    int64  // of entries there are now
	Limit    int64  // the most of them
	Evicted  uint64 // entries that had to make room
	Rejected uint64 // entries that were not worth another's room
	Dropped  uint64 // entries that came too fast
}

// Stats returns the counts so far. Those of a nil Cache are zero.
func (c *Cache[V]) Stats() Stats {
	if c == nil {
		return Stats{}
	}
	return Stats{
		Bytes: c.most - c.items.RemainingCost(), Limit: c.most,
		Evicted: c.evicted.Load(), Rejected: c.rejected.Load(), Dropped: c.dropped.Load(),
	}
}

// Settle waits until everything that was put is taken in, or not. It is for tests.
func (c *Cache[V]) Settle() { c.items.Wait() }

// Close forgets everything, and ends the cache's goroutines. Nothing may be asked or put meanwhile or later.
func (c *Cache[V]) Close() {
	if c == nil {
		return
	}
	c.items.Close()
	for i := range c.front {
		c.front[i].Store(nil)
	}
}
