package binary

import "unicode/utf8"

// The parts of the name section that are kept. The others name what has moved or
// is of no use to the engine.
const (
	nameModule    = 0
	nameFunctions = 1
)

// names writes a name section with the module's name and its functions', so that a
// trap says where it was, or nil when there are none that can be read. The engine
// refuses a module whose name section it can't read.
func (m *Module) names(p *plan) []byte {
	data, _ := m.Custom("name")
	r := reader{b: data, stop: len(data)}
	b := appendName(nil, "name")
	found := false
	for last := -1; !r.end(); {
		id := int(r.byte())
		s := r.part(r.u32())
		if r.err != nil || id <= last {
			return nil
		}
		last = id
		var content []byte
		switch id {
		case nameModule:
			content = appendName(nil, s.name())
		case nameFunctions:
			content = m.functionNames(p, &s)
		default:
			continue
		}
		if s.err != nil || !s.end() {
			return nil
		}
		found = true
		b = append(appendU32(append(b, byte(id)), uint32(len(content))), content...)
	}
	if !found {
		return nil
	}
	return b
}

func (m *Module) functionNames(p *plan, r *reader) []byte {
	n := r.count("names", m.count[KindFunc])
	b := appendU32(nil, uint32(n))
	last := int64(-1)
	for range n {
		at := r.p
		fn, name := r.index("function", m.count[KindFunc]), r.bytes(r.u32())
		if int64(fn) <= last || !utf8.Valid(name) {
			r.fail(at, "names out of order")
		}
		last = int64(fn)
		b = appendU32(b, p.moved(fn))
		b = append(appendU32(b, uint32(len(name))), name...)
	}
	return b
}
