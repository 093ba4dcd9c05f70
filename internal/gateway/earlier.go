package gateway

import (
	"errors"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// This file is clients of before 2026-07-28 at several servers as one. What one asks of all of them, or asks without a session, is read anew as
// the request of 2026-07-28 that it would be, and is from there on that request, for policy, records and servers; only how the client is
// answered stays that of its own revision. What it asks of one of them in a session is the request that it would be at /mcp/<server>.

// Keys of _meta.
const (
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaInfo         = "io.modelcontextprotocol/clientInfo"
	metaLogLevel     = "io.modelcontextprotocol/logLevel"
)

// raisedMeta is what such a client says of itself with each request, as JSON; without a session, that it can't be asked.
func (x *exchange) raisedMeta() (capabilities, info string) {
	if !x.joined {
		return "{}", ""
	}
	return string(x.seat.Capabilities.Raw()), string(x.seat.Info.Raw())
}

func appendRaisedMeta(dst []byte, capabilities, info string) []byte {
	dst = append(dst, `{"`+metaVersion+`":"`+mcp.FirstModern+`","`+metaCapabilities+`":`...)
	dst = append(dst, capabilities...)
	if info != "" {
		dst = append(append(dst, `,"`+metaInfo+`":`...), info...)
	}
	return append(dst, '}')
}

// serveEarlier serves a message of a client of before 2026-07-28.
func (x *exchange) serveEarlier() *refusal {
	m := &x.msg
	if m.Kind == mcp.KindBatch {
		return x.serveBatch()
	}
	if m.Method != "initialize" {
		if r := x.join(); r != nil {
			return r
		}
		if x.elsewhere() {
			if r, done := x.passOn(); done {
				return r
			}
		}
	}
	switch m.Kind {
	case mcp.KindNotification:
		return x.hear()
	case mcp.KindResponse:
		return x.hearAnswer()
	case mcp.KindBatch, mcp.KindNone:
		return unexpected()
	case mcp.KindRequest:
	}
	switch {
	case x.joined && federation.Serves(m.Method):
		return x.serveJoined()
	case x.joined && m.Method == "logging/setLevel":
		return x.setLevel()
	case x.joined && m.Method == "tasks/list":
		return x.gather()
	}
	x.lifted = true
	switch {
	case m.Method == "ping":
		return x.pong()
	case m.Method == "initialize":
		return x.initialize()
	case m.Spec != nil && federation.Lists(m.Spec.List):
		if r := x.raise(); r != nil {
			return r
		}
		return x.gather()
	case federation.Serves(m.Method) && m.Spec.In(mcp.Modern) && m.Target != mcp.TargetTask: // which are of a session
		if r := x.raise(); r != nil {
			return r
		}
		if r := x.resolve(); r != nil {
			return r
		}
		return x.serveMessage()
	}
	return badMessage(m, mcp.MethodNotFound(m))
}

func unexpected() *refusal {
	return plain(400, invalidRequest, "response_not_expected", "Invalid Request: nobody waits for this response", nil)
}

// permit records what concerns no server, and so needs no decision.
func (x *exchange) permit() *refusal {
	x.decision = engine.Decision{Effect: engine.Allow, Revision: x.policy().Revision()}
	return x.commit()
}

// hear takes the notifications that a client sends without being asked. They end here, since no server knows of the handshake; but
// the server hears of a request in a session that is cancelled.
func (x *exchange) hear() *refusal {
	if x.msg.Method == "notifications/cancelled" && x.findRunning() {
		return x.serveMessage()
	}
	switch x.msg.Method {
	case "notifications/initialized", "notifications/roots/list_changed", "notifications/cancelled":
	default:
		return noTarget(x.msg.ID)
	}
	if r := x.permit(); r != nil {
		return r
	}
	return x.answerAccepted()
}

func (x *exchange) pong() *refusal {
	if r := x.permit(); r != nil {
		return r
	}
	return x.succeed()
}

// initialize asks the servers what they are. The answer promises what can be carried.
func (x *exchange) initialize() *refusal {
	m := &x.msg
	if r := mcp.LookupRevision(m.Version); r == nil || r.Era != mcp.Legacy {
		m.Version = mcp.Versions(mcp.Legacy)[0]
	}
	if r := x.seatClient(); r != nil {
		return r
	}
	x.raised = append(append(append(x.raised[:0], `{"jsonrpc":"2.0","id":`...), m.ID...), `,"method":"server/discover","params":{"_meta":`...)
	capabilities, info := x.raisedMeta()
	x.raised = append(appendRaisedMeta(x.raised, capabilities, info), "}}"...)
	if r := x.readAgain(x.raised); r != nil {
		return badMessage(m, r)
	}
	return x.gather()
}

// raise makes the message the request of 2026-07-28 that says the same.
func (x *exchange) raise() *refusal {
	m, e := &x.msg, &x.edits
	capabilities, info := x.raisedMeta()
	e.Reset()
	switch {
	case !m.Params.Exists():
		e.Set(m.Root(), "params", append(appendRaisedMeta([]byte(`{"_meta":`), capabilities, info), '}'))
	case !m.Meta.Exists():
		e.Set(m.Params, "_meta", appendRaisedMeta(nil, capabilities, info))
	default:
		e.Set(m.Meta, metaVersion, []byte(`"`+mcp.FirstModern+`"`))
		e.Set(m.Meta, metaCapabilities, []byte(capabilities))
		if info != "" {
			e.Set(m.Meta, metaInfo, []byte(info))
		}
		e.Remove(m.Meta.Get(metaLogLevel))
	}
	for _, name := range []string{"inputResponses", "requestState", "task"} { // which mean nothing in its revision, or without a session
		e.Remove(m.Params.Get(name))
	}
	x.raised = m.AppendEdited(x.raised[:0], e)
	e.Reset()
	if r := x.readAgain(x.raised); r != nil {
		return badMessage(m, r)
	}
	return nil
}

// readAgain reads the message anew as strictly as what the client has sent. The client stays what it is. Headers that mirror a message
// have been checked, and are written anew.
func (x *exchange) readAgain(body []byte) *mcp.Refusal {
	m := &x.msg
	version := m.Version
	if r := m.Decode(body, x.scanOptions()); r != nil {
		return r
	}
	if r := m.Check(nil); r != nil {
		return r
	}
	if x.lifted || x.joined {
		m.Era, m.Version = mcp.Legacy, version
	}
	return nil
}

// statusFor is the status with which the client gets an error: for one of an earlier revision, 404 would mean that its session is gone.
func (x *exchange) statusFor(status int) int {
	if x.lifted && (status == 400 || status == 404) {
		return 200
	}
	return status
}

// answerable refuses what a client of an earlier revision could not make anything of.
func (x *exchange) answerable() *refusal {
	if !x.lifted {
		return nil
	}
	result := x.reply.Result
	switch kind := result.Get("resultType"); {
	case mcp.InputRequired(result):
		r := plain(200, -32603, reasonInput, "Internal error: the server asks for input that this client can't be asked for at this endpoint", x.msg.ID)
		r.kind = telemetry.RPCError
		return r
	case kind.Exists() && !kind.TextIs("complete"):
		return badAnswer(x.msg.ID, errors.New("a result of a kind that this client doesn't know"))
	}
	return nil
}

// reasonInput says that a server asks what its client can't be asked.
const reasonInput = "input_required"

// lower takes out of a result what only clients of 2026-07-28 know.
func (x *exchange) lower() {
	result := x.reply.Result
	if !x.lifted || !result.Exists() {
		return
	}
	x.edits.Remove(result.Get("resultType"))
	if x.msg.Spec != nil && x.msg.Spec.Cacheable {
		x.edits.Remove(result.Get("ttlMs"))
		x.edits.Remove(result.Get("cacheScope"))
	}
}
