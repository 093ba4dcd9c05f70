package engine

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/sallyport-dev/sallyport/engine/cache"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// This file is the decision cache: what was decided on the same rules and the same values is not decided again. A decision is a
// function of the rules that apply and of what they and their plugins can read, or it is not remembered. So its key is the number of its
// shape, which stands for the rules, and those values.

// memory is the decision cache of a snapshot.
type memory struct {
	cache  *cache.Cache[Decision]
	least  int32 // that rules must cost together for a look
	routes routes
	shapes atomic.Pointer[map[uint64][]*shape] // by a sum of their rules; replaced, never changed
	mu     sync.Mutex                          // of adding one
	count  uint32
}

// maxShapes bounds the shapes of a snapshot: globs can make more of them than there are rules.
const maxShapes = 4096

// maxKey is the longest key that is looked up. A digest of more costs too much where it is in vain.
const maxKey = 16 << 10

// shape is what messages have in common to which the same rules apply: how the key of a decision is made, or why there is none.
type shape struct {
	rules   []*rule
	door    door
	number  uint32
	refused Caching // CacheUnused: nothing speaks against it
	fields  condition.Key
	guests  wasm.Key
	plugins []*wasm.Plugin
}

// door is what else tells messages apart: it says which hooks plugins are called by, and what happens if nothing matches.
type door uint8

const (
	atResponse door = 1 << iota
	defaultAllow
	fromServer
	hasItems
)

func doorOf(r *Request) (d door) {
	if r.Phase == PhaseResponse {
		d |= atResponse
	}
	if r.DefaultAllow {
		d |= defaultAllow
	}
	if r.FromServer {
		d |= fromServer
	}
	if r.Items.Exists() {
		d |= hasItems
	}
	return d
}

// newMemory makes a cache of a size in bytes; none if there is no rule that it would pay for.
func newMemory(size int64, rules []*rule) (*memory, error) {
	if size <= 0 || !slices.ContainsFunc(rules, func(r *rule) bool { return r.price() >= worthwhile }) {
		return nil, nil //nolint:nilnil // a nil memory remembers nothing
	}
	c, err := cache.New[Decision](size)
	if err != nil {
		return nil, err
	}
	m := &memory{cache: c, least: worthwhile}
	m.routes.seed = maphash.MakeSeed()
	m.shapes.Store(&map[uint64][]*shape{})
	return m, nil
}

func (m *memory) close() {
	if m != nil {
		m.cache.Close()
	}
}

// recollection is what it takes to ask the cache.
type recollection struct {
	message wasm.Message
	shown   bool // message is filled
	key     []byte
}

var recollections = sync.Pool{New: func() any { return new(recollection) }}

func newRecollection() *recollection {
	c, ok := recollections.Get().(*recollection)
	if !ok {
		c = new(recollection)
	}
	return c
}

// free forgets all but room.
func (c *recollection) free() {
	if c.shown {
		c.message.Reset()
		c.shown = false
	}
	if cap(c.key) > maxKey {
		c.key = nil
	}
	recollections.Put(c)
}

// recall decides as an evaluation does, but for what is remembered. The decision is large enough to be made where it is wanted.
func (s *Snapshot) recall(ctx context.Context, r *Request, d *Decision) {
	var in condition.Input
	r.fill(&in)
	n := namesOf(r, in.About())
	var e *evaluation // made where it is needed
	var here route
	way := s.memory.routes.find(&n)
	if way == nil {
		e = newEvaluation()
		e.find(s, r, &in, n.about)
		here = route{names: n, rules: e.rules, shared: e.shared}
		here.shape, here.caching = s.memory.shapeOf(n.door, e.rules)
		s.memory.routes.learn(&here)
		way = &here
	}
	past := newRecollection()
	caching, known := past.look(s.memory, way, r, &in)
	if known != nil {
		*d = *known
	} else {
		if e == nil {
			e = newEvaluation()
			e.rules, e.shared, e.found = way.rules, true, true
		}
		*d = e.decide(ctx, s, r, once)
		if d.Cache = caching; caching == CacheMiss {
			past.keep(ctx, s.memory, d)
		}
	}
	past.free()
	if e != nil {
		e.free()
	}
}

// look finds the decision, if it is remembered, or says why it is not.
func (c *recollection) look(m *memory, way *route, r *Request, in *condition.Input) (Caching, *Decision) {
	shape := way.shape
	if shape == nil {
		return way.caching, nil
	}
	if len(shape.plugins) > 0 && slices.ContainsFunc(shape.plugins, (*wasm.Plugin).Ejected) { // what it said is of before
		return CacheEjected, nil
	}
	key := binary.LittleEndian.AppendUint32(c.key[:0], shape.number)
	key = shape.fields.Append(append(key, byte(way.about)), in)
	if len(shape.plugins) > 0 {
		r.show(&c.message)
		c.shown = true
		key = shape.guests.Append(key, &c.message)
	}
	if c.key = key; len(key) > maxKey {
		return CacheTooLarge, nil
	}
	if d := m.cache.Get(key); d != nil {
		return CacheHit, d
	}
	return CacheMiss, nil
}

