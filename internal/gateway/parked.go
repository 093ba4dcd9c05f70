package gateway

import (
	"bytes"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/httphead"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// parked is what of an exchange a stream needs to go on when it was parked: what its events are judged by, and what its end is recorded with.
type parked struct {
	snap        *Snapshot
	server      upstream.Server
	metrics     *telemetry.Server
	versioned   *telemetry.Version
	who         *engine.Principal
	by          *engine.Snapshot // the policies that have decided the request, and decide its answer
	serverName  string
	version     string
	session     string
	target      []byte
	head        []byte // the header lines
	body        []byte // the message as it went to the server; nil: a legacy client's GET
	held        int64  // of the bound on all bodies
	start       time.Time
	until       time.Time // it lives
	asking      time.Time
	id          audit.ID
	sessionHash audit.SessionHash
	outcome     outcome
	opened      bool
	committed   bool
	resumable   bool
	settled     bool
	tried       bool
}

// hold takes from x what doesn't change. From here on x needs nothing of the request as it was read.
func (k *parked) hold(x *exchange) {
	k.note(x)
	if e := x.arrived; e != nil {
		k.target, k.head = e.Target, e.Head
	} else {
		k.target, k.head = bytes.Clone(x.head.Target), bytes.Clone(x.ctx.Request.Header.RawHeaders())
	}
	if x.msg.Kind == mcp.KindRequest {
		k.body = bytes.Clone(x.msg.Root().Raw())
	}
	k.readRequest(x)
}

// note takes from x what doesn't change, but for the request itself.
func (k *parked) note(x *exchange) {
	*k = parked{
		snap: x.snap, server: x.server, metrics: x.metrics, versioned: x.versioned, who: x.who, serverName: x.serverName, version: x.version,
		session: string(x.session), start: x.start, id: x.id, sessionHash: x.sessionHash, opened: x.opened, committed: x.committed,
		by: x.by, settled: x.settled, tried: x.tried, held: x.held,
	}
}

// detach has a part of the request need nothing of it as it was read.
func (k *parked) detach(y *exchange) {
	if k.head != nil {
		y.head = httphead.Head{} // its memory is the whole request's
		k.readHead(y)
	}
}

// update takes from x what events may have changed.
func (k *parked) update(x *exchange) {
	k.outcome, k.resumable, k.asking, k.until = x.outcome, x.resumable, x.asking, x.until()
}

// restore makes x, which is fresh but knows its client, the exchange that it was.
func (k *parked) restore(x *exchange) {
	x.snap, x.server, x.metrics, x.versioned, x.who, x.serverName, x.version = k.snap, k.server, k.metrics, k.versioned, k.who, k.serverName, k.version
	x.session, x.start, x.mark, x.id = append(x.session[:0], k.session...), k.start, k.start, k.id
	x.sessionHash, x.opened, x.committed = k.sessionHash, k.opened, k.committed
	x.by, x.settled, x.tried, x.held = k.by, k.settled, k.tried, k.held
	x.outcome, x.resumable, x.asking = k.outcome, k.resumable, k.asking
	x.streaming, x.counted = true, true
	k.readRequest(x)
}

// readRequest reads the request again: the same bytes by the same rules. Its message is what the answer is judged with.
func (k *parked) readRequest(x *exchange) {
	k.readHead(x)
	switch {
	case k.body == nil:
		return
	case x.element: // it is as its server got it
		_ = x.readAgain(k.body)
	default:
		_ = x.msg.Decode(k.body, x.scanOptions())
		_ = x.msg.Check(&x.head)
	}
	x.fill(&x.msg)
}

// readHead reads the head again. It is also what a candidate is shown, when fasthttp's request is gone.
func (k *parked) readHead(x *exchange) {
	e := &envelope{Method: []byte("GET"), Target: k.target, Proto: []byte("HTTP/1.1"), Head: k.head}
	if k.body != nil {
		e.Method = []byte("POST")
	}
	_ = x.head.Read(e.Method, e.Target, e.Proto, e.Head, x.g.head)
	x.arrived = e
}
