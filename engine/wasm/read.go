package wasm

import (
	"slices"
	"unsafe"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// read is a field that a plugin declared, ready to be found.
type read struct {
	root    func(*Message) value
	header  string // of request.headers
	path    []hostapi.Segment
	perItem bool // begins with items[*]; path is what comes after
	granted bool
}

func newRead(p hostapi.Path, granted bool) read {
	name := p.Name()
	r := read{root: roots[name.Name], path: p.Segments(), granted: granted}
	switch {
	case name.Type == hostapi.TypeHeaders:
		r.header, r.path = r.path[0].Key, nil
	case p.Wild():
		r.perItem, r.path = true, r.path[1:]
	}
	return r
}

// find finds the field in a message. v is the zero value before.
func (r *read) find(m *Message, v *value) {
	switch {
	case r.root == nil:
		if m.Header != nil {
			h := m.Header(r.header)
			*v = present(h != "", h)
		}
	case len(r.path) == 0:
		*v = r.root(m)
	default:
		v.json = walk(r.root(m).json, r.path)
	}
}

// walk follows segments without [*].
func walk(v jsonscan.Value, path []hostapi.Segment) jsonscan.Value {
	for i := range path {
		if s := &path[i]; s.Kind == hostapi.SegmentKey {
			v = v.Get(s.Key)
		} else {
			v = v.Index(s.Index)
		}
	}
	return v
}

// hookPlan is what a plugin may see in a hook.
type hookPlan struct {
	declared bool
	reads    []read
	strings  *selection
}

// selection is the places whose strings a plugin enumerates. Selections with the same key find
// the same strings, so plugins can share them.
type selection struct {
	key    string
	places []place
}

// place is a path that strings are enumerated below.
type place struct {
	declared int // index in the manifest's list
	name     hostapi.Name
	root     func(*Message) value
	path     []hostapi.Segment
	text     string
	// writable says that everything at or below the place may be edited.
	writable bool
}

// newSelection makes the selection of the paths that were granted of those that were declared.
func newSelection(declared, granted, writes []hostapi.Path) *selection {
	s := &selection{}
	for i, d := range declared {
		for _, p := range within(d, granted) {
			name := p.Name()
			holds := func(w hostapi.Path) bool { return w.Holds(p) }
			s.places = append(s.places, place{
				declared: i, name: name, root: roots[name.Name], path: p.Segments(), text: p.String(),
				writable: slices.ContainsFunc(writes, holds),
			})
			s.key += p.String() + "\n"
		}
	}
	return s
}

// within returns which of the granted paths are at or below a declared one, without those that
// are below another of them.
func within(declared hostapi.Path, granted []hostapi.Path) []hostapi.Path {
	var out []hostapi.Path
	for _, g := range granted {
		if declared.Holds(g) {
			out = append(out, g)
		}
	}
	return slices.DeleteFunc(slices.Clone(out), func(p hostapi.Path) bool {
		return slices.ContainsFunc(out, func(q hostapi.Path) bool {
			return q.Holds(p) && (!p.Holds(q) || p.String() > q.String())
		})
	})
}

// alias returns b as a string without a copy, valid as long as b doesn't change.
func alias(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // the callers see to it that b stands still
}
