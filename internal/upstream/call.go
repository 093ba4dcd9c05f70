package upstream

import (
	"errors"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// Call is one exchange with a server: what is sent and what came back. It can
// be used again after Close and Reset. Do, Next and Close belong to one
// goroutine; Cancel and Extend may be called from any.
type Call struct {
	Verb     Verb
	Body     []byte // the message, without line breaks; nil for Get and Delete
	Kind     Kind
	Method   string  // JSON-RPC method; "" for responses
	ID       []byte  // raw JSON id of a request
	Modern   bool    // the message is of the 2026-07-28 era
	Session  string  // the server's own session id; "" for none
	Version  string  // MCP-Protocol-Version to send; "" for none
	Header   []Field // further header lines
	Progress []byte  // raw JSON progress token; nil for none
	// Owner is whose call it is, told apart as sessions are, for a Server that keeps something for each owner. nil: nobody's.
	Owner func() []byte
	// Client is the session of a client of before 2026-07-28 that is none of the server's; nil for none.
	Client *mcp.Session
	// Tasks says that the client knows tasks as they were before 2026-07-28, when its message is of that revision.
	Tasks bool
	// Translate says that the message may be of another era than the server, and is to be translated then by a Server that can.
	Translate bool
	// Message is what Body holds, as it was read, if that is known. It stays so until Close.
	Message *mcp.Message
	// Reading is where a Server that has to read the answer leaves it. nil: nowhere.
	Reading *Reading
	// Linger is how long the server may go on with the call after Leave, where its end would cancel it; zero: not at all.
	Linger   time.Duration
	Start    time.Time // when the call begins, which whoever times it knows already; zero: now
	Deadline time.Time // zero: Start and the server's timeout. It covers everything up to the answer, and the whole of an answer that is not a stream

	// What came back is valid until Close.
	Status       int // HTTP status
	Reply        Reply
	ReplyBody    []byte
	ReplySession string // Mcp-Session-Id that the server gave; "" for none

	mu       sync.Mutex
	canceled bool
	active   exchange           // what Cancel interrupts; nil before Do and after Close
	flow     flow               // what Next reads and Close ends; nil if there is nothing
	reached  relayed            // active, if that is a Relay
	relay    relayed            // flow, likewise
	answer   *fasthttp.Response // of HTTP, which keeps it for the next use
	body     []byte             // memory for ReplyBody, likewise
	held     budget.Held        // for the answer, or the event that Next has given

	slots     *slots // that one is taken from; nil if none is
	slotOwner string
}

// Reading is an answer of one message as it was read.
type Reading struct {
	Message *mcp.Message
	Edits   *jsonscan.Edits // make of it what the client gets
	Options jsonscan.Options
	Done    bool // Message has been read from ReplyBody, by Options; set by the Server
}

// due says by when the call must have been answered.
func (c *Call) due(now func() time.Time, timeout time.Duration) time.Time {
	switch {
	case !c.Deadline.IsZero():
		return c.Deadline
	case !c.Start.IsZero():
		return c.Start.Add(timeout)
	}
	return now().Add(timeout)
}

// exchange is what another goroutine may do to a Call under way. Its methods
// run under the Call's lock and must not block.
type exchange interface {
	// interrupt ends the exchange; tell says whether the server is to stop what it does for it.
	interrupt(tell bool)
	extend(t time.Time)
}

// flow is the receiving end of an answer. Both methods run on the goroutine
// that owns the Call.
type flow interface {
	next(c *Call) (Event, error)
	end(c *Call)
}

var errNoStream = errors.New("upstream: the call has no stream")

// Next returns the next event of a stream, valid until the call after it.
// io.EOF is a clean end; any other error is an *Error, and final.
func (c *Call) Next() (Event, error) {
	if c.Reply != Stream || c.flow == nil {
		return Event{}, errNoStream
	}
	return c.flow.next(c)
}

// Cancel ends a Do or Next under way with Canceled, and every later one. Over
// HTTP it closes the connection; other servers are told by a notification.
// It does nothing after Close, and nothing the second time.
func (c *Call) Cancel() { c.end(true) }

// Leave ends a Do or Next under way as Cancel does, but lets the server go on:
// until 2025-11-25 a client that goes away has not canceled anything. Over HTTP
// the connection is closed, unless Linger says that it has to stay.
func (c *Call) Leave() { c.end(false) }

func (c *Call) end(tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.canceled {
		return
	}
	c.canceled = true
	if c.active != nil {
		c.active.interrupt(tell)
	}
}

// Extend moves the deadline of a Do or Next under way; zero removes it.
func (c *Call) Extend(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active != nil && !c.canceled {
		c.active.extend(t)
	}
}

// Close ends the exchange and frees what it holds. It may be called at any
// time and more than once.
func (c *Call) Close() {
	if c.flow != nil {
		c.flow.end(c)
		c.flow = nil
	}
	c.detach()
	if c.slots != nil {
		c.slots.release(c.slotOwner)
		c.slots = nil
	}
	c.ReplyBody = nil
	if c.answer != nil {
		c.answer.ResetBody()
	}
	if cap(c.body) > maxOut {
		c.body = nil
	}
	c.held.Release()
}

// Reset makes c ready for another exchange, keeping only its memory.
func (c *Call) Reset() {
	c.Close()
	c.mu.Lock()
	c.canceled, c.reached.Relay = false, nil
	c.mu.Unlock()
	c.relay.Relay = nil
	c.Verb, c.Body, c.Kind, c.Method, c.ID = Post, nil, Request, "", nil
	c.Modern, c.Session, c.Version, c.Header, c.Progress = false, "", "", c.Header[:0], nil
	c.Owner, c.Client, c.Tasks, c.Translate, c.Linger, c.Start, c.Deadline = nil, nil, false, false, 0, time.Time{}, time.Time{}
	c.Message, c.Reading = nil, nil
	c.Status, c.Reply, c.ReplySession = 0, Empty, ""
}

// attach makes x what Cancel interrupts. It reports false if Cancel came
// first; x is then not attached.
func (c *Call) attach(x exchange) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.canceled {
		return false
	}
	c.active = x
	return true
}

// detach ends the reach of Cancel, and reports false if it came first.
func (c *Call) detach() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active = nil
	return !c.canceled
}

func (c *Call) wasCanceled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.canceled
}
