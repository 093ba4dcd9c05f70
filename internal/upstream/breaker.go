package upstream

import (
	"errors"
	"sync"
	"time"
)

// BreakerState says whether a server that has failed is asked.
type BreakerState uint8

// The states of a breaker.
const (
	BreakerClosed   BreakerState = iota // it is asked
	BreakerHalfOpen                     // one call asks it, to see whether it has recovered
	BreakerOpen                         // it is left alone
)

func (s BreakerState) String() string {
	return [...]string{"closed", "half-open", "open"}[s]
}

// breaker leaves a server alone that has failed several times in a row. Once the time for that is over, one call is let through: if it
// succeeds all are, if it fails the time begins anew, and if it is cancelled, which says nothing, the next one is let through. What
// calls say that began before the state has changed is not heard. It is safe for concurrent use.
type breaker struct {
	failures int
	open     time.Duration
	now      func() time.Time

	mu    sync.Mutex
	state BreakerState
	era   uint64 // of the state: it grows with every change
	row   int    // failures, one after the other
	until time.Time
}

// verdict is what a call says of a server's health.
type verdict uint8

const (
	nothing verdict = iota
	success
	failure
)

// verdictOf judges what Do has returned. Errors of tools are successes, as is everything else that a working server answers.
func verdictOf(c *Call, err error) verdict {
	var e *Error
	switch {
	case err == nil && c.Status >= 500:
		return failure
	case err == nil:
		return success
	case !errors.As(err, &e):
		return failure
	}
	switch e.Code {
	case Canceled, Overloaded, Ejected, NoMemory:
		return nothing
	case TooLarge:
		return success
	case Closed, Unavailable, Timeout, Protocol:
	}
	return failure
}

// enter asks whether a call may be made, and in which era of the state; if not, how long it is until that may have changed.
func (b *breaker) enter() (era uint64, wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state {
	case BreakerOpen:
		if wait := b.until.Sub(b.now()); wait > 0 {
			return 0, wait, false
		}
		b.become(BreakerHalfOpen)
	case BreakerHalfOpen:
		return 0, time.Second, false
	case BreakerClosed:
	}
	return b.era, 0, true
}

// done hears what a call says that was let in.
func (b *breaker) done(era uint64, v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if era != b.era {
		return
	}
	probe := b.state == BreakerHalfOpen
	switch v {
	case success:
		b.row = 0
		if probe {
			b.become(BreakerClosed)
		}
	case failure:
		b.row++
		if probe || b.row >= b.failures {
			b.until = b.now().Add(b.open)
			b.become(BreakerOpen)
		}
	case nothing:
		if probe {
			b.until = time.Time{}
			b.become(BreakerOpen)
		}
	}
}

func (b *breaker) become(s BreakerState) {
	b.state = s
	b.era++
}

// shut says for how long no call will be let in; 0 if one may be.
func (b *breaker) shut() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != BreakerOpen {
		return 0
	}
	return max(0, b.until.Sub(b.now()))
}

func (b *breaker) current() BreakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}
