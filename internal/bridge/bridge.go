// Package bridge lets a client of either protocol era use a server of either
// era. An Adapter is an upstream.Server on top of another: it finds out which
// era that one speaks, passes on what is of this era untouched, and translates
// the rest. It stands below policy: what is judged is the client's own message,
// and what the client gets.
package bridge

import (
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// Options describe an Adapter. Now is required; zero durations and counts mean
// the default named with each.
type Options struct {
	Name string // of the server, for errors
	// Pinned says that Era is what the server speaks, and that it is not to be asked.
	Pinned bool
	Era    mcp.Era
	// OnDemand leaves all calls untouched but those that ask for it (upstream.Call.Translate).
	OnDemand bool

	// Keys seal what clients of 2026-07-28 carry between the rounds of a call. nil
	// makes a key that lives as long as the Adapter, and so do its calls.
	Keys *carry.Keys
	// Home is the address at which other replicas reach this one. "" is none: a
	// call that waits here is known here alone.
	Home string

	Timeout      time.Duration // for an answer, when a call has no deadline; 30 s
	ProbeTimeout time.Duration // for a server to say which era it speaks; 5 s
	EraTTL       time.Duration // after which it is asked again; 10 min

	Sessions    int           // sessions held with a server of before 2026-07-28; 1024
	SessionIdle time.Duration // after which an unused one is ended; 5 min
	Parked      int           // calls that wait for a client to answer what the server has asked; 1024
	AnswerWait  time.Duration // for a client to answer; 10 min

	Now func() time.Time
}

func (o *Options) fill() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Timeout, 30 * time.Second},
		{&o.ProbeTimeout, 5 * time.Second},
		{&o.EraTTL, 10 * time.Minute},
		{&o.SessionIdle, 5 * time.Minute},
		{&o.AnswerWait, 10 * time.Minute},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.Sessions <= 0 {
		o.Sessions = 1024
	}
	if o.Parked <= 0 {
		o.Parked = 1024
	}
}

// Adapter is a server of either era that answers clients of both. It is safe
// for concurrent use.
type Adapter struct {
	o        Options
	inner    upstream.Server
	headless bool // its messages travel without headers, and streams do not say whose they are

	known   atomic.Pointer[verdict]
	probing sync.Mutex

	sealer *sealer
	pool   pool
	lot    lot

	ids     atomic.Int64 // of requests on behalf of clients of before 2026-07-28
	memory  memory
	running running
	spare   sync.Pool // of rounds
	tools   struct {
		mu     sync.Mutex
		params map[string][]mcp.HeaderParam // of those tools whose arguments headers mirror
	}
}

// New makes an Adapter on top of inner, which it owns from then on. It asks
// inner nothing before the first call.
func New(inner upstream.Server, o Options) (*Adapter, error) {
	o.fill()
	if err := carry.CheckHome(o.Home); err != nil {
		return nil, err
	}
	if o.Keys == nil {
		var err error
		if o.Keys, err = carry.New(carry.Random()); err != nil {
			return nil, err
		}
	}
	a := &Adapter{o: o, inner: inner, sealer: &sealer{o.Keys, o.Name}}
	a.pool.a, a.pool.groups = a, map[[32]byte][]*session{}
	a.lot.works = map[[16]byte]*work{}
	a.running.seed = maphash.MakeSeed()
	a.memory.clients = map[string]*remembered{}
	a.tools.params = map[string][]mcp.HeaderParam{}
	if h, ok := inner.(interface{ Headless() bool }); ok {
		a.headless = h.Headless()
	}
	if o.Pinned {
		a.known.Store(&verdict{era: o.Era})
	}
	return a, nil
}

// Headless says that messages may reach the server without headers.
func (a *Adapter) Headless() bool { return a.headless }

// Keeps says whether a session lives in this process: all do of a server whose
// own do, and those of clients of whom more is remembered than their id says.
func (a *Adapter) Keeps(session string) bool {
	k, ok := a.inner.(interface{ Keeps(session string) bool })
	return ok && k.Keeps(session) || clientOf(session, nil) != nil
}

// Do implements upstream.Server.
func (a *Adapter) Do(c *upstream.Call) error {
	switch {
	case a.o.OnDemand && !c.Translate:
		return a.inner.Do(c)
	case c.Modern:
		return a.doModern(c)
	case c.Client != nil: // its session is no server's
		return a.fromLegacy(c, c.Client.ID, c.Client)
	}
	era, err := a.Era(c)
	switch {
	case err != nil:
		return err
	case era == mcp.Modern:
		return a.fromLegacy(c, c.Session, nil)
	}
	return a.inner.Do(c)
}

// doModern serves a message of 2026-07-28, whichever era the server speaks.
func (a *Adapter) doModern(c *upstream.Call) error {
	era, err := a.Era(c)
	switch {
	case err != nil:
		return err
	case era == mcp.Modern:
		return a.inner.Do(c)
	}
	return a.fromModern(c)
}

// Close implements upstream.Server.
func (a *Adapter) Close() error {
	a.pool.close()
	a.lot.close()
	err := a.inner.Close()
	a.pool.work.Wait()
	return err
}

// Status implements upstream.Server.
func (a *Adapter) Status() upstream.Status {
	s := a.inner.Status()
	if !a.headless { // elsewhere they are the server's own
		s.Sessions += a.pool.size()
	}
	return s
}

func (a *Adapter) fail(code upstream.ErrorCode, err error) *upstream.Error {
	return &upstream.Error{Code: code, Server: a.o.Name, Err: err}
}

// unsent is the error of a call that was not sent, for what had to be asked of the server first. That there was no room for it here says nothing
// of the server, and stays what it is.
func (a *Adapter) unsent(err error) *upstream.Error {
	out := a.fail(upstream.Unavailable, err)
	var e *upstream.Error
	if errors.As(err, &e) && (e.Code == upstream.Overloaded || e.Code == upstream.NoMemory) {
		out.Code, out.Wait = e.Code, e.Wait
	}
	return out
}
