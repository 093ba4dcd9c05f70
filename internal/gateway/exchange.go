package gateway

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/httphead"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// exchange is one request on its way. It is pooled: end clears what holds other memory, and what a step sets is read only after that step.
type exchange struct {
	g     *Gateway
	snap  *Snapshot
	ctx   *fasthttp.RequestCtx
	start time.Time
	mark  time.Time // when the last stage ended

	client *conn // the client's connection; nil if it is not one of ours
	conn   *conn // armed while a client that leaves is to cancel the call

	head httphead.Head
	msg  mcp.Message
	sender
	target
	membership
	tracking
	judgement

	call    upstream.Call
	reading upstream.Reading // see readReply
	reply   *mcp.Message     // what the server sent
	edits   jsonscan.Edits
	outcome outcome
	record  audit.Record
	progress
	ending atomic.Bool // the gateway ends the stream
	kept   budget.Held // of the budget, for the answer

	buffers
	bound
}

// sender is who asks, and by which way the request has come.
type sender struct {
	who      *engine.Principal
	from     netip.Addr // its client, if one has
	fromText string
	home     string  // the replica that has what the request is for; "" is any
	here     bool    // it can be served here all the same
	arrival  arrival // whether another replica has passed it on
	arrived  *envelope
}

// target is where the request goes.
type target struct {
	serverName string
	server     upstream.Server
	metrics    *telemetry.Server
	led        bool               // the version of its server is settled
	version    string             // of the server; "" if it has no versions
	versioned  *telemetry.Version // likewise nil
	mirrorTo   string             // the version for a copy of the call of which there is a place; "": none
	mirrored   int                // bytes of that
	view       *federation.View   // the client sees several servers as one; nil: only the one
	share      *share             // what this one of them has to add to a list
	task       taskNamed          // that a request to several servers as one is about
	params     []mcp.HeaderParam  // arguments of the message that headers mirror, as far as is known
}

// membership is the session that the request belongs to, or begins.
type membership struct {
	sessionHash audit.SessionHash // what records call it: the tag of the sealed id
	opened      bool              // the client named a session, and it opened
	joined      bool              // and it is one with several servers: session is none of theirs
	seat        *mcp.Session      // and what that client has said of itself
	sealed      []byte            // the id of a session that begins
}

// judgement is what is asked of the policy, and what it says.
type judgement struct {
	by       *engine.Snapshot // see policy
	settled  bool             // by is set, and tried
	tried    bool             // by is the candidate
	id       audit.ID
	request  engine.Request
	decision engine.Decision
	verdict  engine.Decision // of the answer
	limited  *limit.Refusal  // by a rate limit; nil if by none
	barred   string          // why it is denied, if that is not policy's doing
}

// progress is what has been done of the request.
type progress struct {
	committed  bool      // the record of the allow is written: an outcome must follow
	streaming  bool      // the answer is still being written: end comes with the stream's Close
	answered   bool      // the answer to the request has been seen on the stream
	counted    bool      // among the open streams
	resumable  bool      // an event had an id: the client may fetch the rest elsewhere
	unrecorded bool      // its messages have records of their own
	element    bool      // one message of a batch
	body       []byte    // an element's answer
	lifted     bool      // a request of a client of before 2026-07-28 that goes on as one of that revision
	held       int64     // taken from the bound on all bodies
	capped     bool      // no more than a small body was read: there was no room for a large one
	crowded    bool      // there was no room for a small one either
	asking     time.Time // until when a client may take to answer what the server asked
}

// buffers is memory that the next request uses again.
type buffers struct {
	out       []byte // what goes to the server, then what goes to the client
	scratch   []byte
	rewritten []byte // the message as plugins have changed it
	renamed   []byte // the message under the server's own names
	raised    []byte // the message as one of 2026-07-28
	filtered  []byte // the reply as it was before plugins saw it: without what its reader may not see
	owner     []byte // see ownerKey
	session   []byte // the server's own session id
	key       []byte // see running
	inputs    []byte // for the inputs in the record
	paths     []inputPath
	seen      judged
}

