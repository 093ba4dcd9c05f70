package hostapi

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

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
