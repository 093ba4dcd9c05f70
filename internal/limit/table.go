package limit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// bucket is a limit's bound in the terms of GCRA: every unit takes an interval, and depth is how far ahead of the clock a key may be.
type bucket struct {
	interval int64 // nanoseconds
	burst    int64 // units
}

func (b bucket) depth() int64 { return b.interval * b.burst }

// A slot holds one key: its hash, and the time at which its bucket is full again. Once that is past, the slot is as good as empty.
type slot struct {
	hash uint64
	at   int64
}

const (
	shards = 64
	ways   = 16
	// maxSlots bounds the memory of one limit: 16 MiB.
	maxSlots = 1 << 20
)

type group [ways]slot

// shard is a part of a table with a lock of its own. A key has its place in one group; of the groups there are a power of two.
type shard struct {
	mu     sync.Mutex
	groups []group
	_      [32]byte // shards that different cores lock stand apart
}

// table holds the state of one limit. It remembers hashes under a seed of its own and no keys, so that its size doesn't depend on what
// callers send, and nobody can choose keys that meet. What is full again is forgotten freely. Of what is not, a key is forgotten only
// if the table can't grow any more and its group has no room: then the one that has used the least, so that making up keys doesn't
// reset one that is used up. It is safe for concurrent use.
type table struct {
	seed    maphash.Seed
	most    int // groups of a shard
	shards  [shards]shard
	evicted atomic.Uint64
}

func newTable(slots int) *table {
	t := &table{seed: maphash.MakeSeed(), most: max(1, slots/shards/ways)}
	for i := range t.shards {
		t.shards[i].groups = make([]group, 1)
	}
	return t
}

func (t *table) hash(key []byte) uint64 { return maphash.Bytes(t.seed, key) }

func (t *table) shard(h uint64) *shard { return &t.shards[h>>(64-6)] }

// take takes cost from a key's bucket if it holds as much, which is at most burst. It tells what is left after it, or without it if it
// was refused, and then how long until it would be admitted. With peek it takes nothing.
func (t *table) take(h uint64, b bucket, cost, now int64, peek bool) (ok bool, left int64, wait time.Duration) {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := t.find(s, h, now)
	at := min(max(c.at, now), now+b.depth()) // the limit may have been wider when the slot was filled
	next := at + cost*b.interval
	over := next - now - b.depth()
	if over > 0 {
		return false, (b.depth() - (at - now)) / b.interval, time.Duration(over)
	}
	if !peek {
		c.at = next
	}
	return true, (b.depth() - (next - now)) / b.interval, 0
}

// giveBack undoes a take.
func (t *table) giveBack(h uint64, b bucket, cost, now int64) {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.group(h)
	for i := range g {
		if c := &g[i]; c.hash == h && c.at > now {
			c.at -= cost * b.interval
		}
	}
}

func (s *shard) group(h uint64) *group { return &s.groups[h&uint64(len(s.groups)-1)] }

// find gives the slot of a key, a new one if it has none.
func (t *table) find(s *shard, h uint64, now int64) *slot {
	for {
		g := s.group(h)
		for i := range g {
			if g[i].hash == h && g[i].at > now {
				return &g[i]
			}
		}
		first := 0 // of those that are full again, or at least the nearest to it
		for i := range g {
			if g[i].at < g[first].at {
				first = i
			}
		}
		if g[first].at > now {
			if len(s.groups) < t.most {
				s.grow(now)
				continue
			}
			t.evicted.Add(1)
		}
		g[first] = slot{hash: h}
		return &g[first]
	}
}

// grow doubles the groups: what was in one is in one of two, so that it fits.
func (s *shard) grow(now int64) {
	old := s.groups
	s.groups = make([]group, 2*len(old))
	for i := range old {
		for _, c := range old[i] {
			if c.at > now {
				s.insert(c, now)
			}
		}
	}
}

func (s *shard) insert(c slot, now int64) {
	g := s.group(c.hash)
	for i := range g {
		if g[i].at <= now {
			g[i] = c
			return
		}
	}
}

// keys counts those that are not full again.
func (t *table) keys(now int64) (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for j := range s.groups {
			for _, c := range s.groups[j] {
				if c.at > now {
					n++
				}
			}
		}
		s.mu.Unlock()
	}
	return n
}
