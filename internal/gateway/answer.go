package gateway

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

const (
	contentJSON   = "application/json"
	contentStream = "text/event-stream"
)

// answer passes on what the server said, if it may pass.
func (x *exchange) answer() *refusal {
	if r := x.giveSession(); r != nil {
		return r
	}
	switch x.call.Reply {
	case upstream.Stream:
		if x.call.Status != 200 || x.msg.Kind != mcp.KindRequest {
			return badAnswer(x.msg.ID, fmt.Errorf("an event stream with status %d answers a %s", x.call.Status, x.msg.Method))
		}
		return x.startStream()
	case upstream.JSON:
		return x.answerJSON()
	case upstream.Empty, upstream.Other:
	}
	return x.answerEmpty()
}

// answerEmpty passes on the status of an answer without a message, if it is one that means something to a client.
func (x *exchange) answerEmpty() *refusal {
	status := x.call.Status
	switch {
	case status == 202 && x.msg.Kind != mcp.KindRequest:
		x.ctx.SetStatusCode(202)
		x.outcome.status = 202
		return nil
	case status == 404 && x.opened:
		return noSession(x.msg.ID, errors.New("the server does not know the session"))
	case status == 400 || status == 404 || status == 405:
		return plain(status, invalidRequest, "upstream_refused", "The server has refused the message", x.msg.ID)
	}
	return badAnswer(x.msg.ID, fmt.Errorf("status %d without a JSON-RPC message", status))
}

// answerJSON judges a message that is the whole answer.
func (x *exchange) answerJSON() *refusal {
	if x.msg.Kind != mcp.KindRequest {
		if x.call.Status < 300 {
			return x.answerAccepted()
		}
	}
	switch x.call.Status {
	case 200, 400, 404:
	default:
		return badAnswer(x.msg.ID, fmt.Errorf("status %d with a message", x.call.Status))
	}
	if r := x.readReply(); r != nil {
		return r
	}
	if x.call.Status != 200 && !x.reply.Error.Exists() {
		return badAnswer(x.msg.ID, fmt.Errorf("status %d with a result", x.call.Status))
	}
	r := x.judgeReply()
	if r != nil {
		return r
	}
	if x.share != nil {
		return x.take()
	}
	x.outward()
	x.out = x.reply.AppendEdited(x.out[:0], &x.edits)
	return x.send(x.statusFor(x.call.Status), x.out)
}

// readReply reads the answer, unless a server that translates it has: then x.edits make of it what the client gets.
func (x *exchange) readReply() *refusal {
	if x.reading.Done {
		if x.snap.Tools != nil && !x.settle() { // noteResult looks for what they may have left out
			return notRewritable(x.msg.ID, errNoPart)
		}
		return nil
	}
	x.edits.Reset()
	if r := x.reply.DecodeServer(x.call.ReplyBody, x.scanOptions()); r != nil {
		return badAnswer(x.msg.ID, errors.New(r.String()))
	}
	if x.reply.Kind != mcp.KindResponse || !x.answers() {
		return badAnswer(x.msg.ID, errors.New("a message that does not answer the request"))
	}
	return nil
}

// answerAccepted answers a notification or response that the server took, whatever it said beside.
func (x *exchange) answerAccepted() *refusal {
	x.ctx.SetStatusCode(202)
	x.outcome.status = 202
	return nil
}

// send answers with body, which is not used again after the exchange: if it is large, fasthttp writes it from where it is.
func (x *exchange) send(status int, body []byte) *refusal {
	if len(body) > budget.Free {
		if r := x.hold(cap(body)); r != nil {
			return r
		}
	}
	x.outcome.status, x.outcome.out = status, int64(len(body))
	if x.element {
		x.body = body
		return nil
	}
	resp := &x.ctx.Response
	resp.SetStatusCode(status)
	resp.Header.SetContentType(contentJSON)
	x.setBody(body)
	return nil
}

// setBody gives the client a body. A large one is not copied, and counts until it is written.
func (x *exchange) setBody(body []byte) {
	if cap(body) <= keep {
		x.ctx.Response.SetBody(body)
		return
	}
	x.ctx.Response.SetBodyRaw(body)
	if x.client != nil {
		x.client.owe(x.kept.Yield())
	}
}

