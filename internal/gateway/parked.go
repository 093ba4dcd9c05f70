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
	asked
	leg
	held   int64 // of the bound on all bodies
	until  time.Time
	asking time.Time
}

// asked is a client's request.
type asked struct {
	who         *engine.Principal
	session     string
	target      []byte
	head        []byte // the header lines
	body        []byte // the message as it went to the server, or came if that is several; nil: a legacy client's GET
	sessionHash audit.SessionHash
	opened      bool
}

// leg is what has become of it at one server.
type leg struct {
	snap       *Snapshot
	server     upstream.Server
	metrics    *telemetry.Server
	versioned  *telemetry.Version
	by         *engine.Snapshot // the policies that have decided the request, and decide its answer
	serverName string
	version    string
	start      time.Time
	outcome    outcome
	id         audit.ID
	committed  bool
	resumable  bool
	settled    bool
	tried      bool
}

// hold takes from x what doesn't change. From here on x needs nothing of the request as it was read.
func (k *parked) hold(x *exchange) {
	k.held = x.held
	k.note(x)
	k.asked.hold(x)
}

// update takes from x what events may have changed.
func (k *parked) update(x *exchange) {
	k.leg.update(x)
	k.asking, k.until = x.asking, x.until()
}

// restore makes x, which is fresh but knows its client, the exchange that it was.
func (k *parked) restore(x *exchange) {
	k.leg.restore(x)
	k.asked.restore(x)
	x.held, x.asking = k.held, k.asking
}

// note takes from x what doesn't change.
func (k *leg) note(x *exchange) {
	*k = leg{
		snap: x.snap, server: x.server, metrics: x.metrics, versioned: x.versioned, serverName: x.serverName, version: x.version,
		start: x.start, id: x.id, committed: x.committed, by: x.by, settled: x.settled, tried: x.tried,
	}
}

func (k *leg) update(x *exchange) { k.outcome, k.resumable = x.outcome, x.resumable }

func (k *leg) restore(x *exchange) {
	x.snap, x.server, x.metrics, x.versioned, x.serverName, x.version = k.snap, k.server, k.metrics, k.versioned, k.serverName, k.version
	x.start, x.mark, x.id, x.committed = k.start, k.start, k.id, k.committed
	x.by, x.settled, x.tried = k.by, k.settled, k.tried
	x.outcome, x.resumable = k.outcome, k.resumable
	x.streaming, x.counted = true, true
}

func (k *asked) hold(x *exchange) {
	*k = asked{who: x.who, session: string(x.session), sessionHash: x.sessionHash, opened: x.opened}
	if e := x.arrived; e != nil {
		k.target, k.head = e.Target, e.Head
	} else {
		k.target, k.head = bytes.Clone(x.head.Target), bytes.Clone(x.ctx.Request.Header.RawHeaders())
	}
	if x.msg.Kind == mcp.KindRequest {
		k.body = bytes.Clone(x.msg.Root().Raw())
	}
	k.read(x)
}

// detach has a part of the request need nothing of it as it was read.
func (k *asked) detach(y *exchange) {
	if k.head != nil {
		y.head = httphead.Head{} // its memory is the whole request's
		k.readHead(y)
	}
}

func (k *asked) restore(x *exchange) {
	x.who, x.session, x.sessionHash, x.opened = k.who, append(x.session[:0], k.session...), k.sessionHash, k.opened
	k.read(x)
}

// read reads the request again: the same bytes by the same rules. Its message is what the answer is judged with.
func (k *asked) read(x *exchange) {
	k.readHead(x)
	if k.body != nil {
		_ = x.msg.Decode(k.body, x.scanOptions())
		_ = x.msg.Check(&x.head)
		x.fill(&x.msg)
	}
}

// readHead reads the head again. It is also what a candidate is shown, when fasthttp's request is gone.
func (k *asked) readHead(x *exchange) {
	e := &envelope{Method: []byte("GET"), Target: k.target, Proto: []byte("HTTP/1.1"), Head: k.head}
	if k.body != nil {
		e.Method = []byte("POST")
	}
	_ = x.head.Read(e.Method, e.Target, e.Proto, e.Head, x.g.head)
	x.arrived = e
}
