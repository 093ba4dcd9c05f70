package bridge

import (
	"hash/maphash"
	"sync"
)

// running is the requests of clients of before 2026-07-28 that are under way: they are cancelled by their ids.
type running struct {
	seed maphash.Seed
	rows [64]row
}

// row is those requests whose keys have one hash, the latest first.
type row struct {
	mu    sync.Mutex
	first *rounds
}

func (s *running) rowOf(session string, id []byte) *row {
	key := maphash.String(s.seed, session) ^ maphash.Bytes(s.seed, id)
	return &s.rows[key%uint64(len(s.rows))]
}

func (s *running) put(r *rounds) {
	r.row = s.rowOf(r.cl.ID, r.id)
	r.row.mu.Lock()
	defer r.row.mu.Unlock()
	r.next = r.row.first
	r.row.first = r
}

// drop takes r out, if it is there.
func (s *running) drop(r *rounds) {
	if r.row == nil {
		return
	}
	r.row.mu.Lock()
	defer r.row.mu.Unlock()
	for at := &r.row.first; *at != nil; at = &(*at).next {
		if *at == r {
			*at = r.next
			break
		}
	}
	r.row, r.next = nil, nil
}

// cancel ends the latest request of the session that has this id, if there is one. It can't end in the meantime and become another.
func (s *running) cancel(session string, id []byte) {
	at := s.rowOf(session, id)
	at.mu.Lock()
	defer at.mu.Unlock()
	for r := at.first; r != nil; r = r.next {
		if r.cl.ID == session && string(r.id) == string(id) {
			r.Interrupt(true)
			return
		}
	}
}

func (s *running) len() (n int) {
	for i := range s.rows {
		at := &s.rows[i]
		at.mu.Lock()
		for r := at.first; r != nil; r = r.next {
			n++
		}
		at.mu.Unlock()
	}
	return n
}
