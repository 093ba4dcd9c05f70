package source

import (
	"fmt"
	"regexp"
	"strings"
)

// ParseJSON reads one JSON value as editors write their settings: with comments and trailing commas. The first mistake ends it.
func ParseJSON(name string, data []byte) (*Node, Diagnostics) {
	f := newFile(name, data)
	if ds := f.checkText(); len(ds) > 0 {
		return nil, ds
	}
	p := jsonParser{file: f, cursor: cursor{text: f.data, line: 1, col: 1}}
	if p.space(); p.end() {
		return nil, nil
	}
	n := p.value(0)
	if p.space(); n != nil && !p.end() {
		p.fail("nothing can follow the value", "")
	}
	if len(p.ds) > 0 {
		return nil, p.ds
	}
	return n, nil
}

type jsonParser struct {
	cursor
	file  *file
	nodes int
	ds    Diagnostics
}

func (p *jsonParser) fail(message, help string) *Node {
	return p.failAs("SP1001", message, help)
}

func (p *jsonParser) failAs(code, message, help string) *Node {
	if len(p.ds) == 0 {
		p.ds = append(p.ds, p.file.pos(p.line, p.col, 1).Diagnose(code, message, help))
	}
	return nil
}

// space steps over blanks, line breaks and comments.
func (p *jsonParser) space() {
	for {
		p.breaks()
		switch {
		case p.has("//"):
			for !p.end() && !p.lineBreak() {
				p.next()
			}
		case p.has("/*"):
			for !p.end() && !p.has("*/") {
				p.next()
			}
		default:
			return
		}
	}
}

func (p *jsonParser) value(depth int) *Node {
	n := &Node{file: p.file, line: int32(p.line), col: int32(p.col), size: 1}
	if p.nodes++; p.nodes > MaxNodes || depth > MaxDepth {
		return p.failAs("SP1008", "too many values, or too deep inside each other", "")
	}
	switch p.peek() {
	case '{':
		n.kind, n.style = Map, flow
		return p.items(n, '}', depth)
	case '[':
		n.kind, n.style = List, flow
		return p.items(n, ']', depth)
	case '"':
		n.kind, n.style = String, double
		return p.text(n)
	}
	return p.word(n)
}

// items reads what stands between brackets.
func (p *jsonParser) items(n *Node, closing byte, depth int) *Node {
	p.next()
	seen := map[string]bool{}
	for p.space(); p.peek() != closing; p.space() {
		if n.kind == Map && !p.key(n, seen) {
			return nil
		}
		item := p.value(depth + 1)
		if item == nil {
			return nil
		}
		n.items = append(n.items, item)
		if p.space(); !p.has(",") && p.peek() != closing {
			return p.fail(fmt.Sprintf("a `,` or `%c` was expected here", closing), "")
		}
	}
	p.next()
	return n
}

// key reads a member's name and the colon after it.
func (p *jsonParser) key(n *Node, seen map[string]bool) bool {
	if p.peek() != '"' {
		p.fail("a name in double quotes was expected here", "")
		return false
	}
	key := p.value(0)
	if key == nil {
		return false
	}
	if seen[key.value] {
		p.ds = append(p.ds, key.Pos().Diagnose("SP1005", fmt.Sprintf("`%s` is given twice", Brief(key.value)), "remove one"))
		return false
	}
	seen[key.value] = true
	n.keys = append(n.keys, key)
	if p.space(); !p.has(":") {
		p.fail("a `:` was expected here", "")
		return false
	}
	p.space()
	return true
}

func (p *jsonParser) text(n *Node) *Node {
	p.next()
	var b strings.Builder
	for {
		switch {
		case p.end() || p.lineBreak() || p.peek() == '\t':
			return p.fail("the text that began before is not closed on its line", "")
		case p.has(`"`):
			n.value = b.String()
			return n
		case p.has(`\`):
			r, ok := rune(0), strings.IndexByte(`"\/bfnrtu`, p.peek()) >= 0
			if ok {
				r, ok = p.escape()
			}
			if !ok {
				return p.fail("unknown escape", `write \\ for a backslash`)
			}
			b.WriteRune(r)
		default:
			b.WriteRune(p.next())
		}
	}
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// word reads true, false, null or a number.
func (p *jsonParser) word(n *Node) *Node {
	rest := p.token()
	switch {
	case rest == "true" || rest == "false":
		n.kind = Bool
	case rest == "null":
		n.kind = Null
	case jsonNumber.MatchString(rest):
		n.kind = Number
	default:
		return p.fail("a JSON value was expected here", "text must be in double quotes")
	}
	n.value = rest
	p.has(rest)
	return n
}

// token returns what comes before the next separator.
func (p *jsonParser) token() string {
	rest := p.cursor.text[p.off:]
	if i := strings.IndexAny(rest, " \t\r\n,:[]{}\"/"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}