// hold counts n bytes of an answer until the exchange ends, or refuses it. The server has carried out the call.
func (x *exchange) hold(n int) *refusal {
	if x.kept.Add(x.g.Memory, n) {
		return nil
	}
	x.unrecorded = false // there may be no other record of it
	return noMemory(x.msg.ID, nil)
}

func (x *exchange) scanOptions() jsonscan.Options {
	return jsonscan.Options{Depth: x.g.Limits.Depth, Values: x.g.Limits.Values}
}

// answers says whether the reply is to this request. A server that could not read the id answers an error without one.
func (x *exchange) answers() bool {
	if x.reply.ID == nil {
		return x.reply.Error.Exists() && x.call.Status != 200
	}
	return string(x.reply.ID) == string(x.msg.ID)
}

// judgeReply is the second door: may the client see this answer to its request? It leaves in x.edits what has to change in it.
func (x *exchange) judgeReply() *refusal {
	x.answered = true
	if x.share != nil {
		x.keepList()
	}
	if x.reply.Error.Exists() {
		code, _ := x.reply.Error.Get("code").Int64()
		x.outcome.code, x.outcome.kind = code, telemetry.RPCError
		return x.judgeError()
	}
	result := x.reply.Result
	if result.Kind() != jsonscan.Object {
		return badAnswer(x.msg.ID, errors.New("a result that is no object"))
	}
	if isError, _ := result.Get("isError").Bool(); isError {
		x.outcome.kind = telemetry.ToolError
	}
	if r := x.answerable(); r != nil {
		return r
	}
	if spec := x.msg.Spec; spec != nil && spec.List != "" {
		x.filter(spec, result)
	}
	mcp.MakePrivate(result, &x.edits)
	x.noteResult(result)
	if r := x.judgeInputs(result); r != nil {
		return r
	}
	if !x.policy().HasRules(engine.PhaseResponse) { // nothing could deny it
		return nil
	}
	if result = x.reread(); !result.Exists() {
		return notRewritable(x.msg.ID, errNoPart)
	}
	x.request.Phase, x.request.Result = engine.PhaseResponse, result
	if spec := x.msg.Spec; spec != nil && spec.List != "" {
		x.request.ItemsField, x.request.Items = spec.List, result.Get(spec.List)
	}
	if r := x.judgeAnswer(); r != nil {
		return r
	}
	return x.rewriteReply(result)
}

// judgeError asks the second door about an answer that is an error: its text and data are the server's, as those of a result are.
func (x *exchange) judgeError() *refusal {
	if !x.policy().HasRules(engine.PhaseResponse) {
		return nil
	}
	x.request.Phase, x.request.Error = engine.PhaseResponse, x.reply.Error
	if r := x.judgeAnswer(); r != nil {
		return r
	}
	changed := x.verdict.Rewritten
	if !changed.Exists() {
		return nil
	}
	if !x.edits.Replace(x.reply.Error, changed.Raw()) {
		return notRewritable(x.msg.ID, errNoPart)
	}
	if x.reread(); !x.reply.Error.Exists() {
		return notRewritable(x.msg.ID, errNoPart)
	}
	return nil
}

// judgeAnswer decides x.request in the response phase.
func (x *exchange) judgeAnswer() *refusal {
	x.verdict = x.judge(telemetry.Response)
	if x.verdict.Considered() || !x.verdict.Allowed() {
		x.outcome.verdict = &x.verdict
		x.see()
	}
	if x.verdict.Allowed() {
		return nil
	}
	return x.denied(&x.verdict)
}

// reread applies what has changed in the reply so far, so that what is judged is what the client would get.
func (x *exchange) reread() jsonscan.Value {
	if !x.settle() {
		return jsonscan.Value{}
	}
	return x.reply.Result
}

// settle makes the reply what x.edits have made of it. It is false if that can't be read.
func (x *exchange) settle() bool {
	if x.edits.Len() == 0 {
		return true
	}
	x.filtered = x.reply.AppendEdited(x.filtered[:0], &x.edits)
	x.edits.Reset()
	return x.reply.DecodeServer(x.filtered, x.scanOptions()) == nil
}

// rewriteReply puts what plugins have made of the result in its place.
func (x *exchange) rewriteReply(result jsonscan.Value) *refusal {
	changed := x.verdict.Rewritten
	if !changed.Exists() {
		return nil
	}
	if !x.edits.Replace(result, changed.Raw()) {
		return notRewritable(x.msg.ID, errNoPart)
	}
	if !x.reread().Exists() {
		return notRewritable(x.msg.ID, errNoPart)
	}
	mcp.MakePrivate(x.reply.Result, &x.edits)
	return nil
}

// filter takes out of a list what no call of this caller could use: it asks of each item what a call of it would be asked.
func (x *exchange) filter(spec *mcp.Method, result jsonscan.Value) {
	item := x.request
	item.Arguments, item.Params, item.DefaultAllow = jsonscan.Value{}, jsonscan.Value{}, false
	item.Tool, item.Prompt, item.Resource = "", "", ""
	if x.share != nil && !x.policy().HasRules(engine.PhaseResponse) {
		x.pick(spec, &item, result)
		return
	}
	mcp.FilterList(result, spec.List, func(v jsonscan.Value) bool {
		if !x.listed(spec, &item, v) {
			return false
		}
		if x.snap.Tools != nil && x.share == nil && spec.List == "tools" {
			x.noteItem(item.Tool, v, &x.edits)
		}
		return true
	}, &x.edits)
}

func (x *exchange) listed(spec *mcp.Method, item *engine.Request, v jsonscan.Value) bool {
	name := v.Get(spec.Item)
	if name.Kind() != jsonscan.String {
		return false
	}
	if item.Method = callOf(spec.List); item.Method == "" {
		return true // tasks are the caller's own
	}
	switch spec.List {
	case "tools":
		item.ToolHash = x.learn(v).hash
		if x.snap.Tools != nil && x.endOf(name.Text()).blocked(x.start) {
			return false
		}
		item.Tool, item.Annotations = name.Text(), annotationsOf(v)
	case "prompts":
		item.Prompt = name.Text()
	case "resources", "skills": // the URI of a template is not known yet
		item.Resource = name.Text()
	}
	d := x.policy().Visible(background, item)
	return d.Allowed()
}

// callOf is the method of the calls that a list is of; "" if it is a list of something else.
func callOf(list string) string {
	switch list {
	case "tools":
		return "tools/call"
	case "prompts":
		return "prompts/get"
	case "resources", "skills", "resourceTemplates":
		return "resources/read"
	}
	return ""
}

// judgeInputs polices what a modern server asks of the client inside a result: each under its own method name.
func (x *exchange) judgeInputs(result jsonscan.Value) *refusal {
	for in := range mcp.InputRequests(result) {
		q := engine.Request{
			Method: in.Method, Server: x.serverName, Params: in.Params,
			Principal: x.who, Source: x.request.Source, Header: x.getField, Time: x.start,
		}
		d := x.policy().Decide(background, &q)
		if c := x.snap.Candidate; c != nil {
			x.offer(c, &q, &d, x.tried)
		}
		if d.Allowed() && d.Rewritten.Exists() { // nothing could carry it out
			d = engine.Decision{Reason: engine.ReasonNotRewritable, Rule: d.Rule, Revision: d.Revision, Plugins: d.Plugins}
		}
		if !d.Allowed() {
			x.verdict = d
			x.outcome.verdict, x.seen.mark = &x.verdict, audit.InputsNotRecorded
			return x.denied(&x.verdict)
		}
	}
	return nil
}

// giveSession seals the session id that the server gave.
func (x *exchange) giveSession() *refusal {
	if x.call.ReplySession == "" || x.msg.Era == mcp.Modern || x.lifted {
		return nil
	}
	if x.opened && x.call.ReplySession == string(x.session) {
		x.ctx.Response.Header.SetBytesV("Mcp-Session-Id", x.head.SessionID)
		return nil
	}
	id, tag, err := x.g.sealer.seal(x.scratch[:0], x.ownerKey(), x.homeFor(x.call.ReplySession), x.sealedSession())
	if err != nil {
		return badAnswer(x.msg.ID, err)
	}
	x.scratch = id
	hex.Encode(x.sessionHash[:], tag)
	x.session = append(x.session[:0], x.call.ReplySession...)
	x.ctx.Response.Header.SetBytesV("Mcp-Session-Id", id)
	return nil
}
