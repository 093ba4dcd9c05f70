package bridge

import (
	"bytes"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// This file is clients of before 2026-07-28 on servers of that revision: what becomes of their messages.

// fromLegacy serves a client of before 2026-07-28 whose session has this id, as one of 2026-07-28 is served. seat is that session if it has
// been read.
func (a *Adapter) fromLegacy(c *upstream.Call, session string, seat *mcp.Session) error {
	if c.Verb == upstream.Post && c.Kind == upstream.Request && c.Method == "initialize" {
		return a.initialize(c)
	}
	if session == "" {
		return status(c, 400)
	}
	cl := clientOf(session, seat)
	if cl == nil {
		return status(c, 404)
	}
	level, on := a.memory.look(cl.ID, a.o.Now)
	if !on {
		return status(c, 404) // which has the client initialize anew
	}
	switch {
	case c.Verb == upstream.Get:
		return a.tune(c, cl)
	case c.Verb == upstream.Delete:
		a.leave(c, cl)
		return status(c, 200)
	case c.Kind == upstream.Response:
		return a.answered(c, cl)
	case c.Kind == upstream.Notification:
		return a.noticed(c, cl)
	}
	return a.request26(c, cl, level)
}

func status(c *upstream.Call, code int) error {
	c.Status, c.Reply = code, upstream.Empty
	return nil
}

// leave ends a client's session, and those that the server has for it alone.
func (a *Adapter) leave(c *upstream.Call, cl *client) {
	var open *radio
	a.memory.with(cl.ID, a.o.Now(), func(r *remembered) {
		open = r.radio
		*r = remembered{used: r.used, over: true}
	})
	if open != nil {
		open.finish()
	}
	if c.Client != nil {
		a.pool.leave(&asker{owner: ownerOf(c), capabilities: mcp.BridgedCapabilities(cl.Capabilities)})
	}
}

// ownerOf is whose the call is; of a session that is not the server's, only that session's. It stays the caller's when the call has ended.
func ownerOf(c *upstream.Call) []byte {
	return appendOwner(nil, c)
}

func appendOwner(dst []byte, c *upstream.Call) []byte {
	if c.Owner == nil {
		return dst
	}
	dst = append(dst, c.Owner()...)
	if c.Client != nil {
		dst = append(dst, c.Client.ID...)
	}
	return dst
}

// request26 serves a request: by itself, if its method is of the handshake and sessions, which the server does not have. level is what the client
// wants of the log, "" if it has not said.
func (a *Adapter) request26(c *upstream.Call, cl *client, level string) error {
	var spec *mcp.Method
	if c.Message != nil {
		spec = c.Message.Spec
	} else {
		spec = mcp.LookupMethod(c.Method)
	}
	switch {
	case c.Method == "ping":
		return succeed(c)
	case c.Method == "logging/setLevel":
		return a.setLevel(c, cl)
	case c.Method == "resources/subscribe", c.Method == "resources/unsubscribe":
		return a.subscribe(c, cl)
	case ofTasks(spec):
		return a.legacyTask(c, cl, level)
	case !spec.In(mcp.Modern):
		return reject(c, 200, c.ID, methodNotFound, "Method not found: "+c.Method)
	}
	return a.callModern(c, cl, level)
}

func succeed(c *upstream.Call) error {
	return reply(c, 200, append(append([]byte(`{"jsonrpc":"2.0","id":`), c.ID...), `,"result":{}}`...))
}

// setLevel keeps the level for the client's requests to come, each of which says it.
func (a *Adapter) setLevel(c *upstream.Call, cl *client) error {
	var doc jsonscan.Doc
	if doc.Scan(c.Body, jsonscan.Options{}) != nil {
		return status(c, 400)
	}
	level := slices.Index(levels, doc.Root().Path("params", "level").Text())
	if level < 0 {
		return reject(c, 200, c.ID, invalidParams, "Invalid params: unknown level")
	}
	a.memory.with(cl.ID, a.o.Now(), func(r *remembered) { r.level = levels[level] })
	return succeed(c)
}

// subscribe keeps what a client wants to hear of, and has its GET stream, if there is one, tell of it.
func (a *Adapter) subscribe(c *upstream.Call, cl *client) error {
	var doc jsonscan.Doc
	if doc.Scan(c.Body, jsonscan.Options{}) != nil {
		return status(c, 400)
	}
	uri := string(doc.Root().Path("params", "uri").AppendText(nil))
	var open *radio
	full := false
	a.memory.with(cl.ID, a.o.Now(), func(r *remembered) {
		open = r.radio
		at := slices.Index(r.resources, uri)
		switch {
		case c.Method == "resources/unsubscribe" && at >= 0:
			r.resources = slices.Delete(slices.Clone(r.resources), at, at+1)
		case c.Method == "resources/subscribe" && at < 0:
			if full = len(r.resources) >= maxResources; !full {
				r.resources = append(slices.Clone(r.resources), uri)
			}
		}
	})
	if full {
		return reject(c, 200, c.ID, internalError, "Internal error: too many subscriptions")
	}
	if open != nil {
		if err := open.retune(c); err != nil {
			return err
		}
	}
	return succeed(c)
}

// answered takes a client's answer to what a server has asked in a result.
func (a *Adapter) answered(c *upstream.Call, cl *client) error {
	var m mcp.Message
	if r := m.Decode(c.Body, jsonscan.Options{}); r != nil {
		return status(c, 400)
	}
	var waits *rounds
	a.memory.with(cl.ID, a.o.Now(), func(r *remembered) {
		waits = r.asking[string(m.ID)]
		delete(r.asking, string(m.ID))
	})
	if waits != nil {
		body := m.Result
		if m.Error.Exists() {
			body = m.Error
		}
		waits.answer(string(m.ID), body.AppendTo(nil), m.Error.Exists())
	}
	return status(c, 202)
}

// noticed takes a client's notification. Those of the protocol end here: the server knows neither the handshake nor roots that
// change, and hears of a request that is cancelled in its own way.
func (a *Adapter) noticed(c *upstream.Call, cl *client) error {
	var m mcp.Message
	if r := m.Decode(c.Body, jsonscan.Options{}); r != nil {
		return status(c, 400)
	}
	if m.Method == "notifications/cancelled" {
		a.running.cancel(cl.ID, m.Params.Get("requestId").AppendTo(nil))
	}
	return status(c, 202)
}

// rewriting is what makes of a request one of 2026-07-28.
type rewriting struct {
	own              []byte // its id
	level            string // "" for none
	responses, state []byte // of a later round of it; nil in the first
	room             *room
}

// room is memory for that, used again for the next.
type room struct {
	meta  []byte // what the client is, the level, and what its request says beside that
	edits jsonscan.Edits
}

// append26 makes of a legacy client's request one of 2026-07-28.
func (cl *client) append26(dst []byte, m *mcp.Message, w *rewriting) []byte {
	e := &w.room.edits
	e.Reset()
	e.Replace(m.Root().Get("id"), w.own)
	meta := cl.appendMeta(w.room.meta[:0], m.Meta, w.level)
	w.room.meta = meta
	switch {
	case m.Meta.Exists():
		e.Replace(m.Meta, meta)
	case m.Params.Exists():
		e.Set(m.Params, "_meta", meta)
	default:
		e.Set(m.Root(), "params", append(append([]byte(`{"_meta":`), meta...), '}'))
	}
	if asks(m.Spec) {
		setOrRemove(e, m.Params, "inputResponses", w.responses)
		setOrRemove(e, m.Params, "requestState", w.state)
	}
	return m.AppendEdited(dst, e)
}

func setOrRemove(e *jsonscan.Edits, of jsonscan.Value, name string, value []byte) {
	if value != nil {
		e.Set(of, name, value)
	} else {
		e.Remove(of.Get(name))
	}
}

// mirrored says which arguments of a tool the headers of a call mirror, as far as is known.
func (a *Adapter) mirrored(tool string) []mcp.HeaderParam {
	a.tools.mu.Lock()
	defer a.tools.mu.Unlock()
	return a.tools.params[tool]
}

// learn notes what a list says of a tool's headers. Only what has headers is kept.
func (a *Adapter) learn(tool jsonscan.Value) {
	name := tool.Get("name").Text()
	params := mcp.HeaderParams(tool.Get("inputSchema"))
	a.tools.mu.Lock()
	defer a.tools.mu.Unlock()
	_, known := a.tools.params[name]
	switch {
	case len(params) == 0:
		delete(a.tools.params, name)
	case known || len(a.tools.params) < maxTools:
		a.tools.params[string([]byte(name))] = params
	}
}

// maxTools bounds the tools whose headers are known, maxPages a list that is read for that.
const (
	maxTools = 4096
	maxPages = 50
)

// relearn reads the server's list of tools. What it does not get stays as it was.
func (a *Adapter) relearn(cl *client, on *upstream.Call) {
	var params []byte
	for range maxPages {
		answer, err := a.query(cl, "tools/list", params, on)
		var doc jsonscan.Doc
		if err != nil || doc.Scan(answer, jsonscan.Options{}) != nil {
			return
		}
		for c := doc.Root().Path("result", "tools").Cursor(); c.Next(); {
			a.learn(c.Value())
		}
		cursor := doc.Root().Path("result", "nextCursor")
		if cursor.Kind() != jsonscan.String || bytes.Equal(params, cursor.Raw()) {
			return
		}
		params = append([]byte(`"cursor":`), cursor.Raw()...)
	}
}
