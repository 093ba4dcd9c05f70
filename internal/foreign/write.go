package foreign

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// write writes policies as a file.
func write(file, from string, policies []policy) []byte {
	var b bytes.Buffer
	for i, p := range policies {
		if i > 0 {
			b.WriteString("---\n")
		}
		comment(&b, "", fmt.Sprintf("Imported from %s (%s). Read it before it decides.", file, from))
		for _, n := range p.notes {
			comment(&b, "", n)
		}
		p.write(&b)
	}
	return b.Bytes()
}

func (p *policy) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "apiVersion: sallyport/v1\nkind: Policy\nmetadata:\n  name: %s\n", quote(p.name))
	if p.about != "" {
		fmt.Fprintf(b, "  description: %s\n", quote(p.about))
	}
	if len(p.servers)+len(p.methods)+len(p.tools) > 0 {
		b.WriteString("match:\n")
		for _, l := range []struct {
			name  string
			items []string
		}{{"servers", p.servers}, {"methods", p.methods}, {"tools", p.tools}} {
			if len(l.items) == 0 {
				continue
			}
			quoted := make([]string, len(l.items))
			for i, s := range l.items {
				quoted[i] = quote(s)
			}
			fmt.Fprintf(b, "  %s: [%s]\n", l.name, strings.Join(quoted, ", "))
		}
	}
	if p.shadow {
		b.WriteString("enforcement: shadow\n")
	}
	if len(p.variables) > 0 {
		b.WriteString("variables:\n")
	}
	for _, v := range p.variables {
		comment(b, "  ", v.note)
		fmt.Fprintf(b, "  - name: %s\n    expression: %s\n", v.name, expression(v.expression))
	}
	b.WriteString("rules:\n")
	for i := range p.rules {
		p.rules[i].write(b)
	}
}

func (r *rule) write(b *bytes.Buffer) {
	comment(b, "  ", r.origin)
	for _, n := range r.note {
		comment(b, "  ", n)
	}
	fmt.Fprintf(b, "  - name: %s\n", quote(r.name))
	if r.when != "" {
		fmt.Fprintf(b, "    when: %s\n", expression(r.when))
	}
	fmt.Fprintf(b, "    effect: %s\n", r.effect)
	if r.reason != "" {
		fmt.Fprintf(b, "    reason: %s\n", r.reason)
	}
	if r.message != "" {
		fmt.Fprintf(b, "    message: %s\n", expression(r.message))
	}
}

// comment writes a text as comments: whatever is in it, it is nothing else.
func comment(b *bytes.Buffer, indent, text string) {
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.Map(func(c rune) rune {
			if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
				return ' '
			}
			return c
		}, line)
		b.WriteString(strings.TrimRight(indent+"# "+line, " ") + "\n")
	}
}

// quote writes a text as YAML: plainly if it is a plain word.
func quote(s string) string {
	plain := s != ""
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		plain = plain && (letter || i > 0 && (c >= '0' && c <= '9' || strings.ContainsRune("-./", c)))
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		plain = false
	}
	if plain {
		return s
	}
	return quoted(s)
}

// quoted writes a text in quotes, with escapes that YAML has as Go has them.
func quoted(s string) string { return strconv.QuoteToASCII(strings.ToValidUTF8(s, "?")) }

// expression writes a condition: a short one in quotes, one of several lines as it stands.
func expression(s string) string {
	plain := func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }
	switch {
	case strings.ContainsFunc(s, plain):
		return quoted(s)
	case !strings.Contains(s, "\n"):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if strings.HasPrefix(lines[0], " ") || strings.TrimSpace(s) == "" {
		return quoted(s)
	}
	return "|-\n      " + strings.Join(lines, "\n      ")
}
