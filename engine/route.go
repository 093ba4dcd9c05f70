package engine

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

// route is what was found out of the messages of the same names: which rules apply to them, and their shape.
type route struct {
	names

	rules   []*rule // not to be changed
	shared  bool    // they are nobody's room
	shape   *shape  // nil: caching says why
	caching Caching
}

// names are all of a message that the index goes by, and its door.
type names struct {
	method, server, tool, prompt, resource string

	about condition.Subjects
	door  door
}

func namesOf(r *Request, about condition.Subjects) names {
	return names{r.Method, r.Server, r.Tool, r.Prompt, r.Resource, about, doorOf(r)}
}

// routes are those that messages come by most, each at the place of its hash. They are of one snapshot, whose rules don't change, and
// safe for concurrent use.
type routes struct {
	seed  maphash.Seed
	seen  [routePlaces]atomic.Uint32 // a part of the hash of the last message that found no route here
	known [routePlaces]atomic.Pointer[route]
}

// Bounds of what routes take: 128 KiB, rules aside.
const (
	routePlaces  = 256
	maxRouteText = 256 // bytes of the names
)

func (ts *routes) hash(n *names) uint64 {
	h := maphash.String(ts.seed, n.tool) ^ bits.RotateLeft64(maphash.String(ts.seed, n.server), 16)
	if n.resource != "" || n.prompt != "" {
		h ^= bits.RotateLeft64(maphash.String(ts.seed, n.resource), 32) ^ bits.RotateLeft64(maphash.String(ts.seed, n.prompt), 48)
	}
	return h + uint64(n.door) + uint64(len(n.method))<<32
}

// find returns the route of a message, or nil.
func (ts *routes) find(n *names) *route {
	if t := ts.known[ts.hash(n)%routePlaces].Load(); t != nil && t.names == *n {
		return t
	}
	return nil
}

// learn keeps a copy of a route if the last message that found none here took the same: names that come once, such as are made up to use
// memory, use none.
func (ts *routes) learn(t *route) {
	h := ts.hash(&t.names)
	sum := uint32(h>>32) | 1 // 0 is none
	if ts.seen[h%routePlaces].Swap(sum) != sum {
		return
	}
	if len(t.method)+len(t.server)+len(t.tool)+len(t.prompt)+len(t.resource) > maxRouteText {
		return
	}
	kept := *t
	for _, s := range []*string{&kept.method, &kept.server, &kept.tool, &kept.prompt, &kept.resource} {
		*s = strings.Clone(*s)
	}
	if !t.shared {
		kept.rules, kept.shared = slices.Clone(t.rules), true
	}
	ts.known[h%routePlaces].Store(&kept)
}
