package hostapi

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Type is what a name of a field path has behind it.
type Type uint8

// The types.
const (
	TypeString  Type = iota // a text
	TypeList                // an array of texts, read whole
	TypeTree                // any JSON; a path may go into it
	TypeHeaders             // texts by lower-case names; a path names one of them
)

// Name is a name that a field path can begin with.
type Name struct {
	Name  string
	Type  Type
	Hooks []Hook // in which it can be read
	Edit  []Hook // in which its strings are enumerated and edited: there it is part of the message that is judged
	At    string // the field path of the same value under the name of the message's part that it is in; empty if it is that
	Doc   string
}

// Names lists the names that field paths can begin with, sorted.
func Names() []Name { return slices.Clone(names) }

// SegmentKind says which of a segment's fields holds.
type SegmentKind uint8

// The kinds of segment.
const (
	SegmentKey   SegmentKind = iota // .key or ["key"]: a member of an object
	SegmentIndex                    // [3]: an element of an array
	SegmentAny                      // [*]: every element of an array
)

// Segment is a step of a field path.
type Segment struct {
	Kind  SegmentKind
	Key   string
	Index int
}

// Path is a field path in canonical form: a place in what a message offers to plugins, or
// with [*] several. The zero Path is none. ABI.md has the grammar.
type Path struct {
	text     string
	name     *Name
	segments []Segment
	place    *Path // the same place under the name of the part of the message that it is in, without text; nil if this is it
}

// PathError is a text that is no field path.
type PathError struct {
	Path   string
	Offset int // of the byte that can't stand where it does
	Reason string
	Fix    string
}

// Error says what is wrong and what to write.
func (e *PathError) Error() string {
	return fmt.Sprintf("%s: byte %d: %s: %s", strconv.Quote(e.Path), e.Offset, e.Reason, e.Fix)
}

// ParsePath reads a field path. Names and segments have one spelling each; another is an
// error (*PathError) that says which it is.
func ParsePath(text string) (Path, error) {
	p := pathParser{text: text}
	path, err := p.path()
	if err != nil {
		return Path{}, err
	}
	return path, nil
}

// String returns the path as it was parsed.
func (p Path) String() string { return p.text }

// IsZero reports whether p is no path.
func (p Path) IsZero() bool { return p.text == "" }

// Name returns the name that the path begins with. The zero Path has the zero Name.
func (p Path) Name() Name {
	if p.name == nil {
		return Name{}
	}
	return *p.name
}

// Segments returns the steps after the name. They must not be changed.
func (p Path) Segments() []Segment { return p.segments }

// Equal reports whether two paths are spelled the same.
func (p Path) Equal(q Path) bool { return p.text == q.text }

// Wild reports whether the path has a [*].
func (p Path) Wild() bool {
	return slices.ContainsFunc(p.segments, func(s Segment) bool { return s.Kind == SegmentAny })
}

// Holds reports whether every place that q names is at or below one that p names: an edit at
// q is within a grant of p.
func (p Path) Holds(q Path) bool {
	a, b := p.at(), q.at()
	if a.name == nil || a.name != b.name || len(a.segments) > len(b.segments) {
		return false
	}
	for i, s := range a.segments {
		if !s.holds(b.segments[i]) {
			return false
		}
	}
	return true
}

// Meets reports whether some place is at or below both p and q.
func (p Path) Meets(q Path) bool {
	a, b := p.at(), q.at()
	if a.name == nil || a.name != b.name {
		return false
	}
	for i := range min(len(a.segments), len(b.segments)) {
		if s, t := a.segments[i], b.segments[i]; !s.holds(t) && !t.holds(s) {
			return false
		}
	}
	return true
}

func (p *Path) at() *Path {
	if p.place != nil {
		return p.place
	}
	return p
}

func (s Segment) holds(t Segment) bool {
	return s == t || s.Kind == SegmentAny && t.Kind == SegmentIndex
}

// MarshalText returns the path's text.
func (p Path) MarshalText() ([]byte, error) {
	if p.IsZero() {
		return nil, errors.New("no path")
	}
	return []byte(p.text), nil
}

