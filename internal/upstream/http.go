package upstream

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// HTTP is a server that is reached by Streamable HTTP.
type HTTP struct {
	name     string
	o        HTTPOptions
	pool     *pool
	poller   poller
	heads    [3]string // the unchanging part of a request's head, by Verb
	health   health
	inFlight atomic.Int64
}

// NewHTTP checks o and makes a server of it. It does not connect.
func NewHTTP(name string, o HTTPOptions) (*HTTP, error) {
	o.fill()
	t, err := parseTarget(o.URL)
	if err != nil {
		return nil, err
	}
	d := &dialer{addr: t.addr, maxHeader: o.MaxHeader, timeout: o.DialTimeout, dial: o.Dial}
	if t.tls {
		if d.tls, err = clientTLS(o.TLS, o.CAFile, t.name); err != nil {
			return nil, err
		}
	}
	h := &HTTP{name: name, o: o}
	if h.heads, err = requestHeads(t, o.Header); err != nil {
		return nil, err
	}
	h.pool = &pool{dial: d.open, max: o.MaxConns, idleFor: o.IdleTimeout, now: o.Now, room: o.Room, all: map[*conn]struct{}{}}
	return h, nil
}

func (o *HTTPOptions) fill() {
	o.Timeout = orDuration(o.Timeout, 30*time.Second)
	o.DialTimeout = orDuration(o.DialTimeout, 10*time.Second)
	o.IdleTimeout = orDuration(o.IdleTimeout, 30*time.Second)
	o.MaxConns = orInt(o.MaxConns, 512)
	o.MaxBody = orInt(o.MaxBody, 16<<20)
	o.MaxEvent = orInt(o.MaxEvent, 16<<20)
	o.MaxHeader = orInt(o.MaxHeader, 16<<10)
	if o.Dial == nil {
		o.Dial = netDial
	}
}

func orDuration(d, or time.Duration) time.Duration {
	if d <= 0 {
		return or
	}
	return d
}

func orInt(n, or int) int {
	if n <= 0 {
		return or
	}
	return n
}

// Do implements Server.
func (h *HTTP) Do(c *Call) error {
	h.inFlight.Add(1)
	err := h.do(c)
	if err != nil || c.flow == nil {
		h.inFlight.Add(-1)
	}
	if err != nil {
		return err
	}
	h.health.up(h.o.Now)
	return nil
}

// do sends c, a second time only if the first cannot have been carried out
// or may be carried out twice.
func (h *HTTP) do(c *Call) error {
	deadline := c.due(h.o.Now, h.o.Timeout)
	if c.answer == nil {
		c.answer = new(fasthttp.Response)
	}
	for first := true; ; first = false {
		k, used, err := h.pool.get(c, deadline)
		if err != nil {
			return h.fail(c, nil, err)
		}
		if err = h.exchange(c, k, deadline); err == nil {
			return nil
		}
		if errors.Is(err, errSpoken) && !c.wasCanceled() { // nothing was sent: this connection only is no good
			c.detach()
			h.pool.discard(k)
			continue
		}
		again := first && used && repeatable(c, k, err) && !c.wasCanceled()
		c.detach()
		if !again {
			err = h.fail(c, k, err)
		}
		h.drop(c, k)
		if !again {
			return err
		}
		h.pool.dropIdle()
	}
}

// drop closes k: when the server has answered, or has had the time to, if it is to go on with what was sent; else at once. k is no longer the
// caller's.
func (h *HTTP) drop(c *Call, k *conn) {
	if !k.left || !k.wrote {
		h.pool.discard(k)
		return
	}
	k.extend(h.o.Now().Add(c.Linger))
	go func() {
		defer h.pool.discard(k)
		k.drain()
	}()
}

// exchange is one try on k, which it puts back or leaves to the stream; on an
// error k is the caller's to discard.
func (h *HTTP) exchange(c *Call, k *conn, deadline time.Time) error {
	k.readErr, k.sendErr, k.wrote, k.begun, k.unsent, k.lingers = nil, nil, false, false, nil, c.Linger > 0
	head, err := h.appendHead(k.out[:0], c)
	if err != nil {
		return err
	}
	if !k.atRest(len(head) + len(c.Body)) {
		return errSpoken
	}
	k.extend(deadline)
	if !c.attach(k) {
		return ErrCanceled
	}
	if err := k.send(head, c.Body); err != nil {
		return writeError{err}
	}
	answer, err := readHead(k, c.answer)
	if k.sendErr != nil {
		return writeError{k.sendErr}
	}
	if err != nil {
		return err
	}
	k.begun = true
	return h.receive(c, k, answer)
}

