package mcp

import (
	"strconv"

	sdk "github.com/mark3labs/mcp-go/mcp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Reasons that this package gives for a refusal: the list is closed and stable,
// it names metrics and decision records. The reasons of a text that doesn't scan
// are those of jsonscan.ErrorCode, with ReasonParseError for "syntax".
const (
	ReasonParseError         = "parse_error"
	ReasonInvalidRequest     = "invalid_request"
	ReasonAmbiguousName      = "ambiguous_name"
	ReasonInvalidParams      = "invalid_params"
	ReasonMissingMeta        = "missing_meta"
	ReasonHeaderMismatch     = "header_mismatch"
	ReasonUnsupportedVersion = "unsupported_version"
	ReasonMethodNotFound     = "unknown_method"
	ReasonBatch              = "batch_not_allowed"
	ReasonResponse           = "response_not_allowed"
	ReasonHidden             = "hidden"
)

// CodeDenied is the JSON-RPC error code of a call that policy denied. It lies
// outside the ranges that JSON-RPC and MCP keep for themselves.
const CodeDenied = 40301

// Refusal says that a message goes no further and how to answer it. It is a
// value, not an error: there is always exactly one answer.
type Refusal struct {
	Status  int    // HTTP status
	Code    int    // JSON-RPC error code
	Message string // for the client; repeats nothing that the client could not know
	Data    []byte // JSON for error.data; nil = none
	Reason  string // for the decision record, from a closed list
}

// String describes the refusal for the operator.
func (r *Refusal) String() string { return r.Reason + ": " + r.Message }

// AppendRefusal appends the answer to a refused message: an error response with
// the id of the request, and with none for anything but a request.
func (m *Message) AppendRefusal(dst []byte, r *Refusal) []byte {
	id := m.ID
	if m.Kind == KindResponse {
		id = nil // it numbers the server's requests, not the client's
	}
	return AppendError(dst, id, r.Code, r.Message, r.Data)
}

// settle gives a refusal the status that the message's kind asks for: there is no
// response to a notification, a response or a batch that could ride on 200.
func (m *Message) settle(r *Refusal) *Refusal {
	if r != nil && m.Kind != KindRequest && r.Status < 400 {
		r.Status = 400
	}
	return r
}

// AppendError appends a JSON-RPC error response. id is JSON text; without one the
// response has no id, as the MCP schema wants it (null, which JSON-RPC asks for,
// is not an id there and SDKs refuse it). data is JSON text or nil.
func AppendError(dst, id []byte, code int, message string, data []byte) []byte {
	dst = append(dst, `{"jsonrpc":"2.0",`...)
	if len(id) > 0 {
		dst = append(dst, `"id":`...)
		dst = append(dst, id...)
		dst = append(dst, ',')
	}
	dst = append(dst, `"error":{"code":`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendQuote(dst, message)
	if len(data) > 0 {
		dst = append(dst, `,"data":`...)
		dst = append(dst, data...)
	}
	return append(dst, "}}"...)
}

// statusOf is the HTTP status of an error response. A legacy client takes any
// status but 200 for a broken transport, and 404 for a lost session, so an error
// that answers a well-formed request rides on 200 there.
func statusOf(e Era, code int) int {
	switch {
	case code == sdk.PARSE_ERROR || code == sdk.INVALID_REQUEST:
		return 400
	case e == Legacy || code == CodeDenied:
		return 200
	case code == sdk.METHOD_NOT_FOUND:
		return 404
	}
	return 400
}

func refuse(e Era, code int, reason, message string) *Refusal {
	return &Refusal{Status: statusOf(e, code), Code: code, Message: message, Reason: reason}
}

func invalidRequest(what string) *Refusal {
	return refuse(Legacy, sdk.INVALID_REQUEST, ReasonInvalidRequest, "Invalid Request: "+what)
}

func methodNotFound(e Era, method string) *Refusal {
	return refuse(e, sdk.METHOD_NOT_FOUND, ReasonMethodNotFound, "Method not found: "+method)
}

// MethodNotFound refuses a request for its method.
func MethodNotFound(m *Message) *Refusal { return m.settle(methodNotFound(m.Era, m.Method)) }

// UnsupportedVersion refuses a modern request for its version. supported are the
// versions that the client may ask for instead; nil means the known modern ones.
func UnsupportedVersion(requested string, supported []string) *Refusal {
	if supported == nil {
		supported = Versions(Modern)
	}
	r := refuse(Modern, sdk.UNSUPPORTED_PROTOCOL_VERSION, ReasonUnsupportedVersion, "Unsupported protocol version")
	data := append([]byte(nil), `{"supported":[`...)
	for i, v := range supported {
		if i > 0 {
			data = append(data, ',')
		}
		data = jsonscan.AppendQuote(data, v)
	}
	data = append(data, `],"requested":`...)
	r.Data = append(jsonscan.AppendQuote(data, requested), '}')
	return r
}
