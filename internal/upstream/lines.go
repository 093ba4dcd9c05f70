package upstream

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Lines is a server that speaks newline-delimited JSON: a child process or a
// peer in this process. To its callers it behaves as a Streamable HTTP server
// does. In the legacy era every initialize gets a peer of its own, whose life
// is the session's; in the modern era all clients share one.
type Lines struct {
	name      string
	transport string
	o         LineOptions
	dial      func() (io.ReadWriteCloser, error)
	scans     sync.Pool
	work      sync.WaitGroup // every goroutine of every peer

	health   health
	inFlight atomic.Int64
	noise    atomic.Uint64
	dropped  atomic.Uint64
	restarts atomic.Uint64

	starting sync.Mutex // held while the shared peer starts

	mu          sync.Mutex
	closed      bool
	peers       int
	shared      *peer // nil if none runs
	started     bool  // there has been a shared peer
	sessions    map[string]*session
	sharedWait  backoff
	sessionWait backoff
}

// Headless says that messages reach the server without headers.
func (l *Lines) Headless() bool { return true }

// Keeps says that its sessions live in this process, as its peers do.
func (l *Lines) Keeps(string) bool { return true }

// NewInProcess makes a server of what dial returns: a fresh connection to a
// peer in this process. Closing it must end reads and writes under way on it.
func NewInProcess(name string, dial func() (io.ReadWriteCloser, error), o LineOptions) *Lines {
	return newLines(name, "in-process", dial, o)
}

func newLines(name, transport string, dial func() (io.ReadWriteCloser, error), o LineOptions) *Lines {
	o.fill()
	wait := backoff{min: o.BackoffMin, max: o.BackoffMax}
	return &Lines{
		name: name, transport: transport, o: o, dial: dial,
		scans:    sync.Pool{New: func() any { return new(scan) }},
		sessions: map[string]*session{}, sharedWait: wait, sessionWait: wait,
	}
}

func (o *LineOptions) fill() {
	o.MaxLine = orInt(o.MaxLine, 16<<20)
	o.MaxSessions = orInt(o.MaxSessions, 16)
	o.IdleTimeout = orDuration(o.IdleTimeout, 30*time.Minute)
	o.Timeout = orDuration(o.Timeout, 30*time.Second)
	o.WriteWait = orDuration(o.WriteWait, 10*time.Second)
	o.BackoffMin = orDuration(o.BackoffMin, 500*time.Millisecond)
	o.BackoffMax = max(o.BackoffMin, orDuration(o.BackoffMax, 30*time.Second))
}

// Do implements Server.
func (l *Lines) Do(c *Call) error {
	err := l.do(c)
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
	default:
		e = l.error(Protocol, err)
	}
	if c.wasCanceled() {
		e = l.error(Canceled, ErrCanceled)
	}
	return e
}

func (l *Lines) do(c *Call) error {
	if c.wasCanceled() {
		return ErrCanceled
	}
	switch {
	case c.Verb == Post && c.Modern:
		p, err := l.sharedPeer()
		if err != nil {
			return l.error(Unavailable, err)
		}
		return l.post(c, p, nil)
	case c.Verb == Post && c.Kind == Request && c.Method == "initialize":
		return l.initialize(c)
	case c.Session == "" && c.Verb == Post:
		return reply(c, http.StatusBadRequest)
	case c.Session == "":
		return reply(c, http.StatusMethodNotAllowed)
	}
	s := l.acquire(c.Session)
	if s == nil {
		return reply(c, http.StatusNotFound)
	}
	switch c.Verb {
	case Delete:
		l.release(s)
		s.p.end(Closed, errSessionOver)
		return reply(c, http.StatusOK)
	case Get:
		return l.get(c, s)
	case Post:
	}
	return l.post(c, s.p, s)
}

func reply(c *Call, status int) error {
	c.Status, c.Reply = status, Empty
	return nil
}

// initialize starts a peer and makes a session of it, unless it refuses.
func (l *Lines) initialize(c *Call) error {
	s, err := l.openSession()
	if err != nil {
		return l.error(Unavailable, err)
	}
	c.ReplySession = s.id
	err = l.post(c, s.p, s)
	if err != nil || (c.Reply == JSON && !l.succeeded(c.ReplyBody)) {
		c.ReplySession = ""
		s.p.end(Closed, errSessionOver)
	}
	return err
}

func (l *Lines) succeeded(answer []byte) bool {
	s := l.scans.Get().(*scan) //nolint:forcetypeassert // the pool's only type
	defer l.scans.Put(s)
	return s.doc.Scan(answer, jsonscan.Options{}) == nil && s.doc.Root().Get("result").Exists()
}

