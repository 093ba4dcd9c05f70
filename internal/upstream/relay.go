package upstream

import (
	"net/http"
	"time"
)

// Relay is an exchange that a Server carries out by way of others. Interrupt
// and Extend may be called from any goroutine, and must not block; Next and End
// belong to the goroutine of the Call.
type Relay interface {
	// Interrupt ends a Do or Next under way with Canceled; tell says whether the
	// server is to stop what it does for it.
	Interrupt(tell bool)
	// Extend moves the deadline of a Do or Next under way; zero removes it.
	Extend(t time.Time)
	// Next gives the next event of the answer, as Call.Next does.
	Next() (Event, error)
	// End frees what the exchange holds, once, when its stream is closed.
	End()
}

// relayed makes a Relay what a Call knows.
type relayed struct{ Relay }

func (r *relayed) interrupt(tell bool)       { r.Interrupt(tell) }
func (r *relayed) extend(t time.Time)        { r.Extend(t) }
func (r *relayed) next(*Call) (Event, error) { return r.Next() }
func (r *relayed) end(*Call)                 { r.End() }

// Attach makes r what Cancel, Leave and Extend reach. It reports false if
// Cancel or Leave came first: r is then not attached, and the call is over.
func (c *Call) Attach(r Relay) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.canceled {
		return false
	}
	c.reached.Relay = r
	c.active = &c.reached
	return true
}

// Detach ends the reach of Cancel, Leave and Extend, and reports false if one
// of the first two came before.
func (c *Call) Detach() bool { return c.detach() }

// Stream makes what r gives the answer. r must be attached.
func (c *Call) Stream(r Relay) {
	c.relay.Relay = r
	c.Status, c.Reply, c.flow = http.StatusOK, Stream, &c.relay
}

// Answer makes body, a JSON message in memory of r's, the answer. r's End is called when c is closed.
func (c *Call) Answer(r Relay, status int, body []byte) {
	c.relay.Relay = r
	c.Status, c.Reply, c.ReplyBody, c.flow = status, JSON, body, &c.relay
}
