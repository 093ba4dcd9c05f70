package source

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"
)

// Change replaces bytes of a file: those from From to To (exclusive) become New.
type Change struct {
	From, To int
	New      string
}

// Apply returns data with the changes made, in whatever order they are given. One that overlaps an earlier one, or reaches beyond data, is left out.
func Apply(data []byte, changes []Change) []byte {
	changes = slices.Clone(changes)
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Or(a.From-b.From, a.To-b.To) })
	var out []byte
	done := 0
	for _, c := range slices.Compact(changes) {
		if c.From < done || c.To < c.From || c.To > len(data) {
			continue
		}
		out = append(append(out, data[done:c.From]...), c.New...)
		done = c.To
	}
	return append(out, data[done:]...)
}

// Range returns the bytes of the file that the bytes from to to (exclusive) of Value stand in. It fails where the file doesn't spell them
// as they are: in escapes, over a folded line.
func (t Text) Range(from, to int) (first, end int, ok bool) {
	if t.node == nil || t.node.fixed != nil || from < 0 || to <= from || to > len(t.Value) {
		return 0, 0, false
	}
	places := t.node.places(t.Value)
	start := utf8.RuneCountInString(t.Value[:from])
	last := start + utf8.RuneCountInString(t.Value[from:to]) - 1
	if last >= len(places) {
		return 0, 0, false
	}
	f := t.node.file
	first = f.at(places[start].line, places[start].col).off
	end = f.at(places[last].line, places[last].end).off
	if end > len(f.data) || end < first || f.data[first:end] != t.Value[from:to] {
		return 0, 0, false
	}
	return first + f.mark, end + f.mark, true
}

// Offset returns the byte that a place of a file stands at; after the last of its line if it lies beyond it.
func Offset(data []byte, p Pos) int {
	f := newFile(p.File, data)
	if p.Line < 1 || p.Line > len(f.lines) {
		return len(data)
	}
	return f.at(p.Line, p.Column).off + f.mark
}

// Line returns the bytes of a line of a file, from 1, with its line break.
func Line(data []byte, line int) (first, end int) {
	for n := 1; ; n++ {
		i := bytes.IndexByte(data[first:], '\n')
		switch {
		case n == line && i < 0, i < 0:
			return first, len(data)
		case n == line:
			return first, first + i + 1
		}
		first += i + 1
	}
}
