package bridge

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// This file is clients of 2026-07-28 on servers of before: what becomes of their messages.

// asked is a client's message as far as it has to be known.
type asked struct {
	msg   mcp.Message // aliases the Call's body
	who   asker
	level int // the least log level that the client wants; noLevel for none
	kinds kinds
	tasks bool // the client knows tasks as the server does
}

// kinds are the requests of servers that a client can answer.
type kinds struct{ form, url, sampling, roots bool }

func (k kinds) any() bool { return k.form || k.url || k.sampling || k.roots }

// fromModern serves a client of 2026-07-28.
func (a *Adapter) fromModern(c *upstream.Call) error {
	q := asked{tasks: a.sharesTasks(c)}
	if r := q.read(c); r != nil {
		return reject(c, r.Status, c.ID, r.Code, r.Message)
	}
	m := &q.msg
	switch {
	case c.Kind == upstream.Notification:
		return a.notice(c, &q)
	case c.Kind != upstream.Request:
		return reject(c, 400, nil, invalidRequest, "Invalid Request: no responses from clients in this protocol version")
	case m.Method == "server/discover":
		return a.discover(c, &q)
	case m.Method == "subscriptions/listen":
		return a.listen(c, &q)
	case !m.Spec.In(mcp.Legacy), ofTasks(m.Spec) && !q.tasks:
		return reject(c, 404, c.ID, methodNotFound, "Method not found: "+m.Method)
	}
	if state := m.Params.Get("requestState"); state.Exists() && asks(m.Spec) {
		return a.resume(c, &q, state.Text())
	}
	return a.call(c, &q)
}

func (q *asked) read(c *upstream.Call) *mcp.Refusal {
	if r := q.msg.Decode(c.Body, jsonscan.Options{}); r != nil {
		return r
	}
	q.who.owner = ownerOf(c)
	q.kinds, q.who.capabilities = kindsOf(q.msg.Capabilities), mcp.BridgedCapabilities(q.msg.Capabilities)
	q.who.info = []byte(ownInfo)
	if info := q.msg.Meta.Get(metaClientInfo); info.Kind() == jsonscan.Object {
		q.who.info = info.AppendTo(nil)
	}
	q.level = noLevel
	if level := q.msg.Meta.Get(metaLogLevel); level.Exists() {
		q.level = slices.Index(levels, level.Text())
	}
	return nil
}

// kindsOf says what a client with these capabilities can be asked.
func kindsOf(declared jsonscan.Value) kinds {
	k := kinds{roots: declared.Get("roots").Exists(), sampling: declared.Get("sampling").Exists()}
	if e := declared.Get("elicitation"); e.Exists() {
		k.url = e.Get("url").Exists()
		k.form = e.Get("form").Exists() || !k.url
	}
	return k
}

// levels are those of RFC 5424, from the least.
var levels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// noLevel is above every level; an unknown one is below, and wants everything.
const noLevel = 8

// rewrite makes of the client's request the one that the server gets.
func (q *asked) rewrite(own []byte) []byte {
	m := &q.msg
	var e jsonscan.Edits
	e.Replace(m.Root().Get("id"), own)
	for _, name := range []string{metaVersion, metaCapabilities, metaClientInfo, metaLogLevel} {
		e.Remove(m.Meta.Get(name))
	}
	e.Replace(m.ProgressToken, own)
	if !q.tasks {
		e.Remove(m.Params.Get("task")) // nothing could ask for it
	}
	if asks(m.Spec) {
		e.Remove(m.Params.Get("inputResponses"))
		e.Remove(m.Params.Get("requestState"))
	}
	return m.AppendEdited(nil, &e)
}

// digest is what makes two requests rounds of one call: the method, and the
// params without what belongs to a round.
func (q *asked) digest() [32]byte {
	m := &q.msg
	var e jsonscan.Edits
	for _, name := range []string{"_meta", "inputResponses", "requestState"} {
		e.Remove(m.Params.Get(name))
	}
	b := append([]byte(m.Method), 0)
	return sha256.Sum256(m.Params.AppendEdited(b, &e))
}

// sole says whether a call must have its session for itself: where streams don't
// say whose they are, what the server asks or logs would reach another call.
func (a *Adapter) sole(q *asked) bool {
	return a.headless && (q.kinds.any() || q.level < noLevel)
}

// call sends the client's request. On a session that the server knows no more
// nothing was carried out: there is another one for that, once.
func (a *Adapter) call(c *upstream.Call, q *asked) error {
	l := newLeg(a, c, q)
	if !c.Attach(l) {
		return a.fail(upstream.Canceled, upstream.ErrCanceled)
	}
	for first := true; ; first = false {
		s, err := a.pool.acquire(&q.who, a.sole(q))
		if err != nil {
			c.Detach()
			return err
		}
		w := a.newWork(s, q)
		if !l.take(w) {
			w.end(false)
			c.Detach()
			return a.fail(upstream.Canceled, upstream.ErrCanceled)
		}
		w.prepare(c, q)
		err = a.inner.Do(w.in.Call)
		switch {
		case err != nil:
			return l.failed(c, err)
		case first && lost(w.in.Call):
			a.pool.drop(s)
			w.end(true)
			continue
		}
		return l.begin(c)
	}
}

