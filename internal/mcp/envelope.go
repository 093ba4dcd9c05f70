package mcp

import (
	"bytes"
	"slices"
	"strings"

	sdk "github.com/mark3labs/mcp-go/mcp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Bounds on what names things. They keep headers, records and metrics sane, and
// are wider than the specification's advice.
const (
	maxID     = 256  // bytes of an id's JSON text
	maxMethod = 128  // bytes
	maxName   = 256  // bytes of a tool's or prompt's name; the specification says 128
	maxURI    = 8192 // bytes
	maxTask   = 2048 // bytes of a task's id: at several servers as one, its server's, sealed
)

// envelope is the members of a JSON-RPC message.
type envelope struct {
	version, id, method, params, result, failure jsonscan.Value
}

// read reads m.root as one message.
func (m *Message) read(d Direction) *Refusal {
	if m.root.Kind() != jsonscan.Object {
		return invalidRequest("a message is an object")
	}
	var env envelope
	for c := m.root.Cursor(); c.Next(); {
		slot := env.slot(c.Name().Text())
		if slot == nil {
			return invalidRequest("a message has only the members of JSON-RPC")
		}
		*slot = c.Value()
	}
	if !env.version.TextIs(sdk.JSONRPC_VERSION) {
		return invalidRequest(`jsonrpc must be "2.0"`)
	}
	if r := m.readID(env, d); r != nil {
		return r
	}
	if env.method.Exists() {
		return m.readCall(env, d)
	}
	return m.readResponse(env, d)
}

func (env *envelope) slot(name string) *jsonscan.Value {
	switch name {
	case "jsonrpc":
		return &env.version
	case "id":
		return &env.id
	case "method":
		return &env.method
	case "params":
		return &env.params
	case "result":
		return &env.result
	case "error":
		return &env.failure
	}
	return nil
}

// readID takes a string or an integer. Fractions and exponents are refused
// because parsers that read numbers as floats would send back another text, and
// "-0" for the same reason.
func (m *Message) readID(env envelope, d Direction) *Refusal {
	raw := env.id.Raw()
	ok := len(raw) <= maxID
	switch env.id.Kind() {
	case jsonscan.Invalid:
		return nil
	case jsonscan.Null:
		if d == ToClient && env.failure.Exists() {
			return nil
		}
		ok = false
	case jsonscan.Number:
		ok = ok && isInteger(raw)
	case jsonscan.String:
	default:
		ok = false
	}
	if !ok {
		return invalidRequest("an id is a string or an integer")
	}
	m.ID = raw
	if bytes.IndexByte(raw, '\\') >= 0 {
		m.id = env.id.AppendTo(m.id[:0])
		m.ID = m.id
	}
	return nil
}

func isInteger(raw []byte) bool {
	if string(raw) == "-0" {
		return false
	}
	for i, c := range raw {
		if (c < '0' || c > '9') && (c != '-' || i > 0) {
			return false
		}
	}
	return true
}

// readCall reads a request or a notification.
func (m *Message) readCall(env envelope, d Direction) *Refusal {
	if env.result.Exists() || env.failure.Exists() {
		return invalidRequest("a message with a method has no result and no error")
	}
	m.Kind = KindNotification
	if m.ID != nil {
		m.Kind = KindRequest
	}
	if env.method.Kind() != jsonscan.String {
		return invalidRequest("a method is a string")
	}
	m.Method = env.method.Text()
	if m.Method == "" || len(m.Method) > maxMethod || hasControl(m.Method) {
		return invalidRequest("a method is a name of at most 128 bytes")
	}
	if m.Spec = byName[m.Method]; m.Spec != nil {
		m.Method = m.Spec.Name
		if m.Spec.Notification != (m.Kind == KindNotification) {
			return invalidRequest("a request has an id, and a notification has none")
		}
	}
	if env.params.Exists() && env.params.Kind() != jsonscan.Object {
		return invalidRequest("params is an object")
	}
	m.Params = env.params
	return m.readParams(d)
}

// readParams finds what the gateway needs in params. A client's members whose
// names are nearly those of the protocol are refused: a server on encoding/json
// or its kin would read them as the real ones.
func (m *Message) readParams(d Direction) *Refusal {
	var p params
	for c := m.Params.Cursor(); c.Next(); {
		switch name := c.Name().Text(); name {
		case "name":
			p.name = c.Value()
		case "arguments":
			m.Arguments = c.Value()
		case "_meta":
			m.Meta = c.Value()
		case "uri":
			p.uri = c.Value()
		case "taskId":
			p.task = c.Value()
		case "ref":
			p.ref = c.Value()
		default:
			if d == ToServer && nearly(name, paramNames) {
				return ambiguous()
			}
		}
	}
	if r := m.readMeta(d); r != nil {
		return r
	}
	return m.readTarget(p)
}

// params is the members of params that name what a message is about.
type params struct{ name, uri, task, ref jsonscan.Value }

func ambiguous() *Refusal {
	return refuse(Legacy, sdk.INVALID_REQUEST, ReasonAmbiguousName,
		"Invalid Request: a member's name differs from a protocol name only by case")
}

// paramNames are the members of params, and of the objects in them that decide
// what a message does.
var paramNames = []string{
	"name", "arguments", "_meta", "uri", "cursor", "ref", "argument", "context", "type", "taskId", "task",
	"inputResponses", "requestState", "requestId", "reason", "level", "notifications", "protocolVersion",
	"capabilities", "clientInfo", "progressToken", "progress", "total", "message", "data", "logger",
}

var metaNames = []string{
	"progressToken", sdk.MetaKeyProtocolVersion, sdk.MetaKeyClientInfo, sdk.MetaKeyClientCapabilities,
	sdk.MetaKeyLogLevel, sdk.MetaKeySubscriptionID, "traceparent", "tracestate", "baggage",
}

// nearly reports whether s differs from one of the names, but only by case.
func nearly(s string, names []string) bool {
	if slices.Contains(names, s) {
		return false
	}
	for _, n := range names {
		// A letter can fold to one of three bytes (U+212A to k), never to more.
		if len(s) >= len(n) && len(s) <= 3*len(n) && strings.EqualFold(s, n) {
			return true
		}
	}
	return false
}

func (m *Message) readMeta(d Direction) *Refusal {
	if !m.Meta.Exists() {
		return nil
	}
	if m.Meta.Kind() != jsonscan.Object {
		return invalidRequest("params._meta is an object")
	}
	for c := m.Meta.Cursor(); c.Next(); {
		switch name := c.Name().Text(); name {
		case sdk.MetaKeyProtocolVersion:
			m.claimed = true
			m.claim(c.Value())
		case sdk.MetaKeyClientCapabilities:
			m.Capabilities = c.Value()
		case "progressToken":
			m.ProgressToken = c.Value()
		default:
			if d == ToServer && nearly(name, metaNames) {
				return ambiguous()
			}
		}
	}
	switch t := m.ProgressToken; t.Kind() {
	case jsonscan.Invalid, jsonscan.String:
	case jsonscan.Number:
		if !isInteger(t.Raw()) {
			return invalidRequest("a progress token is a string or an integer")
		}
	default:
		return invalidRequest("a progress token is a string or an integer")
	}
	return nil
}

// claim takes the protocol version that a message claims for itself, which makes
// it modern whatever the version is: legacy messages claim nothing.
func (m *Message) claim(v jsonscan.Value) {
	m.Era = Modern
	m.Version = interned(v.Text())
}

// readTarget finds what the message is about. What is missing or malformed is
// left empty, for Check to refuse.
func (m *Message) readTarget(p params) *Refusal {
	if m.Spec == nil {
		return nil
	}
	m.Target = m.Spec.Target
	switch m.Target {
	case TargetNone:
	case TargetTool, TargetPrompt:
		m.named = p.name
	case TargetResource:
		m.named = p.uri
	case TargetTask:
		m.named = p.task
	case TargetRef:
		return m.readRef(p.ref)
	}
	m.Name = m.named.Text()
	return nil
}

// readRef reads what a completion is for.
func (m *Message) readRef(ref jsonscan.Value) *Refusal {
	for c := ref.Cursor(); c.Next(); {
		if nearly(c.Name().Text(), paramNames) {
			return ambiguous()
		}
	}
	switch kind := ref.Get("type"); {
	case kind.TextIs("ref/prompt"):
		m.Target, m.named = TargetPrompt, ref.Get("name")
	case kind.TextIs("ref/resource"):
		m.Target, m.named = TargetResource, ref.Get("uri")
	}
	m.Name = m.named.Text()
	return nil
}

// readResponse reads a result or an error.
func (m *Message) readResponse(env envelope, d Direction) *Refusal {
	m.Kind = KindResponse
	m.Result, m.Error = env.result, env.failure
	body := env.result
	if env.failure.Exists() {
		body = env.failure
	}
	switch {
	case env.params.Exists(), env.result.Exists() == env.failure.Exists():
		return invalidRequest("a message has a method, a result or an error")
	case body.Kind() != jsonscan.Object:
		return invalidRequest("a result or an error is an object")
	case m.ID == nil && (d == ToServer || env.result.Exists()):
		return invalidRequest("a response has an id")
	}
	if env.failure.Exists() {
		if _, ok := env.failure.Get("code").Int64(); !ok || env.failure.Get("message").Kind() != jsonscan.String {
			return invalidRequest("an error has a code and a message")
		}
	}
	return nil
}

func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return true
		}
	}
	return false
}
