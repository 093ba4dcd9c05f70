package gateway

import (
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/overload"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// Snapshot is everything that decides what happens to a request. It is immutable once given to Swap; a request loads it once
// and is served wholly by what it loaded.
type Snapshot struct {
	Policy *engine.Snapshot // nil denies everything
	// Candidate is tried beside Policy; nil: nothing is.
	Candidate *Candidate
	Identity  *identity.Resolver
	Routes    route.Table
	Servers   map[string]upstream.Server
	// Quarantined are servers that wait for an operator: to clients they are not there. nil: none is.
	Quarantined map[string]bool
	// Versions are those of the servers that have several. Of such a server, Servers has any one.
	Versions map[string]*Versions
	// Tools are those that come to an end, by server and by what it calls them; nil: none does.
	Tools map[string]map[string]*ToolEnd
	Names Names
	// Views are several servers as one, by the name of the virtual server; "" is all of them.
	Views      map[string]*federation.View
	Federation Federation
	Denials    Denials
	Limits     *limit.Set // nil: none
	// Priorities say which requests are refused first while the gateway is short of something; nil: those that every gateway has.
	Priorities *overload.Set
	// Issuers are the authorization servers named in the protected resource metadata (RFC 9728). Without any there is none.
	Issuers []string
	// PublicURL is the URL of this gateway as clients know it, without a path; "" derives it from the request's Host.
	PublicURL string
	// Open says that Policy denies everything for one reason: nothing is hidden behind it, and callers are told.
	Open bool
	// Release frees what this snapshot alone holds. It is called once, when the snapshot has been replaced and its last request has ended.
	Release func()

	refs    atomic.Int64
	metrics map[string]*telemetry.Server // by server; set by Swap
	lists   *lists                       // likewise
	pinned  pinned                       // likewise; nil: the policies have no lock of tools
	// candidatePinned is that of the candidate, likewise.
	candidatePinned pinned
	drifts          atomic.Int64 // tools that are not what the lock says, as records tell
}

// Federation says how several servers are asked as one.
type Federation struct {
	Timeout time.Duration // for each server to answer, when it is asked for a list; 10 s
	Report  bool          // lists name the servers that have not answered
	Version string        // of the gateway, which speaks for all of them
}

// Denials says how a caller is told of a denial.
type Denials struct {
	// Result answers a denied tools/call with a result that has isError, which a model reads, and not with a JSON-RPC error.
	Result bool
	Detail Detail
}

// Detail is how much a caller learns of why it was denied. The record always has everything.
type Detail uint8

// The zero Detail tells least.
const (
	DetailNone    Detail = iota // that policy denied it, and the decision id
	DetailReason                // and the rule and its reason
	DetailMessage               // and the rule's message
)

// current is the one pointer that a reload swaps. A snapshot counts its users: the gateway while it is current, and each request on it.
type current struct{ p atomic.Pointer[Snapshot] }

// acquire gives the current snapshot, to be released once.
func (c *current) acquire() *Snapshot {
	for {
		s := c.p.Load()
		if s == nil {
			return nil
		}
		// Only a count above zero may grow: at zero its last user has left and another snapshot is current by now.
		if n := s.refs.Load(); n > 0 && s.refs.CompareAndSwap(n, n+1) {
			return s
		}
	}
}

func (s *Snapshot) release() {
	if s.refs.Add(-1) > 0 {
		return
	}
	if s.lists != nil {
		s.lists.forget()
	}
	if s.Release != nil {
		s.Release()
	}
}

// swap makes s current. The one it replaces is released when its last request has ended.
func (c *current) swap(s *Snapshot) {
	if s != nil {
		s.refs.Add(1)
	}
	if old := c.p.Swap(s); old != nil {
		old.release()
	}
}
