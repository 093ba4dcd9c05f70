package mcp

import (
	"encoding/base64"
	"strings"

	sdk "github.com/mark3labs/mcp-go/mcp"

	"github.com/sallyport-dev/sallyport/internal/httphead"
)

// maxParams bounds the Mcp-Param-* headers of one request.
const maxParams = 32

func mismatch(header string) *Refusal {
	return refuse(Modern, sdk.HEADER_MISMATCH, ReasonHeaderMismatch,
		"Header mismatch: "+header+" is missing, malformed or not what the body says")
}

// checkHeaders compares the headers that mirror the body with the body
// (SEP-2243). The specification asks nothing of a notification's headers: those
// that are there must be right all the same.
func (m *Message) checkHeaders(h *httphead.Head) *Refusal {
	if h == nil {
		return nil
	}
	required := m.Kind == KindRequest
	if (required || h.MCPMethod != nil) && string(h.MCPMethod) != m.Method {
		return mismatch(sdk.HeaderMethod)
	}
	required = required && m.Spec != nil && m.Spec.NameHeader
	m.sendName = required
	if required || h.MCPName != nil {
		if !m.namedBy(h.MCPName) {
			return mismatch(sdk.HeaderName)
		}
		m.sendName = true
	}
	if len(h.Params) > maxParams {
		return mismatch(sdk.HeaderParamPrefix + "*")
	}
	for i := range h.Params {
		if _, ok := decodeValue(h.Params[i].Value); !ok {
			return mismatch(sdk.HeaderParamPrefix + "*")
		}
	}
	return nil
}

// namedBy reports whether the value of an Mcp-Name header names what the message
// is about. For a method that isn't in the table any of the three members that
// can be mirrored will do.
func (m *Message) namedBy(header []byte) bool {
	if len(header) == 0 {
		return false
	}
	name := m.Name
	decoded, ok := decodeValue(header)
	if !ok {
		return false
	}
	if m.Spec != nil {
		return name != "" && decoded == name
	}
	for _, member := range [...]string{"name", "uri", "taskId"} {
		if m.Params.Get(member).TextIs(decoded) {
			m.Name = decoded
			return true
		}
	}
	return false
}

const (
	sentinelPrefix = "=?base64?"
	sentinelSuffix = "?="
)

// decodeValue decodes a header value that may be wrapped in the Base64 sentinel.
// It takes only the one encoding of each text: with padding, no stray bits.
func decodeValue(v []byte) (string, bool) {
	s := string(v)
	if !strings.HasPrefix(s, sentinelPrefix) || !strings.HasSuffix(s, sentinelSuffix) {
		return s, true
	}
	decoded, ok := sdk.DecodeHeaderValue(s)
	if !ok || sentinelPrefix+base64.StdEncoding.EncodeToString([]byte(decoded))+sentinelSuffix != s {
		return "", false
	}
	return decoded, true
}

// Header is one header to send.
type Header struct{ Name, Value string }

// AppendHeaders appends the headers that mirror a checked message, written anew
// from it: what a client sent of them goes no further. The Mcp-Param-* headers
// of the request are not among them.
func (m *Message) AppendHeaders(dst []Header) []Header {
	if m.Era == Legacy {
		return dst
	}
	dst = append(dst,
		Header{sdk.HeaderProtocolVersion, m.Version},
		Header{sdk.HeaderMethod, encodeValue(m.Method)})
	if m.Name != "" && (m.sendName || m.Spec != nil && m.Spec.NameHeader) {
		dst = append(dst, Header{sdk.HeaderName, encodeValue(m.Name)})
	}
	return dst
}

// encodeValue is sdk.EncodeHeaderValue without its allocation for the names that
// need no encoding, which are nearly all.
func encodeValue(s string) string {
	plain := s != "" && s[0] > ' ' && s[len(s)-1] > ' ' && !strings.HasPrefix(s, sentinelPrefix)
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] < 0x7f
	}
	if plain {
		return s
	}
	encoded, _ := sdk.EncodeHeaderValue(s)
	return encoded
}
