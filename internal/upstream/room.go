package upstream

import (
	"errors"
	"maps"
	"slices"
	"sync"
)

// errFull is the cause of an error where there is no room for another connection.
var errFull = errors.New("there are as many connections to servers as the file descriptors of this process allow for")

// Room is how many connections there may be to all servers together that share it, so that descriptors are left for everything else. Idle ones
// make room for those that are needed. The nil Room has no bound. It is safe for concurrent use.
type Room struct {
	most int

	mu    sync.Mutex
	used  int
	pools map[*pool]struct{}
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

// reclaim closes an idle connection, whichever server it is to. It is false if there is none. No pool is locked.
func (r *Room) reclaim() bool {
	r.mu.Lock()
	pools := slices.Collect(maps.Keys(r.pools))
	r.mu.Unlock()
	return slices.ContainsFunc(pools, (*pool).dropOldest)
}