// keep remembers a decision under the key that it was looked up by, or says in it why not.
func (c *recollection) keep(ctx context.Context, m *memory, d *Decision) {
	if d.Cache = keepable(ctx, d); d.Cache == CacheMiss {
		kept := *d
		kept.Cache = CacheHit
		m.cache.Put(c.key, kept, bytesOf(d))
	}
}

// keepable says whether a decision may be made again from what its key holds.
func keepable(ctx context.Context, d *Decision) Caching {
	if ctx.Err() != nil || d.Cause != nil {
		return CacheFailed
	}
	for i := range d.Shadow {
		if d.Shadow[i].Cause != nil {
			return CacheFailed
		}
	}
	if d.Rewritten.Exists() {
		return CacheRewritten
	}
	for i := range d.Plugins {
		switch p := &d.Plugins[i]; {
		case p.Failure != "" || p.Cause != nil:
			return CacheFailed
		case len(p.Edits) > 0: // they lie in this message
			return CacheRewritten
		}
	}
	return CacheMiss
}

// bytesOf is what a decision that is kept points to, but for what the snapshot has anyway.
func bytesOf(d *Decision) int {
	n := len(d.Message) + len(d.considered.more)*int(unsafe.Sizeof((*rule)(nil))) +
		cap(d.Shadow)*int(unsafe.Sizeof(Outcome{})) + cap(d.Plugins)*int(unsafe.Sizeof(PluginOutcome{}))
	const text = int(unsafe.Sizeof(""))
	for i := range d.Plugins {
		p := &d.Plugins[i]
		n += len(p.Code) + len(p.Message) + cap(p.Notes)*int(unsafe.Sizeof(wasm.Note{})) + (cap(p.Labels)+cap(p.Used))*text
		for _, x := range p.Notes {
			n += len(x.Key) + len(x.Text)
		}
		for _, x := range slices.Concat(p.Labels, p.Used) {
			n += len(x)
		}
	}
	return n
}

// shapeOf returns the shape of messages to which the rules apply, or why they have none that anything could be remembered for.
func (m *memory) shapeOf(at door, rules []*rule) (*shape, Caching) {
	const prime = 0x100000001b3
	cost, sum := int32(0), uint64(at)*prime
	for _, rule := range rules {
		cost += rule.price()
		sum = (sum ^ uint64(rule.order)) * prime
	}
	if cost < m.least {
		return nil, CacheUnused
	}
	switch s := m.shape(sum, at, rules); {
	case s == nil:
		return nil, CacheTooMany
	case s.refused != CacheUnused:
		return nil, s.refused
	default:
		return s, CacheUnused
	}
}

// shape finds the shape of messages to which the rules apply, and settles it if it is the first: what it costs and what it may read
// follows from what was settled for each rule at load. It is nil if there are too many.
func (m *memory) shape(sum uint64, at door, rules []*rule) *shape {
	find := func() *shape {
		for _, s := range (*m.shapes.Load())[sum] {
			if s.door == at && slices.Equal(s.rules, rules) {
				return s
			}
		}
		return nil
	}
	if s := find(); s != nil {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := find(); s != nil || m.count == maxShapes {
		return s
	}
	s := newShape(at, slices.Clone(rules))
	s.number = m.count
	m.count++
	next := make(map[uint64][]*shape, m.count)
	maps.Copy(next, *m.shapes.Load())
	next[sum] = append(slices.Clone(next[sum]), s)
	m.shapes.Store(&next)
	return s
}

func newShape(at door, rules []*rule) *shape {
	s := &shape{door: at, rules: rules}
	var fields []string
	for _, r := range rules {
		if why, _ := uncached(r); why != CacheUnused {
			s.refused = why
			return s
		}
		fields = append(fields, r.fields...)
		if r.plugin == nil {
			continue
		}
		s.plugins = append(s.plugins, r.plugin.guest)
		for _, h := range hooksFor(r.plugin, at) {
			s.guests = s.guests.Join(wasm.NewKey(h, r.plugin.guest))
		}
	}
	k, err := condition.NewKey(union(fields))
	if err != nil { // each rule's fields make a key
		s.refused = CacheImpure
		return s
	}
	s.fields = k
	return s
}
