package wasm

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// Kinds of principal, as principal.type shows them.
const (
	KindAPIKey = "api_key"
	KindJWT    = "jwt"
)

// Principal is who makes a call, as identity has verified it.
type Principal struct {
	ID     string // principal.id
	Kind   string // principal.type
	Issuer string // principal.issuer
	Groups []string
	Roles  []string
	Scopes []string
	// Claims are what was verified with the credential. An object, or absent.
	Claims jsonscan.Value
	APIKey string // apiKey.id; only read if Kind is KindAPIKey
}

// Message is what plugins can see of one message and of who sent it. What it points to must
// stand still until Reset, which makes it ready for another message and keeps its memory. It
// is for one goroutine at a time.
type Message struct {
	Method, Server         string
	Tool, Prompt, Resource string
	// Params are those of the message; of a result, those of the request that it answers.
	Params      jsonscan.Value
	Annotations jsonscan.Value // of the tool; absent while they are not known
	Result      jsonscan.Value // absent unless the message is one
	Items       jsonscan.Value // the array of a list, for the list hook
	Principal   *Principal
	Source      netip.Addr
	Header      func(name string) string // by lower-case name; "" is absent; nil has none
	// Time is the time of the decision.
	Time time.Time

	indexes []stringIndex // those that were built; the memory of others lies behind them
	items   []jsonscan.Value
	listed  bool // items is built
	source  []byte
}

// Reset forgets the message.
func (m *Message) Reset() {
	for i := range m.indexes {
		m.indexes[i].reset()
	}
	clear(m.items)
	*m = Message{indexes: m.indexes[:0], items: m.items[:0], source: m.source[:0]}
}

// value is a value that a plugin can ask for: of the message's JSON, or a text or list beside
// it. The zero value is absent.
type value struct {
	json jsonscan.Value
	kind hostapi.Kind // of text and list; absent: json counts
	text string       // for an object it is JSON
	list []string
}

var emptyObject = value{kind: hostapi.KindObject, text: "{}"}

func textValue(s string) value { return value{kind: hostapi.KindString, text: s} }

func listValue(l []string) value { return value{kind: hostapi.KindArray, list: l} }

// object is a part of a message that the protocol lets it leave out: then it reads as {}.
func object(v jsonscan.Value) value {
	if k := v.Kind(); k == jsonscan.Invalid || k == jsonscan.Null {
		return emptyObject
	}
	return value{json: v}
}

// kindOf returns the ABI's kind of a value.
func (v *value) kindOf() hostapi.Kind {
	if v.kind != hostapi.KindAbsent {
		return v.kind
	}
	switch v.json.Kind() {
	case jsonscan.Null:
		return hostapi.KindNull
	case jsonscan.False:
		return hostapi.KindFalse
	case jsonscan.True:
		return hostapi.KindTrue
	case jsonscan.Number:
		return hostapi.KindNumber
	case jsonscan.String:
		return hostapi.KindString
	case jsonscan.Array:
		return hostapi.KindArray
	case jsonscan.Object:
		return hostapi.KindObject
	default:
		return hostapi.KindAbsent
	}
}

// appendTo appends what the ABI gives for a value: the text of a string, or JSON.
func (v *value) appendTo(dst []byte) []byte {
	switch v.kind {
	case hostapi.KindAbsent:
		if v.json.Kind() == jsonscan.String {
			return v.json.AppendText(dst)
		}
		return v.json.AppendTo(dst)
	case hostapi.KindArray:
		dst = append(dst, '[')
		for i, s := range v.list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = jsonscan.AppendQuote(dst, s)
		}
		return append(dst, ']')
	default:
		return append(dst, v.text...)
	}
}

// about says what a message is about: a method that is about something has its name, even an
// empty one.
func (m *Message) about(name string, methods ...string) bool {
	return name != "" || slices.Contains(methods, m.Method)
}

func (m *Message) aboutTool() bool { return m.about(m.Tool, "tools/call") }

