package upstream

import (
	"errors"
	"fmt"
	"time"
)

// ErrCanceled is the cause of every error with code Canceled.
var ErrCanceled = errors.New("the call was canceled")

// errShut is the cause of errors after a Server's Close.
var errShut = errors.New("the gateway has closed this server")

// errNoMemory is the cause of errors with code NoMemory.
var errNoMemory = errors.New("there is no memory left for the answer")

// ErrorCode is a closed list of the ways in which an exchange fails.
type ErrorCode uint8

// The zero code claims the least: the server may have carried out the call.
const (
	Closed      ErrorCode = iota // sent, at least in part; then the connection or the child was lost
	Unavailable                  // nothing was sent
	Timeout                      // the deadline passed; the call may have been sent
	Canceled                     // Cancel was called; the call may have been sent
	TooLarge                     // the answer broke a bound
	Protocol                     // the answer was not HTTP, SSE or JSON-RPC as specified
	Overloaded                   // nothing was sent: the server has as many calls as it takes
	Ejected                      // nothing was sent: the server has failed too often
	NoMemory                     // there was no room for the answer beside all others
)

func (c ErrorCode) String() string {
	return [...]string{"closed", "unavailable", "timeout", "canceled", "too_large", "protocol", "overloaded", "ejected", "no_memory"}[c]
}

// Error is why an exchange with a server has failed. Its text is for the
// operator: it may hold addresses.
type Error struct {
	Code   ErrorCode
	Server string
	Wait   time.Duration // of Overloaded and Ejected: when to try again
	Err    error
}

func (e *Error) Error() string {
	return fmt.Sprintf("server %q: %s: %v", e.Server, e.Code, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
