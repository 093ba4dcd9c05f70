package condition

import (
	"strings"
	"unicode"
)

// cel-go points at an operator, at the dot of a selection, and at the parenthesis of a call.
// People look for a word: these find it.

// line returns a line of the expression.
func (r *report) line(n int) []rune {
	lines := strings.Split(r.text.Value, "\n")
	if n < 1 || n > len(lines) {
		return nil
	}
	return []rune(lines[n-1])
}

// at returns the character at a place, 0 if there is none.
func (r *report) at(p place) rune {
	if line := r.line(p.line); p.col < len(line) {
		return line[p.col]
	}
	return 0
}

// from returns what follows n characters after a place.
func (r *report) from(p place, n int) string {
	line := r.line(p.line)
	return string(line[min(p.col+n, len(line)):])
}

func (r *report) slice(p place) string {
	line := r.line(p.line)
	return string(line[min(p.col, len(line)):min(p.col+p.width, len(line))])
}

// before returns the place of the name that ends where p is, on the same line.
func (r *report) before(p place, name string) place {
	name = name[strings.LastIndexByte(name, '.')+1:]
	n := len([]rune(name))
	end := p.col
	line := r.line(p.line)
	for end > 0 && end <= len(line) && unicode.IsSpace(line[end-1]) {
		end--
	}
	if end < n || string(line[end-n:min(end, len(line))]) != name {
		return place{p.line, p.col, 1}
	}
	return place{p.line, end - n, n}
}

// afterDot returns the place of a field whose selection begins at p.
func (r *report) afterDot(p place, field string) place {
	rest := r.from(p, 0)
	if i := strings.Index(rest, field); i >= 0 && strings.Trim(rest[:i], ".?[ \t\"'") == "" {
		return place{p.line, p.col + len([]rune(rest[:i])), len([]rune(field))}
	}
	return place{p.line, p.col, 1}
}

// token returns p with the width of what stands there: a word, a string, or one character.
// At the dot of a selection it is the field, at the parenthesis of a call the function.
func (r *report) token(p place) place {
	line := r.line(p.line)
	if p.col >= len(line) {
		return place{p.line, p.col, 1}
	}
	switch c := line[p.col]; {
	case c == '.':
		p.col++
		for p.col < len(line) && (line[p.col] == '?' || unicode.IsSpace(line[p.col])) {
			p.col++
		}
	case c == '(' && p.col > 0 && isWord(line[p.col-1]):
		end := p.col
		for p.col > 0 && isWord(line[p.col-1]) {
			p.col--
		}
		return place{p.line, p.col, end - p.col}
	case c == '"' || c == '\'':
		return place{p.line, p.col, quoted(line[p.col:])}
	}
	end := p.col
	for end < len(line) && isWord(line[end]) {
		end++
	}
	if end < len(line) && (line[end] == '"' || line[end] == '\'') && end-p.col <= 2 {
		return place{p.line, p.col, end - p.col + quoted(line[end:])} // r"..." and b"..."
	}
	return place{p.line, p.col, max(end-p.col, 1)}
}

func isWord(c rune) bool { return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) }

// quoted returns the length of the string that line begins with.
func quoted(line []rune) int {
	for i := 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case line[0]:
			return i + 1
		}
	}
	return len(line)
}
