package gateway

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/overload"
)

// This file is what is refused while the gateway is short of something, so that what matters more still has room. The bounds on connections, bodies
// and memory stand behind it, whatever the priority.

// reasonShed is the reason of such refusals.
const reasonShed = "load_shed"

// resources are what the gateway may become short of.
func (g *Gateway) resources() []overload.Resource {
	count := newDescriptorCount()
	return []overload.Resource{
		{Name: "memory", Used: func() (used, of int64) { return g.Memory.Used(), g.Memory.Limit() }},
		{Name: "bodies", Used: func() (used, of int64) { return g.bodies.used.Load(), g.bodies.all }},
		{Name: "requests", Used: func() (used, of int64) { // beside the one that asks
			return g.watch.busy.Load() - 1, int64(g.watch.most)
		}},
		{Name: "descriptors", Used: count.used},
	}
}

// Pressure gives the share of each resource that is in use, by its name.
func (g *Gateway) Pressure(yield func(resource string, share float64) bool) {
	g.pressure.Shares(func(name string, share overload.Level) bool {
		return yield(name, float64(share)/float64(overload.Full))
	})
}

// shed refuses a message that is to come again later. No server has heard of it.
func (x *exchange) shed() *refusal {
	level := x.g.pressure.Level()
	if level < x.snap.Priorities.Lowest() {
		return nil
	}
	kind := x.kind()
	if kind == overload.Exempt {
		return nil
	}
	x.fill(&x.msg)
	if x.msg.Target == mcp.TargetTool {
		if known := x.lookup(); known != nil {
			x.request.Annotations = known.annotations
		}
	}
	return x.weigh(level, &x.request, kind)
}

// kind is what the message is to a gateway that is short of something.
func (x *exchange) kind() overload.Kind {
	switch x.msg.Kind {
	case mcp.KindRequest:
		return overload.KindOf(x.msg.Method)
	case mcp.KindNone:
		switch {
		case !x.isGet(): // the end of a session
			return overload.Exempt
		case x.resumes(): // what a server has answered to a call
			return overload.Call
		}
		return overload.Stream
	case mcp.KindNotification, mcp.KindResponse, mcp.KindBatch:
	}
	return overload.Exempt
}

// shedHead refuses what its head tells enough of, so that its body need not be read. Whoever names another method there than in the body is refused
// for that, if not for this.
func (x *exchange) shedHead() *refusal {
	level, set := x.g.pressure.Level(), x.snap.Priorities
	if level < set.Lowest() || x.head.MCPMethod == nil || !set.Early() || mcp.EraOf(string(x.head.ProtocolVersion)) != mcp.Modern {
		return nil
	}
	source, _ := x.source()
	q := engine.Request{
		Method: string(x.head.MCPMethod), Server: x.serverName, Principal: x.who, Source: source, Header: x.getField, Time: x.start,
	}
	return x.weigh(level, &q, overload.KindOf(q.Method))
}

// weigh refuses a request whose priority is too low at a level.
func (x *exchange) weigh(level overload.Level, q *engine.Request, kind overload.Kind) *refusal {
	p := x.snap.Priorities.Of(background, q, kind)
	if !p.Sheds(level) {
		return nil
	}
	x.newID()
	x.barred = reasonShed
	x.g.Metrics.Shed(p.Name)
	wait := overload.Wait(level, p.At) + time.Second
	r := &refusal{status: 503, code: codeUnavailable, reason: reasonShed, header: retryAfter(wait)}
	r.cause = fmt.Errorf("%d %% of %s in use, and the priority is %s", level*100/overload.Full, x.g.pressure.Worst(), p.Name)
	if p.Cause != nil {
		r.cause = fmt.Errorf("%w: %w", r.cause, p.Cause)
	}
	r.body = mcp.AppendError(nil, x.msg.ID, codeUnavailable, "The gateway has more to do than it can, and this is to wait; try again later", x.shedData(p, wait))
	return r
}

// shedData is what a client's program learns.
func (x *exchange) shedData(p overload.Priority, wait time.Duration) []byte {
	b := append(jsonscan.AppendQuote([]byte(`{"decisionId":`), x.id.String()), `,"reason":"`+reasonShed+`"`...)
	if x.snap.Denials.Detail >= DetailReason {
		b = jsonscan.AppendQuote(append(b, `,"priority":`...), p.Name)
	}
	b = strconv.AppendInt(append(b, `,"retryAfterMs":`...), seconds(wait)*1000, 10)
	return append(b, '}')
}
