package source

import (
	"strings"
	"unicode/utf8"
)

// file is the text that nodes stand in.
type file struct {
	name  string
	data  string // without a byte order mark
	mark  int    // the length of that
	lines []int  // offset of each line's first byte
}

func newFile(name string, data []byte) *file {
	f := &file{name: name, data: strings.TrimPrefix(string(data), "\ufeff"), lines: []int{0}}
	f.mark = len(data) - len(f.data)
	for i := 0; i < len(f.data); i++ {
		if f.data[i] == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	return f
}

// pos returns a place in f, moved inside the text when it lies outside.
func (f *file) pos(line, col, width int) Pos {
	line = min(max(line, 1), len(f.lines))
	return Pos{File: f.name, Line: line, Column: min(max(col, 1), f.width(line)+1), Width: max(width, 1)}
}

// width returns the length of a line in code points, without its line break.
func (f *file) width(line int) int {
	return utf8.RuneCountInString(f.line(line))
}

// at returns a cursor that stands at a place in f.
func (f *file) at(line, col int) cursor {
	c := cursor{text: f.data, off: f.lines[min(line, len(f.lines))-1], line: line, col: 1}
	for c.col < col && !c.end() && !c.lineBreak() {
		c.next()
	}
	return c
}

// cursor walks over a text code point by code point. It is copied to look ahead.
type cursor struct {
	text           string
	off, line, col int
}

func (c *cursor) end() bool { return c.off >= len(c.text) }

// peek returns the next byte, or 0 at the end; a text with NUL is refused before it is walked.
func (c *cursor) peek() byte {
	if c.end() {
		return 0
	}
	return c.text[c.off]
}

// next returns the next code point, a CRLF as one '\n', and steps over it.
func (c *cursor) next() rune {
	if c.lineBreak() {
		c.off = strings.IndexByte(c.text[c.off:], '\n') + c.off + 1
		c.line, c.col = c.line+1, 1
		return '\n'
	}
	r, size := utf8.DecodeRuneInString(c.text[c.off:])
	c.off += size
	c.col++
	return r
}

func (c *cursor) lineBreak() bool {
	rest := c.text[min(c.off, len(c.text)):]
	return strings.HasPrefix(rest, "\n") || strings.HasPrefix(rest, "\r\n")
}

func (c *cursor) blank() bool { return c.peek() == ' ' || c.peek() == '\t' }

// blanks steps over spaces and tabs.
func (c *cursor) blanks() {
	for c.blank() {
		c.next()
	}
}

// breaks steps over blank lines and the blanks that begin the next one, and returns how many line breaks that were.
func (c *cursor) breaks() int {
	for n := 0; ; n++ {
		c.blanks()
		if !c.lineBreak() {
			return n
		}
		c.next()
	}
}

// has says whether prefix comes next, and steps over it when it does.
func (c *cursor) has(prefix string) bool {
	if !strings.HasPrefix(c.text[min(c.off, len(c.text)):], prefix) {
		return false
	}
	for range utf8.RuneCountInString(prefix) {
		c.next()
	}
	return true
}
