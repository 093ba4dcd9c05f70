package httphead

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Read reads a request line that is already split and the header block under it
// as received: lines ending in CR LF, with or without the blank line that ends
// the block. It returns nil or an *Error; after an error the Head holds what was
// read until then and must not be used.
//
// proto is the version as sent ("HTTP/1.1") and target the request target as
// sent. Nothing is decoded or normalised.
func (h *Head) Read(method, target, proto, raw []byte, l Limits) error {
	l = l.withDefaults()
	h.Reset()
	if rule := h.requestLine(method, target, proto, l); rule != 0 {
		return &Error{Rule: rule}
	}
	if len(raw) > l.Bytes {
		return &Error{Rule: RuleSize, Offset: l.Bytes}
	}
	if rule, at := h.block(raw, l.Headers); rule != 0 {
		return &Error{Rule: rule, Offset: at}
	}
	if rule := h.whole(l); rule != 0 {
		return &Error{Rule: rule}
	}
	return nil
}

// Reset forgets the head, lets go of its bytes, and keeps memory for the next.
func (h *Head) Reset() {
	clear(h.fields)
	clear(h.Params)
	*h = Head{fields: h.fields[:0], mirrored: h.mirrored[:0], Params: h.Params[:0]}
}

func (h *Head) requestLine(method, target, proto []byte, l Limits) Rule {
	if string(proto) != "HTTP/1.1" {
		return RuleVersion
	}
	switch string(method) {
	case "POST", "GET", "DELETE", "OPTIONS":
	case "HEAD", "PUT", "PATCH", "CONNECT", "TRACE":
		return RuleMethod
	default:
		return RuleMethodUnknown
	}
	if len(target) > l.Target {
		return RuleTargetSize
	}
	if len(target) == 0 || target[0] != '/' {
		return RuleTarget
	}
	h.Method, h.Target, h.Path = method, target, target
	for i := 0; i < len(target); i++ {
		switch c := target[i]; {
		case c == '%':
			if i+2 >= len(target) || !isHex(target[i+1]) || !isHex(target[i+2]) {
				return RuleTarget
			}
			i += 2
		case c == '?' && h.Query == nil:
			h.Path, h.Query = target[:i], target[i+1:]
		case c != '?' && class[c]&targetByte == 0:
			return RuleTarget
		}
	}
	return 0
}

// block reads the header lines.
func (h *Head) block(raw []byte, most int) (Rule, int) {
	at := 0
	for at < len(raw) {
		if raw[at] == '\r' && at+2 == len(raw) && raw[at+1] == '\n' {
			return 0, at
		}
		if raw[at] == ' ' || raw[at] == '\t' {
			return RuleFold, at
		}
		if len(h.fields) == most {
			return RuleCount, at
		}
		rule, n := h.line(raw[at:])
		if rule != 0 {
			return rule, at
		}
		at += n
	}
	return 0, at
}

// line reads one header line and says how long it is with its ending.
func (h *Head) line(b []byte) (Rule, int) {
	colon := nameEnd(b)
	if colon == len(b) || b[colon] != ':' || colon == 0 {
		return nameFault(b, colon), 0
	}
	value := b[colon+1:]
	end := plain(value)
	high := false
	for end < len(value) && class[value[end]]&controlByte == 0 {
		high = high || value[end] >= 0x80
		end++
	}
	if end+1 >= len(value) || value[end] != '\r' || value[end+1] != '\n' {
		return endFault(value, end), 0
	}
	f := Field{Name: b[:colon:colon], Value: trim(value[:end:end])}
	h.fields = append(h.fields, f)
	return h.keep(f, high), colon + 1 + end + 2
}

// nameEnd gives the length of the header name at the start of b. An underscore
// ends it, because CGI and its kin make one name of Mcp_Name and Mcp-Name; only
// behind Mcp-Param-, where tools choose the names, it may stand.
func nameEnd(b []byte) int {
	n := 0
	for n < len(b) && class[b[n]]&tokenByte != 0 {
		n++
	}
	if n < len(b) && b[n] == '_' && isParam(b[:n]) {
		for n < len(b) && (b[n] == '_' || class[b[n]]&tokenByte != 0) {
			n++
		}
	}
	return n
}

func isParam(name []byte) bool {
	const prefix = "mcp-param-"
	return len(name) >= len(prefix) && equalFold(name[:len(prefix)], prefix)
}

// nameFault tells apart what can be wrong where a name or its colon should be.
func nameFault(b []byte, at int) Rule {
	switch {
	case at == len(b):
		return RuleLineEnding
	case b[at] == '_':
		return RuleUnderscore
	case b[at] == '\n' || b[at] == '\r':
		return RuleLineEnding
	case class[b[at]]&controlByte != 0:
		return RuleControl
	}
	return RuleName
}

