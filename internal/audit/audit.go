// Package audit keeps the decision records: JSON lines in a hash chain, on their way to the disk before a decision is acted on.
//
// One record is one line. A line starts with its number and the SHA-256 of the line before it, so an edited, removed or
// reordered line is found by Verify. A request that is let through leaves two lines, the decision before the upstream sees
// the call and the outcome after; a refused one leaves one.
package audit

import (
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/internal/seal"
)

// Kind says what a record is about. The zero Kind is refused by Append.
type Kind uint8

// The kinds of records.
const (
	// Decision is written before the upstream sees the call.
	Decision Kind = iota + 1
	// Outcome completes the Decision of the same decision id.
	Outcome
	// Refusal stands alone: the call went no further.
	Refusal
	// Lifecycle is about the gateway and the log itself: see the events.
	Lifecycle
)

var kindNames = [...]string{Decision: "decision", Outcome: "outcome", Refusal: "refusal", Lifecycle: "lifecycle"}

// String is the kind as it stands in a record, or "" for a kind that is none.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// The events of Lifecycle records.
const (
	Started        = "started"             // with a revision, that of the policies
	Reloaded       = "reloaded"            // other policies, servers or identities; with the revision that decides from here on
	ReloadFailed   = "reload_failed"       // what decides stays as it is
	Activated      = "activated"           // by an operator: the principal; the revision decides from here on
	RolledBack     = "rolled_back"         // likewise, and an older one
	Tried          = "candidate_tried"     // policies are tried from here on: the revision
	Promoted       = "promoted"            // by an operator: the candidate decides from here on
	Withdrawn      = "candidate_withdrawn" // by an operator, or because a bound was passed
	Refused        = "change_refused"      // what an operator, or somebody without a credential, wanted to change
	ServerFound    = "server_found"        // the server, which was not known before; the cause says where, and what is done with it
	ServerChanged  = "server_changed"      // likewise, and it was another before
	ServerGone     = "server_gone"         // it is not known any more
	ServerApproved = "server_approved"     // by an operator: it may serve as it is written; the cause has the digest
	ServerRevoked  = "server_revoked"      // by an operator: no approval of that name counts any more; the cause has their digests
	ServerPut      = "server_put"          // by an operator, by the admin API: there is such a server
	ServerRemoved  = "server_removed"      // by an operator: there is none any more
	Stale          = "stale"               // the bundle that decides is too old: everything is denied
	Confirmed      = "confirmed"           // it was too old, and its source has said that there is no other: it decides again
	Stopped        = "stopped"             // in order: requests under way had ended, or were cut off
	Recovered      = "recovered"           // an unfinished last line was removed
	Sealing        = "sealing_key"         // what was in messages is sealed from here on: with the key, wrapped for those who may read it
	RecordsLost    = "records_lost"        // found no room; their calls were refused
)

// Bounds of one record. Text beyond its bound is cut and ends in U+2026.
const (
	MaxText   = 512  // bytes of a name, an id or a reason
	MaxLong   = 2048 // bytes of a URI, a message or a cause
	MaxInputs = 4096 // bytes of all inputs together, as written
	MaxShadow = 16   // shadow outcomes
)

// Marks that a record carries when its inputs don't suffice to decide again. The gateway may set others.
const (
	InputsMasked    = "inputs_masked"
	InputsTruncated = "inputs_truncated"
	// InputsSealed means that they are there, but were not opened. It is what reading says, and never written.
	InputsSealed = "inputs_sealed"
	// InputsNotRecorded means that rules could read what is not recorded at all.
	InputsNotRecorded = "inputs_not_recorded"
)

// A Shadow is what a shadow rule would have done.
type Shadow struct {
	Policy, Rule, Effect, Reason string
}

// An Input is one value that a considered rule read: its canonical CEL name, given once in a record, and its JSON text.
type Input struct {
	Name string
	JSON []byte // one JSON value that jsonscan accepts; whitespace in it is dropped
}