// bound is methods that are bound once: they would be allocated for each request.
type bound struct {
	cancel       func()        // call.Cancel
	leave        func()        // call.Leave
	ownerOf      func() []byte // ownerKey
	getField     func(string) string
	toPublicTask func(own string) string
	toOwnTask    func(id string) (string, bool)
}

// outcome is what became of a request, for the record and the metrics.
type outcome struct {
	status   int
	code     int64
	kind     telemetry.ErrorType
	reason   string
	cause    error
	verdict  *engine.Decision // the answer's, if rules had a say in it
	decided  time.Duration
	upstream time.Duration
	in, out  int64
}

func newExchange(g *Gateway) *exchange {
	x := &exchange{g: g, reply: new(mcp.Message)}
	x.cancel, x.leave, x.ownerOf = x.call.Cancel, x.call.Leave, x.ownerKey
	x.getField = x.head.Get
	x.toPublicTask, x.toOwnTask = x.publicTask, x.ownTask
	return x
}

// begin loads the snapshot that the request is served by.
func (g *Gateway) begin(ctx *fasthttp.RequestCtx) *exchange {
	x := g.exchanges.Get().(*exchange) //nolint:forcetypeassert // the pool's New makes nothing else
	x.ctx, x.snap, x.start = ctx, g.current.acquire(), g.Now()
	x.mark = x.start
	if x.client = clientConn(ctx.Conn()); x.client != nil {
		x.client.wrote = false
		if !x.client.serve() {
			x.letGo() // it is refused
		}
	}
	if g.draining.Load() {
		ctx.SetConnectionClose()
	}
	x.holdBody()
	return x
}

// lap gives the time since the last stage ended, and ends one.
func (x *exchange) lap() time.Duration {
	now := x.g.Now()
	took := now.Sub(x.mark)
	x.mark = now
	return took
}

// end closes the request, unless a stream still writes its answer. A panic on the way is a refusal like any other.
func (x *exchange) end() {
	ctx := x.ctx
	defer func() { // even what is left to do after a panic must not end the process
		if p := recover(); p != nil {
			x.abandon(p)
			ctx.Response.Reset()
			ctx.SetStatusCode(500)
			ctx.SetConnectionClose()
		}
	}()
	if p := recover(); p != nil {
		x.g.recovered(p)
		x.streaming, x.unrecorded = false, false
		x.refuse(internalError(x.msg.ID))
	}
	x.announce()
	if !x.streaming {
		x.finish()
	}
}

// finish completes the record and gives everything back.
func (x *exchange) finish() {
	if x.conn != nil {
		x.conn.disarm()
	}
	x.call.Reset()
	x.g.running.drop(x)
	x.unplanMirror()
	x.complete()
	x.letGo()
	x.reset()
	x.g.exchanges.Put(x)
}

func (x *exchange) letGo() {
	x.dropBody()
	x.kept.Release()
	if s := x.snap; s != nil {
		x.snap = nil
		s.release()
	}
}

// abandon is the end of an exchange that has panicked while it was closed. It is not used again: nobody knows in what state it is.
func (x *exchange) abandon(p any) {
	x.g.recovered(p)
	x.call.Close()
	x.g.running.drop(x)
	x.unplanMirror()
	x.letGo()
}

// keep bounds the memory that an idle exchange holds on to.
const keep = 64 << 10

func (x *exchange) reset() {
	if x.element {
		x.head = httphead.Head{} // its memory is the whole request's, which is not at its end
	}
	x.ctx, x.snap, x.conn, x.client = nil, nil, nil, nil
	x.sender, x.target, x.membership, x.judgement, x.progress = sender{}, target{}, membership{}, judgement{}, progress{}
	x.outcome, x.reading = outcome{}, upstream.Reading{}
	x.ending.Store(false)
	x.head.Reset()
	x.msg.Reset()
	x.reply.Reset()
	x.edits.Reset()
	x.record.Reset()
	x.buffers.reset()
}

func (b *buffers) reset() {
	for _, m := range [...]*[]byte{&b.out, &b.scratch, &b.rewritten, &b.renamed, &b.raised, &b.filtered, &b.owner, &b.session, &b.key, &b.inputs} {
		if *m = (*m)[:0]; cap(*m) > keep {
			*m = nil
		}
	}
	b.seen.reset()
}

