package source

import (
	"iter"
	"strconv"
	"strings"
)

// Kind is the kind of a Node. The zero Kind is that of no node.
type Kind uint8

// The kinds.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	List
	Map
)

// String names the kind as messages do: "text", "a list".
func (k Kind) String() string {
	switch k {
	case Null:
		return "empty"
	case Bool:
		return "true or false"
	case Number:
		return "a number"
	case String:
		return "text"
	case List:
		return "a list"
	case Map:
		return "a mapping"
	case Absent:
	}
	return "absent"
}

type style uint8

const (
	plain style = iota
	single
	double
	literal
	folded
	flow // a list or a mapping in brackets
)

// Node is a value in a parsed file. The nil Node is an absent value; every method accepts it. Aliases are resolved: the same
// Node may stand under several parents. A tree is safe for concurrent use once parsed, unless Replace is called.
type Node struct {
	file      *file
	kind      Kind
	style     style
	line, col int32
	value     string  // of a scalar
	keys      []*Node // of a Map
	items     []*Node // of a List; the values of a Map
	size      int     // nodes in the tree below, aliases expanded
	fixed     *Pos    // the place, once value is not what the file says
}

// Kind returns the kind of n.
func (n *Node) Kind() Kind {
	if n == nil {
		return Absent
	}
	return n.kind
}

// Len returns the number of items of a list or fields of a mapping.
func (n *Node) Len() int {
	if n == nil {
		return 0
	}
	return len(n.items)
}

// Get returns the value of a field of a mapping, or nil.
func (n *Node) Get(name string) *Node {
	if i := n.field(name); i >= 0 {
		return n.items[i]
	}
	return nil
}

// Key returns the node of a field's name, or nil.
func (n *Node) Key(name string) *Node {
	if i := n.field(name); i >= 0 {
		return n.keys[i]
	}
	return nil
}

func (n *Node) field(name string) int {
	if n.Kind() != Map {
		return -1
	}
	for i, k := range n.keys {
		if k.value == name {
			return i
		}
	}
	return -1
}

// Index returns an item of a list, or nil.
func (n *Node) Index(i int) *Node {
	if n.Kind() != List || i < 0 || i >= len(n.items) {
		return nil
	}
	return n.items[i]
}

// Items returns the items of a list.
func (n *Node) Items() iter.Seq2[int, *Node] {
	return func(yield func(int, *Node) bool) {
		if n.Kind() != List {
			return
		}
		for i, item := range n.items {
			if !yield(i, item) {
				return
			}
		}
	}
}

// Fields returns the names and values of a mapping, in order.
func (n *Node) Fields() iter.Seq2[*Node, *Node] {
	return func(yield func(key, value *Node) bool) {
		if n.Kind() != Map {
			return
		}
		for i, key := range n.keys {
			if !yield(key, n.items[i]) {
				return
			}
		}
	}
}

// Find follows a path of field names and list indexes, and returns the deepest node on it.
func (n *Node) Find(path ...string) *Node {
	for _, name := range path {
		next := n.Get(name)
		if i, err := strconv.Atoi(name); err == nil && n.Kind() == List {
			next = n.Index(i)
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// Text returns a scalar as text that knows its place. It is zero for a list or a mapping.
func (n *Node) Text() Text {
	if n.Kind() == Absent || n.kind == List || n.kind == Map {
		return Text{}
	}
	return Text{Value: n.value, node: n}
}

// Any returns n as encoding/json would give it: nil, bool, float64, string, []any and map[string]any.
func (n *Node) Any() any {
	switch n.Kind() {
	case Bool:
		return strings.EqualFold(n.value, "true")
	case Number:
		f, err := strconv.ParseFloat(n.value, 64)
		if err != nil {
			return n.value // a number in a form of YAML's own, such as 0x1f
		}
		return f
	case String:
		return n.value
	case List:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.Any()
		}
		return list
	case Map:
		m := make(map[string]any, len(n.items))
		for i, key := range n.keys {
			m[key.value] = n.items[i].Any()
		}
		return m
	case Null, Absent:
	}
	return nil
}

// Walk calls visit with every value below n and with n itself, names of fields left out. A value that aliases repeat is visited once.
func (n *Node) Walk(visit func(*Node)) {
	seen := map[*Node]bool{}
	var walk func(*Node)
	walk = func(n *Node) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		visit(n)
		for _, item := range n.items {
			walk(item)
		}
	}
	walk(n)
}

// Replace sets the value of a scalar. Its places inside are lost: they all map to the whole scalar from then on.
func (n *Node) Replace(value string) {
	if n.Text().node != nil {
		pos := n.Pos()
		n.value, n.fixed = value, &pos
	}
}

// Discard makes n a value of which nothing more is said, because it was reported: Decode passes over it, and its Kind is Absent.
func (n *Node) Discard() {
	if n != nil {
		pos := n.Pos()
		n.kind, n.value, n.fixed, n.keys, n.items = Absent, "", &pos, nil, nil
	}
}

// Pos returns the place of n: of a scalar its text on its first line, of a list or mapping its start.
func (n *Node) Pos() Pos {
	if n == nil {
		return Pos{}
	}
	p := Pos{File: n.file.name, Line: int(n.line), Column: int(n.col), Width: 1}
	switch {
	case n.fixed != nil:
		return *n.fixed
	case n.style == flow:
	case n.kind == Map && len(n.keys) > 0:
		return n.keys[0].Pos()
	case n.kind == List && len(n.items) > 0:
	case n.kind != Map && n.kind != List && n.kind != Absent:
		p.Line, p.Column, p.Width = n.extent()
	}
	return p
}