// lost says whether the server has refused a message because it does not know
// its session. The older SDKs answer 400 for that, without having looked at it.
func lost(c *upstream.Call) bool {
	if c.Session == "" || c.Status != 404 && c.Status != 400 {
		return false
	}
	if c.Status == 404 {
		return true
	}
	var doc jsonscan.Doc
	if c.Reply != upstream.JSON || doc.Scan(c.ReplyBody, jsonscan.Options{}) != nil {
		return false
	}
	code, _ := doc.Root().Path("error", "code").Int64()
	return code == noSessionCode
}

// prepare fills in what is sent.
func (w *work) prepare(c *upstream.Call, q *asked) {
	own := strconv.AppendInt(nil, w.own, 10)
	in := w.in
	in.Body, in.Method, in.ID = q.rewrite(own), q.msg.Method, own
	in.Session, in.Version = w.s.id, w.s.version
	in.Header = traceOnly(in.Header, c.Header)
	in.Start, in.Deadline = c.Start, w.a.due(c)
	if q.msg.ProgressToken.Exists() {
		in.Progress = own
	}
	if q.level < noLevel && w.s.offers("logging") {
		w.s.loud.Do(func() { w.a.request(w.s, "logging/setLevel", []byte(`{"level":"debug"}`)) })
	}
}

// traceOnly leaves out the headers of the protocol, which mirror what the message
// says no more.
func traceOnly(dst, from []upstream.Field) []upstream.Field {
	for _, f := range from {
		if len(f.Name) < 4 || !strings.EqualFold(f.Name[:4], "mcp-") {
			dst = append(dst, f)
		}
	}
	return dst
}

// due says by when the server must have answered.
func (a *Adapter) due(c *upstream.Call) time.Time {
	switch {
	case !c.Deadline.IsZero():
		return c.Deadline
	case !c.Start.IsZero():
		return c.Start.Add(a.o.Timeout)
	}
	return a.o.Now().Add(a.o.Timeout)
}

// notice passes on a notification of the client, if it means anything to the
// server. The protocol itself has none in this direction.
func (a *Adapter) notice(c *upstream.Call, q *asked) error {
	c.Status, c.Reply = 202, upstream.Empty
	if q.msg.Spec != nil {
		return nil
	}
	s, err := a.pool.acquire(&q.who, false)
	if err != nil {
		return err
	}
	defer a.pool.release(s)
	return a.post(s, q.msg.Method, q.rewrite(nil))
}

// discover says what the server has said of itself when the session was opened.
func (a *Adapter) discover(c *upstream.Call, q *asked) error {
	s, err := a.pool.acquire(&q.who, false)
	if err != nil {
		return err
	}
	defer a.pool.release(s)
	result := s.result()
	b := append(append([]byte(`{"jsonrpc":"2.0","id":`), c.ID...), `,"result":{"resultType":"complete","supportedVersions":[`...)
	for i, v := range mcp.Versions(mcp.Modern) {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonscan.AppendQuote(b, v)
	}
	b = append(append(b, `],"capabilities":`...), offered(result.Get("capabilities"), q.tasks)...)
	if text := result.Get("instructions"); text.Exists() {
		b = text.AppendTo(append(b, `,"instructions":`...))
	}
	b = append(b, `,"ttlMs":0,"cacheScope":"private"`...)
	if info := result.Get("serverInfo"); info.Exists() {
		b = info.AppendTo(append(b, `,"_meta":{"`+metaServerInfo+`":`...))
		b = append(b, '}')
	}
	return reply(c, 200, append(b, "}}"...))
}

// offered is what a server offers of what can be carried: tasks only to a client of its own era.
func offered(capabilities jsonscan.Value, tasks bool) []byte {
	if capabilities.Kind() != jsonscan.Object {
		return []byte("{}")
	}
	var e jsonscan.Edits
	if !tasks {
		e.Remove(capabilities.Get("tasks"))
	}
	e.Remove(capabilities.Path("extensions", "io.modelcontextprotocol/tasks"))
	return capabilities.AppendEdited(nil, &e)
}

// reply makes a message the answer.
func reply(c *upstream.Call, status int, body []byte) error {
	c.Status, c.Reply, c.ReplyBody = status, upstream.JSON, body
	return nil
}

// reject makes an error the answer.
func reject(c *upstream.Call, status int, id []byte, code int, message string) error {
	return reply(c, status, mcp.AppendError(nil, id, code, message, nil))
}
