// Package upstream talks to MCP servers: over Streamable HTTP, to child
// processes and in process, all behind one shape of exchange.
package upstream

import "time"

// Server is one MCP server as the gateway sees it: something that answers
// Streamable HTTP exchanges. Implementations are safe for concurrent use.
type Server interface {
	// Do sends c and fills in what was received. A nil error means that the
	// server answered, whatever the status; anything else is an *Error. After
	// either, c must be closed.
	Do(c *Call) error
	// Close ends every exchange and frees everything the server holds:
	// connections, children, goroutines. Calls after it are Unavailable.
	Close() error
	Status() Status
}

// Verb is the HTTP method of an exchange.
type Verb uint8

// The verbs of Streamable HTTP.
const (
	Post Verb = iota
	Get
	Delete
)

// Kind is what a posted message is.
type Kind uint8

// The kinds of JSON-RPC messages.
const (
	Request Kind = iota
	Notification
	Response
)

// Reply says in which form an answer came.
type Reply uint8

// The forms of an answer.
const (
	Empty  Reply = iota // no body
	JSON                // ReplyBody holds all of it
	Stream              // Next reads it event by event
	Other               // ReplyBody holds all of it, of another media type: an error page, say
)

// Field is one header line. The caller has checked both: a token, and a value
// without control characters.
type Field struct{ Name, Value string }

// State is whether a server can be reached, as far as the last exchange told.
type State uint8

// The states of a server.
const (
	Idle State = iota // not tried yet
	Up
	Down // the last attempt to reach it failed
)

func (s State) String() string {
	return [...]string{"idle", "up", "down"}[s]
}

// Status is a server's health and load, for people and metrics.
type Status struct {
	Transport string // "http", "stdio" or "in-process"
	State     State
	Since     time.Time // when State was entered; zero while Idle
	LastError string    // why State is Down, or the last failure before it was Up
	InFlight  int       // exchanges between Do and Close
	Conns     int       // open connections or running peers
	Sessions  int       // legacy sessions that live here; always 0 for http
	Restarts  uint64    // peers started beyond the first of the shared one
	Noise     uint64    // lines that were not JSON-RPC, dropped
	Dropped   uint64    // notifications that nobody was there to read, dropped
	Breaker   string    // "closed", "half-open" or "open"; "" without one
	Waiting   int       // calls that wait for a slot
}
