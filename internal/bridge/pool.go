package bridge

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

var (
	errShut        = errors.New("the gateway has closed this server")
	errAllBusy     = errors.New("all sessions with the server are in use")
	errNotAnswered = errors.New("the server did not answer initialize as specified")
)

// asker is for whom a session is opened: an owner, and what its client says it
// can do. Sessions are never shared between different ones.
type asker struct {
	owner        []byte
	capabilities []byte // as initialize declares them
	info         []byte // what the client calls itself; not part of who it is
}

func (k *asker) key() [32]byte {
	b := strconv.AppendInt(nil, int64(len(k.owner)), 10)
	b = append(append(append(b, ':'), k.owner...), k.capabilities...)
	return sha256.Sum256(b)
}

// pool holds the sessions with a server of before 2026-07-28.
type pool struct {
	a    *Adapter
	work sync.WaitGroup // goroutines of sessions, calls and streams

	mu     sync.Mutex
	closed bool
	groups map[[32]byte][]*session
	count  int
	sweep  *time.Timer // nil while there is no session
}

// session is a session with the server. Its first group of fields stays once
// ready is closed; the second is under pool.mu.
type session struct {
	key     [32]byte
	id      string // the server's; "" if it gave none
	version string
	doc     jsonscan.Doc // of the answer to initialize
	ready   chan struct{}
	err     error

	busy int       // calls on it
	ears int       // streams of clients that hear its news
	sole bool      // one call has it for itself
	lost bool      // it is in the pool no more
	over bool      // and its client has ended it
	used time.Time // when busy became 0

	last atomic.Int64 // of our request ids
	loud sync.Once    // the server has been asked for all of its log
	news news
}

func (s *session) result() jsonscan.Value { return s.doc.Root().Get("result") }

// offers says whether the server has declared a capability.
func (s *session) offers(path ...string) bool {
	v := s.result().Get("capabilities").Path(path...)
	is, isBool := v.Bool()
	return v.Exists() && v.Kind() != jsonscan.Null && (!isBool || is)
}

// acquire gives a session for k, which it opens if need be. sole asks for one
// that no other call has, until release. An error is an *upstream.Error: nothing
// of the call was sent.
func (p *pool) acquire(k *asker, sole bool) (*session, error) {
	s, opened, err := p.find(k.key(), sole)
	if err != nil {
		return nil, p.a.fail(upstream.Unavailable, err)
	}
	if opened {
		if s.err = p.open(s, k); s.err != nil {
			p.drop(s)
		}
		close(s.ready)
	}
	<-s.ready // bounded by the time that opening may take
	if s.err != nil {
		p.release(s)
		return nil, p.a.unsent(s.err)
	}
	return s, nil
}

// find takes a session of the pool, or adds one that is yet to be opened.
func (p *pool) find(key [32]byte, sole bool) (s *session, added bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, errShut
	}
	for _, s := range p.groups[key] {
		if s.sole || sole && s.busy > 0 {
			continue
		}
		s.busy++
		s.sole = sole
		return s, false, nil
	}
	if p.count >= p.a.o.Sessions && !p.evict() {
		return nil, false, errAllBusy
	}
	s = &session{key: key, ready: make(chan struct{}), busy: 1, sole: sole}
	s.news.s, s.news.a = s, p.a
	p.groups[key] = append(p.groups[key], s)
	p.count++
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.a.o.SessionIdle, p.expire)
	}
	return s, true, nil
}

// leave ends the sessions that there are for k, each when the calls under way on it have ended.
func (p *pool) leave(k *asker) {
	p.mu.Lock()
	all := slices.Clone(p.groups[k.key()])
	for _, s := range all {
		p.remove(s)
		if s.over = true; s.busy == 0 {
			p.finish(s)
		}
	}
	p.mu.Unlock()
	for _, s := range all {
		s.news.end()
	}
}

// release ends a call's hold on s.
func (p *pool) release(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.letGo(s)
}

func (p *pool) letGo(s *session) {
	s.busy--
	s.sole = s.sole && s.busy > 0
	s.used = p.a.o.Now()
	if s.over && s.busy == 0 && !p.closed {
		p.finish(s)
	}
}

// hear turns a call's hold on s into that of a stream, or takes that back.
func (p *pool) hear(s *session, begins bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if begins {
		p.letGo(s)
		s.ears++
	} else {
		s.used = p.a.o.Now()
		s.ears--
	}
}

// drop takes a session out of the pool that the server knows no more. Calls
// under way on it go on.
func (p *pool) drop(s *session) {
	p.mu.Lock()
	p.remove(s)
	p.mu.Unlock()
	s.news.end()
}