// UnmarshalText is ParsePath.
func (p *Path) UnmarshalText(text []byte) error {
	parsed, err := ParsePath(string(text))
	if err == nil {
		*p = parsed
	}
	return err
}

// AppendKey appends the segment of a member to the text of a path.
func AppendKey(dst []byte, key string) []byte {
	if isIdentifier(key) {
		return append(append(dst, '.'), key...)
	}
	dst = append(dst, '[')
	dst = appendQuote(dst, key)
	return append(dst, ']')
}

// AppendIndex appends the segment of an element to the text of a path.
func AppendIndex(dst []byte, index int) []byte {
	dst = strconv.AppendInt(append(dst, '['), int64(index), 10)
	return append(dst, ']')
}

const lowerHex = "0123456789abcdef"

// appendQuote appends a key as a JSON string with the fewest escapes.
func appendQuote(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		c := s[i]
		if k := strings.IndexByte("\"\\\b\f\n\r\t", c); k >= 0 {
			dst = append(dst, '\\', `"\bfnrt`[k])
		} else if c < ' ' {
			dst = append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

func isIdentifier(s string) bool {
	for i := range len(s) {
		if !isIdentByte(s[i], i == 0) {
			return false
		}
	}
	return s != ""
}

func isIdentByte(c byte, first bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || !first && '0' <= c && c <= '9'
}

// pathParser reads one path from left to right.
type pathParser struct {
	text string
	at   int
}

func (p *pathParser) fail(at int, reason, fix string) error {
	return &PathError{Path: p.text, Offset: at, Reason: reason, Fix: fix}
}

func (p *pathParser) path() (Path, error) {
	if len(p.text) > LimitPathBytes {
		return Path{}, &PathError{
			Path: p.text[:32] + "...", Offset: LimitPathBytes, Reason: "the path is too long",
			Fix: fmt.Sprintf("at most %d bytes", LimitPathBytes),
		}
	}
	if !utf8.ValidString(p.text) {
		return Path{}, p.fail(0, "the path is not UTF-8", "write it in UTF-8")
	}
	name, err := p.name()
	if err != nil {
		return Path{}, err
	}
	out := Path{text: p.text, name: name}
	for p.at < len(p.text) {
		at := p.at
		s, err := p.segment()
		if err != nil {
			return Path{}, err
		}
		if err := p.fits(name, len(out.segments), s, at); err != nil {
			return Path{}, err
		}
		out.segments = append(out.segments, s)
	}
	if name.Type == TypeHeaders && len(out.segments) == 0 {
		return Path{}, p.fail(p.at, name.Name+" cannot be read whole", `name one header in lower case: request.headers["x-tenant"]`)
	}
	if name.At != "" {
		place, err := ParsePath(name.At)
		if err != nil {
			return Path{}, err
		}
		place.segments = slices.Concat(place.segments, out.segments)
		out.place = &place
	}
	return out, nil
}

// name finds the longest name that the path begins with.
func (p *pathParser) name() (*Name, error) {
	end := 0
	for end < len(p.text) && (isIdentByte(p.text[end], false) || p.text[end] == '.') {
		end++
	}
	for head := p.text[:end]; head != ""; head = head[:max(strings.LastIndexByte(head, '.'), 0)] {
		if is, ok := aliases[head]; ok {
			return nil, p.fail(0, head+" is another spelling of "+is, "write "+is+p.text[len(head):])
		}
		i, ok := slices.BinarySearchFunc(names, head, func(n Name, s string) int { return strings.Compare(n.Name, s) })
		if ok {
			p.at = len(head)
			return &names[i], nil
		}
	}
	return nil, p.unknown()
}

// unknown says which names there are where the path's name was looked for.
func (p *pathParser) unknown() error {
	first, _, _ := strings.Cut(p.text, ".")
	var under, all []string
	for i := range names {
		root, _, _ := strings.Cut(names[i].Name, ".")
		if root == first {
			under = append(under, names[i].Name)
		}
		if !slices.Contains(all, root) {
			all = append(all, root)
		}
	}
	switch {
	case first == "now":
		return p.fail(0, "now is not a field", "call now_ms")
	case under != nil:
		return p.fail(0, "no value has this name", "one of "+strings.Join(under, ", "))
	}
	return p.fail(0, "no name begins so", "begin with one of "+strings.Join(all, ", "))
}

// fits refuses a segment that what the name holds can't have.
func (p *pathParser) fits(n *Name, i int, s Segment, at int) error {
	switch {
	case i >= LimitPathSegments:
		return p.fail(at, "the path is too deep", fmt.Sprintf("at most %d segments after %s", LimitPathSegments, n.Name))
	case n.Type == TypeString:
		return p.fail(at, n.Name+" is a text, which has no parts", "write "+n.Name)
	case n.Type == TypeList:
		return p.fail(at, n.Name+" is read whole", "write "+n.Name)
	case n.Type == TypeHeaders && (i > 0 || s.Kind != SegmentKey):
		return p.fail(at, "a header is a text, found by its name", `write request.headers["x-tenant"]`)
	case n.Type == TypeHeaders && s.Key != strings.ToLower(s.Key):
		return p.fail(at, "the names of headers are in lower case here", "write "+n.Name+string(AppendKey(nil, strings.ToLower(s.Key))))
	}
	return nil
}

func (p *pathParser) segment() (Segment, error) {
	switch rest := p.text[p.at:]; {
	case rest[0] == '.':
		return p.member()
	case strings.HasPrefix(rest, "[*]"):
		p.at += len("[*]")
		return Segment{Kind: SegmentAny}, nil
	case strings.HasPrefix(rest, `["`):
		return p.quoted()
	case rest[0] == '[':
		return p.index()
	}
	return Segment{}, p.fail(p.at, "a segment can't begin so", `write .key, ["odd key"], [0] or [*]`)
}

func (p *pathParser) member() (Segment, error) {
	start := p.at + 1
	end := start
	for end < len(p.text) && isIdentByte(p.text[end], end == start) {
		end++
	}
	if end == start {
		return Segment{}, p.fail(start, "no key after the dot", `write ["..."] around a key that is not letters, digits and _`)
	}
	p.at = end
	return Segment{Kind: SegmentKey, Key: p.text[start:end]}, nil
}

func (p *pathParser) index() (Segment, error) {
	digits, _, closed := strings.Cut(p.text[p.at+1:], "]")
	n, err := strconv.ParseUint(digits, 10, 32)
	if !closed || err != nil || n > math.MaxInt32 || strconv.FormatUint(n, 10) != digits {
		return Segment{}, p.fail(p.at, "no index between brackets", `write [0], [*] or ["key"]`)
	}
	p.at += len(digits) + 2
	return Segment{Kind: SegmentIndex, Index: int(n)}, nil
}

func (p *pathParser) quoted() (Segment, error) {
	start := p.at
	key, n, ok := unquote(p.text[start+1:])
	if !ok || start+1+n >= len(p.text) || p.text[start+1+n] != ']' {
		return Segment{}, p.fail(start, "a key in brackets has no end or a bad escape", `write ["key"], with \" and \\ escaped`)
	}
	p.at = start + n + 2
	if want := string(AppendKey(nil, key)); want != p.text[start:p.at] {
		return Segment{}, p.fail(start, "the key has a shorter spelling", "write "+want)
	}
	return Segment{Kind: SegmentKey, Key: key}, nil
}

// unquote reads the JSON string that s begins with. It knows no escapes but those that
// appendQuote writes, and \u00XX in either case for the characters that have shorter ones.
func unquote(s string) (text string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), i + 1, true
		case c < ' ':
			return "", 0, false
		case c != '\\':
			b.WriteByte(c)
		default:
			r, size := unescape(s[i+1:])
			if size == 0 {
				return "", 0, false
			}
			b.WriteByte(r)
			i += size
		}
	}
	return "", 0, false
}

// unescape reads what follows a backslash. A size of 0 is no escape.
func unescape(s string) (c byte, size int) {
	if s == "" {
		return 0, 0
	}
	if k := strings.IndexByte(`"\bfnrt/`, s[0]); k >= 0 {
		return "\"\\\b\f\n\r\t/"[k], 1
	}
	if len(s) >= 5 && s[:3] == "u00" {
		if n, err := strconv.ParseUint(s[3:5], 16, 7); err == nil {
			return byte(n), 5
		}
	}
	return 0, 0
}
