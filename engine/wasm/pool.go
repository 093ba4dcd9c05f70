package wasm

import (
	"context"
	"errors"
	"sync"
	"time"
)

var (
	errClosed = errors.New("the plugin is closed")
	errBusy   = errors.New("every instance of the plugin is busy")
)

// pool keeps the instances of a plugin. What a caller has got is its own until it is put back
// or discarded, so that nothing can be taken from under a call.
type pool struct {
	grow func(context.Context) (*instance, error)
	max  int

	mu      sync.Mutex
	idle    []*instance
	live    int          // idle ones, those that callers have, and those that are being made
	waiting []chan *turn // callers, the longest waiting first
	closed  bool
	drained chan struct{} // closed when live is 0 after close
}

// turn is what a caller that waits gets: an instance, or leave to make one, or the news that
// the pool is closed.
type turn struct {
	instance *instance
	closed   bool
}

func newPool(maximum int, grow func(context.Context) (*instance, error)) *pool {
	return &pool{grow: grow, max: maximum, drained: make(chan struct{})}
}

// get returns an instance. When as many are in use as there may be, it waits for one, as long
// as ctx lives and wait lasts, and then fails with ctx's error or errBusy.
func (p *pool) get(ctx context.Context, wait time.Duration) (in *instance, waited bool, err error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, false, errClosed
	}
	if n := len(p.idle) - 1; n >= 0 {
		in = p.idle[n]
		p.idle[n] = nil
		p.idle = p.idle[:n]
		p.mu.Unlock()
		return in, false, nil
	}
	if p.live < p.max {
		p.live++
		p.mu.Unlock()
		in, err = p.make(ctx)
		return in, false, err
	}
	mine := make(chan *turn, 1)
	p.waiting = append(p.waiting, mine)
	p.mu.Unlock()
	in, err = p.wait(ctx, wait, mine)
	return in, true, err
}

func (p *pool) wait(ctx context.Context, wait time.Duration, mine chan *turn) (*instance, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	err := errBusy
	select {
	case t := <-mine:
		return p.take(ctx, t)
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
	}
	p.mu.Lock()
	for k, other := range p.waiting {
		if other == mine {
			p.waiting = append(p.waiting[:k], p.waiting[k+1:]...)
			p.mu.Unlock()
			return nil, err
		}
	}
	p.mu.Unlock()
	return p.take(ctx, <-mine) // it came in the meantime
}

func (p *pool) take(ctx context.Context, t *turn) (*instance, error) {
	switch {
	case t.closed:
		return nil, errClosed
	case t.instance != nil:
		return t.instance, nil
	}
	return p.make(ctx)
}

// make makes an instance, for which live has been counted up.
func (p *pool) make(ctx context.Context) (*instance, error) {
	in, err := p.grow(ctx)
	if err != nil {
		p.gone()
		return nil, err
	}
	return in, nil
}

// put takes an instance back that is as good as new.
func (p *pool) put(in *instance) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.discard(in)
		return
	}
	if len(p.waiting) > 0 {
		p.next() <- &turn{instance: in}
	} else {
		p.idle = append(p.idle, in)
	}
	p.mu.Unlock()
}

// discard ends an instance that nothing runs in.
func (p *pool) discard(in *instance) {
	in.close()
	p.gone()
}

// gone counts an instance off, or lets who waits make one in its place.
func (p *pool) gone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		p.next() <- &turn{}
		return
	}
	p.live--
	if p.closed && p.live == 0 {
		close(p.drained)
	}
}

// next takes the first of those that wait off the list.
func (p *pool) next() chan *turn {
	first := p.waiting[0]
	p.waiting = append(p.waiting[:0], p.waiting[1:]...)
	return first
}

// size returns how many instances there are.
func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live
}

// close ends the idle instances, turns away who waits, and returns when the last caller has
// given back what it had. Nobody gets an instance any more.
func (p *pool) close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.drained
		return
	}
	p.closed = true
	for _, w := range p.waiting {
		w <- &turn{closed: true}
	}
	idle := p.idle
	p.idle, p.waiting = nil, nil
	if p.live == 0 {
		close(p.drained)
	}
	p.mu.Unlock()
	for _, in := range idle {
		p.discard(in)
	}
	<-p.drained
}
