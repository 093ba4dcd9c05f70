package gateway

import (
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// lists remembers what servers have listed for everybody, as long as they have said that it holds. What a server gives to one caller only
// is not in it. What policy has made of a list is, for callers of whom it reads the same: see sight. It lives and ends with its snapshot.
// Safe for concurrent use.
type lists struct {
	mu      sync.RWMutex
	entries map[listKey]*remembered
	most    int64 // bytes
	bytes   int64
	memory  *budget.Budget // of which they are taken
	changes uint64         // how often something was dropped
}

type listKey struct {
	view            *federation.View
	server, version string
	method          string
	cursor          string
	more            bool
}

// remembered is a server's answer, read. It is immutable but for the sights.
type remembered struct {
	msg       mcp.Message
	raw       []byte
	listing   *federation.Listing // nil for server/discover
	audiences audiences           // of the listing
	expires   time.Time
	key       listKey

	sights     map[string]*sight // guarded by lists.mu; nil: none yet
	sightBytes int64             // likewise
}

// Bounds of what is remembered.
const (
	maxLists   = 64 << 20 // bytes
	maxListTTL = time.Hour
)

// newLists takes no more than a quarter of the budget: calls go before what is remembered.
func newLists(memory *budget.Budget) *lists {
	l := &lists{entries: make(map[listKey]*remembered), most: maxLists, memory: memory}
	if all := memory.Limit(); all > 0 {
		l.most = min(l.most, all/4)
	}
	return l
}

func (l *lists) get(k listKey, now time.Time) *remembered {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if r := l.entries[k]; r != nil && now.Before(r.expires) {
		return r
	}
	return nil
}

// epoch changes whenever something that was listed has changed.
func (l *lists) epoch() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.changes
}

// put remembers what was asked for in an epoch. What has changed meanwhile is not remembered.
func (l *lists) put(k listKey, r *remembered, epoch uint64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.changes {
		return
	}
	l.dropLocked(func(other listKey, old *remembered) bool { return other == k || !now.Before(old.expires) })
	r.key = k
	if size := r.size(); l.bytes+size <= l.most && l.memory.Take(size) {
		l.entries[k], l.bytes = r, l.bytes+size
	}
}

// drop forgets what a server has listed.
func (l *lists) drop(server string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
	l.dropLocked(func(k listKey, _ *remembered) bool { return k.server == server })
}

func (l *lists) dropLocked(match func(listKey, *remembered) bool) {
	for k, r := range l.entries {
		if match(k, r) {
			l.bytes -= r.size()
			l.memory.Give(r.size())
			delete(l.entries, k)
		}
	}
}

// size counts the answer twice: as it came, and as clients get it.
func (r *remembered) size() int64 { return 2*int64(len(r.raw)) + 1024 + r.sightBytes }

// forget ends l with its snapshot.
func (l *lists) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked(func(listKey, *remembered) bool { return true })
}

func (x *exchange) listKey() listKey {
	p := &x.share.position
	return listKey{x.view, x.serverName, x.version, x.msg.Spec.Name, p.Cursor, p.More}
}

// keepList remembers the answer as it came, if it is for everybody and for a time.
func (x *exchange) keepList() {
	if x.share.ttl != 0 || !x.msg.Spec.Cacheable { // it was recalled, or is its caller's own
		return
	}
	result := x.reply.Result
	ttl, _ := result.Get("ttlMs").Int64()
	if ttl <= 0 || !result.Get("cacheScope").TextIs("public") || mcp.InputRequired(result) {
		return
	}
	r := &remembered{raw: x.reply.AppendTo(nil)}
	if r.msg.DecodeServer(r.raw, x.scanOptions()) != nil {
		return
	}
	if spec := x.msg.Spec; spec.List != "" {
		listing, ok := x.view.Read(x.serverName, spec, r.msg.Result)
		if !ok {
			return
		}
		r.listing = &listing
		if !x.policy().HasRules(engine.PhaseResponse) {
			x.share.listing = r.listing
			r.audiences = x.snap.audiencesOf(x.serverName, spec.List)
		}
	}
	now := x.g.Now()
	r.expires = now.Add(min(time.Duration(min(ttl, maxListTTL.Milliseconds()))*time.Millisecond, maxListTTL))
	k := x.listKey()
	k.cursor = string([]byte(k.cursor))
	x.snap.lists.put(k, r, x.share.epoch, now)
}

// recall answers from what is remembered, judged as if the server had just said it. It is false if nothing is.
func (x *exchange) recall() bool {
	now := x.g.Now()
	r := x.snap.lists.get(x.listKey(), now)
	if r == nil {
		return false
	}
	s := x.share
	s.ttl = max(r.expires.Sub(now).Milliseconds(), 1)
	x.outcome.status = 200
	if x.policy().HasRules(engine.PhaseResponse) { // plugins may change it: it is read for this caller alone
		if x.reply.DecodeServer(r.raw, x.scanOptions()) != nil {
			return false
		}
		x.share.failed = x.judgeRecalled()
		return true
	}
	own := x.reply
	defer func() { x.reply = own }()
	x.reply, s.listing, s.from = &r.msg, r.listing, r
	s.failed = x.judgeRecalled()
	return true
}

func (x *exchange) judgeRecalled() *refusal {
	x.edits.Reset()
	if r := x.judgeReply(); r != nil {
		return r
	}
	return x.take()
}

// listChanged forgets what a server has listed, before anybody is told that it has changed.
func (g *Gateway) listChanged(x *exchange) {
	switch x.reply.Method {
	case "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed":
	default:
		return
	}
	if s := g.current.acquire(); s != nil {
		s.lists.drop(x.serverName)
		s.release()
	}
}
