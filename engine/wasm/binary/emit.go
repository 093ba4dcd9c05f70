package binary

// module writes the instrumented module.
func (w *rewriter) module(res *Result) []byte {
	m, p := w.m, w.p
	code := w.code()
	out := make([]byte, 0, len(m.src)+len(code)+4096)
	out = append(out, header...)
	out = appendSection(out, secType, w.types())
	out = appendSection(out, secImport, w.imports())
	out = appendSection(out, secFunction, w.declarations())
	out = appendSection(out, secTable, w.tables())
	out = appendSection(out, secMemory, w.memories())
	out = appendSection(out, secGlobal, w.globals())
	out = appendSection(out, secExport, w.exports(res))
	if m.start >= 0 {
		out = appendSection(out, secStart, appendU32(nil, p.moved(uint32(m.start))))
	}
	out = appendSection(out, secElement, m.elements(p.moved))
	if m.counted {
		out = appendSection(out, secDataCount, appendU32(nil, uint32(len(m.datas))))
	}
	out = appendSection(out, secCode, code)
	out = appendSection(out, secData, m.segments())
	return appendSection(out, secCustom, m.names(p))
}

// appendSection writes a section; one that is nil isn't there.
func appendSection(out []byte, id byte, content []byte) []byte {
	if content == nil {
		return out
	}
	return append(appendU32(append(out, id), uint32(len(content))), content...)
}

func (w *rewriter) types() []byte {
	b := appendU32(nil, uint32(len(w.m.types)+len(w.p.added)))
	for _, list := range [2][]FuncType{w.m.types, w.p.added} {
		for _, t := range list {
			b = append(b, 0x60)
			b = appendValues(b, t.Params)
			b = appendValues(b, t.Results)
		}
	}
	return b
}

func appendValues(b []byte, types []ValueType) []byte {
	b = appendU32(b, uint32(len(types)))
	for _, t := range types {
		b = append(b, byte(t))
	}
	return b
}

// imports writes the guest's imports, which are functions, and the hook.
func (w *rewriter) imports() []byte {
	b := appendU32(nil, uint32(len(w.m.imports)+1))
	for _, imp := range w.m.imports {
		b = appendImport(b, imp)
	}
	return appendImport(b, imported{module: HookModule, name: HookName, kind: KindFunc, typ: w.p.hookType})
}

func (w *rewriter) declarations() []byte {
	b := appendU32(nil, uint32(len(w.m.bodies)+1))
	for _, t := range w.m.funcs[w.m.foreign[KindFunc]:] {
		b = appendU32(b, t)
	}
	return appendU32(b, w.p.hookType)
}

func (w *rewriter) tables() []byte {
	if len(w.m.tables) == 0 {
		return nil
	}
	b := appendU32(nil, uint32(len(w.m.tables)))
	share := w.p.options.MaxTable / uint32(len(w.m.tables))
	for _, t := range w.m.tables {
		b = appendLimits(append(b, byte(t.ref)), t.limits, max(share, t.limits.min))
	}
	return b
}

func (w *rewriter) memories() []byte {
	if w.m.memory == nil {
		return nil
	}
	l := *w.m.memory
	l.bounded = l.bounded && !w.p.options.FullMemory
	return appendLimits([]byte{1}, l, w.p.options.MaxPages)
}

// appendLimits writes limits whose maximum is at most the given one.
func appendLimits(b []byte, l limits, most uint32) []byte {
	if l.bounded {
		most = min(most, l.max)
	}
	return appendU32(appendU32(append(b, 1), l.min), most)
}

// globals writes the guest's globals, the fuel, the depth and what was written.
func (w *rewriter) globals() []byte {
	values := []int64{0, int64(w.p.options.Stack)}
	if w.p.options.Block > 0 {
		values = append(values, 0)
	}
	b := appendU32(nil, uint32(len(w.m.globals)+len(values)))
	for _, g := range w.m.globals {
		b = append(b, byte(g.typ), flag(g.mutable))
		b = w.m.appendConstant(b, g.init, w.p.moved)
	}
	for _, v := range values {
		b = append(b, byte(I64), 1, opI64Const)
		b = append(appendS64(b, v), opEnd)
	}
	return b
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// appendConstant writes constant expressions, one or more.
func (m *Module) appendConstant(b []byte, s span, moved func(uint32) uint32) []byte {
	var in instr
	for r := m.read(s); !r.end(); {
		r.instr(&in)
		if in.op == opRefFunc {
			in.a = moved(in.a)
		}
		b = appendInstr(b, &in)
	}
	return b
}

func (w *rewriter) exports(res *Result) []byte {
	n := len(w.m.exports) + len(res.Globals) + 1 + int(flag(res.Written != ""))
	b := appendU32(nil, uint32(n))
	for _, e := range w.m.exports {
		if e.kind == KindFunc {
			e.index = w.p.moved(e.index)
		}
		b = appendExport(b, e)
	}
	b = appendExport(b, exported{FuelExport, KindGlobal, w.p.fuel})
	b = appendExport(b, exported{DepthExport, KindGlobal, w.p.depth})
	if res.Written != "" {
		b = appendExport(b, exported{res.Written, KindGlobal, w.p.written})
	}
	for i, g := range w.m.globals {
		if restorable(g) {
			b = appendExport(b, exported{globalExport(i), KindGlobal, uint32(i)})
		}
	}
	return b
}

func appendExport(b []byte, e exported) []byte {
	return appendU32(append(appendName(b, e.name), byte(e.kind)), e.index)
}

// elements writes the element segments in the forms with the fewest bytes that say
// the same: those without expressions stay so.
func (m *Module) elements(moved func(uint32) uint32) []byte {
	if len(m.elems) == 0 {
		return nil
	}
	b := appendU32(nil, uint32(len(m.elems)))
	for i := range m.elems {
		b = m.appendElement(b, &m.elems[i], moved)
	}
	return b
}

func (m *Module) appendElement(b []byte, s *segment, moved func(uint32) uint32) []byte {
	flags := 4 * flag(s.exprs)
	switch {
	case s.mode == passive:
		flags |= 1
	case s.mode == declarative:
		flags |= 3
	case s.table > 0 || s.ref != FuncRef:
		flags |= 2
	}
	b = append(b, flags)
	if s.mode == active {
		if flags&2 != 0 {
			b = appendU32(b, s.table)
		}
		b = m.appendConstant(b, s.offset, moved)
	}
	switch {
	case flags&3 == 0:
	case s.exprs:
		b = append(b, byte(s.ref))
	default:
		b = append(b, 0)
	}
	b = appendU32(b, uint32(s.n))
	if s.exprs {
		return m.appendConstant(b, s.items, moved)
	}
	for r := m.read(s.items); !r.end(); {
		b = appendU32(b, moved(r.u32()))
	}
	return b
}

// segments writes the data segments.
func (m *Module) segments() []byte {
	if len(m.datas) == 0 {
		return nil
	}
	b := appendU32(nil, uint32(len(m.datas)))
	for i := range m.datas {
		s := &m.datas[i]
		b = append(b, byte(s.mode))
		if s.mode == active {
			b = m.appendConstant(b, s.offset, nil)
		}
		b = appendU32(b, uint32(s.items.to-s.items.from))
		b = append(b, m.src[s.items.from:s.items.to]...)
	}
	return b
}
