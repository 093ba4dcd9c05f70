package gateway

import (
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/httphead"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/overload"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// Options are what a Gateway is made of. Audit, Metrics and Now are required.
type Options struct {
	Audit   *audit.Log
	Metrics *telemetry.Metrics
	Limits  Limits
	// Memory is what large messages under way are counted in, requests and answers; the servers' answers are counted in the same one by
	// whoever makes the servers. nil has no bound.
	Memory *budget.Budget
	// Keys seal what clients carry for the gateway: session ids and cursors. nil makes a key that lives as long as the Gateway, so that
	// sessions end with it.
	Keys *carry.Keys
	// Replicas says how others that serve the same clients are reached. nil: there are none.
	Replicas *Replicas
	// RecordInputs puts the values that rules could read into the records, masked, so that decisions can be explained and replayed.
	RecordInputs bool
	// RecordResults adds those that rules of the response phase could read of a server's answer.
	RecordResults bool
	Now           func() time.Time
	// Warn is told what an operator should know and no record holds, a panic for instance. nil drops it.
	Warn func(msg string, err error)
}

// Limits bound what clients and servers may ask of the gateway. Zero means the default named with each.
type Limits struct {
	Body             int           // bytes of a request body; 4 MiB
	Bodies           int64         // memory of all request bodies under way, at least two of the largest; a sixteenth of the process's memory limit, 256 MiB without one
	Depth            int           // nesting of a message; 128
	Values           int           // values in a message; 1<<20
	Header           int           // bytes of a request head; 16 KiB
	Headers          int           // lines of a request head; 100
	Connections      int           // open client connections; 4096
	ConnectionsPerIP int           // open connections of one address; 0 is no bound of its own
	ReadTimeout      time.Duration // to receive a whole request; 20 s
	IdleTimeout      time.Duration // between requests on a connection; 60 s
	WriteTimeout     time.Duration // for a client to take what is written; 30 s
	CallTimeout      time.Duration // between two events of a call's stream, and for a server to take an answer; 60 s. Until it answers, a server's own timeout counts
	StreamTimeout    time.Duration // the life of a stream; 1 h
	KeepAlive        time.Duration // of silence on a stream, after which a comment is written; 15 s
	AnswerTimeout    time.Duration // for a client to answer what a server asked of it; 10 min
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.Body, 4 << 20},
		{&l.Depth, 128},
		{&l.Values, 1 << 20},
		{&l.Header, 16 << 10},
		{&l.Headers, 100},
		{&l.Connections, 4096},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.ReadTimeout, 20 * time.Second},
		{&l.IdleTimeout, time.Minute},
		{&l.WriteTimeout, 30 * time.Second},
		{&l.CallTimeout, time.Minute},
		{&l.StreamTimeout, time.Hour},
		{&l.KeepAlive, 15 * time.Second},
		{&l.AnswerTimeout, 10 * time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if l.Bodies == 0 {
		l.Bodies = bodiesWithin(budget.Memory())
	}
	return l
}

// maxAwaited bounds the requests of servers that clients have yet to answer, and the calls whose answer is yet to be fetched.
const maxAwaited = 4096

// watchTick is how often connections are asked whether their client is still there, and how short everything is.
const watchTick = overload.Tick

// Gateway serves MCP under policy. It is safe for concurrent use. Until the first Swap it refuses everything.
type Gateway struct {
	Options
	current    current
	sealer     sealer
	cursors    *federation.Cursors
	tasks      *federation.Tasks
	replicas   *replicas // nil: none
	ids        *audit.IDs
	asked      *ledger[ask]       // requests of servers that clients have yet to answer
	suspended  *ledger[suspended] // calls whose stream ended before the answer
	running    running            // requests in sessions with several servers
	over       *ledger[struct{}]  // such sessions that their clients have ended
	reask      time.Duration      // after which a server is first asked again whose stream has ended
	catalog    *catalog
	operations map[*mcp.Method]*telemetry.Operation
	exchanges  sync.Pool
	watch      *watch
	pressure   *overload.Gauge // how short everything is
	bodies     *bodies
	turned     turned
	mirrors    mirrors
	news       news // streams that wait for what a server has to say
	watching   sync.Once
	stop       chan struct{} // ends the watch
	stopped    chan struct{} // it has ended
	server     *fasthttp.Server
	frugal     *fasthttp.Server // serves the connections beyond the first fewConnections
	head       httphead.Limits

	listening sync.Mutex
	listeners []*listener
	serving   atomic.Int32 // Serves under way
	draining  atomic.Bool
}

