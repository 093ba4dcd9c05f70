package upstream

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

var (
	errSessionOver = errors.New("the session is over")
	errGone        = errors.New("the session's peer has gone")
)

// evictAfter is how long a session must have been unused before it may make
// room for a new one.
const evictAfter = time.Minute

// session is a legacy session: a peer with an id. Its fields are under
// Lines.mu, but for id and p, which stay.
type session struct {
	id   string
	p    *peer
	used time.Time
	busy int // exchanges under way
	idle *time.Timer
}

// openSession starts a peer for a new session, which is held by the caller.
func (l *Lines) openSession() (*session, error) {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	s := &session{id: hex.EncodeToString(id[:]), busy: 1, used: l.o.Now()}
	evicted, err := l.reserve(s)
	if err != nil {
		return nil, err
	}
	defer l.work.Done()
	if evicted != nil {
		evicted.end(Closed, errSessionOver)
	}
	rwc, err := l.dial()
	if err != nil {
		l.mu.Lock()
		delete(l.sessions, s.id)
		l.sessionWait.failed(l.o.Now())
		l.mu.Unlock()
		l.health.down(l.o.Now, err)
		return nil, err
	}
	p := newPeer(l, rwc, s)
	l.mu.Lock()
	s.p = p
	s.idle = time.AfterFunc(l.o.IdleTimeout, func() { l.expire(s) })
	l.mu.Unlock()
	return s, l.launch(p)
}

// reserve takes a place for s, if need be that of a session long unused,
// whose peer is returned to be ended. Close waits from here on, until work.Done.
func (l *Lines) reserve(s *session) (evicted *peer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errShut
	}
	if err := l.sessionWait.check(l.o.Now()); err != nil {
		return nil, err
	}
	if len(l.sessions) >= l.o.MaxSessions {
		old := l.oldest()
		if old == nil {
			return nil, fmt.Errorf("all %d sessions are in use", l.o.MaxSessions)
		}
		delete(l.sessions, old.id)
		evicted = old.p
	}
	l.sessions[s.id] = s
	l.work.Add(1)
	return evicted, nil
}

// oldest returns the session that may be evicted, or nil.
func (l *Lines) oldest() *session {
	var old *session
	for _, s := range l.sessions {
		if s.busy == 0 && s.p != nil && (old == nil || s.used.Before(old.used)) {
			old = s
		}
	}
	if old == nil || l.o.Now().Sub(old.used) < evictAfter {
		return nil
	}
	return old
}

// acquire holds the session named id, or returns nil if there is none.
func (l *Lines) acquire(id string) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessions[id]
	if s == nil || s.p == nil || s.p.isDead() {
		return nil
	}
	s.busy++
	return s
}

// release ends a hold on s, which may be nil.
func (l *Lines) release(s *session) {
	if s == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.busy--
	s.used = l.o.Now()
}

// expire ends s if it has been idle for long enough, or looks again later.
func (l *Lines) expire(s *session) {
	l.mu.Lock()
	left := l.o.IdleTimeout
	if s.busy == 0 {
		left -= l.o.Now().Sub(s.used)
	}
	over := left <= 0
	if !over && l.sessions[s.id] == s {
		s.idle.Reset(left)
	}
	l.mu.Unlock()
	if over {
		s.p.end(Closed, errSessionOver)
	}
}

// sharedPeer returns the peer of the modern era, which it starts if none runs.
func (l *Lines) sharedPeer() (*peer, error) {
	l.starting.Lock()
	defer l.starting.Unlock()
	l.mu.Lock()
	p, closed, wait := l.shared, l.closed, l.sharedWait.check(l.o.Now())
	start := !closed && p == nil && wait == nil
	if start {
		l.work.Add(1)
	}
	l.mu.Unlock()
	switch {
	case closed:
		return nil, errShut
	case !start:
		return p, wait
	}
	defer l.work.Done()
	rwc, err := l.dial()
	if err != nil {
		l.mu.Lock()
		l.sharedWait.failed(l.o.Now())
		l.mu.Unlock()
		l.health.down(l.o.Now, err)
		return nil, err
	}
	p = newPeer(l, rwc, nil)
	l.mu.Lock()
	l.shared = p
	if l.started {
		l.restarts.Add(1)
	}
	l.started = true
	l.mu.Unlock()
	return p, l.launch(p)
}

// EndShared ends the peer of the modern era, if one runs: the server has turned
// out not to speak it. The next modern call starts another.
func (l *Lines) EndShared() {
	l.mu.Lock()
	p := l.shared
	l.mu.Unlock()
	if p != nil {
		p.end(Closed, errSessionOver)
	}
}

// launch sets p going, unless the server was closed while p started.
func (l *Lines) launch(p *peer) error {
	l.mu.Lock()
	l.peers++
	closed := l.closed
	l.mu.Unlock()
	p.run()
	if closed {
		p.end(Closed, errShut)
		return errShut
	}
	return nil
}

// peerEnded takes p out of use; cause is why it ended.
func (l *Lines) peerEnded(p *peer, cause error) {
	p.mu.Lock()
	heard := p.heard
	p.mu.Unlock()
	now := l.o.Now()
	expected := errors.Is(cause, errSessionOver) || errors.Is(cause, errShut)
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.s != nil {
		if p.s.idle != nil {
			p.s.idle.Stop()
		}
		delete(l.sessions, p.s.id)
		if heard {
			l.sessionWait.reset()
		} else if !expected {
			l.sessionWait.failed(now)
		}
		return
	}
	if l.shared == p {
		l.shared = nil
	}
	if now.Sub(p.started) >= l.o.BackoffMax {
		l.sharedWait.reset()
	}
	if !expected {
		l.sharedWait.failed(now)
	}
}

// peerClosed notes how a peer's counterpart ended.
func (l *Lines) peerClosed(cause, exit error) {
	l.mu.Lock()
	l.peers--
	l.mu.Unlock()
	if errors.Is(cause, errSessionOver) || errors.Is(cause, errShut) {
		return
	}
	if exit != nil && !errors.Is(exit, io.EOF) {
		cause = fmt.Errorf("%w: %w", cause, exit)
	}
	l.health.down(l.o.Now, cause)
	if l.o.Ended != nil {
		l.o.Ended(cause)
	}
}
