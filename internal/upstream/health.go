package upstream

import (
	"sync"
	"sync/atomic"
	"time"
)

// health remembers whether the last exchange reached the server.
type health struct {
	state atomic.Uint32
	mu    sync.Mutex
	since time.Time
	last  string
}

func (h *health) up(now func() time.Time) {
	if State(h.state.Load()) == Up {
		return
	}
	h.set(Up, now(), "")
}

func (h *health) down(now func() time.Time, err error) {
	h.set(Down, now(), err.Error())
}

func (h *health) set(s State, now time.Time, last string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if State(h.state.Swap(uint32(s))) != s {
		h.since = now
	}
	if last != "" {
		h.last = last
	}
}

func (h *health) fill(s *Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.State, s.Since, s.LastError = State(h.state.Load()), h.since, h.last
}
