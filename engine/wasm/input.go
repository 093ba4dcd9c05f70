package wasm

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// inputNode is a place in the input of a module of Rego: a field that the manifest declares, or an
// object with such fields somewhere below.
type inputNode struct {
	key     string // as JSON, with the colon
	name    string
	read    int // index in the hook's reads, -1 if it is none
	members []*inputNode
	each    *inputNode // of an array: its elements
}

// newInput lays out the input of a hook. A field inside another comes with it.
func newInput(reads []hostapi.Path) *inputNode {
	root := &inputNode{read: -1}
	for i, p := range reads {
		n := root
		for name := range strings.SplitSeq(p.Name().Name, ".") {
			n = n.member(name)
		}
		for _, s := range p.Segments() {
			if s.Kind == hostapi.SegmentKey {
				n = n.member(s.Key)
				continue
			}
			if n.each == nil {
				n.each = &inputNode{read: -1}
			}
			n = n.each
		}
		n.read = i
	}
	return root
}

func (n *inputNode) member(name string) *inputNode {
	if i := slices.IndexFunc(n.members, func(m *inputNode) bool { return m.name == name }); i >= 0 {
		return n.members[i]
	}
	m := &inputNode{key: string(jsonscan.AppendQuote(nil, name)) + ":", name: name, read: -1}
	n.members = append(n.members, m)
	return m
}

// appendInput appends what the message, or an item of its list, has at a place; nothing if it is
// absent.
func (in *instance) appendInput(dst []byte, n *inputNode, item jsonscan.Value) []byte {
	switch {
	case n.read >= 0:
		return in.appendField(dst, n.read, item)
	case n.each != nil:
		return in.appendItems(dst, n.each)
	}
	begin := len(dst)
	dst = append(dst, '{')
	for _, m := range n.members {
		before := len(dst)
		if before > begin+1 {
			dst = append(dst, ',')
		}
		dst = append(dst, m.key...)
		named := len(dst)
		if dst = in.appendInput(dst, m, item); len(dst) == named {
			dst = dst[:before]
		}
	}
	if len(dst) == begin+1 {
		return dst[:begin]
	}
	return append(dst, '}')
}

func (in *instance) appendField(dst []byte, id int, item jsonscan.Value) []byte {
	v, from := in.inputValue(id, item), len(dst)
	switch v.kindOf() {
	case hostapi.KindAbsent:
		return dst
	case hostapi.KindString:
		if v.kind == hostapi.KindString {
			dst = jsonscan.AppendQuote(dst, v.text)
			break
		}
		dst = v.json.AppendTo(dst)
	default:
		dst = v.appendTo(dst)
	}
	in.charge(v.cost(len(dst) - from))
	return dst
}

// inputValue returns what the message, or an item of its list, has as the field.
func (in *instance) inputValue(id int, item jsonscan.Value) *value {
	r := &in.hook.reads[id]
	if r.perItem {
		in.charge(int64(len(item.Raw()) / searchPer))
		return in.only(value{json: walk(item, r.path)})
	}
	return in.value(r, uint64(id))
}

func (in *instance) appendItems(dst []byte, n *inputNode) []byte {
	if in.message.Items.Kind() != jsonscan.Array {
		return dst
	}
	dst = append(dst, '[')
	for i := range in.message.itemCount() {
		if i > 0 {
			dst = append(dst, ',')
		}
		before := len(dst)
		if dst = in.appendInput(dst, n, in.message.item(i)); len(dst) == before {
			dst = append(dst, "{}"...)
		}
	}
	return append(dst, ']')
}
