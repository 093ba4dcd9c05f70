package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// mark is what an ignore begins with: `# sallyport:ignore SP3104 the argument is the name of a branch`.
var mark = regexp.MustCompile(`^#+\s*sallyport:ignore\b\s*(\S*)\s*(.*)$`)

// ignores drops the findings that a comment says to ignore, and reports comments that have no reason, or nothing to ignore.
func (l *linter) ignores(policies []*policy.Policy) {
	byFile := map[string][]source.Pos{}
	for _, p := range policies {
		file := p.At().File
		byFile[file] = append(byFile[file], elements(p)...)
	}
	for file, places := range byFile {
		data := l.src(file)
		if data == nil {
			continue
		}
		slices.SortFunc(places, func(a, b source.Pos) int { return a.Line - b.Line })
		for _, c := range source.Comments(file, data) {
			if m := mark.FindStringSubmatch(c.Text); m != nil {
				l.ignore(c, m[1], m[2], about(c, places, data), data)
			}
		}
	}
}

// about returns the element that an ignore is about: that which it stands in, or right above.
func about(c source.Comment, places []source.Pos, data []byte) source.Pos {
	for _, p := range places {
		if c.Own && p.Line > c.Pos.Line && onlyComments(data, c.Pos.Line+1, p.Line) {
			return p
		}
	}
	return nearest(places, c.Pos.Line)
}

// onlyComments says that the lines from first to last (exclusive) hold nothing else.
func onlyComments(data []byte, first, last int) bool {
	for line := first; line < last; line++ {
		from, to := source.Line(data, line)
		text := strings.TrimSpace(string(data[from:to]))
		if text != "" && text[0] != '#' && text != "-" && !strings.HasPrefix(text, "---") {
			return false
		}
	}
	return true
}

func (l *linter) ignore(c source.Comment, code, reason string, element source.Pos, data []byte) {
	_, known := levels[code]
	switch {
	case !known || code == codeIgnore || code == codeStale:
		help := "write it as `# sallyport:ignore SP3104 why it is right here`"
		l.add(element, c.Pos, codeIgnore, fmt.Sprintf("`%s` is no code of a finding that can be ignored", source.Brief(code)), help)
		return
	case strings.TrimSpace(reason) == "":
		l.add(element, c.Pos, codeIgnore, fmt.Sprintf("%s is to be ignored, but not why", code), "write the reason after the code; until then nothing is ignored")
		return
	}
	before := len(l.found)
	l.found = slices.DeleteFunc(l.found, func(f Finding) bool {
		return f.Code == code && f.File == element.File && f.element.Line == element.Line
	})
	if len(l.found) == before {
		d := l.add(element, c.Pos, codeStale, fmt.Sprintf("nothing here is a case of %s", code), "remove the comment")
		d.Fix = dropComment(data, c)
	}
}
