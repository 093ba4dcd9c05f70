package gateway

import (
	"github.com/valyala/fasthttp"

	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// handle is the path of a call. One snapshot is loaded for it; every way out of it leaves a record, and all but a completed
// allow leave the server untouched.
func (g *Gateway) handle(ctx *fasthttp.RequestCtx) {
	x := g.begin(ctx)
	defer x.end()
	if r := x.serve(); r != nil {
		x.refuse(r)
	}
}

// serve takes a request from the listener to its answer.
func (x *exchange) serve() *refusal {
	if r := x.readHead(); r != nil { // HTTP framing; Host and Origin
		return r
	}
	if r := x.match(); r != nil { // which server
		return r
	}
	if r := x.identify(); r != nil { // who asks
		return r
	}
	if r := x.afford(); r != nil { // with all that is under way
		return r
	}
	if !x.isPost() {
		return x.serveStream()
	}
	if r := x.shedHead(); r != nil { // whether there is time for it
		return r
	}
	if r := x.decode(); r != nil { // what is asked: one strict scan, and the headers that mirror it
		return r
	}
	if x.view != nil {
		return x.serveView() // several servers as one: each is asked as if it were alone
	}
	if x.msg.Kind == mcp.KindBatch {
		return x.serveBatch()
	}
	return x.serveMessage()
}

// serveMessage takes a message that was read from its decision to its answer.
func (x *exchange) serveMessage() *refusal {
	if r := x.openSession(); r != nil {
		return r
	}
	if r := x.choose(); r != nil { // which version of the server
		return r
	}
	if x.elsewhere() {
		if r, done := x.passOn(); done {
			return r
		}
	}
	if r := x.shed(); r != nil { // whether there is time for it
		return r
	}
	if r := x.decide(); r != nil { // the first door
		return r
	}
	if r := x.countCall(); r != nil { // how often
		return r
	}
	if x.versioned != nil {
		x.planMirror()
	}
	if r := x.commit(); r != nil { // no record, no action
		return r
	}
	if r := x.forward(); r != nil {
		return r
	}
	return x.answer() // the second door
}
