package wasm

import (
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// stringIndex is the strings of a selection, numbered.
type stringIndex struct {
	key     string
	hook    hostapi.Hook
	strings []stringAt
	steps   []step
	chain   []int32 // of appendPath
}

// stringAt is a string of a message.
type stringAt struct {
	value jsonscan.Value
	place int32 // in the selection
	step  int32 // that leads to it from the place, -1 if it is the place
}

// step is a member of an object or an element of an array, on the way from a place to a
// string.
type step struct {
	name   jsonscan.Value // absent for an element
	index  int32
	parent int32 // -1: the place
}

func (x *stringIndex) reset() {
	clear(x.strings)
	clear(x.steps)
	x.key, x.strings, x.steps = "", x.strings[:0], x.steps[:0]
}

// strings returns the index of a selection, which it builds when it is first asked for.
func (m *Message) strings(s *selection, h hostapi.Hook) *stringIndex {
	for i := range m.indexes {
		if x := &m.indexes[i]; x.key == s.key && x.hook == h {
			return x
		}
	}
	if n := len(m.indexes); n < cap(m.indexes) {
		m.indexes = m.indexes[:n+1] // with the memory of one that was reset
	} else {
		m.indexes = append(m.indexes, stringIndex{})
	}
	x := &m.indexes[len(m.indexes)-1]
	x.key, x.hook = s.key, h
	for i := range s.places {
		if p := &s.places[i]; m.part(&p.name, h) {
			x.find(p.root(m).json, p.path, int32(i), -1)
		}
	}
	return x
}

// find follows a path, whose [*] take every element, and collects what is below its end.
func (x *stringIndex) find(v jsonscan.Value, path []hostapi.Segment, at, parent int32) {
	for i := range path {
		s := &path[i]
		switch s.Kind {
		case hostapi.SegmentKey:
			v = v.Get(s.Key)
		case hostapi.SegmentIndex:
			v = v.Index(s.Index)
		case hostapi.SegmentAny:
			x.each(v, path[i+1:], at, parent)
			return
		}
	}
	x.collect(v, at, parent)
}

// each takes a [*]. The elements before it are no steps: the path of a string is written from
// the place, so the index of each [*] is one.
func (x *stringIndex) each(v jsonscan.Value, rest []hostapi.Segment, at, parent int32) {
	if v.Kind() != jsonscan.Array {
		return
	}
	i := int32(0)
	for c := v.Cursor(); c.Next(); i++ {
		x.steps = append(x.steps, step{index: i, parent: parent})
		x.find(c.Value(), rest, at, int32(len(x.steps)-1))
	}
}

// collect adds the strings at and below a value, in the order of the text. It goes as deep as
// the scan allowed.
func (x *stringIndex) collect(v jsonscan.Value, at, parent int32) {
	switch v.Kind() {
	case jsonscan.String:
		x.strings = append(x.strings, stringAt{v, at, parent})
	case jsonscan.Array, jsonscan.Object:
		i := int32(0)
		for c := v.Cursor(); c.Next(); i++ {
			w := c.Value()
			if k := w.Kind(); k != jsonscan.String && k != jsonscan.Array && k != jsonscan.Object {
				continue
			}
			x.steps = append(x.steps, step{name: c.Name(), index: i, parent: parent})
			x.collect(w, at, int32(len(x.steps)-1))
		}
	default:
	}
}

// appendPath appends the field path of a string.
func (x *stringIndex) appendPath(dst []byte, s *selection, i int) []byte {
	at := &x.strings[i]
	p := &s.places[at.place]
	x.chain = x.chain[:0]
	for k := at.step; k >= 0; k = x.steps[k].parent {
		x.chain = append(x.chain, k)
	}
	n := len(x.chain)
	dst = append(dst, p.name.Name...)
	for k := range p.path {
		seg := &p.path[k]
		switch seg.Kind {
		case hostapi.SegmentKey:
			dst = hostapi.AppendKey(dst, seg.Key)
		case hostapi.SegmentIndex:
			dst = hostapi.AppendIndex(dst, seg.Index)
		case hostapi.SegmentAny:
			n--
			dst = hostapi.AppendIndex(dst, int(x.steps[x.chain[n]].index))
		}
	}
	for n > 0 {
		n--
		if k := &x.steps[x.chain[n]]; k.name.Exists() {
			dst = hostapi.AppendKey(dst, k.name.Text())
		} else {
			dst = hostapi.AppendIndex(dst, int(k.index))
		}
	}
	return dst
}

// item returns the i-th item of the list.
func (m *Message) item(i int) jsonscan.Value {
	if i < 0 || i >= m.itemCount() {
		return jsonscan.Value{}
	}
	return m.items[i]
}

func (m *Message) itemCount() int {
	if !m.listed {
		m.listed = true
		for v := range m.Items.Elems() {
			m.items = append(m.items, v)
		}
	}
	return len(m.items)
}