// part says whether a name is a part of the message that a hook judges: there its strings are
// enumerated, and it can be edited.
func (m *Message) part(n *hostapi.Name, h hostapi.Hook) bool {
	if h == hostapi.HookResponse && n.Name == "params" && m.Result.Exists() {
		return false // those of the request: read, not judged
	}
	return slices.Contains(n.Edit, h)
}

// roots has, for each name that a field path can begin with, what a message has there.
var roots = map[string]func(m *Message) value{
	"apiKey.claims":        func(m *Message) value { return m.claimsOf(KindAPIKey, value{}) },
	"apiKey.id":            (*Message).keyID,
	"args":                 (*Message).arguments,
	"items":                func(m *Message) value { return value{json: m.Items} },
	"jwt":                  func(m *Message) value { return m.claimsOf(KindJWT, emptyObject) },
	"mcp.method":           func(m *Message) value { return textValue(m.Method) },
	"mcp.prompt.name":      func(m *Message) value { return present(m.about(m.Prompt, "prompts/get"), m.Prompt) },
	"mcp.resource.uri":     (*Message).resource,
	"mcp.result":           func(m *Message) value { return value{json: m.Result} },
	"mcp.tool.annotations": (*Message).annotations,
	"mcp.tool.name":        func(m *Message) value { return present(m.aboutTool(), m.Tool) },
	"mcp.tool.result":      (*Message).toolResult,
	"mcp.tool.target":      func(m *Message) value { return present(m.aboutTool(), m.Server) },
	"params":               func(m *Message) value { return object(m.Params) },
	"principal.claims":     func(m *Message) value { return m.claimsOf("", value{}) },
	"principal.groups":     func(m *Message) value { return m.who(func(p *Principal) value { return listValue(p.Groups) }) },
	"principal.id":         func(m *Message) value { return m.who(func(p *Principal) value { return textValue(p.ID) }) },
	"principal.issuer":     func(m *Message) value { return m.who(func(p *Principal) value { return textValue(p.Issuer) }) },
	"principal.roles":      func(m *Message) value { return m.who(func(p *Principal) value { return listValue(p.Roles) }) },
	"principal.scopes":     func(m *Message) value { return m.who(func(p *Principal) value { return listValue(p.Scopes) }) },
	"principal.type":       func(m *Message) value { return m.who(func(p *Principal) value { return textValue(p.Kind) }) },
	"request.headers":      nil, // by header: see read.of
	"request.mcp.backend":  func(m *Message) value { return textValue(m.Server) },
	"source.address":       (*Message).address,
}

func present(there bool, s string) value {
	if !there {
		return value{}
	}
	return textValue(s)
}

func (m *Message) who(f func(*Principal) value) value {
	if m.Principal == nil {
		return value{}
	}
	return f(m.Principal)
}

// claimsOf returns the claims of a principal of a kind, of any if it is "", else none.
func (m *Message) claimsOf(kind string, none value) value {
	if m.Principal == nil || kind != "" && m.Principal.Kind != kind {
		return none
	}
	return object(m.Principal.Claims)
}

func (m *Message) keyID() value {
	if m.Principal == nil || m.Principal.Kind != KindAPIKey {
		return value{}
	}
	return textValue(m.Principal.APIKey)
}

func (m *Message) arguments() value {
	if !m.aboutTool() {
		return value{}
	}
	return object(m.Params.Get("arguments"))
}

func (m *Message) annotations() value {
	if !m.aboutTool() {
		return value{}
	}
	return value{json: m.Annotations}
}

func (m *Message) toolResult() value {
	if m.Method != "tools/call" {
		return value{}
	}
	return value{json: m.Result}
}

func (m *Message) resource() value {
	about := m.about(m.Resource, "resources/read", "resources/directory/read", "resources/subscribe", "resources/unsubscribe")
	return present(about, m.Resource)
}

func (m *Message) address() value {
	if !m.Source.IsValid() {
		return value{}
	}
	if len(m.source) == 0 {
		m.source = m.Source.Unmap().WithZone("").AppendTo(m.source)
	}
	return textValue(alias(m.source))
}
