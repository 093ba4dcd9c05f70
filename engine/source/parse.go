package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// The bounds of one file.
const (
	MaxSize     = 4 << 20 // bytes
	MaxDepth    = 64      // lists and mappings inside each other
	MaxNodes    = 200_000 // values, aliases expanded
	maxMistakes = 200     // reported in one file
)

// Parse reads a file of YAML documents. It returns the root of each document that could be read (empty documents are left out) and
// every mistake found. Tags, merge keys and keys that are not plain names are mistakes: configuration needs none of them.
// The Nodes keep a copy of data, by which they know their places.
func Parse(name string, data []byte) ([]*Node, Diagnostics) { return ParsePaced(name, data, func() {}) }

// ParsePaced is Parse, which calls pause before each document.
func ParsePaced(name string, data []byte, pause func()) ([]*Node, Diagnostics) {
	f := newFile(name, data)
	if ds := f.checkText(); len(ds) > 0 {
		return nil, ds
	}
	p := parser{file: f, anchors: map[*yaml.Node]*Node{}}
	loader, err := yaml.NewLoader(bytes.NewReader([]byte(f.data)), yaml.WithV4Defaults(),
		yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(MaxDepth))))
	if err != nil {
		return nil, Diagnostics{f.pos(1, 1, 1).Diagnose("SP1001", "this is not YAML: "+err.Error(), "")}
	}
	var roots []*Node
	for len(p.ds) < maxMistakes {
		pause()
		var doc yaml.Node
		err := loader.Load(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p.ds = append(p.ds, f.syntax(err))
			break
		}
		if root := p.document(&doc); root != nil {
			roots = append(roots, root)
		}
	}
	return roots, p.ds
}

// checkText refuses what no YAML parser should be asked about, or what would not be what it looks like.
func (f *file) checkText() Diagnostics {
	if len(f.data) > MaxSize {
		return Diagnostics{f.pos(1, 1, 1).Diagnose("SP1008", fmt.Sprintf("the file has %d bytes; at most %d are read", len(f.data), MaxSize),
			"split it into several files")}
	}
	line, start := 1, 0
	for i := 0; i < len(f.data); {
		r, size := utf8.DecodeRuneInString(f.data[i:])
		if what := unwanted(r, size, f.data[i:]); what != "" {
			p := f.pos(line, utf8.RuneCountInString(f.data[start:i])+1, 1)
			return Diagnostics{p.Diagnose("SP1007", what+" is not accepted", "remove it, or write it as an escape inside double quotes")}
		}
		if i += size; r == '\n' {
			line, start = line+1, i
		}
	}
	return nil
}

// unwanted describes a character that has no place in the file as it stands: what is invisible could make a file read differently
// from how it looks (CVE-2021-42574), and line breaks beside LF and CRLF count as one in some tools only.
func unwanted(r rune, size int, rest string) string {
	switch {
	case r == utf8.RuneError && size <= 1:
		return "a byte that is not UTF-8"
	case r == '\n' || r == '\t' || r == '\r' && strings.HasPrefix(rest, "\r\n"):
		return ""
	case r == '\r':
		return "a carriage return that ends no line"
	case r == 0x85 || r == 0x2028 || r == 0x2029:
		return fmt.Sprintf("the line break U+%04X", r)
	case unicode.Is(unicode.Bidi_Control, r):
		return fmt.Sprintf("the invisible character U+%04X, which changes the direction of text,", r)
	case unicode.Is(unicode.Cc, r) || r == '\ufeff' || r == 0xfffe || r == 0xffff:
		return fmt.Sprintf("the invisible character U+%04X", r)
	}
	return ""
}

// parser turns one file's YAML nodes into Nodes.
type parser struct {
	file    *file
	anchors map[*yaml.Node]*Node // nil while the anchored node is being read
	ds      Diagnostics
	full    bool // MaxNodes was reported
}

func (p *parser) document(doc *yaml.Node) *Node {
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil
	}
	root := p.node(doc.Content[0])
	if root.kind == Null && root.value == "" || root.kind == Absent {
		return nil
	}
	return root
}

func (p *parser) report(y *yaml.Node, width int, code, message, help string) {
	if len(p.ds) < maxMistakes {
		p.ds = append(p.ds, p.file.pos(y.Line, y.Column, width).Diagnose(code, message, help))
	}
}