// readHead applies the closed rule set to the head as it was received. From here on nothing reads fasthttp's own view of it,
// which merges trailers, folds lines and joins what was sent twice.
func (x *exchange) readHead() *refusal {
	if x.snap == nil {
		return notReady()
	}
	h, limits := &x.ctx.Request.Header, x.g.head
	if x.g.isPassage(h) {
		limits.AnyType, limits.Body = true, limits.Body+maxEnvelope
	}
	err := x.head.Read(h.Method(), h.RequestURI(), h.Protocol(), h.RawHeaders(), limits)
	if err != nil {
		return badHead(err)
	}
	if x.g.isPassage(h) {
		return x.arrive()
	}
	if !x.snap.Names.allowsHost(string(x.head.Host)) {
		return forbidden("host_not_allowed", "this gateway is not known by that host name")
	}
	if x.head.Origin != nil && !x.snap.Names.allowsOrigin(string(x.head.Origin)) {
		return forbidden("origin_not_allowed", "this origin may not use the gateway")
	}
	return nil
}

func (x *exchange) match() *refusal {
	if bytes.HasPrefix(x.head.Target, []byte(wellKnown)) {
		return x.serveMetadata(x.head.Target[len(wellKnown):])
	}
	name, ok := x.snap.Routes.Match(x.head.Target)
	if !ok {
		return x.matchView()
	}
	if !x.isPost() && !x.isGet() && string(x.head.Method) != "DELETE" {
		return methodNotAllowed("POST, GET, DELETE")
	}
	x.serverName, x.server = name, x.snap.Servers[name]
	if x.server == nil {
		return notFound()
	}
	x.metrics = x.snap.metrics[name]
	return x.accepted()
}

// accepted refuses clients that would not read the answer.
func (x *exchange) accepted() *refusal {
	json, sse := x.head.Accepts()
	if x.isPost() && (!json || !sse) || x.isGet() && !sse {
		return notAcceptable(x.isGet())
	}
	return nil
}

func (x *exchange) isPost() bool { return string(x.head.Method) == "POST" }
func (x *exchange) isGet() bool  { return string(x.head.Method) == "GET" }

func (x *exchange) identify() *refusal {
	if x.arrival == taken { // where it came from
		return nil
	}
	who, err := x.snap.Identity.Resolve(x.head.Authorization, x.head.APIKey)
	if err != nil {
		return x.unauthorized(err)
	}
	x.who = who
	return nil
}

// decode reads the message, then checks it against the protocol revision that it claims and the headers that mirror it.
func (x *exchange) decode() *refusal {
	o := jsonscan.Options{Depth: x.g.Limits.Depth, Values: x.g.Limits.Values}
	if r := x.msg.Decode(x.ctx.Request.Body(), o); r != nil {
		return badMessage(&x.msg, r)
	}
	if r := x.msg.Check(&x.head); r != nil {
		return badMessage(&x.msg, r)
	}
	return nil
}

// ownerKey is what sessions of this principal on this server are bound to.
func (x *exchange) ownerKey() []byte {
	if len(x.owner) == 0 {
		x.owner = sessionOwner(x.owner, identity.PrincipalKey(x.who), x.serverName)
	}
	return x.owner
}

// openSession opens the session that a legacy message names. The modern era has none, and ignores the header.
func (x *exchange) openSession() *refusal {
	if x.msg.Era == mcp.Modern || x.head.SessionID == nil || x.view != nil {
		return nil
	}
	if x.client.recalls(x) {
		x.opened = true
		return nil
	}
	keys := x.g.Keys.Version() // before, so that what they open is not remembered for those that replace them meanwhile
	var o opening
	var err error
	x.session, o, x.scratch, err = x.g.sealer.open(x.session[:0], x.ownerKey(), x.head.SessionID, x.scratch[:0])
	if err != nil {
		return noSession(x.msg.ID, err)
	}
	if !x.ownSession() {
		return noSession(x.msg.ID, errSession)
	}
	if len(o.home) > 0 {
		x.home = string(o.home)
	}
	hex.Encode(x.sessionHash[:], o.tag)
	x.client.remember(x, keys)
	x.opened = true
	return nil
}