func (p *pool) remove(s *session) {
	if s.lost {
		return
	}
	s.lost = true
	p.count--
	list := p.groups[s.key]
	for i := range list {
		if list[i] == s {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if p.groups[s.key] = list; len(list) == 0 {
		delete(p.groups, s.key)
	}
}

// evict makes room by ending the session that was unused longest.
func (p *pool) evict() bool {
	var old *session
	for _, list := range p.groups {
		for _, s := range list {
			if s.busy+s.ears == 0 && (old == nil || s.used.Before(old.used)) {
				old = s
			}
		}
	}
	if old == nil {
		return false
	}
	p.remove(old)
	p.finish(old)
	return true
}

// finish tells the server that a session is over, and does not wait for it.
func (p *pool) finish(s *session) {
	if s.id == "" {
		return
	}
	p.work.Go(func() {
		var c upstream.Call
		defer c.Close()
		c.Verb, c.Session, c.Version, c.Deadline = upstream.Delete, s.id, s.version, p.a.o.Now().Add(courtesy)
		_ = p.a.inner.Do(&c) // a server that does not take it ends the session in its own time
	})
}

// courtesy is how long the server may take for what nobody waits for.
const courtesy = 5 * time.Second

// expire ends the sessions that have been unused for long enough.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	now := p.a.o.Now()
	var over []*session
	for _, list := range p.groups {
		for _, s := range list {
			if s.busy+s.ears == 0 && now.Sub(s.used) >= p.a.o.SessionIdle {
				over = append(over, s)
			}
		}
	}
	for _, s := range over {
		p.remove(s)
		p.finish(s)
	}
	if p.sweep = nil; p.count > 0 {
		p.sweep = time.AfterFunc(p.a.o.SessionIdle, p.expire)
	}
}

// close ends the pool: the sessions end with the server.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.sweep != nil {
		p.sweep.Stop()
	}
	var all []*session
	for _, list := range p.groups {
		all = append(all, list...)
	}
	p.mu.Unlock()
	for _, s := range all {
		s.news.end()
	}
}

// size is the number of sessions, for people and metrics.
func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// begin counts a goroutine in, unless the pool is closed.
func (p *pool) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.work.Add(1)
	return true
}

// open does the handshake.
func (p *pool) open(s *session, k *asker) error {
	var c upstream.Call
	defer c.Close()
	s.last.Store(1)
	c.Body = append(append([]byte(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"`), mcp.Versions(mcp.Legacy)[0]...), `","capabilities":`...)
	c.Body = append(append(append(c.Body, k.capabilities...), `,"clientInfo":`...), k.info...)
	c.Body = append(c.Body, "}}"...)
	c.Method, c.ID, c.Start = "initialize", []byte("1"), p.a.o.Now()
	c.Deadline = c.Start.Add(p.a.o.Timeout)
	if err := p.a.inner.Do(&c); err != nil {
		return err
	}
	answer, err := p.a.whole(&c)
	if err != nil {
		return err
	}
	if err := s.doc.Scan(bytes.Clone(answer), jsonscan.Options{}); err != nil {
		return fmt.Errorf("%w: http status %d", errNotAnswered, c.Status)
	}
	version := s.result().Get("protocolVersion").Text()
	if r := mcp.LookupRevision(version); r == nil || r.Era != mcp.Legacy || c.Status != 200 || !bytes.Equal(s.doc.Root().Get("id").Raw(), c.ID) {
		return fmt.Errorf("%w: http status %d, protocol version %q", errNotAnswered, c.Status, version)
	}
	s.id, s.version = c.ReplySession, version
	return p.a.post(s, "notifications/initialized", []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`))
}

// post sends a message that has no answer: a notification, or with method "" a
// response.
func (a *Adapter) post(s *session, method string, body []byte) error {
	var c upstream.Call
	defer c.Close()
	c.Kind, c.Method, c.Body = upstream.Notification, method, body
	if method == "" {
		c.Kind = upstream.Response
	}
	c.Session, c.Version, c.Deadline = s.id, s.version, a.o.Now().Add(courtesy)
	return a.inner.Do(&c)
}

// request sends a request of our own, and says whether it succeeded.
func (a *Adapter) request(s *session, method string, params []byte) bool {
	var c upstream.Call
	defer c.Close()
	c.Method, c.ID = method, strconv.AppendInt(nil, s.last.Add(1), 10)
	c.Body = append(append([]byte(`{"jsonrpc":"2.0","id":`), c.ID...), `,"method":`...)
	c.Body = append(append(append(c.Body, quoted(method)...), `,"params":`...), params...)
	c.Body = append(c.Body, '}')
	c.Session, c.Version, c.Deadline = s.id, s.version, a.o.Now().Add(a.o.Timeout)
	if a.inner.Do(&c) != nil {
		return false
	}
	answer, err := a.whole(&c)
	var doc jsonscan.Doc
	return err == nil && c.Status == 200 && doc.Scan(answer, jsonscan.Options{}) == nil &&
		bytes.Equal(doc.Root().Get("id").Raw(), c.ID) && doc.Root().Get("result").Exists()
}
