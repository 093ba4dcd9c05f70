package bridge

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// This file is what a server of before 2026-07-28 asks of its client in the middle of a call. The call is parked, and the client
// gets the questions as the result of its request (input_required). Its next request brings the answers, and the call goes on.

// question is a request of a server.
type question struct {
	id    []byte // the server's
	key   string // what the client knows it by
	entry []byte // the method and params, as inputRequests has them
}

// gatherTime is how long more questions of a server are waited for, so that the client gets them in one round.
const gatherTime = 100 * time.Millisecond

// maxQuestions bounds those of one round.
const maxQuestions = 16

var errNotOpen = errors.New("the call that waited for this input has ended")

// lot holds the parked calls of an Adapter.
type lot struct {
	mu     sync.Mutex
	closed bool
	works  map[[16]byte]*work
}

// put parks w until it is taken, or ended at its time. It reports false if there is no room.
func (p *lot) put(w *work, limit int, wait time.Duration) (id [16]byte, ok bool) {
	_, _ = rand.Read(id[:]) // never fails
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.works) >= limit {
		return id, false
	}
	p.works[id] = w
	w.expiry = time.AfterFunc(wait, func() {
		if !w.a.pool.begin() {
			return // close ends it
		}
		defer w.a.pool.work.Done()
		if w := p.take(id); w != nil {
			w.end(false)
		}
	})
	return id, true
}

// take gives a parked call, once.
func (p *lot) take(id [16]byte) *work {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.works[id]
	if w != nil {
		delete(p.works, id)
		w.expiry.Stop()
	}
	return w
}

// close ends all parked calls, and lets no other in.
func (p *lot) close() {
	p.mu.Lock()
	p.closed = true
	all := p.works
	p.works = nil
	p.mu.Unlock()
	for _, w := range all {
		w.expiry.Stop()
		w.end(true) // the server is about to be closed
	}
}

// question takes a request of the server. What the client can't be asked is answered here.
func (l *leg) question() ([]byte, int, error) {
	m, w := &l.reply, l.w
	switch {
	case m.Method == "ping":
		return nil, 0, w.respond(m.ID, `"result":{}`)
	case !l.askable():
		return nil, 0, w.respond(m.ID, `"error":{"code":-32601,"message":"the client can't be asked for that here"}`)
	case len(w.questions) >= maxQuestions:
		return nil, 0, w.respond(m.ID, `"error":{"code":-32603,"message":"too many requests to the client at once"}`)
	}
	w.ask(m)
	return l.park()
}

// askable says whether what the server asks can be asked of this client in the middle of this request.
func (l *leg) askable() bool {
	k := l.w.kinds
	if !asks(l.spec) {
		return false
	}
	switch m := &l.reply; m.Method {
	case "elicitation/create":
		if m.Params.Get("mode").TextIs("url") {
			return k.url
		}
		return k.form
	case "sampling/createMessage":
		return k.sampling
	case "roots/list":
		return k.roots
	}
	return false
}

// ask notes a question for the client. Elicitations have no ids since 2026-07-28.
func (w *work) ask(m *mcp.Message) {
	entry := append(append([]byte(`{"method":`), quoted(m.Method)...), `,"params":`...)
	if m.Params.Exists() {
		var e jsonscan.Edits
		if m.Method == "elicitation/create" {
			e.Remove(m.Params.Get("elicitationId"))
		}
		if token := m.Params.Path("_meta", "progressToken"); token.Exists() {
			e.Remove(token) // nothing could carry the progress
		}
		entry = m.Params.AppendEdited(entry, &e)
	} else {
		entry = append(entry, "{}"...)
	}
	key := "input-" + strconv.Itoa(len(w.questions)+1)
	for i := 2; slices.ContainsFunc(w.questions, func(q question) bool { return q.key == key }); i++ {
		key = "input-" + strconv.Itoa(len(w.questions)+i)
	}
	w.questions = append(w.questions, question{id: bytes.Clone(m.ID), key: key, entry: append(entry, '}')})
}

// respond answers a request of the server. body is the member result or error.
func (w *work) respond(id []byte, body string) error {
	b := append(append([]byte(`{"jsonrpc":"2.0","id":`), id...), ',')
	return w.a.post(w.s, "", append(append(b, body...), '}'))
}

// park waits a little for what else the server asks, and gives the client all of it.
func (l *leg) park() ([]byte, int, error) {
	w := l.w
	if !l.detach(w) {
		return nil, 0, l.a.fail(upstream.Unavailable, errShut)
	}
	if out, status, err := l.gather(); err != nil || status != 0 {
		return out, status, err
	}
	if _, stopped := l.leave(); stopped {
		w.end(false)
		return nil, 0, l.a.fail(upstream.Canceled, upstream.ErrCanceled)
	}
	t := &ticket{kind: ticketParked, expires: l.a.o.Now().Add(l.a.o.AnswerWait), digest: w.digest, home: l.a.o.Home}
	asked := inputRequests(w.questions)
	owner := w.owner
	var ok bool
	if t.id, ok = l.a.lot.put(w, l.a.o.Parked, l.a.o.AnswerWait); !ok {
		w.end(false)
		return mcp.AppendError(nil, l.id, internalError, "Internal error: too many calls wait for input", nil), 200, nil
	}
	return l.inputRequired(asked, l.a.sealer.seal(owner, t)), 200, nil
}

// detach has w read by a goroutine of its own, whose time is not the leg's.
func (l *leg) detach(w *work) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return w.pump != nil || w.startPump()
}

