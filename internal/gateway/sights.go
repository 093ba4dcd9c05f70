package gateway

import (
	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// This file spares lists that are remembered what was decided of their entries before, for a caller of whom the rules read the same.

// sight is what such callers see of a remembered list. It is immutable.
type sight struct {
	shown  []bool // by entry
	learnt uint64 // when, by the catalog's count: what servers have said since is to be learnt from the list anew, as from any
}

// Bounds of what is kept of sights.
const (
	maxSightKey   = 2 << 10  // what is read of a caller; of more is nothing kept
	maxSights     = 64 << 10 // bytes, of one list; then it begins anew
	sightOverhead = 128      // bytes beside key and entries
)

// audiences tell callers apart for the policies of a snapshot and for its candidate. One that is not ok can't.
type audiences [2]struct {
	engine.Audience
	ok bool
}

// audiencesOf is for what a server lists.
func (s *Snapshot) audiencesOf(server, list string) (a audiences) {
	method := callOf(list)
	if method == "" {
		return a
	}
	a[0].Audience, a[0].ok = s.Policy.Audience(method, server)
	if c := s.Candidate; c != nil {
		a[1].Audience, a[1].ok = c.Policy.Audience(method, server)
	}
	return a
}

// sightKey appends what the sight of this caller of a remembered list is kept under. It is false if none is: when a tool comes to its end is
// a matter of time.
func (x *exchange) sightKey(dst []byte, r *remembered, item *engine.Request) ([]byte, bool) {
	by := 0
	if x.policy(); x.tried {
		by = 1
	}
	a := &r.audiences[by]
	if !a.ok || x.snap.Tools[x.serverName] != nil {
		return dst, false
	}
	dst = a.Append(append(dst, byte(by)), item)
	return dst, len(dst) <= maxSightKey
}

// look decides which entries of a remembered list the caller sees, or knows it from another time.
func (x *exchange) look(r *remembered, spec *mcp.Method, item *engine.Request) {
	var room [256]byte
	key, ok := x.sightKey(room[:0], r, item)
	if !ok {
		x.sift(spec, item)
		return
	}
	learnt := x.g.catalog.count(x.serverName)
	if s := x.snap.lists.sight(r, key); s != nil && s.learnt == learnt {
		x.share.shown = s.shown
		return
	}
	x.sift(spec, item)
	if x.g.catalog.count(x.serverName) == learnt {
		x.snap.lists.keepSight(r, key, &sight{x.share.shown, learnt})
	}
}

// sight finds what is seen by callers with this key; nil if it is not known.
func (l *lists) sight(r *remembered, key []byte) *sight {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return r.sights[string(key)]
}

func (l *lists) keepSight(r *remembered, key []byte, s *sight) {
	size := int64(len(key)+len(s.shown)) + sightOverhead
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries[r.key] != r { // it has changed, or its snapshot has ended
		return
	}
	if r.sights[string(key)] != nil { // as large: it is of the same list
		r.sights[string(key)] = s
		return
	}
	if r.sightBytes+size > maxSights {
		l.bytes -= r.sightBytes
		l.memory.Give(r.sightBytes)
		r.sights, r.sightBytes = nil, 0
	}
	if size > maxSights || l.bytes+size > l.most || !l.memory.Take(size) {
		return
	}
	if r.sights == nil {
		r.sights = make(map[string]*sight)
	}
	r.sights[string(key)] = s
	r.sightBytes += size
	l.bytes += size
}
