package clients

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"strings"

	"github.com/tailscale/hujson"
)

// setJSON puts an entry among the servers of a JSON file. Comments, trailing commas and the layout of everything else stay.
func setJSON(data []byte, path []string, name string, entry object) ([]byte, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}\n")
	}
	root, err := hujson.Parse(data)
	if err != nil {
		return nil, err
	}
	top, ok := root.Value.(*hujson.Object)
	if !ok {
		return nil, errors.New("it holds no object of settings")
	}
	e := jsonEditor{unit: unitOf(top)}
	o, indent := top, ""
	for _, p := range path {
		next := find(o, p)
		if next == nil {
			e.add(o, indent, p, "{}")
			next = find(o, p)
		}
		child, ok := next.Value.(*hujson.Object)
		if !ok {
			return nil, errors.New("`" + p + "` is no object")
		}
		indent, o = e.below(o, indent), child
	}
	if old := find(o, name); old != nil {
		v, err := hujson.Parse([]byte(entry.json(e.below(o, indent), e.unit)))
		if err != nil {
			return nil, err
		}
		old.Value = v.Value
		return root.Pack(), nil
	}
	e.add(o, indent, name, entry.json(e.below(o, indent), e.unit))
	return root.Pack(), nil
}

func find(o *hujson.Object, name string) *hujson.Value {
	for i := range o.Members {
		if l, ok := o.Members[i].Name.Value.(hujson.Literal); ok && l.String() == name {
			return &o.Members[i].Value
		}
	}
	return nil
}

type jsonEditor struct{ unit string }

// unitOf is what the file indents by.
func unitOf(top *hujson.Object) string {
	if len(top.Members) > 0 {
		if indent := lastLine(top.Members[0].Name.BeforeExtra); indent != "" {
			return indent
		}
	}
	return "  "
}

func lastLine(e hujson.Extra) string {
	s := string(e)
	i := strings.LastIndexByte(s, '\n')
	if i < 0 || strings.TrimLeft(s[i+1:], " \t") != "" {
		return ""
	}
	return s[i+1:]
}

// below is the indent of o's members, if o itself is at indent.
func (e jsonEditor) below(o *hujson.Object, indent string) string {
	if len(o.Members) > 0 {
		if l := lastLine(o.Members[0].Name.BeforeExtra); l != "" {
			return l
		}
	}
	return indent + e.unit
}

// add appends a member to o, on a line of its own.
func (e jsonEditor) add(o *hujson.Object, indent, name, value string) {
	v, err := hujson.Parse([]byte(value))
	if err != nil {
		panic("clients: an entry that is no JSON: " + err.Error()) // it was made here
	}
	below := e.below(o, indent)
	before := strings.TrimRight(string(o.AfterExtra), " \t\r\n") // comments behind the last member stay with it
	m := hujson.ObjectMember{
		Name:  hujson.Value{BeforeExtra: hujson.Extra(before + "\n" + below), Value: hujson.String(name)},
		Value: hujson.Value{BeforeExtra: hujson.Extra(" "), Value: v.Value},
	}
	if n := len(o.Members); n > 0 && o.Members[n-1].Value.AfterExtra != nil { // a trailing comma
		m.Value.AfterExtra = hujson.Extra{}
	}
	o.Members = append(o.Members, m)
	o.AfterExtra = hujson.Extra("\n" + indent)
}

// json writes o behind a name that stands at indent.
func (o object) json(indent, unit string) string {
	var b strings.Builder
	b.WriteString("{")
	for i, f := range o {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n" + indent + unit + quote(f.name) + ": ")
		if nested, ok := f.value.(object); ok {
			b.WriteString(nested.json(indent+unit, unit))
			continue
		}
		b.WriteString(quote(f.value))
	}
	b.WriteString("\n" + indent + "}")
	return b.String()
}

// quote writes a scalar as JSON, which is YAML and TOML too.
func quote(v any) string {
	var b bytes.Buffer
	enc := stdjson.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("clients: " + err.Error()) // texts, numbers and booleans can be written
	}
	return strings.TrimSuffix(b.String(), "\n")
}
