package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Lookup gives the value of an environment variable, as os.LookupEnv does. nil has none.
type Lookup func(name string) (value string, ok bool)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expander replaces `${NAME}` in text. What it puts in is not looked at again.
type expander struct {
	lookup Lookup
	client bool // accept `${env:NAME}` too, as clients write it
	ds     source.Diagnostics
}

// tree expands every text below n, names of fields left out.
func (e *expander) tree(root *source.Node) {
	root.Walk(func(n *source.Node) {
		if n.Kind() == source.String && strings.Contains(n.Text().Value, "$") {
			before := len(e.ds)
			value := e.text(n.Text())
			if n.Replace(value); len(e.ds) > before {
				n.Discard()
			}
		}
	})
}

func (e *expander) text(t source.Text) string {
	var b strings.Builder
	for at := 0; at < len(t.Value); {
		rest := t.Value[at:]
		next := strings.IndexByte(rest, '$')
		if next < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:next])
		at += next
		switch rest = rest[next:]; {
		case strings.HasPrefix(rest, "$$"):
			b.WriteByte('$')
			at += 2
		case strings.HasPrefix(rest, "${"):
			end := strings.IndexByte(rest, '}')
			if end < 0 {
				e.report(t, at, len(t.Value), "`${` is never closed", "write `${NAME}`, or `$${` for the characters themselves")
				return b.String()
			}
			b.WriteString(e.variable(t, at, at+end+1))
			at += end + 1
		default:
			b.WriteByte('$')
			at++
		}
	}
	return b.String()
}

// variable returns what the expression between from and to stands for.
func (e *expander) variable(t source.Text, from, to int) string {
	inner := t.Value[from+2 : to-1]
	name, operator, operand := inner, "", ""
	if i := strings.Index(inner, ":"); i >= 0 && (!e.client || !strings.HasPrefix(inner, "env:")) {
		name, operator = inner[:i], inner[i:min(i+2, len(inner))]
		operand = inner[i+len(operator):]
	}
	if e.client {
		name = strings.TrimPrefix(name, "env:")
		if before, after, ok := strings.Cut(name, ":-"); ok {
			name, operator, operand = before, ":-", after
		}
	}
	if e.client && operator != "" && operator != ":-" && operator != ":?" {
		e.report(t, from, to, fmt.Sprintf("`%s` is filled in by the client, which is not asked", t.Value[from:to]), "write the value, or the name of an environment variable: `${NAME}`")
		return ""
	}
	if !variableName.MatchString(name) || operator != "" && operator != ":-" && operator != ":?" || strings.Contains(operand, "${") {
		e.report(t, from, to, fmt.Sprintf("`%s` cannot be expanded", t.Value[from:to]),
			"write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`; `$$` is a dollar sign")
		return ""
	}
	value, ok := "", false
	if e.lookup != nil {
		value, ok = e.lookup(name)
	}
	switch {
	case operator == ":-" && value == "":
		return operand
	case operator == ":?" && value == "":
		e.report(t, from, to, fmt.Sprintf("environment variable `%s` is not set: %s", name, strings.Join(strings.Fields(operand), " ")), "set it before the gateway starts")
	case !ok:
		e.report(t, from, to, fmt.Sprintf("environment variable `%s` is not set", name), fmt.Sprintf("set it, or give a default: `${%s:-default}`", name))
	}
	return value
}

func (e *expander) report(t source.Text, from, to int, message, help string) {
	e.ds = append(e.ds, t.Span(from, to).Diagnose("SP1102", message, help))
}
