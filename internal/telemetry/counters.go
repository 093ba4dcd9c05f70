package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// maxValues bounds the label values of one counters; more count as other.
const maxValues = 512

// counters finds bound counters by their label values without a lock: the map is never changed, only replaced. make must
// be set before the first use.
type counters[K comparable] struct {
	known atomic.Pointer[map[K]prometheus.Counter]
	mu    sync.Mutex
	make  func(K) prometheus.Counter
	other K
}

func (c *counters[K]) get(k K) prometheus.Counter {
	if known := c.known.Load(); known != nil {
		if counter, ok := (*known)[k]; ok {
			return counter
		}
	}
	return c.add(k)
}

func (c *counters[K]) add(k K) prometheus.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	var known map[K]prometheus.Counter
	if p := c.known.Load(); p != nil {
		known = *p
	}
	if len(known) >= maxValues {
		k = c.other
	}
	if counter, ok := known[k]; ok {
		return counter
	}
	next := maps.Clone(known)
	if next == nil {
		next = map[K]prometheus.Counter{}
	}
	next[k] = c.make(k)
	c.known.Store(&next)
	return next[k]
}