// endFault tells apart what can be wrong where a line should end.
func endFault(value []byte, at int) Rule {
	if at >= len(value) || value[at] == '\n' || value[at] == '\r' {
		return RuleLineEnding
	}
	return RuleControl
}

// plain gives the length of a prefix of b that holds printable ASCII only,
// looking at eight bytes at a time; it may stop early near the end of b.
func plain(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; n+8 <= len(b); n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		// A byte below 0x20, a DEL or a byte above 0x7f raises its high bit. A
		// borrow can raise those above it too, never the lowest one.
		if odd := ((w - 0x20*ones) | ((w ^ 0x7f*ones) - ones) | w) & highs; odd != 0 {
			return n + bits.TrailingZeros64(odd)/8
		}
	}
	return n
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// keep puts a header where the gateway looks for it, or refuses it.
func (h *Head) keep(f Field, high bool) Rule {
	slot, rule := h.slot(f.Name)
	switch {
	case rule != 0:
		return rule
	case slot != nil:
		if *slot != nil {
			return RuleDuplicate
		}
		if high {
			return RuleValue
		}
		*slot = f.Value
		return 0
	case len(f.Name) > 4 && equalFold(f.Name[:4], "mcp-"):
		return h.mirror(f, high)
	case high && !utf8.Valid(f.Value):
		return RuleValue
	}
	return 0
}

// mirror keeps an Mcp-* header that has no slot; none of them may occur twice.
func (h *Head) mirror(f Field, high bool) Rule {
	if high {
		return RuleValue
	}
	for i := range h.mirrored {
		if sameName(h.mirrored[i].Name, f.Name) {
			return RuleDuplicate
		}
	}
	h.mirrored = append(h.mirrored, f)
	if isParam(f.Name) {
		h.Params = append(h.Params, f)
	}
	return 0
}

// slot gives the place of a header that may occur once, or the rule that a
// header breaks by being there.
func (h *Head) slot(name []byte) (*[]byte, Rule) {
	switch len(name) {
	case 4:
		return pick(name, "host", &h.Host)
	case 6:
		if equalFold(name, "expect") {
			return nil, RuleExpect
		}
		if equalFold(name, "origin") {
			return &h.Origin, 0
		}
		return pick(name, "cookie", &h.cookie)
	case 7:
		if equalFold(name, "upgrade") {
			return nil, RuleUpgrade
		}
		if equalFold(name, "trailer") {
			return nil, RuleTrailer
		}
	case 8:
		return pick(name, "mcp-name", &h.MCPName)
	case 9:
		return pick(name, "x-api-key", &h.APIKey)
	case 10:
		if equalFold(name, "mcp-method") {
			return &h.MCPMethod, 0
		}
		return pick(name, "tracestate", &h.Tracestate)
	case 11:
		return pick(name, "traceparent", &h.Traceparent)
	case 12:
		return pick(name, "content-type", &h.contentType)
	case 13:
		if equalFold(name, "authorization") {
			return &h.Authorization, 0
		}
		return pick(name, "last-event-id", &h.LastEventID)
	case 14:
		if equalFold(name, "content-length") {
			return &h.contentLength, 0
		}
		return pick(name, "mcp-session-id", &h.SessionID)
	case 16:
		return pick(name, "content-encoding", &h.contentEncoding)
	case 17:
		return pick(name, "transfer-encoding", &h.transferEncoding)
	case 19:
		return pick(name, "proxy-authorization", &h.proxyAuthorization)
	case 20:
		return pick(name, "mcp-protocol-version", &h.ProtocolVersion)
	}
	return nil, 0
}

func pick(name []byte, lower string, slot *[]byte) (*[]byte, Rule) {
	if equalFold(name, lower) {
		return slot, 0
	}
	return nil, 0
}

// sameName reports whether two names are one name to somebody: but for case, and
// with "_" for "-".
func sameName(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if hyphened(a[i]) != hyphened(b[i]) {
			return false
		}
	}
	return true
}

func hyphened(c byte) byte {
	if c == '_' {
		return '-'
	}
	return toLower[c]
}

const (
	tokenByte   = 1 << iota // RFC 9110 tchar, without "_"
	targetByte              // what may stand in a path or a query, "%" and "?" apart
	hostByte                // what may stand in a host name
	controlByte             // may not stand in a value
)

var class, toLower = tables()

func tables() (class, lower [256]uint8) {
	const alnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for i := range class {
		c := byte(i)
		lower[i] = c
		if c >= 'A' && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
		if strings.IndexByte(alnum+"!#$%&'*+-.^`|~", c) >= 0 {
			class[i] |= tokenByte
		}
		if strings.IndexByte(alnum+"-._~!$&'()*+,;=:@/", c) >= 0 {
			class[i] |= targetByte
		}
		if strings.IndexByte(alnum+"-._~", c) >= 0 {
			class[i] |= hostByte
		}
		if (c < 0x20 && c != '\t') || c == 0x7f {
			class[i] |= controlByte
		}
	}
	return class, lower
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
