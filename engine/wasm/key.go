package wasm

import (
	"encoding/binary"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// A Key writes down what plugins can learn of a message, and nothing else: a plugin that is deterministic, with the same tables, does
// the same for messages of which its Key writes the same, down to its fuel. Everything is written with its type and length, JSON as it
// was received, so that no two values read the same. The zero Key writes nothing.
type Key struct {
	places []keyPlace
	items  bool // of a list, wholly
}

// keyPlace is a field path up to its first [*]: below it everything is read.
type keyPlace struct {
	name   string
	root   func(*Message) value
	header string
	path   []hostapi.Segment
	text   string
}

// Deterministic says that the plugin's manifest says so: it sees no clock.
func (p *Plugin) Deterministic() bool { return p.info.Manifest.Deterministic }

// Ejected says that the plugin has failed so often that it is not asked any more.
func (p *Plugin) Ejected() bool { return p.breaker.ejected.Load() != nil }

// NewKey makes the Key of plugins in their hooks. What a plugin may read, enumerate or edit in a hook is what it can learn of: the
// answer to an edit says whether there was something. Another hook is told from this one by the caller.
func NewKey(h hostapi.Hook, plugins ...*Plugin) Key {
	k := Key{items: h == hostapi.HookList && len(plugins) > 0}
	for _, p := range plugins {
		g := &p.program.grant
		for _, lists := range [][]hostapi.Path{p.info.Manifest.Reads[h], p.info.Manifest.Strings[h]} {
			for _, declared := range lists {
				for _, granted := range slices.Concat(g.Reads, g.Strings) {
					if declared.Holds(granted) {
						k.add(granted)
					}
				}
			}
		}
		for _, path := range g.Writes {
			if editable(path.Name(), h) {
				k.add(path)
			}
		}
	}
	return k
}

// Join is the Key that writes what both write.
func (k Key) Join(other Key) Key {
	out := Key{places: slices.Clone(k.places), items: k.items || other.items}
	for _, p := range other.places {
		out.place(p)
	}
	return out
}

// Fields are the places that the Key writes of, in canonical names.
func (k Key) Fields() []string {
	var out []string
	for _, p := range k.places {
		out = append(out, p.text)
	}
	if k.items {
		out = append(out, itemsName)
	}
	return out
}

const itemsName = "items"

func (k *Key) add(path hostapi.Path) {
	name := path.Name()
	p := keyPlace{name: name.Name, path: path.Segments(), text: name.Name}
	if n := slices.IndexFunc(p.path, func(s hostapi.Segment) bool { return s.Kind == hostapi.SegmentAny }); n >= 0 {
		p.path = p.path[:n]
	}
	for _, s := range p.path {
		p.text = string(appendSegment([]byte(p.text), s))
	}
	switch {
	case name.Name == itemsName:
		k.items = true
		return
	case name.Type == hostapi.TypeHeaders:
		p.header, p.path = p.path[0].Key, nil
	case name.At != "": // an edit may use either name; Append says whether the other has anything
		at, _ := hostapi.ParsePath(name.At) // it is hostapi's own
		p.name, p.path = at.Name().Name, slices.Concat(at.Segments(), p.path)
	}
	p.root = roots[p.name]
	k.place(p)
}

// editable says whether what a name stands for can be edited in a hook, by that name or by the place that it is short for.
func editable(n hostapi.Name, h hostapi.Hook) bool {
	if n.At != "" && !slices.Contains(n.Edit, h) {
		at, _ := hostapi.ParsePath(n.At) // it is hostapi's own
		n = at.Name()
	}
	return slices.Contains(n.Edit, h)
}

func appendSegment(dst []byte, s hostapi.Segment) []byte {
	if s.Kind == hostapi.SegmentKey {
		return hostapi.AppendKey(dst, s.Key)
	}
	return hostapi.AppendIndex(dst, s.Index)
}

// place adds a place, unless it is inside another; those inside it go.
func (k *Key) place(p keyPlace) {
	if slices.ContainsFunc(k.places, func(q keyPlace) bool { return q.holds(&p) }) {
		return
	}
	k.places = append(slices.DeleteFunc(k.places, func(q keyPlace) bool { return p.holds(&q) }), p)
}

func (p *keyPlace) holds(q *keyPlace) bool {
	return p.name == q.name && p.header == q.header && len(p.path) <= len(q.path) && slices.Equal(p.path, q.path[:len(p.path)])
}

// Append appends what the Key writes of a message.
func (k *Key) Append(dst []byte, m *Message) []byte {
	if len(k.places) > 0 || k.items {
		about := byte(0)
		if m.aboutTool() {
			about = 1
		}
		if m.Method == "tools/call" { // it has a tool's result
			about |= 2
		}
		// A result makes the params those of another message, which are not edited.
		dst = append(dst, about, byte(m.Params.Kind()), byte(m.Result.Kind()))
	}
	for i := range k.places {
		dst = k.places[i].append(dst, m)
	}
	if k.items {
		dst = appendKeyJSON(dst, m.Items, nil)
	}
	return dst
}

// What a value is written as.
const (
	keyJSON = iota
	keyText
	keyList
)

func (p *keyPlace) append(dst []byte, m *Message) []byte {
	if p.root == nil {
		h := ""
		if m.Header != nil {
			h = m.Header(p.header)
		}
		return appendKeyText(dst, h)
	}
	v := p.root(m)
	switch v.kind {
	case hostapi.KindAbsent:
		return appendKeyJSON(append(dst, keyJSON), v.json, p.path)
	case hostapi.KindArray:
		dst = binary.AppendUvarint(append(dst, keyList), uint64(len(v.list)))
		for _, s := range v.list {
			dst = appendKeyText(dst, s)
		}
		return dst
	default:
		return appendKeyText(append(dst, keyText, byte(v.kind)), v.text)
	}
}

func appendKeyText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// keyInside says that only something inside the value is seen. It is no jsonscan.Kind, and as many stand there as the path was followed.
const keyInside = 0xff

// appendKeyJSON writes the value at the end of a path, or what keeps the path from going on.
func appendKeyJSON(dst []byte, v jsonscan.Value, path []hostapi.Segment) []byte {
	for i := range path {
		s, k := &path[i], v.Kind()
		switch {
		case s.Kind == hostapi.SegmentKey && k == jsonscan.Object:
			v = v.Get(s.Key)
		case s.Kind == hostapi.SegmentIndex && k == jsonscan.Array:
			v = v.Index(s.Index)
		default:
			return appendKeyValue(dst, v)
		}
		dst = append(dst, keyInside)
	}
	return appendKeyValue(dst, v)
}

func appendKeyValue(dst []byte, v jsonscan.Value) []byte {
	raw := v.Raw()
	return append(binary.AppendUvarint(append(dst, byte(v.Kind())), uint64(len(raw))), raw...)
}
