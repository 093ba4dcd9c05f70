package upstream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// pool keeps the connections to one HTTP server. It is this package's own,
// rather than fasthttp.HostClient's, because waiting and dialing in it end
// when a call is canceled, and because Close leaves nothing behind.
type pool struct {
	dial    func(ctx context.Context) (*conn, error)
	max     int
	idleFor time.Duration
	now     func() time.Time
	room    *Room // of which each of open has a place

	mu     sync.Mutex
	closed bool
	open   int                  // connections and dials
	all    map[*conn]struct{}   // connections, used and idle
	parked map[*Parked]struct{} // and those of streams that are parked
	idle   []*conn              // the longest unused first
	wait   []*waiter            // the longest waiting first
	sweep  *time.Timer          // set while there are idle connections
}

// waiter gets a connection, or nil as the leave to dial one.
type waiter struct{ ready chan *conn }

// pending is a Call that waits for a connection.
type pending struct{ cancel context.CancelFunc }

func (p *pending) interrupt(bool)   { p.cancel() }
func (p *pending) extend(time.Time) {}

// get returns a connection for c: an idle one, or a new one. The second result
// tells that it has been used before: whether it is still alive shows when it
// is used again.
func (p *pool) get(c *Call, deadline time.Time) (*conn, bool, error) {
	if k := p.popIdle(); k != nil {
		return k, true, nil
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	if !c.attach(&pending{cancel}) {
		return nil, false, context.Canceled
	}
	return p.getSlow(ctx)
}

func (p *pool) popIdle() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.popIdleLocked()
}

func (p *pool) popIdleLocked() *conn {
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	k := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return k
}

// getSlow dials, once there is room for another connection, or takes one that
// was put back meanwhile.
func (p *pool) getSlow(ctx context.Context) (*conn, bool, error) {
	k, w, err := p.enter()
	for errors.Is(err, errFull) && p.room.reclaim() {
		k, w, err = p.enter()
	}
	switch {
	case err != nil:
		return nil, false, err
	case k != nil:
		return k, true, nil
	case w != nil:
		select {
		case k, ok := <-w.ready:
			if !ok {
				return nil, false, errShut
			}
			if k != nil {
				return k, true, nil
			}
		case <-ctx.Done():
			p.leave(w)
			return nil, false, ctx.Err()
		}
	}
	if k, err = p.dial(ctx); err != nil {
		p.vacate()
		return nil, false, err
	}
	if !p.admit(k) {
		k.close()
		return nil, false, errShut
	}
	return k, false, nil
}

// enter takes a connection that was put back meanwhile, a place in the queue, or leave to dial (neither). Nobody waits while one is idle:
// who puts one back looks only once whether anybody does.
func (p *pool) enter() (*conn, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, errShut
	}
	if k := p.popIdleLocked(); k != nil {
		return k, nil, nil
	}
	if p.open < p.max {
		if !p.room.take(p) {
			return nil, nil, errFull
		}
		p.open++
		return nil, nil, nil
	}
	w := &waiter{ready: make(chan *conn, 1)}
	p.wait = append(p.wait, w)
	return nil, w, nil
}

// leave takes w out of the queue. What w was handed meanwhile goes back.
func (p *pool) leave(w *waiter) {
	p.mu.Lock()
	for i, other := range p.wait {
		if other == w {
			p.wait = append(p.wait[:i], p.wait[i+1:]...)
			p.mu.Unlock()
			return
		}
	}
	p.mu.Unlock()
	k, ok := <-w.ready
	switch {
	case !ok:
	case k != nil:
		p.put(k)
	default:
		p.vacate()
	}
}

func (p *pool) admit(k *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.open--
		p.room.give()
		return false
	}
	p.all[k] = struct{}{}
	return true
}

// vacate gives up the leave to dial.
func (p *pool) vacate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vacateLocked()
}

func (p *pool) vacateLocked() {
	if len(p.wait) > 0 {
		p.shiftWait().ready <- nil
		return
	}
	p.open--
	p.room.give()
}

func (p *pool) shiftWait() *waiter {
	w := p.wait[0]
	p.wait[0] = nil
	p.wait = p.wait[1:]
	return w
}

// put makes k available to other calls.
func (p *pool) put(k *conn) {
	k.idleSince, k.used = p.now(), true
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		p.dropLocked(k)
	case len(p.wait) > 0:
		p.shiftWait().ready <- k
	default:
		p.idle = append(p.idle, k)
		if p.sweep == nil {
			p.sweep = time.AfterFunc(p.idleFor, p.expire)
		}
	}
}

// discard closes k, which must not be idle.
func (p *pool) discard(k *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropLocked(k)
}

func (p *pool) dropLocked(k *conn) {
	k.close()
	delete(p.all, k)
	p.vacateLocked()
}

// dropIdle closes all idle connections: they are as dead as the one that was
// just found to be.
func (p *pool) dropIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.idle {
		p.dropLocked(k)
	}
	clear(p.idle)
	p.idle = p.idle[:0]
}

// dropOldest closes the connection that has been idle the longest. It is false if none is idle.
func (p *pool) dropOldest() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return false
	}
	p.dropLocked(p.idle[0])
	p.idle = slices.Delete(p.idle, 0, 1)
	return true
}

// expire closes the connections that have been idle for too long.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	now, n := p.now(), 0
	for n < len(p.idle) && now.Sub(p.idle[n].idleSince) >= p.idleFor {
		p.dropLocked(p.idle[n])
		n++
	}
	left := copy(p.idle, p.idle[n:])
	clear(p.idle[left:])
	p.idle = p.idle[:left]
	p.sweep = nil
	if left > 0 {
		p.sweep = time.AfterFunc(p.idleFor-now.Sub(p.idle[0].idleSince), p.expire)
	}
}

// close closes every connection, also those in use.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.room.leave(p)
	if p.sweep != nil {
		p.sweep.Stop()
	}
	for _, w := range p.wait {
		close(w.ready)
	}
	p.wait = nil
	for _, k := range p.idle {
		p.dropLocked(k)
	}
	p.idle = nil
	for k := range p.all {
		k.interrupt(true)
	}
	for r := range p.parked {
		r.Cancel()
	}
}

// park has r stand for k, unless all are being closed.
func (p *pool) park(k *conn, r *Parked) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if p.parked == nil {
		p.parked = map[*Parked]struct{}{}
	}
	delete(p.all, k)
	p.parked[r] = struct{}{}
	return true
}

// resume has k stand for r, which was parked.
func (p *pool) resume(r *Parked, k *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.parked, r)
	p.all[k] = struct{}{}
	if p.closed {
		k.interrupt(true)
	}
}

func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all) + len(p.parked)
}

func (p *pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}
