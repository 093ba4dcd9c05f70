package gateway

import (
	"bytes"
	"hash/maphash"
	"sync"
)

// running is the requests under way in sessions with several servers, each of which says which server it is for: what is said of a request by its
// id is for that server, too. It holds the exchanges themselves, each linked to its row for as long as it lasts, so that a request costs no
// memory here. Safe for concurrent use.
type running struct {
	seed maphash.Seed
	rows [256]row
}

// row is those requests whose keys have one hash, the latest first.
type row struct {
	mu    sync.Mutex
	first *exchange
}

// tracking is where a request stands among those that are running. Its row guards the rest as long as it has one.
type tracking struct {
	row           *row // nil: its client can't name it
	place         place
	before, after *exchange
}

func (r *running) rowOf(key []byte) *row {
	return &r.rows[maphash.Bytes(r.seed, key)%uint64(len(r.rows))]
}

// put adds x under x.key, which stays as it is until drop.
func (r *running) put(x *exchange) {
	at := r.rowOf(x.key)
	at.mu.Lock()
	defer at.mu.Unlock()
	x.tracking = tracking{row: at, place: place{x.serverName, x.version}, after: at.first}
	if at.first != nil {
		at.first.before = x
	}
	at.first = x
}

// drop takes x out, if it is there.
func (r *running) drop(x *exchange) {
	at := x.row
	if at == nil {
		return
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	if x.before != nil {
		x.before.after = x.after
	} else {
		at.first = x.after
	}
	if x.after != nil {
		x.after.before = x.before
	}
	x.tracking = tracking{}
}

// find says where the latest request with this key has gone.
func (r *running) find(key []byte) (place, bool) {
	at := r.rowOf(key)
	at.mu.Lock()
	defer at.mu.Unlock()
	for x := at.first; x != nil; x = x.after {
		if bytes.Equal(x.key, key) {
			return x.place, true
		}
	}
	return place{}, false
}

// len is how many there are.
func (r *running) len() (n int) {
	for i := range r.rows {
		at := &r.rows[i]
		at.mu.Lock()
		for x := at.first; x != nil; x = x.after {
			n++
		}
		at.mu.Unlock()
	}
	return n
}
