package telemetry

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// maxValues bounds the label values of one counters; more count as other.
const maxValues = 512

// counters finds bound counters by their label values without a lock: a table is never changed, only replaced. make must
// be set before the first use.
type counters[K comparable] struct {
	known atomic.Pointer[table[K]]
	mu    sync.Mutex
	make  func(K) prometheus.Counter
	other K
}

// table holds the bound counters. The first few are nearly all that is ever counted, and found sooner by looking at each.
type table[K comparable] struct {
	first []entry[K]
	all   map[K]prometheus.Counter
}

type entry[K comparable] struct {
	key     K
	counter prometheus.Counter
}

const maxFirst = 6

func (c *counters[K]) get(k K) prometheus.Counter {
	known := c.known.Load()
	if known == nil {
		return c.add(k)
	}
	for i := range known.first {
		if known.first[i].key == k {
			return known.first[i].counter
		}
	}
	if counter, ok := known.all[k]; ok {
		return counter
	}
	return c.add(k)
}

func (c *counters[K]) add(k K) prometheus.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.known.Load()
	if known == nil {
		known = &table[K]{}
	}
	if len(known.all) >= maxValues {
		k = c.other
	}
	if counter, ok := known.all[k]; ok {
		return counter
	}
	next := &table[K]{first: slices.Clone(known.first), all: maps.Clone(known.all)}
	if next.all == nil {
		next.all = map[K]prometheus.Counter{}
	}
	counter := c.make(k)
	next.all[k] = counter
	if len(next.first) < maxFirst {
		next.first = append(next.first, entry[K]{k, counter})
	}
	c.known.Store(next)
	return counter
}