// A Record is one decision record before it has a place in the chain. Its zero value but for Kind is valid; empty fields
// are left out of the line. Text may be hostile: it is bounded, escaped and masked on the way out, so callers hand over
// what they have. A Record is used by one goroutine at a time, and again after Reset.
type Record struct {
	Kind       Kind
	Event      string    // Lifecycle only
	Time       time.Time // zero: the log's clock at Append
	DecisionID ID
	Revision   string

	PrincipalID   string
	PrincipalKind string
	Issuer        string
	SourceAddress string
	Connections   int64 // that were closed unserved: a refusal of these, and of no request; 0 = it is about a request

	HTTPMethod      string // of a request that carries no message
	Method          string
	ProtocolVersion string
	Session         SessionHash
	RequestID       []byte // the JSON-RPC id as JSON: a string or a number
	Server          string
	Version         string // of the server, if it has several
	Mirror          string // the version that gets a copy of the call
	Tool            string
	ToolHash        string // of the tool as its server described it, if servers are held to a lock and it has been heard
	Resource        string
	Prompt          string

	Phase     string
	Effect    string
	Policy    string
	Rule      string
	Reason    string
	Message   string // the client's text
	Cause     string // the operator's text
	Limit     string // the rate limit that refused
	Remaining int64  // what was left of it
	Shadow    []Shadow
	Plugins   []Plugin // that were asked, in order
	Cache     string   // hit: decided before, and the plugins were asked then; miss; or why it can't be remembered

	Inputs        []Input
	Absent        []string  // fields that considered rules could read, and that are not there; of several within each other the outermost
	Now           time.Time // of an outcome with a decision on the answer: what rules took for the time
	NotReplayable string    // why the decision can't be made again from Inputs; "" = it can
	Truncated     bool      // set by Read: inputs were left out for their size

	Status        int   // HTTP status of the answer; 0 = none
	ErrorCode     int64 // JSON-RPC error code of the answer; 0 = none
	Decide        time.Duration
	Upstream      time.Duration
	Total         time.Duration
	RequestBytes  int64
	ResponseBytes int64
	TraceID       string

	Key, Wrapped string // of a Sealing record: the key's id, and the key for its recipients
	Sealed       bool   // set by reading: what was in the message is sealed

	line    []byte // encoded body, kept for its capacity
	hidden  []byte // what of it is sealed, likewise
	box     seal.Box
	scratch []byte // decoded strings on their way through the masker
	stamp   stamp
	memo    memo
}

// Reset empties r for its next use and keeps its memory.
func (r *Record) Reset() {
	clear(r.Shadow)
	clear(r.Plugins)
	clear(r.Inputs)
	clear(r.Absent)
	*r = Record{
		Shadow: r.Shadow[:0], Plugins: r.Plugins[:0], Inputs: r.Inputs[:0], Absent: r.Absent[:0],
		line: r.line[:0], scratch: r.scratch[:0], hidden: r.hidden[:0], box: r.box, stamp: r.stamp, memo: r.memo,
	}
}

// Errors of Append. A call whose record could not be written must be refused.
var (
	// ErrClosed means the log was closed.
	ErrClosed = errors.New("audit log is closed")
	// ErrFull means records wait for a disk that takes none, and there is no room for more.
	ErrFull = errors.New("audit buffer is full")
	// ErrStalled means a write has been under way for longer than Options.Wait.
	ErrStalled = errors.New("audit write is stalled")
	// ErrKind means the record says not what it is.
	ErrKind = errors.New("audit record has no kind")
)

// WriteError is a write that failed. The records of that write are kept and written again when the disk takes them.
type WriteError struct {
	Path string
	Err  error
}

func (e *WriteError) Error() string { return "audit log " + e.Path + ": " + e.Err.Error() }

// Unwrap returns what the operating system said.
func (e *WriteError) Unwrap() error { return e.Err }
