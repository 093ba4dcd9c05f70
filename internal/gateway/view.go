package gateway

import (
	"bytes"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// This file is several servers as one. A request for one of them is renamed to what it would be at /mcp/<server>, and is then that request,
// for policy, records and the server alike; its answer is renamed on its way out. A list is the lists of all of them, each asked for
// and filtered as it would be there. Nothing is decided here.

// matchView finds the servers that are asked as one.
func (x *exchange) matchView() *refusal {
	name, ok := x.snap.Routes.View(x.head.Target)
	if x.view = x.snap.Views[name]; !ok || x.view == nil {
		x.view = nil
		return x.nowhere()
	}
	if !x.isPost() && !x.isGet() && string(x.head.Method) != "DELETE" {
		return methodNotAllowed("POST, GET, DELETE")
	}
	return x.accepted()
}

// quarantined is the reason why a server that waits for an operator is not there. The record has it; the client can't tell it from any that
// never was.
const quarantined = "server_quarantined"

// nowhere refuses a request for what is no server's.
func (x *exchange) nowhere() *refusal {
	r := notFound()
	if name, ok := bytes.CutPrefix(x.head.Target, []byte(route.Prefix+"/")); ok && x.snap.Quarantined[string(name)] {
		x.serverName, r.reason = string(name), quarantined
	}
	return r
}

// serveView serves a message to several servers as one.
func (x *exchange) serveView() *refusal {
	m := &x.msg
	switch {
	case m.Era != mcp.Modern:
		return x.serveEarlier()
	case m.Kind != mcp.KindRequest:
		return noTarget(m.ID)
	case m.Method == "server/discover", m.Spec != nil && m.Spec.List != "" && federation.Lists(m.Spec.List) && m.Target == mcp.TargetNone:
		return x.gather()
	case m.Method == "subscriptions/listen":
		return x.listen()
	}
	if r := x.resolve(); r != nil {
		return r
	}
	return x.serveMessage()
}

// resolve makes the message the one that the client would have sent to the one server that it is for.
func (x *exchange) resolve() *refusal {
	m := &x.msg
	if !federation.Serves(m.Method) {
		return badMessage(m, mcp.MethodNotFound(m))
	}
	if m.Target == mcp.TargetTask {
		return x.resolveTask()
	}
	server, own, ok := x.view.Resolve(m.Target, m.Name)
	if !ok || !x.enter(server) {
		return x.unknownName()
	}
	retry := m.Params.Get("inputResponses").Exists() || m.Params.Get("requestState").Exists() // which may go on to another replica, as it came
	if federation.Carries(m.Capabilities) && !retry && !federation.Related(m.Meta) && m.Rename(own) {
		return nil
	}
	return x.rename(server, own)
}

// rename writes the message anew, with all that is the server's own in it.
func (x *exchange) rename(server, own string) *refusal {
	m := &x.msg
	x.edits.Reset()
	x.view.EditInputs(server, m.Params.Get("inputResponses"), x.toOwnTask, &x.edits)
	federation.EditRelated(m.Meta, x.toOwnTask, &x.edits)
	m.EditName(own, &x.edits)
	federation.EditCapabilities(m.Capabilities, &x.edits)
	return x.reissue()
}

// enter makes x a request to one server.
func (x *exchange) enter(name string) bool {
	s := x.snap.Servers[name]
	if s == nil {
		return false
	}
	x.serverName, x.server, x.metrics, x.version, x.versioned = name, s, x.snap.metrics[name], "", nil
	return true
}

// reissue reads the message with x.edits as strictly as what the client has sent.
func (x *exchange) reissue() *refusal {
	x.renamed = x.msg.AppendEdited(x.renamed[:0], &x.edits)
	x.edits.Reset()
	if r := x.readAgain(x.renamed); r != nil {
		return badMessage(&x.msg, r)
	}
	return nil
}

func noTarget(id []byte) *refusal {
	return plain(400, invalidRequest, "no_target", "Invalid Request: this message names no server", id)
}

// clientName is what the client calls what the message is about.
func (x *exchange) clientName() string {
	if x.view == nil {
		return x.msg.Name
	}
	name, _ := x.view.Public(x.msg.Target, x.serverName, x.msg.Name)
	return name
}

// outward gives the URIs in what the server said the form that clients of several servers know, after all has been judged. It is
// false if that can't be done.
func (x *exchange) outward() bool {
	if x.view == nil {
		return true
	}
	if x.reply.Kind != mcp.KindResponse && x.edits.Len() > 0 { // plugins have changed it
		x.filtered = x.reply.AppendEdited(x.filtered[:0], &x.edits)
		x.edits.Reset()
		if x.reply.DecodeServer(x.filtered, x.scanOptions()) != nil {
			return false
		}
	}
	federation.EditReply(x.serverName, &x.msg, x.reply, x.toPublicTask, &x.edits)
	x.lower()
	return x.markQuestion()
}

// split makes the part of x that is for one server of its view. It is finished before x ends.
func (x *exchange) split(server string) *exchange {
	y := x.splitOn(x.snap, server)
	y.decideLike(x)
	return y
}

// splitOn makes it on another snapshot.
func (x *exchange) splitOn(s *Snapshot, server string) *exchange {
	y := x.g.exchanges.Get().(*exchange) //nolint:forcetypeassert // the pool's New makes nothing else
	s.refs.Add(1)
	y.ctx, y.snap, y.start, y.mark, y.head, y.client, y.who = x.ctx, s, x.start, x.start, x.head, x.client, x.who
	y.view, y.element, y.lifted, y.share = x.view, true, x.lifted, &share{}
	y.comeLike(x)
	y.joined, y.seat, y.opened, y.session, y.sessionHash = x.joined, x.seat, x.opened, append(y.session[:0], x.session...), x.sessionHash
	y.msg = x.msg.Share()
	if !y.enter(server) {
		y.share.failed = notFound()
	}
	return y
}

// part asks one server for a list.
func (x *exchange) part(p federation.Position) *exchange {
	y := x.split(p.Server)
	y.share.position = p
	cursor := y.msg.Params.Get("cursor")
	if y.share.failed != nil || federation.Carries(y.msg.Capabilities) && !cursor.Exists() {
		return y
	}
	y.edits.Reset()
	federation.EditCapabilities(y.msg.Capabilities, &y.edits)
	if p.More {
		y.edits.Replace(cursor, jsonscan.AppendQuote(nil, p.Cursor))
	}
	y.share.failed = y.reissue()
	return y
}

// watchClient has gone called if the client leaves.
func (x *exchange) watchClient(gone func()) {
	if x.client != nil {
		x.conn = x.client
		x.conn.arm(gone)
	}
}
