package upstream

import (
	"errors"
	"maps"
	"slices"
	"sync"
)

// errFull is the cause of an error where there is no room for another connection.
var errFull = errors.New("there are as many connections to servers as the file descriptors of this process allow for")

// errStreams is the cause of an error where there is no room for another stream of news.
var errStreams = errors.New("streams have as many connections to servers as calls can do without")

// spare is how many places streams of news leave to calls, if that is no more than one of four. Streams last for hours, and they would take the
// place of each call that ends.
const spare = 64

// Room is how many connections there may be to all servers together that share it, so that descriptors are left for everything else. Idle ones
// make room for those that are needed. The nil Room has no bound. It is safe for concurrent use.
type Room struct {
	most int

	mu      sync.Mutex
	used    int
	streams int // of used, those for news
	pools   map[*pool]struct{}
}

// NewRoom makes a Room for so many connections, and at least one.
func NewRoom(most int) *Room { return &Room{most: max(1, most), pools: map[*pool]struct{}{}} }

func (r *Room) leave(p *pool) {
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.pools, p)
	}
}

// take takes the place of a connection of p, if there is one. Only who has had one is known here: of servers that are made and never used, as those
// of a config that is refused, nothing stays.
func (r *Room) take(p *pool) bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used >= r.most {
		return false
	}
	r.used++
	r.pools[p] = struct{}{}
	return true
}

func (r *Room) give() {
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.used--
	}
}

// hold lets a connection that has a place be a stream of news, if there are not too many.
func (r *Room) hold() bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.streams >= r.most-min(spare, r.most/4) {
		return false
	}
	r.streams++
	return true
}

// release says that a stream of news has ended.
func (r *Room) release() {
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.streams--
	}
}

// reclaim closes an idle connection, whichever server it is to. It is false if there is none. No pool is locked.
func (r *Room) reclaim() bool {
	r.mu.Lock()
	pools := slices.Collect(maps.Keys(r.pools))
	r.mu.Unlock()
	return slices.ContainsFunc(pools, (*pool).dropOldest)
}
