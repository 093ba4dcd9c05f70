package source

import "strings"

// Comment is a YAML comment.
type Comment struct {
	Text string // from the `#` to the end of its line, blanks at the end left out
	Pos  Pos
	Own  bool // nothing else stands on its line
}

// Comments returns the comments of a file, in order. A `#` inside of a text is none. A file that can't be read has none.
func Comments(name string, data []byte) []Comment {
	roots, ds := Parse(name, data)
	if ds.HasErrors() {
		return nil
	}
	f, taken := newFile(name, data), inTexts(roots)
	var all []Comment
	for line := 1; line <= len(f.lines); line++ {
		text := []rune(f.line(line))
		for i, r := range text {
			if r != '#' || i > 0 && text[i-1] != ' ' && text[i-1] != '\t' || taken[at{line, i + 1}] {
				continue
			}
			c := Comment{Text: strings.TrimRight(string(text[i:]), " \t"), Own: strings.TrimLeft(string(text[:i]), " \t") == ""}
			c.Pos = f.pos(line, i+1, len([]rune(c.Text)))
			all = append(all, c)
			break
		}
	}
	return all
}

// line returns a line without its line break.
func (f *file) line(line int) string {
	end := len(f.data)
	if line < len(f.lines) {
		end = f.lines[line] - 1
	}
	return strings.TrimSuffix(f.data[f.lines[line-1]:end], "\r")
}

// at is a line and a column.
type at struct{ line, col int }

// inTexts returns every place that a character of a text stands at.
func inTexts(roots []*Node) map[at]bool {
	taken := map[at]bool{}
	scalar := func(n *Node) {
		if n.Text().node == nil || n.fixed != nil {
			return
		}
		for _, p := range n.places(n.value) {
			for col := p.col; col < p.end; col++ {
				taken[at{p.line, col}] = true
			}
		}
	}
	for _, root := range roots {
		root.Walk(func(n *Node) {
			scalar(n)
			for _, key := range n.keys {
				scalar(key)
			}
		})
	}
	return taken
}

// Tidy returns a file with the layout that is certain: lines end in LF and without blanks, and the file in one line break. What a text
// holds stays as it is, and so does a file that can't be read, or that would be read differently.
func Tidy(name string, data []byte) []byte {
	roots, ds := Parse(name, data)
	if ds.HasErrors() {
		return data
	}
	f, taken := newFile(name, data), inTexts(roots)
	var out strings.Builder
	for line := 1; line <= len(f.lines); line++ {
		text := []rune(f.line(line))
		end := len(text)
		for end > 0 && (text[end-1] == ' ' || text[end-1] == '\t') && !taken[at{line, end}] {
			end--
		}
		out.WriteString(string(text[:end]))
		out.WriteByte('\n')
	}
	tidy := []byte(strings.TrimRight(out.String(), "\n") + "\n")
	if after, ds := Parse(name, tidy); len(ds) > 0 || !same(roots, after) {
		return data
	}
	return tidy
}

// same says whether two files say the same: documents with the same values, whatever their layout and comments.
func same(a, b []*Node) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].same(b[i]) {
			return false
		}
	}
	return true
}

func (n *Node) same(o *Node) bool {
	if n.Kind() != o.Kind() || n.Len() != o.Len() || n.Text().Value != o.Text().Value {
		return false
	}
	if n.Kind() == Absent {
		return true
	}
	for i := range n.keys {
		if n.keys[i].value != o.keys[i].value {
			return false
		}
	}
	for i := range n.items {
		if !n.items[i].same(o.items[i]) {
			return false
		}
	}
	return true
}
