package gateway

import (
	"slices"
	"sync"
	"time"
)

// ledger remembers what is awaited: requests of servers that a client has yet to answer, and calls whose answer a client has yet to fetch.
// It holds at most max entries, each at most ttl; past that the oldest go. Safe for concurrent use.
type ledger[V any] struct {
	max int
	ttl time.Duration

	mu      sync.Mutex
	entries map[string]entry[V]
	order   []slot // by time of entry; a slot whose entry has gone or was replaced is passed over
}

type entry[V any] struct {
	value V
	at    time.Time
}

type slot struct {
	key string
	at  time.Time
}

func newLedger[V any](limit int, ttl time.Duration) *ledger[V] {
	return &ledger[V]{max: limit, ttl: ttl, entries: make(map[string]entry[V])}
}

func (l *ledger[V]) put(key string, value V, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[key] = entry[V]{value, now}
	l.order = append(l.order, slot{key, now})
	l.evict(now)
}

// find gives an entry, and keeps it.
func (l *ledger[V]) find(key string, now time.Time) (V, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.evict(now)
	e, ok := l.entries[key]
	return e.value, ok
}

// take gives an entry once.
func (l *ledger[V]) take(key string, now time.Time) (V, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.evict(now)
	e, ok := l.entries[key]
	delete(l.entries, key)
	return e.value, ok
}

func (l *ledger[V]) evict(now time.Time) {
	n := 0
	for _, s := range l.order {
		e, ok := l.entries[s.key]
		live := ok && e.at.Equal(s.at)
		if live && now.Sub(s.at) < l.ttl && len(l.entries) <= l.max {
			break
		}
		if live {
			delete(l.entries, s.key)
		}
		n++
	}
	l.order = l.order[n:]
	if len(l.order) > 2*l.max {
		l.order = slices.DeleteFunc(l.order, func(s slot) bool {
			e, ok := l.entries[s.key]
			return !ok || !e.at.Equal(s.at)
		})
	}
}

func (l *ledger[V]) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}