// New makes a Gateway. It starts nothing.
func New(o Options) (*Gateway, error) {
	o.Limits = o.Limits.withDefaults()
	if o.Warn == nil {
		o.Warn = func(string, error) {}
	}
	if o.Keys == nil {
		var err error
		if o.Keys, err = carry.New(carry.Random()); err != nil {
			return nil, err
		}
	}
	others, err := newReplicas(&o)
	if err != nil {
		return nil, err
	}
	ids, err := audit.NewIDs(nil)
	if err != nil {
		return nil, fmt.Errorf("decision ids: %w", err)
	}
	g := &Gateway{
		Options:   o,
		sealer:    sealer{o.Keys},
		cursors:   federation.NewCursors(o.Keys),
		tasks:     federation.NewTasks(o.Keys),
		replicas:  others,
		ids:       ids,
		asked:     newLedger[ask](maxAwaited, o.Limits.AnswerTimeout),
		suspended: newLedger[suspended](maxAwaited, o.Limits.StreamTimeout),
		running:   running{seed: maphash.MakeSeed()},
		over:      newLedger[struct{}](maxOver, overTime),
		reask:     time.Second,
		catalog:   newCatalog(),
		watch:     newWatch(o.Limits),
		bodies:    newBodies(o.Limits.Bodies, o.Limits.Body, o.Memory),
		stop:      make(chan struct{}),
		stopped:   make(chan struct{}),
		head:      httphead.Limits{Bytes: o.Limits.Header, Headers: o.Limits.Headers, Body: int64(o.Limits.Body)},
	}
	g.watch.bodies, g.watch.memory, g.watch.record = g.bodies, g.Memory, g.recordTurned
	g.watch.tend = func(tick uint64) { g.news.tend(tick, ticks(g.Limits.KeepAlive), g.Now()) }
	g.pressure = overload.NewGauge(g.resources()...)
	g.watch.sample = g.pressure.Sample
	g.pressure.Sample()
	g.operations = map[*mcp.Method]*telemetry.Operation{nil: o.Metrics.Operation(telemetry.Other)}
	for _, name := range mcp.Methods() {
		g.operations[mcp.LookupMethod(name)] = o.Metrics.Operation(name)
	}
	g.exchanges.New = func() any { return newExchange(g) }
	g.server, g.frugal = g.newServer(false), g.newServer(true)
	return g, nil
}

// newServer makes what speaks HTTP. A frugal one holds no buffers for a connection that waits, which costs each request some time.
func (g *Gateway) newServer(frugal bool) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                       g.handle,
		ErrorHandler:                  g.handleError,
		ExpectHandler:                 g.handleExpect,
		HeaderReceived:                g.received,
		MaxRequestBodySize:            g.Limits.Body,
		ReadBufferSize:                g.Limits.Header + 4<<10,  // the request line comes on top
		Concurrency:                   g.Limits.Connections + 1, // the listener counts
		DisablePreParseMultipartForm:  true,
		NoDefaultServerHeader:         true,
		NoDefaultContentType:          true,
		SecureErrorLogMessage:         true,
		DisableHeaderNamesNormalizing: true, // nobody reads fasthttp's own view
		CloseOnShutdown:               true,
		ConnState:                     rested,
		Logger:                        silent{},
		MaxIdleWorkerDuration:         time.Second,
		ReduceMemoryUsage:             frugal,
		KeepHijackedConns:             true, // an idleStream closes its own
	}
}

// Swap makes s the snapshot that new requests are served by. What only the replaced one holds is released when its last request ends.
// Streams that wait for news end if their server or the callers' identities have changed: their clients come back and are asked anew.
// A nil s refuses everything. Swap must not be called by two goroutines at once.
func (g *Gateway) Swap(s *Snapshot) {
	if s != nil {
		s.metrics = make(map[string]*telemetry.Server, len(s.Servers))
		for name := range s.Servers {
			s.metrics[name] = g.Metrics.Server(name)
		}
		for name, vs := range s.Versions {
			vs.metrics = make(map[string]*telemetry.Version, len(vs.Servers))
			for version := range vs.Servers {
				vs.metrics[version] = g.Metrics.Version(name, version)
			}
		}
		s.lists = newLists(g.Memory)
		s.pinned = newPinned(s.Policy.Lock())
		if s.Candidate != nil {
			s.candidatePinned = newPinned(s.Candidate.Policy.Lock())
		}
	}
	g.current.swap(s)
	g.news.end(func(x hearer) bool { return x.outdated(s) }, s == nil)
}

// outdated says whether a stream that waits for news would be another one if it began on s.
func (x *exchange) outdated(s *Snapshot) bool {
	return s == nil || x.snap.Identity != s.Identity || !x.stays(s) ||
		x.view != nil && !x.view.Same(s.Views[x.view.Name()])
}

// operation is the timer of a method; those that MCP does not define share one.
func (g *Gateway) operation(m *mcp.Method) *telemetry.Operation { return g.operations[m] }

// Connections is the number of open client connections.
func (g *Gateway) Connections() int { return g.watch.open() }

// Serve answers requests on l until Shutdown or an error of l. It owns l. Shutdown must follow, also after an error.
func (g *Gateway) Serve(l net.Listener) error {
	g.watching.Do(func() {
		go func() {
			defer close(g.stopped)
			tick := time.NewTicker(watchTick)
			defer tick.Stop()
			g.watch.run(g.stop, tick.C)
		}()
	})
	g.serving.Add(1)
	defer g.serving.Add(-1)
	return g.server.Serve(&crowd{Listener: l, g: g})
}

// Listen bounds the writes of l's connections and watches their clients. TLS goes on top of it.
func (g *Gateway) Listen(l net.Listener) net.Listener {
	out := &listener{
		Listener: l, watch: g.watch,
		refused: func(from netip.Addr) {
			g.Metrics.Refused(tooManyConnections)
			g.turned.add(from, g.Now())
		},
		paused: func(err error) {
			g.Metrics.Refused("accept_paused")
			g.Warn("no connection can be accepted for now", err)
		},
	}
	g.listening.Lock()
	defer g.listening.Unlock()
	g.listeners = append(g.listeners, out)
	if g.draining.Load() { // nobody would close it
		out.last.Store(true)
		_ = out.Close()
	}
	return out
}

// silent takes fasthttp's own messages: what it can't read is answered and recorded by handleError.
type silent struct{}

func (silent) Printf(string, ...any) {}

// recovered turns a panic into a warning.
func (g *Gateway) recovered(p any) {
	g.Warn("a request has panicked and was refused", &panicError{value: p, stack: debug.Stack()})
}

type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }
