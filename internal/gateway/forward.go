package gateway

import (
	"errors"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// forward sends the message to the server: written anew from the scan that was judged, under headers of our own.
func (x *exchange) forward() *refusal {
	if r := x.rewrite(); r != nil {
		return r
	}
	c := &x.call
	c.Verb = upstream.Post
	x.edits.Reset()
	if h, ok := x.server.(headless); ok && h.Headless() {
		x.msg.EditTrace(x.msg.TraceOf(&x.head), &x.edits)
	}
	if x.joined && x.edits.Len() == 0 {
		c.Message = &x.msg
		x.reading = upstream.Reading{Message: x.reply, Edits: &x.edits, Options: x.scanOptions()}
		c.Reading = &x.reading
	}
	x.out = x.msg.AppendEdited(x.out[:0], &x.edits)
	c.Body = x.out
	c.ID, c.Method, c.Modern = x.msg.ID, x.msg.Method, x.msg.Era == mcp.Modern || x.lifted
	c.Progress = x.msg.ProgressToken.Raw()
	x.address(c)
	switch x.msg.Kind {
	case mcp.KindRequest:
		c.Kind = upstream.Request
	case mcp.KindNotification:
		c.Kind = upstream.Notification
	case mcp.KindResponse, mcp.KindBatch, mcp.KindNone:
		c.Kind = upstream.Response
	}
	x.setHeaders()
	if c.Modern {
		x.arm()
	}
	if x.mirrorTo != "" {
		x.sendMirror()
	}
	return x.do()
}

// address says on whose behalf a call is, and in which session.
func (x *exchange) address(c *upstream.Call) {
	c.Owner, c.Translate = x.ownerOf, x.view != nil
	if x.joined {
		c.Client, c.Tasks = x.seat, true
		return
	}
	c.Session = string(x.session)
}

// headless is a server whose messages may travel without headers: trace context then belongs in the message.
type headless interface{ Headless() bool }

// rewrite puts what plugins have made of the message in its place, and reads it as strictly as what the client has sent.
func (x *exchange) rewrite() *refusal {
	changed := x.decision.Rewritten
	if !changed.Exists() {
		return nil
	}
	part := x.msg.Params
	if x.msg.Kind == mcp.KindResponse {
		if part = x.msg.Result; x.msg.Error.Exists() {
			part = x.msg.Error
		}
	}
	x.edits.Reset()
	if !x.edits.Replace(part, changed.Raw()) {
		return notRewritable(x.msg.ID, errNoPart)
	}
	x.rewritten = x.msg.AppendEdited(x.rewritten[:0], &x.edits)
	if x.view != nil { // the headers name what the client calls it
		if r := x.readAgain(x.rewritten); r != nil {
			return notRewritable(x.msg.ID, errors.New(r.String()))
		}
		x.request.Params, x.request.Arguments = x.msg.Params, x.msg.Arguments
		return nil
	}
	if r := x.msg.Decode(x.rewritten, x.scanOptions()); r != nil {
		return notRewritable(x.msg.ID, errors.New(r.String()))
	}
	if r := x.msg.Check(&x.head); r != nil {
		return notRewritable(x.msg.ID, errors.New(r.String()))
	}
	x.request.Params, x.request.Arguments = x.msg.Params, x.msg.Arguments
	return nil
}

var errNoPart = errors.New("the message has no part that could be changed")

// notRewritable refuses a message that plugins have changed into one that can't be sent.
func notRewritable(id []byte, cause error) *refusal {
	r := plain(500, -32603, engine.ReasonNotRewritable, "Internal error: the message could not be rewritten", id)
	r.cause, r.kind = cause, telemetry.Internal
	return r
}

// setHeaders writes what mirrors the message, and passes on what the specification asks intermediaries to: trace context, and those
// Mcp-Param-* of which no list has said what they mirror. They were read strictly and never reach policy.
func (x *exchange) setHeaders() {
	c := &x.call
	if c.Modern {
		era, version := x.msg.Era, x.msg.Version
		if x.lifted {
			x.msg.Era, x.msg.Version = mcp.Modern, mcp.FirstModern
		}
		var room [8]mcp.Header
		for _, h := range x.msg.AppendParams(x.msg.AppendHeaders(room[:0]), x.params) {
			c.Header = append(c.Header, upstream.Field(h))
		}
		x.msg.Era, x.msg.Version = era, version
		for _, p := range x.head.Params {
			if name := string(p.Name); !x.lifted && !x.mirrors(name) {
				c.Header = append(c.Header, upstream.Field{Name: name, Value: string(p.Value)})
			}
		}
	} else if x.head.ProtocolVersion != nil {
		c.Version = x.msg.Version // the same: Check has looked it up
	}
	x.setTrace()
}

// mirrors says whether a header is one of those that AppendParams writes.
func (x *exchange) mirrors(header string) bool {
	return slices.ContainsFunc(x.params, func(p mcp.HeaderParam) bool { return strings.EqualFold(p.Header, header) })
}

func (x *exchange) setTrace() {
	t := x.msg.TraceOf(&x.head)
	if t.Parent != "" {
		x.call.Header = append(x.call.Header, upstream.Field{Name: "traceparent", Value: t.Parent})
	}
	if t.State != "" {
		x.call.Header = append(x.call.Header, upstream.Field{Name: "tracestate", Value: t.State})
	}
}

// arm has the call ended if the client leaves: cancelled in the modern era, merely left in the legacy one.
func (x *exchange) arm() {
	if x.client == nil || x.element {
		return // who has split the request watches
	}
	gone := x.leave
	if x.call.Modern && !x.lifted || x.call.Verb == upstream.Get {
		gone = x.cancel
	}
	x.conn = x.client
	x.conn.arm(gone)
}

// do runs the call and times it.
func (x *exchange) do() *refusal {
	x.lap()
	x.call.Start = x.mark
	err := x.server.Do(&x.call)
	took := x.lap()
	x.outcome.upstream = took
	if err == nil {
		x.metrics.SetUp(true)
		return nil
	}
	r := upstreamFailed(x.msg.ID, err)
	x.observe(r.kind)
	x.metrics.Failed(r.reason)
	return r
}
