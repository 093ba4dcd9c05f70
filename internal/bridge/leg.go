package bridge

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// work is a request under way at a server of before 2026-07-28. It outlives the
// client's request if the server asks something in the middle of it.
type work struct {
	a      *Adapter
	s      *session
	own    int64 // our id of it, and its progress token
	in     *stream
	kinds  kinds
	spec   *mcp.Method
	owner  []byte
	digest [32]byte

	questions []question // of the server, not answered yet
	pump      *pump      // what reads in; nil while a leg does
	expiry    *time.Timer
}

func (a *Adapter) newWork(s *session, q *asked) *work {
	return &work{a: a, s: s, own: s.last.Add(1), in: a.newStream(s), kinds: q.kinds, spec: q.msg.Spec, owner: q.who.owner, digest: q.digest()}
}

// end frees what w holds. Unless it is done, the server is told to stop.
func (w *work) end(done bool) {
	if !done {
		w.in.Cancel()
	}
	if w.pump != nil {
		w.pump.stop()
	} else {
		w.in.Close()
	}
	if !done && !w.a.headless && len(w.in.ID) > 0 { // other servers have been told by Cancel
		body := append(append([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`), w.in.ID...), "}}"...)
		_ = w.a.post(w.s, "notifications/cancelled", body) // it is a courtesy
	}
	w.a.pool.release(w.s)
}

// leg is one request of a client of 2026-07-28: a call, or one round of it.
type leg struct {
	a     *Adapter
	id    []byte
	token []byte // nil if the client has given none
	level int
	spec  *mcp.Method
	tasks bool // see asked

	mu       sync.Mutex
	w        *work // nil when it has ended or been parked
	stopped  bool
	deadline time.Time
	wake     chan struct{}

	reply mcp.Message
	edits jsonscan.Edits
	held  []byte // the first message of a stream, yet to be given
	done  bool   // the answer has been given
}

func newLeg(a *Adapter, c *upstream.Call, q *asked) *leg {
	l := &leg{a: a, id: bytes.Clone(c.ID), level: q.level, spec: q.msg.Spec, tasks: q.tasks, deadline: a.due(c), wake: make(chan struct{}, 1)}
	if t := q.msg.ProgressToken; t.Exists() {
		l.token = t.AppendTo(nil)
	}
	return l
}

// take makes w what the leg reads, unless it was stopped.
func (l *leg) take(w *work) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return false
	}
	l.w = w
	return true
}

// leave lets go of the leg's work, and says whether it was stopped before.
func (l *leg) leave() (w *work, stopped bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, l.w = l.w, nil
	return w, l.stopped
}

// Interrupt implements upstream.Relay.
func (l *leg) Interrupt(bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.w != nil {
		l.w.in.Cancel()
	}
	l.signal()
}

// Extend implements upstream.Relay.
func (l *leg) Extend(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	l.spread()
	l.signal()
}

// spread gives the server's stream the leg's deadline, if the leg reads it.
func (l *leg) spread() {
	if l.w != nil && l.w.pump == nil {
		l.w.in.Extend(l.deadline)
	}
}

func (l *leg) due() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deadline
}

func (l *leg) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// failed ends a call that got no answer.
func (l *leg) failed(c *upstream.Call, err error) error {
	c.Detach()
	var e *upstream.Error
	if w, _ := l.leave(); w != nil {
		w.end(errors.As(err, &e) && e.Code == upstream.Unavailable) // then there is nothing to stop
	}
	return err
}

// begin reads up to the first message for the client. If that is the answer, no
// stream is needed for it.
func (l *leg) begin(c *upstream.Call) error {
	in := l.w.in
	if in.Reply == upstream.Empty || in.Reply == upstream.Other {
		code := in.Status
		c.Detach()
		l.finish()
		if code == 400 && l.spec == nil { // there is nothing else that could be wrong with it
			return reject(c, 404, l.id, methodNotFound, "Method not found: "+in.Method)
		}
		return status(c, code)
	}
	if err := (answerHead{in.Status, in.Reply}).check(); err != nil {
		return l.failed(c, l.a.fail(upstream.Protocol, err))
	}
	l.mu.Lock()
	l.spread()
	l.mu.Unlock()
	for {
		out, status, err := l.step()
		switch {
		case err != nil:
			return l.failed(c, err)
		case status != 0:
			c.Detach()
			l.finish()
			return reply(c, status, out)
		case out != nil:
			l.held = bytes.Clone(out)
			c.Stream(l)
			return nil
		}
	}
}

// finish ends the work of a leg that has its answer; there is none if it was parked.
func (l *leg) finish() {
	l.done = true
	if w, _ := l.leave(); w != nil {
		w.end(true)
	}
}

// Next implements upstream.Relay.
func (l *leg) Next() (upstream.Event, error) {
	if l.held != nil {
		e := upstream.Event{Data: l.held}
		l.held = nil
		return e, nil
	}
	if l.done {
		return upstream.Event{}, io.EOF
	}
	for {
		out, status, err := l.step()
		if err != nil {
			return upstream.Event{}, err
		}
		if status != 0 {
			l.finish()
		}
		if out != nil {
			return upstream.Event{Data: out}, nil
		}
	}
}

// End implements upstream.Relay.
func (l *leg) End() {
	if w, _ := l.leave(); w != nil {
		w.end(false)
	}
}

// step reads one message of the server. It gives what the client gets of it, if
// anything, and with the answer its HTTP status.
func (l *leg) step() (out []byte, status int, err error) {
	data, err := l.read()
	if err != nil || len(data) == 0 {
		return nil, 0, err
	}
	l.edits.Reset()
	if r := l.reply.DecodeServer(data, jsonscan.Options{}); r != nil {
		return nil, 0, l.a.fail(upstream.Protocol, errors.New(r.String()))
	}
	if l.reply.Kind != mcp.KindResponse && l.w.in.Reply == upstream.JSON { // it is all there is
		return nil, 0, l.a.fail(upstream.Protocol, errOther)
	}
	switch l.reply.Kind {
	case mcp.KindResponse:
		return l.answer()
	case mcp.KindNotification:
		return l.notified(), 0, nil
	case mcp.KindRequest:
		return l.question()
	case mcp.KindBatch, mcp.KindNone:
	}
	return nil, 0, l.a.fail(upstream.Protocol, errors.New("a batch"))
}

// read gives the next message; nothing, if an event has none.
func (l *leg) read() ([]byte, error) {
	w := l.w
	switch {
	case w.pump != nil:
		return l.pumped(w.pump)
	case w.in.Reply == upstream.JSON:
		return w.in.ReplyBody, nil
	}
	e, err := w.in.Next()
	return e.Data, err
}

// answer translates the answer to the request.
func (l *leg) answer() ([]byte, int, error) {
	m := &l.reply
	var head *answerHead
	if l.w.in.Reply == upstream.JSON {
		head = &answerHead{l.w.in.Status, upstream.JSON}
	}
	if err := checkAnswer(m, l.w.in.ID, head); err != nil {
		return nil, 0, l.a.fail(upstream.Protocol, err)
	}
	status := 200
	l.edits.Set(m.Root(), "id", l.id)
	if m.Error.Exists() {
		code := m.Error.Get("code")
		n, _ := code.Int64()
		switch {
		case n == methodNotFound:
			status = 404
		case n == invalidRequest && l.w.in.Status == 400 && l.spec == nil: // likewise
			status = 404
			l.edits.Replace(code, strconv.AppendInt(nil, methodNotFound, 10))
		case n == headerMismatch, n == missingCapability, n == unsupportedVersion:
			status = 400
		case n == resourceNotFound:
			l.edits.Replace(code, strconv.AppendInt(nil, invalidParams, 10))
		case n == urlElicitation:
			if out := l.visit(); out != nil {
				return out, 200, nil
			}
		}
	} else {
		l.complete(m.Result)
	}
	return m.AppendEdited(nil, &l.edits), status, nil
}

// complete adds what every result of 2026-07-28 has.
func (l *leg) complete(result jsonscan.Value) {
	e := &l.edits
	e.Set(result, "resultType", []byte(`"complete"`))
	if l.spec != nil && l.spec.Cacheable {
		e.Set(result, "ttlMs", []byte("0"))
		e.Set(result, "cacheScope", []byte(`"private"`))
	}
	info := l.w.s.result().Get("serverInfo")
	if !info.Exists() {
		return
	}
	if meta := result.Get("_meta"); meta.Kind() == jsonscan.Object {
		e.Set(meta, metaServerInfo, info.AppendTo(nil))
		return
	}
	e.Set(result, "_meta", append(info.AppendTo([]byte(`{"`+metaServerInfo+`":`)), '}'))
}

// notified translates a notification; nil means that the client does not get it.
func (l *leg) notified() []byte {
	m := &l.reply
	switch m.Method {
	case "notifications/progress":
		token := m.Params.Get("progressToken")
		if n, ok := token.Int64(); !ok || n != l.w.own || l.token == nil {
			return nil
		}
		l.edits.Replace(token, l.token)
	case "notifications/message":
		if slices.Index(levels, m.Params.Get("level").Text()) < l.level {
			return nil
		}
	case "notifications/cancelled", "notifications/elicitation/complete":
		return nil // about what the client knows nothing of
	case "notifications/tasks/status":
		if !l.tasks {
			return nil // likewise
		}
	case "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed", "notifications/resources/updated":
		l.w.s.news.tell(m)
		return nil
	}
	return m.AppendEdited(nil, &l.edits)
}
