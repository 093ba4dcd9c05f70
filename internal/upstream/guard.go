package upstream

import (
	"errors"
	"time"
)

// GuardOptions bound the calls of a server. What is zero is not bounded.
type GuardOptions struct {
	MaxConcurrent int           // requests that are with the server at once
	Queue         int           // that wait beside them
	Wait          time.Duration // how long one waits at most

	Failures int           // in a row, after which the server is left alone
	Open     time.Duration // for how long

	Now func() time.Time // required with Failures
}

// guard is a Server before which calls wait, or are refused. Without bounds there is none.
type guard struct {
	Server
	name    string
	slots   *slots   // nil: no bound
	breaker *breaker // nil: none
}

// Guard puts the bounds of o before s. It returns s itself if there are none.
func Guard(name string, s Server, o GuardOptions) Server {
	if o.MaxConcurrent == 0 && o.Failures == 0 {
		return s
	}
	g := &guard{Server: s, name: name}
	if o.MaxConcurrent > 0 {
		g.slots = newSlots(o.MaxConcurrent, o.Queue, o.Wait)
	}
	if o.Failures > 0 {
		g.breaker = &breaker{failures: o.Failures, open: o.Open, now: o.Now}
	}
	return g
}

var (
	errBusy    = errors.New("as many calls as it takes are under way, and none of them has ended in time")
	errEjected = errors.New("it has failed too often, and is left alone")
)

// Do implements Server.
func (g *guard) Do(c *Call) error {
	if err := g.stand(c); err != nil {
		return err
	}
	if g.breaker == nil {
		return g.Server.Do(c)
	}
	era, wait, ok := g.breaker.enter()
	if !ok {
		return g.ejected(wait)
	}
	says := nothing // as a panic does
	defer func() { g.breaker.done(era, says) }()
	err := g.Server.Do(c)
	says = verdictOf(c, err)
	return err
}

// stand waits for a slot, but not for that of a server that is left alone.
func (g *guard) stand(c *Call) error {
	if g.slots == nil || !takesSlot(c) {
		return nil
	}
	if g.breaker != nil {
		if wait := g.breaker.shut(); wait > 0 {
			return g.ejected(wait)
		}
	}
	switch {
	case g.slots.enter(c):
		return nil
	case c.wasCanceled():
		return &Error{Code: Canceled, Server: g.name, Err: ErrCanceled}
	}
	return &Error{Code: Overloaded, Server: g.name, Err: errBusy, Wait: time.Second}
}

func (g *guard) ejected(wait time.Duration) *Error {
	return &Error{Code: Ejected, Server: g.name, Err: errEjected, Wait: wait}
}

// takesSlot says that a call is one that a server works on. A stream for news lasts and costs nothing, a client's answer is what a call
// that has a slot waits for.
func takesSlot(c *Call) bool {
	return c.Verb == Post && c.Kind == Request && c.Method != "subscriptions/listen"
}

// Headless says whether messages may reach the server without headers.
func (g *guard) Headless() bool {
	h, ok := g.Server.(interface{ Headless() bool })
	return ok && h.Headless()
}

// Keeps says whether a session of the server lives in this process.
func (g *guard) Keeps(session string) bool {
	k, ok := g.Server.(interface{ Keeps(session string) bool })
	return ok && k.Keeps(session)
}

// Status implements Server.
func (g *guard) Status() Status {
	s := g.Server.Status()
	if g.breaker != nil {
		s.Breaker = g.breaker.current().String()
	}
	if g.slots != nil {
		s.Waiting = g.slots.waits()
	}
	return s
}
