package source

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// place is where one code point of a scalar's value stands: columns col to end (exclusive) of a line.
type place struct{ line, col, end int }

// extent returns the place of a scalar as a whole, cut at the end of its first line.
func (n *Node) extent() (line, col, width int) {
	if n.fixed != nil {
		return n.fixed.Line, n.fixed.Column, n.fixed.Width
	}
	line, col = int(n.line), int(n.col)
	ps := n.places(n.value)
	if len(ps) == 0 {
		return line, col, max(n.emptyWidth(), 1)
	}
	if n.style == literal || n.style == folded {
		line, col = ps[0].line, ps[0].col
	}
	end := col + 1
	for _, p := range ps {
		if p.line != line || n.value[len(n.value)-1] == '\n' && p == ps[len(ps)-1] {
			break
		}
		end = p.end
	}
	if (n.style == single || n.style == double) && ps[len(ps)-1].line == line {
		end++ // the closing quote
	}
	return line, col, max(end-col, 1)
}

// emptyWidth is the width of a scalar without places: two quotes, or nothing that is known.
func (n *Node) emptyWidth() int {
	if n.value == "" && (n.style == single || n.style == double) {
		return 2
	}
	return 1
}

// locate returns the place of the code points first to last of a scalar's value, cut at the end of first's line.
func (n *Node) locate(value string, first, last int) (line, col, width int) {
	if n.fixed != nil || value != n.value {
		return n.extent()
	}
	ps := n.places(value)
	if len(ps) == 0 {
		return n.extent()
	}
	if first >= len(ps) {
		p := ps[len(ps)-1]
		if strings.HasSuffix(value, "\n") {
			return p.line, p.col, 1
		}
		return p.line, p.end, 1
	}
	start, end := ps[first], ps[first].end
	for i := first; i <= last && i < len(ps) && ps[i].line == start.line; i++ {
		end = max(end, ps[i].end)
	}
	return start.line, start.col, max(end-start.col, 1)
}

// places returns the place of every code point of a scalar's value by reading the scalar again, or nil if the
// file reads differently there.
func (n *Node) places(value string) []place {
	c := n.file.at(int(n.line), int(n.col))
	count := utf8.RuneCountInString(value)
	switch n.style {
	case literal, folded:
		return n.blockPlaces(c, value)
	case single, double:
		c.next()
	case plain, flow:
	}
	s := scalar{cursor: c, style: n.style, want: value, places: make([]place, 0, count)}
	for len(s.want) > 0 {
		if !s.step() {
			return nil
		}
	}
	return s.places
}

// scalar reads a scalar again, checking it against the value that the parser read.
type scalar struct {
	cursor
	style  style
	want   string // what is left of the value
	places []place
}

// accept notes that the code point r of the value stands between from and the cursor.
func (s *scalar) accept(r rune, from cursor) bool {
	want, size := utf8.DecodeRuneInString(s.want)
	if size == 0 || want != r {
		return false
	}
	s.want = s.want[size:]
	end := s.col
	if s.line != from.line {
		end = from.col + 1
	}
	s.places = append(s.places, place{from.line, from.col, end})
	return true
}

// step reads one code point of a flow scalar, or the fold between two of its lines.
func (s *scalar) step() bool {
	from := s.cursor
	if s.blank() || s.lineBreak() {
		if s.blanks(); !s.lineBreak() {
			s.cursor = from
			return s.accept(s.next(), from)
		}
		from = s.cursor
		return s.fold(s.breaks(), from)
	}
	switch {
	case s.end():
		return false
	case s.style == single && s.has("''"):
		return s.accept('\'', from)
	case s.style == double && s.peek() == '\\':
		s.next()
		if s.lineBreak() {
			return s.newlines(s.breaks()-1, from)
		}
		r, ok := s.escape()
		return ok && s.accept(r, from)
	}
	return s.accept(s.next(), from)
}

// fold accepts what n line breaks between two lines of a flow scalar mean.
func (s *scalar) fold(n int, from cursor) bool {
	if n == 1 {
		return s.accept(' ', from)
	}
	return s.newlines(n-1, from)
}

func (s *scalar) newlines(n int, from cursor) bool {
	for range n {
		if !s.accept('\n', from) {
			return false
		}
	}
	return true
}

// escapes are the single-character escapes of YAML 1.2 section 5.7, which hold JSON's.
var escapes = map[rune]rune{
	'0': 0, 'a': '\a', 'b': '\b', 't': '\t', '\t': '\t', 'n': '\n', 'v': '\v', 'f': '\f', 'r': '\r', 'e': 0x1b, ' ': ' ', '"': '"',
	'/': '/', '\\': '\\', 'N': 0x85, '_': 0xa0, 'L': 0x2028, 'P': 0x2029,
}

// escape reads what follows a backslash in a double-quoted scalar.
func (c *cursor) escape() (rune, bool) {
	kind := c.next()
	if r, ok := escapes[kind]; ok {
		return r, true
	}
	digits := map[rune]int{'x': 2, 'u': 4, 'U': 8}[kind]
	if digits == 0 {
		return 0, false
	}
	r, ok := c.hex(digits)
	if !ok || !utf8.ValidRune(r) && !surrogate(r, 0xd800) {
		return 0, false
	}
	if surrogate(r, 0xd800) {
		low, ok := rune(0), c.has(`\u`)
		if ok {
			low, ok = c.hex(4)
		}
		return 0x10000 + (r-0xd800)<<10 + (low - 0xdc00), ok && surrogate(low, 0xdc00)
	}
	return r, true
}

// surrogate says whether r is one of the 1024 surrogates from first on.
func surrogate(r, first rune) bool { return r >= first && r < first+0x400 }

func (c *cursor) hex(digits int) (rune, bool) {
	if len(c.text)-c.off < digits {
		return 0, false
	}
	v, err := strconv.ParseUint(c.text[c.off:c.off+digits], 16, 31)
	if err != nil {
		return 0, false
	}
	for range digits {
		c.next()
	}
	return rune(v), true
}
