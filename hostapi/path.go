package hostapi

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
