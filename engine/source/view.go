package source

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	tabWidth   = 4   // cells that a tab is shown as
	viewWidth  = 160 // cells of a line that are shown
	viewBefore = 60  // of those, at least this many before the mark in a line that is cut
)

// view is a line of a file as a terminal shows it, and where its mark stands there, in cells.
type view struct {
	text          string
	indent, width int
	from          int // code points cut off at the left
}

// newView lays out a line with a mark of width code points at a 1-based column.
func newView(line string, column, width int) view {
	line = strings.TrimSuffix(line, "\r")
	runes := []rune(line)
	first := min(max(column-1, 0), len(runes))
	last := min(first+max(width, 1), len(runes))
	var v view
	if first > viewWidth-viewBefore {
		v.from = first - viewBefore
	}
	v.text = show(runes[v.from:])
	v.indent = span(runes[v.from:first])
	v.width = max(span(runes[first:last]), 1)
	if v.from > 0 {
		v.text, v.indent = "..."+v.text, v.indent+3
	}
	v.width = min(v.width, max(viewWidth+3-v.indent, 1))
	return v
}

// cut lays out a line of context beside a line that was cut at the left.
func (v view) cut(from int) view {
	if from > 0 {
		return view{text: "..."}
	}
	return v
}

// show returns what stands for runes in a terminal, cut at viewWidth cells.
func show(runes []rune) string {
	var b strings.Builder
	used := 0
	for _, r := range runes {
		n := cells(r)
		if used += max(n, 1); used > viewWidth {
			return b.String() + "..."
		}
		switch {
		case r == '\t':
			b.WriteString(strings.Repeat(" ", tabWidth))
			used += tabWidth - 1
		case n < 0:
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// span returns the cells that runes take in a terminal.
func span(runes []rune) int {
	n := 0
	for _, r := range runes {
		switch w := cells(r); {
		case r == '\t':
			n += tabWidth
		case w < 0:
			n++
		default:
			n += w
		}
	}
	return n
}

// cells returns the width of r in a terminal, or -1 when r must not reach one as it is.
func cells(r rune) int {
	switch {
	case r == '\t':
		return 1
	case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Bidi_Control, r), r == 0x2028, r == 0x2029, r == 0xfeff:
		return -1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// wide are the code points of East Asian width W and F (Unicode 15.1, EastAsianWidth.txt), small gaps between them filled.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1},
		{0x231a, 0x231b, 1},
		{0x2329, 0x232a, 1},
		{0x23e9, 0x23ec, 1},
		{0x23f0, 0x23f0, 1},
		{0x23f3, 0x23f3, 1},
		{0x25fd, 0x25fe, 1},
		{0x2614, 0x2615, 1},
		{0x2648, 0x2653, 1},
		{0x267f, 0x267f, 1},
		{0x2693, 0x2693, 1},
		{0x26a1, 0x26a1, 1},
		{0x26aa, 0x26ab, 1},
		{0x26bd, 0x26be, 1},
		{0x26c4, 0x26c5, 1},
		{0x26ce, 0x26ce, 1},
		{0x26d4, 0x26d4, 1},
		{0x26ea, 0x26ea, 1},
		{0x26f2, 0x26f3, 1},
		{0x26f5, 0x26f5, 1},
		{0x26fa, 0x26fa, 1},
		{0x26fd, 0x26fd, 1},
		{0x2705, 0x2705, 1},
		{0x270a, 0x270b, 1},
		{0x2728, 0x2728, 1},
		{0x274c, 0x274c, 1},
		{0x274e, 0x274e, 1},
		{0x2753, 0x2755, 1},
		{0x2757, 0x2757, 1},
		{0x2795, 0x2797, 1},
		{0x27b0, 0x27b0, 1},
		{0x27bf, 0x27bf, 1},
		{0x2b1b, 0x2b1c, 1},
		{0x2b50, 0x2b50, 1},
		{0x2b55, 0x2b55, 1},
		{0x2e80, 0x303e, 1},
		{0x3041, 0x33ff, 1},
		{0x3400, 0x4dbf, 1},
		{0x4e00, 0x9fff, 1},
		{0xa000, 0xa4cf, 1},
		{0xa960, 0xa97c, 1},
		{0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1},
		{0xfe10, 0xfe19, 1},
		{0xfe30, 0xfe6b, 1},
		{0xff01, 0xff60, 1},
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x18aff, 1},
		{0x1aff0, 0x1b2ff, 1},
		{0x1f004, 0x1f004, 1},
		{0x1f0cf, 0x1f0cf, 1},
		{0x1f18e, 0x1f18e, 1},
		{0x1f191, 0x1f19a, 1},
		{0x1f200, 0x1f320, 1},
		{0x1f32d, 0x1f335, 1},
		{0x1f337, 0x1f37c, 1},
		{0x1f37e, 0x1f393, 1},
		{0x1f3a0, 0x1f3ca, 1},
		{0x1f3cf, 0x1f3d3, 1},
		{0x1f3e0, 0x1f3f0, 1},
		{0x1f3f4, 0x1f3f4, 1},
		{0x1f3f8, 0x1f43e, 1},
		{0x1f440, 0x1f440, 1},
		{0x1f442, 0x1f4fc, 1},
		{0x1f4ff, 0x1f53d, 1},
		{0x1f54b, 0x1f567, 1},
		{0x1f57a, 0x1f57a, 1},
		{0x1f595, 0x1f596, 1},
		{0x1f5a4, 0x1f5a4, 1},
		{0x1f5fb, 0x1f64f, 1},
		{0x1f680, 0x1f6c5, 1},
		{0x1f6cc, 0x1f6cc, 1},
		{0x1f6d0, 0x1f6df, 1},
		{0x1f6eb, 0x1f6fc, 1},
		{0x1f7e0, 0x1f7f0, 1},
		{0x1f90c, 0x1f9ff, 1},
		{0x1fa70, 0x1faff, 1},
		{0x20000, 0x3fffd, 1},
	},
}