// get opens the session's stream for what no request is the cause of.
func (l *Lines) get(c *Call, s *session) error {
	x := l.newCall(c, s.p, s)
	p := s.p
	p.mu.Lock()
	status := http.StatusOK
	switch {
	case p.dead != nil:
		status = http.StatusNotFound
	case p.get != nil:
		status = http.StatusConflict
	default:
		p.get = x
		x.waiting, p.pending = p.pending, nil
		x.deadline, x.sent = time.Time{}, true
	}
	p.mu.Unlock()
	if status != http.StatusOK {
		l.release(s)
		return reply(c, status)
	}
	return l.stream(c, x)
}

// stream makes x what c's Next reads.
func (l *Lines) stream(c *Call, x *lineCall) error {
	l.inFlight.Add(1)
	c.flow = x
	c.Status, c.Reply = http.StatusOK, Stream
	if !c.attach(x) {
		c.Close()
		return ErrCanceled
	}
	return nil
}

// post sends c's message to p. s is nil for the shared peer; its hold is
// passed on to the stream, or ends here.
func (l *Lines) post(c *Call, p *peer, s *session) error {
	l.inFlight.Add(1)
	x := l.newCall(c, p, s)
	err := l.send(c, x)
	if err == nil && x.key != 0 {
		err = l.await(c, x)
	}
	if err == nil {
		l.health.up(l.o.Now)
	}
	if c.flow != nil {
		return err
	}
	c.detach()
	x.end(c)
	if errors.Is(err, errGone) {
		return reply(c, http.StatusNotFound)
	}
	return err
}

func (l *Lines) newCall(c *Call, p *peer, s *session) *lineCall {
	return &lineCall{p: p, s: s, wake: make(chan struct{}, 1), deadline: c.due(l.o.Now, l.o.Timeout), silent: c.Method == "initialize"}
}

// send rewrites c's message and hands it to the peer. Without a request to
// wait for, the answer is 202 then.
func (l *Lines) send(c *Call, x *lineCall) error {
	line, err := l.rewrite(c, x)
	if err != nil {
		return l.error(Protocol, err)
	}
	if !c.attach(x) {
		return ErrCanceled
	}
	if x.key != 0 && !x.p.addRequest(x) {
		if x.s != nil && c.Method != "initialize" { // which has no session to lose yet
			return errGone
		}
		return l.error(Unavailable, errEndOfLines)
	}
	if x.key == 0 {
		c.Status, c.Reply = http.StatusAccepted, Empty
	}
	if line == nil {
		return nil
	}
	return x.enqueue(line)
}

func (l *Lines) rewrite(c *Call, x *lineCall) (line []byte, err error) {
	s := l.scans.Get().(*scan) //nolint:forcetypeassert // the pool's only type
	defer l.scans.Put(s)
	switch {
	case c.Kind == Request:
		x.key = x.p.nextKey()
		line, x.id, x.token, err = s.request(c.Body, x.key)
		return line, err
	case c.Kind == Notification && c.Method == "notifications/cancelled":
		return s.cancellation(c.Body, func(id []byte) (int64, bool) {
			if x.s == nil {
				return 0, false // ids of different clients are not comparable
			}
			return x.p.findKey(id)
		})
	}
	return s.plain(c.Body)
}

// await takes the first message: if it is the answer, that is all; if not, a
// stream begins with it.
func (l *Lines) await(c *Call, x *lineCall) error {
	m, last, err := x.take()
	switch {
	case errors.Is(err, io.EOF):
		return l.error(Protocol, errBadAnswer)
	case err != nil:
		return err
	case last:
		c.Status, c.Reply, c.ReplyBody = http.StatusOK, JSON, m.data
		c.held.Keep(l.o.Memory, x.reading)
		x.reading = 0
		return nil
	}
	x.putBack(m)
	c.flow = x
	c.Status, c.Reply = http.StatusOK, Stream
	return nil
}

func (l *Lines) error(code ErrorCode, err error) *Error {
	return &Error{Code: code, Server: l.name, Err: err}
}

// Close implements Server. It returns when every peer has ended.
func (l *Lines) Close() error {
	l.mu.Lock()
	l.closed = true
	peers := []*peer{l.shared}
	for _, s := range l.sessions {
		peers = append(peers, s.p)
	}
	l.mu.Unlock()
	for _, p := range peers {
		if p != nil {
			p.end(Closed, errShut)
		}
	}
	l.work.Wait()
	return nil
}

// Status implements Server.
func (l *Lines) Status() Status {
	s := Status{
		Transport: l.transport, InFlight: int(l.inFlight.Load()),
		Restarts: l.restarts.Load(), Noise: l.noise.Load(), Dropped: l.dropped.Load(),
	}
	l.mu.Lock()
	s.Conns, s.Sessions = l.peers, len(l.sessions)
	l.mu.Unlock()
	l.health.fill(&s)
	return s
}
