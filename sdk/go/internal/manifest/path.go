package manifest

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

// Type is what a name has behind it.
type Type string

// The types.
const (
	TypeString  Type = "string"
	TypeList    Type = "list"
	TypeTree    Type = "tree"
	TypeHeaders Type = "headers"
)

// Name is a name that a field path can begin with.
type Name struct {
	Name  string
	Type  Type
	Hooks []string // in which it can be read
	Edit  []string // in which it is a part of the message that is judged
	At    string   // where it is in the message, if the name is another for that
}

// Names are the names of ABI.md. A test compares them with abi.json.
var Names = []Name{
	{"apiKey.claims", TypeTree, all, nil, ""},
	{"apiKey.id", TypeString, all, nil, ""},
	{"args", TypeTree, messages, []string{"request"}, "params.arguments"},
	{"items", TypeTree, []string{"list"}, []string{"list"}, ""},
	{"jwt", TypeTree, all, nil, ""},
	{"mcp.method", TypeString, all, nil, ""},
	{"mcp.prompt.name", TypeString, messages, nil, ""},
	{"mcp.resource.uri", TypeString, messages, nil, ""},
	{"mcp.result", TypeTree, []string{"response"}, []string{"response"}, ""},
	{"mcp.tool.annotations", TypeTree, messages, nil, ""},
	{"mcp.tool.name", TypeString, messages, nil, ""},
	{"mcp.tool.result", TypeTree, []string{"response"}, []string{"response"}, "mcp.result"},
	{"mcp.tool.target", TypeString, messages, nil, ""},
	{"params", TypeTree, all, messages, ""},
	{"principal.claims", TypeTree, all, nil, ""},
	{"principal.groups", TypeList, all, nil, ""},
	{"principal.id", TypeString, all, nil, ""},
	{"principal.issuer", TypeString, all, nil, ""},
	{"principal.roles", TypeList, all, nil, ""},
	{"principal.scopes", TypeList, all, nil, ""},
	{"principal.type", TypeString, all, nil, ""},
	{"request.headers", TypeHeaders, all, nil, ""},
	{"request.mcp.backend", TypeString, all, nil, ""},
	{"source.address", TypeString, all, nil, ""},
}

var (
	all      = []string{"request", "response", "list"}
	messages = []string{"request", "response"}
)

// Protected are places that no edit may touch.
var Protected = []string{
	"items[*].name", "items[*].taskId", "items[*].uri", "items[*].uriTemplate", "params._meta",
	"params.name", "params.ref", "params.requestState", "params.taskId", "params.uri",
}

// SegmentKind says which of a segment's fields holds.
type SegmentKind uint8

// The kinds of segment.
const (
	Key   SegmentKind = iota // .key or ["key"]
	Index                    // [3]
	Any                      // [*]
)

// Segment is a step of a field path.
type Segment struct {
	Kind  SegmentKind
	Key   string
	Index int
}

// String writes a segment.
func (s Segment) String() string {
	switch {
	case s.Kind == Any:
		return "[*]"
	case s.Kind == Index:
		return "[" + strconv.Itoa(s.Index) + "]"
	case identifier(s.Key):
		return "." + s.Key
	}
	return "[" + quote(s.Key) + "]"
}

func identifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// Path is a field path.
type Path struct {
	Text     string
	Name     *Name
	Segments []Segment
}

// ParsePath reads a field path in its one spelling.
func ParsePath(text string) (Path, error) {
	p := Path{Text: text}
	for i := range Names { // sorted, so the last that fits is the longest
		n := &Names[i]
		rest, ok := strings.CutPrefix(text, n.Name)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			p.Name = n
		}
	}
	if p.Name == nil || len(text) > abi.LimitPathBytes {
		return Path{}, errors.New(strconv.Quote(text) + " is no field path: no name begins so")
	}
	for rest := text[len(p.Name.Name):]; rest != ""; {
		s, n := segment(rest)
		if n == 0 || s.String() != rest[:n] {
			return Path{}, errors.New(strconv.Quote(text) + " is no field path: " + strconv.Quote(rest) + " is no segment in its one spelling")
		}
		p.Segments = append(p.Segments, s)
		rest = rest[n:]
	}
	return p, p.fits()
}

// segment reads the segment that a text begins with; a length of 0 is none.
func segment(text string) (s Segment, n int) {
	switch {
	case strings.HasPrefix(text, "[*]"):
		return Segment{Kind: Any}, 3
	case text[0] == '.':
		for n = 1; n < len(text) && text[n] != '.' && text[n] != '['; n++ {
		}
		return Segment{Key: text[1:n]}, n
	case strings.HasPrefix(text, `["`):
		d := json.NewDecoder(strings.NewReader(text[1:]))
		if d.Decode(&s.Key) != nil {
			return s, 0
		}
		if n = int(d.InputOffset()) + 2; n > len(text) {
			return s, 0
		}
		return s, n
	}
	digits, _, ok := strings.Cut(text[1:], "]")
	i, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || i > math.MaxInt32 {
		return s, 0
	}
	return Segment{Kind: Index, Index: int(i)}, len(digits) + 2
}

// fits checks the segments against what the name has behind it.
func (p Path) fits() error {
	switch n := len(p.Segments); {
	case n > abi.LimitPathSegments:
		return errors.New(strconv.Quote(p.Text) + " is too deep")
	case n > 0 && (p.Name.Type == TypeString || p.Name.Type == TypeList):
		return errors.New(p.Name.Name + " has no parts")
	case p.Name.Type == TypeHeaders && (n != 1 || p.Segments[0].Kind != Key || p.Segments[0].Key != strings.ToLower(p.Segments[0].Key)):
		return errors.New(strconv.Quote(p.Text) + ` is no header: write request.headers["x-tenant"], in lower case`)
	}
	return nil
}

// Place returns the path under the name of the part of the message that it is in.
func (p Path) Place() Path {
	if p.Name.At == "" {
		return p
	}
	at, err := ParsePath(p.Name.At)
	if err != nil {
		return p
	}
	at.Segments = slices.Concat(at.Segments, p.Segments)
	at.Text += p.Text[len(p.Name.Name):]
	return at
}

// Holds reports whether q is at or below p.
func (p Path) Holds(q Path) bool {
	a, b := p.Place(), q.Place()
	if a.Name != b.Name || len(a.Segments) > len(b.Segments) {
		return false
	}
	for i, s := range a.Segments {
		if t := b.Segments[i]; s != t && (s.Kind != Any || t.Kind != Index) {
			return false
		}
	}
	return true
}

// Meets reports whether some place is at or below both.
func (p Path) Meets(q Path) bool {
	a, b := p.Place(), q.Place()
	if a.Name != b.Name {
		return false
	}
	for i := range min(len(a.Segments), len(b.Segments)) {
		s, t := a.Segments[i], b.Segments[i]
		if s != t && (s.Kind != Any || t.Kind != Index) && (t.Kind != Any || s.Kind != Index) {
			return false
		}
	}
	return true
}

// Wild reports whether a path has a [*].
func (p Path) Wild() bool {
	return slices.ContainsFunc(p.Segments, func(s Segment) bool { return s.Kind == Any })
}
