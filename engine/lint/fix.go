package lint

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// A fix is made where a file is laid out in one of the plain ways; elsewhere there is none.

// oneField is a line that holds one field of a block mapping, perhaps the first of a list's item, and perhaps a comment.
func oneField(name string) *regexp.Regexp {
	return regexp.MustCompile(`^( *)(- +)?` + name + `: +[^\s#"'|>&*{\[][^#"']*?( +#.*)?\r?\n?$|^( *)(- +)?` + name + `: +(?:'[^']*'|"[^"\\]*")( +#.*)?\r?\n?$`)
}

// dropField removes the line of a field whose value stands at a place.
func dropField(data []byte, value source.Pos, name string) []source.Change {
	if data == nil {
		return nil
	}
	from, to := source.Line(data, value.Line)
	line := data[from:to]
	if !oneField(name).Match(line) || bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("- ")) || bytes.Contains(line, []byte("#")) {
		return nil
	}
	return []source.Change{{From: from, To: to}}
}

// addField adds a field to a mapping, after one whose value stands at a place.
func addField(data []byte, mapping, value source.Pos, name, field string) []source.Change {
	if data == nil {
		return nil
	}
	from, to := source.Line(data, value.Line)
	line := data[from:to]
	if oneField(name).Match(line) {
		indent := len(line) - len(bytes.TrimLeft(line, " -"))
		eol := "\n"
		if bytes.HasSuffix(line, []byte("\r\n")) {
			eol = "\r\n"
		}
		text := strings.Repeat(" ", indent) + field + eol
		if !bytes.HasSuffix(line, []byte("\n")) {
			text = eol + strings.TrimSuffix(text, eol)
		}
		return []source.Change{{From: to, To: to, New: text}}
	}
	at := source.Offset(data, mapping)
	if at < len(data) && data[at] == '{' {
		value.Column += value.Width
		end := source.Offset(data, value)
		return []source.Change{{From: end, To: end, New: ", " + field}}
	}
	return nil
}

// dropComment removes a comment: its line, if it has one of its own.
func dropComment(data []byte, c source.Comment) []source.Change {
	from, to := source.Line(data, c.Pos.Line)
	if c.Own {
		return []source.Change{{From: from, To: to}}
	}
	start := source.Offset(data, c.Pos)
	end := from + len(bytes.TrimRight(data[from:to], "\r\n"))
	start = from + len(bytes.TrimRight(data[from:start], " \t"))
	return []source.Change{{From: start, To: end}}
}