// node converts y. The node of what was reported is of kind Absent, so that nothing more is said about it.
func (p *parser) node(y *yaml.Node) *Node {
	if y.Kind == yaml.AliasNode {
		return p.alias(y)
	}
	n := &Node{file: p.file, line: int32(y.Line), col: int32(y.Column), value: y.Value, size: 1}
	if y.Style&yaml.TaggedStyle != 0 || y.Tag == "!" {
		p.report(y, 1, "SP1009", tagMessage, tagHelp)
		n.kind, n.value = Absent, ""
		return n
	}
	if y.Anchor != "" {
		p.anchors[y] = nil
		n.skipAnchor(y.Anchor)
	}
	switch y.Kind {
	case yaml.MappingNode:
		n.kind, n.style = Map, flowStyle(y)
		p.fields(n, y)
	case yaml.SequenceNode:
		n.kind, n.style = List, flowStyle(y)
		for _, item := range y.Content {
			v := p.node(item)
			n.items = append(n.items, v)
			n.size += v.size
		}
	default:
		n.kind, n.style = scalarKind(y)
	}
	if y.Anchor != "" {
		p.anchors[y] = n
	}
	if n.size > MaxNodes && !p.full {
		p.full = true
		p.report(y, 1, "SP1008", fmt.Sprintf("more than %d values, aliases counted as often as they are used", MaxNodes), "split the file")
	}
	if p.full {
		return &Node{file: p.file, line: n.line, col: n.col}
	}
	return n
}

func (p *parser) alias(y *yaml.Node) *Node {
	if n := p.anchors[y.Alias]; n != nil {
		return n
	}
	p.report(y, len(y.Value)+1, "SP1009", fmt.Sprintf("`*%s` stands inside the value that it repeats", Brief(y.Value)), "write the value out")
	return &Node{file: p.file, line: int32(y.Line), col: int32(y.Column)}
}

// fields reads the fields of a mapping.
func (p *parser) fields(n *Node, y *yaml.Node) {
	seen := make(map[string]int, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := p.key(y.Content[i])
		value := p.node(y.Content[i+1])
		if key == nil || key.kind == Absent {
			continue
		}
		if line, twice := seen[key.value]; twice {
			p.report(y.Content[i], key.Pos().Width, "SP1005", fmt.Sprintf("`%s` is given twice", Brief(key.value)), fmt.Sprintf("it is first given on line %d", line))
			continue
		}
		seen[key.value] = int(key.line)
		n.keys, n.items = append(n.keys, key), append(n.items, value)
		n.size += 1 + value.size
	}
}

// key reads the name of a field.
func (p *parser) key(y *yaml.Node) *Node {
	switch {
	case y.Kind == yaml.ScalarNode && y.Style&yaml.TaggedStyle == 0 && y.Value == "<<" && plainStyle(y):
		p.report(y, 2, "SP1009", "YAML merge keys are not accepted", "write the fields out")
		return nil
	case y.Kind != yaml.ScalarNode || strings.Contains(y.Value, "\n"):
		p.report(y, 1, "SP1009", "a field name must be one line of text", "a value that begins with `*`, `[` or `{` must be in quotes")
		return nil
	}
	return p.node(y)
}

func (n *Node) skipAnchor(name string) {
	c := n.file.at(int(n.line), int(n.col))
	if !c.has("&" + name) {
		return
	}
	for c.breaks(); c.peek() == '#'; c.breaks() {
		for !c.end() && !c.lineBreak() {
			c.next()
		}
	}
	n.line, n.col = int32(c.line), int32(c.col)
}

func plainStyle(y *yaml.Node) bool {
	return y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

func flowStyle(y *yaml.Node) style {
	if y.Style&yaml.FlowStyle != 0 {
		return flow
	}
	return plain
}

func scalarKind(y *yaml.Node) (Kind, style) {
	switch {
	case y.Style&yaml.LiteralStyle != 0:
		return String, literal
	case y.Style&yaml.FoldedStyle != 0:
		return String, folded
	case y.Style&yaml.SingleQuotedStyle != 0:
		return String, single
	case y.Style&yaml.DoubleQuotedStyle != 0:
		return String, double
	}
	switch y.ShortTag() {
	case "!!null":
		return Null, plain
	case "!!bool":
		return Bool, plain
	case "!!int", "!!float":
		return Number, plain
	}
	return String, plain
}