// gather reads what the server says within the time for more questions. It may be the answer.
func (l *leg) gather() ([]byte, int, error) {
	w := l.w
	timer := time.NewTimer(gatherTime)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return nil, 0, nil
		case <-l.wake:
			if l.isStopped() {
				return nil, 0, l.a.fail(upstream.Canceled, upstream.ErrCanceled)
			}
		case p := <-w.pump.out:
			if p.err != nil {
				return nil, 0, p.err
			}
			out, status, err := l.gathered(p.data)
			if err != nil || status != 0 {
				return out, status, err
			}
		}
	}
}

// gathered takes one message that comes while a call is being parked. Notifications have no stream to go on: the round is over.
func (l *leg) gathered(data []byte) ([]byte, int, error) {
	m := &l.reply
	l.edits.Reset()
	if r := m.DecodeServer(data, jsonscan.Options{}); r != nil {
		return nil, 0, l.a.fail(upstream.Protocol, errors.New(r.String()))
	}
	switch m.Kind {
	case mcp.KindResponse:
		return l.answer()
	case mcp.KindRequest:
		if l.askable() && len(l.w.questions) < maxQuestions {
			l.w.ask(m)
			return nil, 0, nil
		}
		return l.question()
	case mcp.KindNotification, mcp.KindBatch, mcp.KindNone:
		l.notified()
	}
	return nil, 0, nil
}

func (l *leg) isStopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

func inputRequests(questions []question) []byte {
	b := []byte{'{'}
	for i, q := range questions {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(jsonscan.AppendQuote(b, q.key), ':'), q.entry...)
	}
	return append(b, '}')
}

// inputRequired is the result that asks for input.
func (l *leg) inputRequired(requests []byte, state string) []byte {
	b := append(append([]byte(`{"jsonrpc":"2.0","id":`), l.id...), `,"result":{"resultType":"input_required","inputRequests":`...)
	b = append(append(append(b, requests...), `,"requestState":"`...), state...)
	return append(b, `"}}`...)
}

// resume takes the next round of a call.
func (a *Adapter) resume(c *upstream.Call, q *asked, state string) error {
	t, err := a.sealer.open(q.who.owner, state, q.digest(), a.o.Now())
	if err != nil {
		return reject(c, 200, c.ID, invalidParams, "Invalid params: "+err.Error())
	}
	if t.kind == ticketAgain {
		return a.again(c, q)
	}
	w := a.lot.take(t.id)
	if w == nil {
		return reject(c, 200, c.ID, invalidParams, "Invalid params: "+errNotOpen.Error())
	}
	l := newLeg(a, c, q)
	if !c.Attach(l) || !l.take(w) {
		w.end(false)
		return a.fail(upstream.Canceled, upstream.ErrCanceled)
	}
	if err := w.answer(q.msg.Params.Get("inputResponses")); err != nil {
		return l.failed(c, err)
	}
	return l.goOn(c)
}

// answer gives the server the client's answers. What the client has left open is asked again.
func (w *work) answer(responses jsonscan.Value) error {
	left := w.questions[:0:0]
	for _, q := range w.questions {
		r := responses.Get(q.key)
		if r.Kind() != jsonscan.Object {
			left = append(left, q)
			continue
		}
		body := `"result":` + string(r.AppendTo(nil))
		if e := r.Get(metaError); r.Len() == 1 && e.Kind() == jsonscan.Object {
			body = `"error":` + string(e.AppendTo(nil))
		}
		if err := w.respond(q.id, body); err != nil {
			return err
		}
	}
	w.questions = left
	return nil
}

// goOn reads what the server says after it has its answers. If it still waits for one, the client is asked at once.
func (l *leg) goOn(c *upstream.Call) error {
	if len(l.w.questions) == 0 {
		return l.begin(c)
	}
	out, status, err := l.park()
	if err != nil {
		return l.failed(c, err)
	}
	c.Detach()
	l.finish()
	return reply(c, status, out)
}

// visit turns the error by which a server of 2025-11-25 sends its client to a URL into the result that does so since. The call is
// made anew afterwards. It gives nil if that can't be asked of the client.
func (l *leg) visit() []byte {
	if !asks(l.spec) || !l.w.kinds.url {
		return nil
	}
	var questions []question
	for c := l.reply.Error.Path("data", "elicitations").Cursor(); c.Next() && len(questions) < maxQuestions; {
		if c.Value().Kind() != jsonscan.Object {
			return nil
		}
		var e jsonscan.Edits
		e.Remove(c.Value().Get("elicitationId"))
		e.Set(c.Value(), "mode", []byte(`"url"`))
		entry := c.Value().AppendEdited([]byte(`{"method":"elicitation/create","params":`), &e)
		questions = append(questions, question{key: "input-" + strconv.Itoa(len(questions)+1), entry: append(entry, '}')})
	}
	if len(questions) == 0 {
		return nil
	}
	t := &ticket{kind: ticketAgain, expires: l.a.o.Now().Add(l.a.o.AnswerWait), digest: l.w.digest}
	return l.inputRequired(inputRequests(questions), l.a.sealer.seal(l.w.owner, t))
}

// again makes a call anew whose client has been where the server sent it.
func (a *Adapter) again(c *upstream.Call, q *asked) error {
	for r := q.msg.Params.Get("inputResponses").Cursor(); r.Next(); {
		if !r.Value().Get("action").TextIs("accept") {
			return reject(c, 200, c.ID, internalError, "the user did not agree to what the server has asked for")
		}
	}
	return a.call(c, q)
}
