package bridge

import (
	"hash/maphash"
	"sync"
)

// running is the requests of clients of before 2026-07-28 that are under way: they are cancelled by their ids. Those that have one key are
// linked.
type running struct {
	mu    sync.Mutex
	seed  maphash.Seed
	calls map[uint64]*rounds
}

func newRunning() running {
	return running{seed: maphash.MakeSeed(), calls: map[uint64]*rounds{}}
}

func (s *running) keyOf(session string, id []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(session)
	_, _ = h.Write(id)
	return h.Sum64()
}

func (s *running) put(r *rounds) {
	r.key = s.keyOf(r.cl.id, r.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	r.next = s.calls[r.key]
	s.calls[r.key] = r
}

func (s *running) drop(r *rounds) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.calls[r.key]
	if first == r {
		first = r.next
	}
	for at := first; at != nil; at = at.next {
		if at.next == r {
			at.next = r.next
		}
	}
	if r.next = nil; first != nil {
		s.calls[r.key] = first
	} else {
		delete(s.calls, r.key)
	}
}

// cancel ends the latest request of the session that has this id, if there is one. It can't end in the meantime and become another.
func (s *running) cancel(session string, id []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := s.calls[s.keyOf(session, id)]; r != nil; r = r.next {
		if r.cl.id == session && string(r.id) == string(id) {
			r.Interrupt(true)
			return
		}
	}
}
