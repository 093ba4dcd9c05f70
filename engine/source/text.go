package source

import "unicode/utf8"

// Text is a string that stands in a file and knows where: a YAML or JSON scalar. The zero Text is the empty string, nowhere.
// A Text is immutable and safe for concurrent use.
type Text struct {
	Value string
	node  *Node // where it stands; nil for a Text made in Go
}

// NewText returns a Text that stands in no file, for rules made in Go.
func NewText(value string) Text { return Text{Value: value} }

// IsZero says whether t is absent: an empty string that stands nowhere.
func (t Text) IsZero() bool { return t.Value == "" && t.node == nil }

// Pos returns the place of the first line of t.
func (t Text) Pos() Pos { return t.node.Pos() }

// At maps a place inside t to the file that holds it. line is 1-based and col 0-based, in code points, as cel-go gives them; width is the
// number of code points to mark. It sees through quotes, escapes, indentation and folding. A width that runs over the end of
// its line is cut there; a place after the end of t maps to just after its last character. Without a file the result is the place itself.
func (t Text) At(line, col, width int) (fileLine, fileCol, w int) {
	if t.node == nil {
		return line, col + 1, max(width, 1)
	}
	first, last := t.offset(line, col), t.offset(line, col+max(width, 1)-1)
	return t.node.locate(t.Value, first, last)
}

// PosAt is At as a Pos.
func (t Text) PosAt(line, col, width int) Pos {
	l, c, w := t.At(line, col, width)
	return Pos{File: t.Pos().File, Line: l, Column: c, Width: w}
}

// Diagnose returns an error at a place inside t, given as for At.
func (t Text) Diagnose(code string, line, col, width int, message, help string) Diagnostic {
	return t.PosAt(line, col, width).Diagnose(code, message, help)
}

// Span returns the place of the bytes from to to (exclusive) of Value.
func (t Text) Span(from, to int) Pos {
	if t.node == nil {
		return Pos{}
	}
	first := utf8.RuneCountInString(t.Value[:from])
	line, col, width := t.node.locate(t.Value, first, first+utf8.RuneCountInString(t.Value[from:to])-1)
	return Pos{File: t.node.file.name, Line: line, Column: col, Width: width}
}

// offset returns the index in code points of a place inside the text; past the end of its line it is the line's end.
func (t Text) offset(line, col int) int {
	index, row, column := 0, 1, 0
	for _, r := range t.Value {
		if row > line || row == line && (column >= col || r == '\n') {
			break
		}
		index++
		column++
		if r == '\n' {
			row, column = row+1, 0
		}
	}
	return min(index, utf8.RuneCountInString(t.Value))
}
