package binary

// Lifted is a module without what happens once, when it is instantiated, so that
// one compilation serves the instance that boots and all those that begin with its
// image.
type Lifted struct {
	// Code is the module without start function and without the bytes of its active
	// data segments, which are empty, for their indices to stay. After it has been
	// instantiated such a segment can't be used, as before. Everything else stays:
	// passive data segments with their bytes, element segments, tables and the
	// initial values of globals.
	Code []byte
	// Data are the active data segments. A host that boots an instance writes them in
	// this order, each only if it fits into memory as it is then: if one doesn't, the
	// instance is to be given up.
	Data []Data
	// Start is the export that is the start function, to be called behind that; empty
	// when there is none.
	Start string
}

// Data is an active data segment. Its bytes alias the module that was lifted.
type Data struct {
	Offset uint32
	Bytes  []byte
}

// Lift takes the active data segments and the start function out of a module. An
// error is an *Error.
func Lift(code []byte) (*Lifted, error) {
	m, err := Parse(code)
	if err != nil {
		return nil, err
	}
	l := &Lifted{}
	change := map[byte][]byte{}
	if err := m.liftData(l, change); err != nil {
		return nil, err
	}
	if m.start >= 0 {
		exports := appendU32(nil, uint32(len(m.exports)+1))
		for _, e := range m.exports {
			if e.name == StartExport {
				return nil, m.refuse(secExport, "%q: the name is reserved", e.name)
			}
			exports = appendExport(exports, e)
		}
		change[secStart] = nil
		change[secExport] = appendExport(exports, exported{StartExport, KindFunc, uint32(m.start)})
		l.Start = StartExport
	}
	l.Code = m.rebuild(change)
	return l, nil
}

func (m *Module) liftData(l *Lifted, change map[byte][]byte) error {
	if len(m.datas) == 0 {
		return nil
	}
	content := appendU32(nil, uint32(len(m.datas)))
	for i := range m.datas {
		s := &m.datas[i]
		data := m.src[s.items.from:s.items.to:s.items.to]
		if s.mode == passive {
			content = append(appendU32(append(content, passive), uint32(len(data))), data...)
			continue
		}
		offset, err := m.offset(s.offset)
		if err != nil {
			return err
		}
		l.Data = append(l.Data, Data{offset, data})
		content = append(content, active, opI32Const, 0, opEnd, 0)
	}
	if !m.counted { // then no code names a segment, and passive ones are of no use
		content = nil
	}
	change[secData] = content
	return nil
}

// offset computes a constant expression of type i32.
func (m *Module) offset(s span) (uint32, error) {
	var stack []uint32
	for r := m.read(s); !r.end(); {
		at := r.p
		var in instr
		r.instr(&in)
		n := len(stack)
		switch {
		case in.op == opI32Const:
			stack = append(stack, uint32(in.v))
			continue
		case in.op == opEnd && n == 1:
			return stack[0], nil
		case n < 2:
		case in.op == opI32Add:
			stack[n-2] += stack[n-1]
		case in.op == opI32Sub:
			stack[n-2] -= stack[n-1]
		case in.op == opI32Mul:
			stack[n-2] *= stack[n-1]
		default:
			n = 0
		}
		if n < 2 {
			return 0, &Error{Offset: at, Section: sectionNames[secData], Message: "a segment's offset can't be computed"}
		}
		stack = stack[:n-1]
	}
	return 0, nil
}

// rebuild writes the module with the content of some sections changed; a section
// whose new content is nil is left out. Custom sections come last.
func (m *Module) rebuild(change map[byte][]byte) []byte {
	out := append(make([]byte, 0, len(m.src)+1024), header...)
	for _, id := range [...]byte{
		secType, secImport, secFunction, secTable, secMemory, secGlobal, secExport,
		secStart, secElement, secDataCount, secCode, secData,
	} {
		if content, ok := change[id]; ok {
			out = appendSection(out, id, content)
			continue
		}
		out = append(out, m.src[m.sections[id].from:m.sections[id].to]...)
	}
	for _, c := range m.customs {
		out = appendSection(out, secCustom, m.src[c.all.from:c.all.to])
	}
	return out
}

// OwnMemory gives a module that imports its memory one of its own, with the same
// limits, exported as "memory" if it exports none and the name is free. Any other
// module is returned as it is. Modules of OPA need it. An error is an *Error.
func OwnMemory(module []byte) ([]byte, error) {
	m, err := Parse(module)
	if err != nil {
		return nil, err
	}
	if m.foreign[KindMemory] == 0 {
		return module, nil
	}
	imports := appendU32(nil, uint32(len(m.imports)-1))
	var memory []byte
	for _, imp := range m.imports {
		if imp.kind == KindMemory {
			memory = appendLimitsAsTheyAre([]byte{1}, imp.limits)
		} else {
			imports = appendImport(imports, imp)
		}
	}
	change := map[byte][]byte{secImport: imports, secMemory: memory}
	m.exportMemory(change)
	return m.rebuild(change), nil
}

func appendImport(b []byte, imp imported) []byte {
	b = append(appendName(appendName(b, imp.module), imp.name), byte(imp.kind))
	switch imp.kind {
	case KindFunc:
		return appendU32(b, imp.typ)
	case KindGlobal:
		return append(b, byte(imp.ref), flag(imp.mutable))
	case KindTable:
		b = append(b, byte(imp.ref))
	case KindMemory:
	}
	return appendLimitsAsTheyAre(b, imp.limits)
}

// exportMemory exports the memory if nothing else does or has its name.
func (m *Module) exportMemory(change map[byte][]byte) {
	exports := appendU32(nil, uint32(len(m.exports)+1))
	for _, e := range m.exports {
		if e.kind == KindMemory || e.name == "memory" {
			return
		}
		exports = appendExport(exports, e)
	}
	change[secExport] = appendExport(exports, exported{name: "memory", kind: KindMemory})
}

func appendLimitsAsTheyAre(b []byte, l limits) []byte {
	b = appendU32(append(b, flag(l.bounded)), l.min)
	if l.bounded {
		b = appendU32(b, l.max)
	}
	return b
}
