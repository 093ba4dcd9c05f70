package mcp

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

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
	if (required || h.MCPName != nil) && !m.namedBy(h.MCPName) {
		return mismatch(sdk.HeaderName)
	}
	if len(h.Params) > maxParams {
		return mismatch(sdk.HeaderParamPrefix + "*")
	}
	for i := range h.Params {
		if v := h.Params[i].Value; isSentinel(v) {
			if _, ok := decodeSentinel(v); !ok {
				return mismatch(sdk.HeaderParamPrefix + "*")
			}
		}
	}
	return nil
}

// namedBy reports whether the value of an Mcp-Name header names what the message
// is about, and keeps that name for AppendHeaders. For a method that isn't in the
// table any of the three members that can be mirrored will do.
func (m *Message) namedBy(header []byte) bool {
	var decoded string
	if isSentinel(header) {
		var ok bool
		if decoded, ok = decodeSentinel(header); !ok {
			return false
		}
	} else if m.Name != "" && string(header) == m.Name {
		decoded = m.Name
	} else {
		decoded = string(header)
	}
	m.mirrored = decoded
	if decoded == "" {
		return false
	}
	if m.Spec != nil {
		return decoded == m.Name
	}
	for _, member := range [...]string{"name", "uri", "taskId"} {
		if m.Params.Get(member).TextIs(decoded) {
			return true
		}
	}
	return false
}

const (
	sentinelPrefix = "=?base64?"
	sentinelSuffix = "?="
)

func isSentinel(v []byte) bool {
	return len(v) >= len(sentinelPrefix)+len(sentinelSuffix) &&
		string(v[:len(sentinelPrefix)]) == sentinelPrefix && string(v[len(v)-len(sentinelSuffix):]) == sentinelSuffix
}

// decodeSentinel decodes a header value in the Base64 sentinel, once. It takes
// only the one encoding of each text: with padding, no stray bits, UTF-8.
func decodeSentinel(v []byte) (string, bool) {
	s := string(v)
	decoded, ok := sdk.DecodeHeaderValue(s)
	ok = ok && utf8.ValidString(decoded) &&
		sentinelPrefix+base64.StdEncoding.EncodeToString([]byte(decoded))+sentinelSuffix == s
	return decoded, ok
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
	return m.AppendHeadersOf(dst, m.Version)
}

// AppendHeadersOf appends those that would mirror the message in another version, of the modern era.
func (m *Message) AppendHeadersOf(dst []Header, version string) []Header {
	dst = append(dst,
		Header{sdk.HeaderProtocolVersion, version},
		Header{sdk.HeaderMethod, encodeValue(m.Method)})
	name := m.mirrored
	if m.Spec != nil && m.Spec.NameHeader {
		name = m.Name
	}
	if name != "" {
		dst = append(dst, Header{sdk.HeaderName, encodeValue(name)})
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
