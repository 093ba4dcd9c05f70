package fake

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/manifest"
)

// edited returns the message with the edits.
func (h *Host) edited() *Message {
	m := *h.Message
	todo := changes(slices.Clone(h.edits))
	member := "mcp.result" + manifest.Segment{Key: lists[m.Method]}.String()
	for i, e := range todo {
		if rest, ok := strings.CutPrefix(e.place, "items"); ok {
			todo[i].place = member + rest
		}
	}
	if m.Params != nil {
		m.Params = todo.rebuild(m.Params, "params")
	}
	if m.Result != nil {
		m.Result = todo.rebuild(m.Result, "mcp.result")
	}
	return &m
}

// changes are edits that are not made yet.
type changes []edit

// take returns the change of a place, and forgets it.
func (c *changes) take(place string) (value *manifest.Node, ok bool) {
	i := slices.IndexFunc(*c, func(e edit) bool { return e.place == place })
	if i < 0 {
		return nil, false
	}
	value = (*c)[i].value
	*c = slices.Delete(*c, i, i+1)
	return value, true
}

// rebuild copies a value with its edits. nil is removed.
func (c *changes) rebuild(n *manifest.Node, at string) *manifest.Node {
	if value, ok := c.take(at); ok {
		return value
	}
	out := &manifest.Node{Kind: n.Kind, Text: n.Text}
	for i, e := range n.Elems {
		s := manifest.Segment{Kind: manifest.Index, Index: i}
		if n.Kind == abi.KindObject {
			s = manifest.Segment{Key: n.Names[i]}
		}
		if e = c.rebuild(e, at+s.String()); e != nil {
			out.Elems = append(out.Elems, e)
			if n.Kind == abi.KindObject {
				out.Names = append(out.Names, s.Key)
			}
		}
	}
	if n.Kind == abi.KindObject {
		c.add(out, at)
	}
	return out
}

// add gives an object the members that it didn't have.
func (c *changes) add(n *manifest.Node, at string) {
	for _, e := range slices.Clone(*c) {
		p := e.path.Place()
		if len(p.Segments) == 0 {
			continue
		}
		last := p.Segments[len(p.Segments)-1]
		if last.Kind == manifest.Key && e.place == at+last.String() && e.value != nil {
			c.take(e.place)
			n.Names, n.Elems = append(n.Names, last.Key), append(n.Elems, e.value)
		}
	}
}