func (h *HTTP) receive(c *Call, k *conn, head answerHead) error {
	c.Status = head.status
	c.ReplySession = keepString(c.Session, head.session)
	if err := head.check(); err != nil {
		return err
	}
	if isSuccess(head.status) && head.kind == streamType {
		return h.startStream(c, k)
	}
	if err := h.readReply(c, k, &head); err != nil {
		return err
	}
	c.Reply = replyOf(c.ReplyBody, head.kind)
	if !c.detach() {
		return ErrCanceled
	}
	if head.last || k.br.Buffered() > 0 {
		h.pool.discard(k)
		return nil
	}
	h.pool.put(k)
	return nil
}

func (h *HTTP) readReply(c *Call, k *conn, head *answerHead) (err error) {
	if head.plain() {
		if head.length <= int64(h.o.MaxBody) && !c.held.Grow(h.o.Memory, int(head.length)) {
			return errNoMemory
		}
		c.body, err = readPlain(k, c.body, head.length, h.o.MaxBody)
		c.ReplyBody = c.body
		return err
	}
	k.count(&c.held, h.o.Memory, k.br.Buffered())
	err = readBody(k, c.answer, h.o.MaxBody)
	k.count(nil, nil, 0)
	if err != nil {
		return err
	}
	head.last = head.last || c.answer.Header.ConnectionClose()
	c.ReplyBody = c.answer.Body()
	return nil
}

func replyOf(body []byte, kind mediaType) Reply {
	switch {
	case len(body) == 0:
		return Empty
	case kind == jsonType:
		return JSON
	}
	return Other
}

// keepString is s if it reads the same as b: an answer that repeats the
// session of its request needs no new string.
func keepString(s string, b []byte) string {
	if s == string(b) {
		return s
	}
	return string(b)
}

// repeatable tells whether c may be sent again after err on k.
func repeatable(c *Call, k *conn, err error) bool {
	lost := errors.As(err, new(writeError))
	switch {
	case lost && !k.wrote:
		return true
	case !lost && !errors.Is(err, errNoAnswer), isTimeout(err):
		return false
	}
	return c.Verb == Get || (c.Verb == Post && c.Kind == Request && safe(c.Method))
}

// safe lists the requests that read and change nothing. Everything else,
// initialize included, is sent at most once.
func safe(method string) bool {
	switch method {
	case "ping", "server/discover", "tools/list", "prompts/list", "resources/list",
		"resources/templates/list", "resources/read", "prompts/get":
		return true
	}
	return false
}

// fail makes err, met on k, an *Error of the right code. k is nil if there was
// no connection.
func (h *HTTP) fail(c *Call, k *conn, err error) *Error {
	e := &Error{Code: h.codeOf(k, err), Server: h.name, Err: err}
	switch {
	case c.wasCanceled():
		e.Code, e.Err = Canceled, ErrCanceled
	case h.pool.isClosed():
		e.Err = errShut
	case errors.Is(err, errFull), errors.Is(err, errStreams):
		e.Code, e.Wait = Overloaded, time.Second
	case e.Code != TooLarge && e.Code != Protocol && e.Code != NoMemory:
		h.health.down(h.o.Now, err)
	}
	return e
}

func (h *HTTP) codeOf(k *conn, err error) ErrorCode {
	switch {
	case errors.Is(err, errNoMemory), k != nil && errors.Is(k.readErr, errNoMemory):
		return NoMemory
	case errors.Is(err, errTooLarge), errors.Is(err, fasthttp.ErrBodyTooLarge):
		return TooLarge
	case k == nil:
		return Unavailable
	case isTimeout(err), k.readErr != nil && isTimeout(k.readErr):
		return Timeout
	case !k.wrote:
		return Unavailable
	case errors.As(err, new(writeError)), k.readErr != nil:
		return Closed
	}
	return Protocol
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// Close implements Server.
func (h *HTTP) Close() error {
	h.pool.close()
	return h.poller.close()
}

// Status implements Server.
func (h *HTTP) Status() Status {
	s := Status{Transport: "http", Conns: h.pool.size(), InFlight: int(h.inFlight.Load())}
	h.health.fill(&s)
	return s
}
