// Package httphead reads the head of one HTTP/1.1 request by a closed set of
// rules, before anything else interprets it.
//
// HTTP parsers disagree about heads that are nearly right (folded lines, bare
// line feeds, both framings at once, doubled headers), and a proxy that reads
// one of them differently from its neighbour can be walked around. Everything
// that could be read in two ways is refused here; what remains, every parser
// reads alike.
package httphead

import "strings"

// Limits bounds a head. The zero value of a field means its default.
type Limits struct {
	Bytes   int   // the header block, in bytes; 0 = 32 KiB
	Headers int   // header lines; 0 = 100
	Target  int   // the request target, in bytes; 0 = 2 KiB
	Body    int64 // the declared Content-Length; 0 = 4 MiB
	AnyType bool  // a POST may have a body that is no JSON
}

func (l Limits) withDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = 32 << 10
	}
	if l.Headers == 0 {
		l.Headers = 100
	}
	if l.Target == 0 {
		l.Target = 2 << 10
	}
	if l.Body == 0 {
		l.Body = 4 << 20
	}
	return l
}

// Field is one header line: the name as received and the value without the
// white space around it.
type Field struct{ Name, Value []byte }

// Head is what the gateway needs of a request head. The zero value is ready;
// Read may be called again and again and then allocates nothing.
//
// Every slice aliases the bytes given to Read and is valid as long as they are.
// A nil slice means that the header was absent; an empty one that it was empty.
// A Head is not safe for concurrent use while Read runs.
type Head struct {
	Method []byte // POST, GET, DELETE or OPTIONS
	Target []byte // as received: Path, and "?" and Query when there is one
	Path   []byte // not decoded: what a route is compared with, byte for byte
	Query  []byte

	Host          []byte
	Origin        []byte
	Authorization []byte
	APIKey        []byte // X-Api-Key

	ProtocolVersion []byte // Mcp-Protocol-Version
	MCPMethod       []byte // Mcp-Method
	MCPName         []byte // Mcp-Name, not decoded
	SessionID       []byte // Mcp-Session-Id
	LastEventID     []byte // Last-Event-ID
	Traceparent     []byte
	Tracestate      []byte

	// ContentLength is the body's declared length, 0 when there is none and -1
	// when the body is chunked.
	ContentLength int64

	// Params are the Mcp-Param-* headers. Their names are tokens and occur once.
	Params []Field

	fields   []Field
	mirrored []Field // the Mcp-* headers that have no field above, Params among them

	contentType        []byte
	contentLength      []byte
	contentEncoding    []byte
	transferEncoding   []byte
	cookie             []byte
	proxyAuthorization []byte
}

// Get gives policy the value of a header by its lower-case name, several lines
// joined by ", " as RFC 9110 section 5.3 says, and "" when there is none.
//
// It never gives credentials (authorization, proxy-authorization, cookie,
// x-api-key) nor a header that mirrors the message (mcp-*): policy decides on
// the message itself. The result is a copy.
func (h *Head) Get(name string) string {
	if withheld(name) {
		return ""
	}
	var first []byte
	var b strings.Builder
	n := 0
	for i := range h.fields {
		if !strings.EqualFold(string(h.fields[i].Name), name) {
			continue
		}
		switch n++; n {
		case 1:
			first = h.fields[i].Value
		case 2:
			b.Write(first)
			fallthrough
		default:
			b.WriteString(", ")
			b.Write(h.fields[i].Value)
		}
	}
	if n < 2 {
		return string(first)
	}
	return b.String()
}

func withheld(name string) bool {
	switch {
	case len(name) >= 4 && strings.EqualFold(name[:4], "mcp-"):
		return true
	case strings.EqualFold(name, "authorization"), strings.EqualFold(name, "proxy-authorization"),
		strings.EqualFold(name, "cookie"), strings.EqualFold(name, "x-api-key"):
		return true
	}
	return false
}

// equalFold reports whether b equals the constant lower but for case. b holds no
// control characters and lower no upper-case letters, and then setting one bit
// folds every byte that can match.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c|0x20 != lower[i] {
			return false
		}
	}
	return true
}
