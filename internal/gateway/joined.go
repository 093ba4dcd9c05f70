package gateway

import (
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// This file is sessions of clients of before 2026-07-28 with several servers as one. A session's id says, sealed, all that the client has said
// of itself, so that any replica with the key knows it; each server is told of it with the first message that is for that server.

// Sessions that their clients have ended are remembered in this number and for this time.
const (
	maxOver  = 16 << 10
	overTime = 24 * time.Hour
)

var errOver = errors.New("the client has ended this session")

// viewOwner is what sessions of this principal with these servers are bound to. No server's name has a slash.
func (x *exchange) viewOwner() []byte {
	return sessionOwner(nil, identity.PrincipalKey(x.who), "/"+x.view.Name())
}

// join opens the session that a message names, if it names one.
func (x *exchange) join() *refusal {
	if x.head.SessionID == nil {
		return nil
	}
	if !x.client.recalls(x) {
		if err := x.openSeat(); err != nil {
			return noSession(x.msg.ID, err)
		}
	}
	x.joined, x.opened = true, true
	if _, ended := x.g.over.find(string(x.sessionHash[:]), x.start); ended {
		return noSession(x.msg.ID, errOver)
	}
	return nil
}

func (x *exchange) openSeat() error {
	keys := x.g.Keys.Version() // see openSession
	var o opening
	var err error
	x.session, o, x.scratch, err = x.g.sealer.open(x.session[:0], x.viewOwner(), x.head.SessionID, x.scratch[:0])
	if err != nil {
		return err
	}
	x.home = string(o.home)
	hex.Encode(x.sessionHash[:], o.tag)
	if x.seat = new(mcp.Session); !x.seat.Read(string(x.session)) {
		return errSession
	}
	x.client.remember(x, keys)
	return nil
}

// seatClient makes the session of a client that initializes.
func (x *exchange) seatClient() *refusal {
	m := &x.msg
	var d jsonscan.Doc
	if err := d.Scan(mcp.BridgedCapabilities(m.Params.Get("capabilities")), x.scanOptions()); err != nil {
		return internalError(m.ID)
	}
	x.edits.Reset()
	federation.EditCapabilities(d.Root(), &x.edits)
	id := mcp.NewSession(m.Version, d.Root().AppendEdited(nil, &x.edits), m.Params.Get("clientInfo"))
	x.edits.Reset()
	if x.seat = new(mcp.Session); !x.seat.Read(id) {
		return plain(200, invalidParams, mcp.ReasonInvalidParams, "Invalid params: the capabilities are too much to be carried", m.ID)
	}
	x.session, x.joined, x.opened = append(x.session[:0], id...), true, true
	home := "" // where its questions are, its subscriptions and its log level
	if r := x.g.replicas; r != nil {
		home = r.home
	}
	sealed, tag, err := x.g.sealer.seal(nil, x.viewOwner(), home, id)
	if err != nil {
		return internalError(m.ID)
	}
	hex.Encode(x.sessionHash[:], tag)
	x.sealed = sealed
	return nil
}

// giveSeat tells the client its session.
func (x *exchange) giveSeat() {
	if !x.element {
		x.ctx.Response.Header.SetBytesV("Mcp-Session-Id", x.sealed)
	}
}

// serveJoined serves a request for one of the servers.
func (x *exchange) serveJoined() *refusal {
	if r := x.resolve(); r != nil {
		return r
	}
	if r := x.choose(); r != nil {
		return r
	}
	x.led = true
	x.key = x.appendKey(x.key[:0], x.msg.ID)
	x.g.running.put(x)
	return x.serveMessage()
}

// appendKey appends what a request with this id in this session is known by.
func (x *exchange) appendKey(dst, id []byte) []byte {
	return append(append(dst, x.sessionHash[:]...), id...)
}

// findRunning makes a message about a request under way one for its server.
func (x *exchange) findRunning() bool {
	if !x.joined {
		return false
	}
	x.scratch = x.appendKey(x.scratch[:0], x.msg.Params.Get("requestId").Raw())
	p, ok := x.g.running.find(x.scratch)
	return ok && x.enter(p.server) && x.stay(p.version)
}

// place is a version of a server.
type place struct{ server, version string }

// stay has the message go to that version of the server, if it is still there.
func (x *exchange) stay(version string) bool {
	x.version, x.led = version, true
	return x.snap.server(x.serverName, version) != nil
}

// setLevel tells every server how much of its log the client wants. Each is decided by itself; it has the level that may.
func (x *exchange) setLevel() *refusal {
	return x.askAll(func(parts []*exchange) *refusal {
		took := len(parts) == 0
		var failed *refusal
		for _, y := range parts {
			if r := y.share.failed; r != nil {
				y.refuse(r)
				failed = first(failed, r)
				continue
			}
			took = true
		}
		if !took {
			return failed
		}
		return x.succeed()
	})
}

// succeed answers with a result that says no more.
func (x *exchange) succeed() *refusal {
	x.out = append(append(append(x.out[:0], `{"jsonrpc":"2.0","id":`...), x.msg.ID...), `,"result":{}}`...)
	return x.send(200, x.out)
}

// markQuestion has the answer to what a server asks find its way back: the id that the client gets names the server. Whether the server has
// asked it of this client in this session is known from what is awaited.
func (x *exchange) markQuestion() bool {
	if !x.joined || x.reply.Kind != mcp.KindRequest {
		return true
	}
	id := x.reply.Root().Get("id")
	return id.Kind() == jsonscan.String && x.edits.Replace(id, jsonscan.AppendQuote(nil, x.serverName+"/"+id.Text()))
}

// hearAnswer takes a client's answer to what a server has asked.
func (x *exchange) hearAnswer() *refusal {
	server, own, ok := strings.Cut(x.msg.Root().Get("id").Text(), "/")
	if !ok || !x.joined || !x.enter(server) {
		return unexpected()
	}
	id := jsonscan.AppendQuote(nil, own)
	asked, ok := x.g.asked.find(x.awaited(id), x.start)
	if !ok || !x.stay(asked.version) {
		return unexpected()
	}
	x.edits.Reset()
	x.edits.Replace(x.msg.Root().Get("id"), id)
	x.view.EditAnswer(server, asked.method, x.msg.Result, x.toOwnTask, &x.edits)
	if r := x.reissue(); r != nil {
		return r
	}
	return x.serveMessage()
}

// serveJoinedStream serves what is not a POST: the stream for news of all servers, and the end of the session.
func (x *exchange) serveJoinedStream() *refusal {
	if x.head.SessionID == nil {
		return methodNotAllowed("POST")
	}
	if r := x.join(); r != nil {
		return r
	}
	if x.elsewhere() {
		if r, done := x.passOn(); done {
			return r
		}
	}
	if !x.isGet() {
		return x.depart()
	}
	if r := x.shed(); r != nil {
		return r
	}
	x.g.news.hangUp(x.sessionHash) // the newer of two streams hears
	wanted := make([]federation.Subscription, 0, len(x.view.Servers()))
	for _, name := range x.view.Servers() {
		wanted = append(wanted, federation.Subscription{Server: name})
	}
	return x.hearAll(wanted)
}

// depart ends the session at the client's wish.
func (x *exchange) depart() *refusal {
	if r := x.permit(); r != nil {
		return r
	}
	x.g.over.put(string(x.sessionHash[:]), struct{}{}, x.start)
	x.g.news.hangUp(x.sessionHash)
	var told sync.WaitGroup
	for _, name := range x.view.Servers() {
		told.Go(func() { x.tellOver(name, x.snap.Servers[name]) })
		if vs := x.snap.Versions[name]; vs != nil {
			for _, server := range vs.Servers {
				told.Go(func() { x.tellOver(name, server) })
			}
		}
	}
	told.Wait()
	x.ctx.SetStatusCode(200)
	x.outcome.status = 200
	return nil
}

// tellOver tells a server that the session is over.
func (x *exchange) tellOver(name string, server upstream.Server) {
	if server == nil {
		return
	}
	c := upstream.Call{Verb: upstream.Delete, Client: x.seat, Translate: true, Deadline: x.g.Now().Add(x.g.Limits.CallTimeout)}
	c.Owner = func() []byte { return sessionOwner(nil, identity.PrincipalKey(x.who), name) }
	_ = server.Do(&c) // what a server keeps of it ends in its own time
	c.Close()
}
