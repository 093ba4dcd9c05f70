// Package mcp is the MCP wire: it reads messages of every protocol revision,
// says what is known of their methods, checks and writes the headers that mirror
// them, and shapes every refusal.
//
// It decodes no message into Go structures. A Message points into one strict
// scan of the received bytes, policy judges what that scan found, and the peer
// gets the same scan re-emitted.
package mcp

import (
	"bytes"
	"errors"

	sdk "github.com/mark3labs/mcp-go/mcp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Kind says what a JSON-RPC message is.
type Kind uint8

// The kinds. The zero Kind is no message.
const (
	KindNone Kind = iota
	KindRequest
	KindNotification
	KindResponse // a result or an error
	KindBatch    // an array of the others, in 2025-03-26 only
)

// Message is one decoded message. The zero value is ready, and reusing one
// allocates nothing. Everything in it, strings included, aliases the bytes given
// to Decode and is valid until they change or the Message is used again: copy
// what has to outlive the request. It is not safe for concurrent use and must not
// be copied.
//
// A Message that Decode or Check refused holds what was known by then: ID, and
// Era, which the answer needs.
type Message struct {
	Kind Kind
	Era  Era

	// ID is the JSON text of a request's or response's id, nil without one. It is
	// the received text but for escapes in a string, which are normalised: ids are
	// equal if and only if their texts are.
	ID []byte

	Method string
	Spec   *Method // what is known of Method; nil = it is not in the table

	// Version is the protocol version that the message claims: in _meta when it is
	// modern, else, after Check, by its header or its initialize params.
	Version string

	// Target says what kind of thing Name names: the tool, the prompt, the
	// resource by its URI, or the task.
	Target Target
	Name   string

	Params        jsonscan.Value
	Arguments     jsonscan.Value // of tools/call and prompts/get; absent or an object
	Meta          jsonscan.Value // params._meta
	Capabilities  jsonscan.Value // the client's, as a modern request declares them
	ProgressToken jsonscan.Value // a string or an integer
	Result, Error jsonscan.Value // of a response: one of the two

	Batch []Message // the elements of a batch, which alias this Message

	doc      jsonscan.Doc
	root     jsonscan.Value
	id       []byte         // memory for ID when it isn't the received text
	named    jsonscan.Value // where Name stands
	claimed  bool           // params._meta has a protocolVersion
	used     bool           // since Reset
	mirrored string         // what a client's Mcp-Name named, once checked
}

// maxBatch bounds the elements of a batch.
const maxBatch = 64

// Decode reads a message from a client. It refuses what isn't exactly one JSON
// text, what isn't a JSON-RPC message, and what could be read in two ways; what
// the protocol asks beyond that is for Check.
func (m *Message) Decode(body []byte, o jsonscan.Options) *Refusal {
	o.Fold = true
	return m.decode(body, o, ToServer)
}

// DecodeServer reads a message from a server. The refusal's reason says what is
// wrong; its status and code mean nothing to the server. A server answers what
// it could not read with an error whose id is null or absent: ID is nil then.
func (m *Message) DecodeServer(body []byte, o jsonscan.Options) *Refusal {
	return m.decode(body, o, ToClient)
}

func (m *Message) decode(body []byte, o jsonscan.Options, d Direction) *Refusal {
	if m.used {
		m.Reset()
	}
	m.used = true
	if err := m.doc.Scan(body, o); err != nil {
		return scanRefusal(err)
	}
	m.root = m.doc.Root()
	if m.root.Kind() == jsonscan.Array {
		return m.readBatch(d)
	}
	return m.read(d)
}

// Reset forgets the message and lets go of its bytes, and keeps memory for the
// next one.
func (m *Message) Reset() {
	m.doc.Reset()
	clear(m.Batch)
	*m = Message{doc: m.doc, id: m.id[:0], Batch: m.Batch[:0]}
}

// Root is the whole message.
func (m *Message) Root() jsonscan.Value { return m.root }

// AppendTo appends the message re-emitted.
func (m *Message) AppendTo(dst []byte) []byte { return m.root.AppendTo(dst) }

// AppendEdited appends the message re-emitted with edits.
func (m *Message) AppendEdited(dst []byte, e *jsonscan.Edits) []byte {
	return m.root.AppendEdited(dst, e)
}

func scanRefusal(err error) *Refusal {
	var e *jsonscan.Error
	if !errors.As(err, &e) {
		return refuse(Legacy, sdk.PARSE_ERROR, ReasonParseError, "Parse error")
	}
	switch e.Code {
	case jsonscan.CodeSyntax:
		return refuse(Legacy, sdk.PARSE_ERROR, ReasonParseError, "Parse error: not a JSON text")
	case jsonscan.CodeDuplicateName, jsonscan.CodeFoldedName, jsonscan.CodeDepth, jsonscan.CodeSize:
		return refuse(Legacy, sdk.INVALID_REQUEST, e.Code.String(), "Invalid Request: "+scanText(e.Code))
	default:
		return refuse(Legacy, sdk.PARSE_ERROR, e.Code.String(), "Parse error: "+scanText(e.Code))
	}
}

func scanText(c jsonscan.ErrorCode) string {
	switch c {
	case jsonscan.CodeDuplicateName:
		return "an object has two members of one name"
	case jsonscan.CodeFoldedName:
		return "an object has two members whose names differ only by case"
	case jsonscan.CodeDepth:
		return "nested too deeply"
	case jsonscan.CodeSize:
		return "too many values"
	case jsonscan.CodeInvalidUTF8:
		return "not UTF-8"
	case jsonscan.CodeLoneSurrogate:
		return "half of a surrogate pair"
	case jsonscan.CodeNumber:
		return "a number out of range"
	case jsonscan.CodeNULName:
		return "a name with a NUL"
	case jsonscan.CodeTrailingData:
		return "data after the message"
	case jsonscan.CodeSyntax:
	}
	return "not a JSON text"
}

// readBatch reads a batch. The elements alias m.
func (m *Message) readBatch(d Direction) *Refusal {
	m.Kind = KindBatch
	n := m.root.Len()
	if n == 0 || n > maxBatch {
		return refuse(Legacy, sdk.INVALID_REQUEST, ReasonBatch, "Invalid Request: a batch holds 1 to 64 messages")
	}
	for c := m.root.Cursor(); c.Next(); {
		m.Batch = append(m.Batch, Message{root: c.Value()})
		e := &m.Batch[len(m.Batch)-1]
		if r := e.read(d); r != nil {
			return r
		}
		if e.claimed || e.Method == "initialize" {
			return refuse(Legacy, sdk.INVALID_REQUEST, ReasonBatch, "Invalid Request: this message can't be in a batch")
		}
		for i := range m.Batch[:len(m.Batch)-1] {
			if o := &m.Batch[i]; e.ID != nil && o.Kind == e.Kind && bytes.Equal(o.ID, e.ID) {
				return refuse(Legacy, sdk.INVALID_REQUEST, ReasonBatch, "Invalid Request: two messages of a batch have one id")
			}
		}
	}
	return nil
}
