package binary

func (p *parser) globals(r *reader) {
	n := r.count("globals", maxGlobals)
	p.m.globals = make([]global, 0, n)
	for range n {
		var g global
		g.typ, g.mutable = r.globalType()
		g.init = p.constant(r)
		p.m.globals = append(p.m.globals, g)
		p.m.count[KindGlobal]++
	}
}

// constant reads a constant expression and checks the indices in it. It may read
// no global of the module's own: the engine knows the imported ones only.
func (p *parser) constant(r *reader) span {
	s := span{from: r.p}
	for r.err == nil {
		at := r.p
		var in instr
		r.instr(&in)
		switch in.op {
		case opI32Const, opI64Const, opF32Const, opF64Const, opRefNull,
			opI32Add, opI32Sub, opI32Mul, opI64Add, opI64Sub, opI64Mul:
		case opGlobalGet:
			if int(in.a) >= p.m.foreign[KindGlobal] {
				r.fail(at, "global %d in a constant expression is not an imported one", in.a)
			}
		case opRefFunc:
			r.inRange(at, "function", in.a, p.m.count[KindFunc])
		case opVector:
			if in.sub != vecConst {
				r.fail(at, "vector instruction %#x in a constant expression", in.sub)
			}
		case opEnd:
			s.to = r.p
			return s
		default:
			r.fail(at, "instruction %#x in a constant expression", in.op)
		}
	}
	return s
}

func (p *parser) elements(r *reader) {
	total, n := 0, r.count("element segments", maxSegs)
	p.m.elems = make([]segment, 0, n)
	for range n {
		at := r.p
		flags := r.u32()
		if flags > 7 {
			r.fail(at, "element segment of kind %d is unknown", flags)
			return
		}
		s := segment{mode: active, ref: FuncRef, exprs: flags&4 != 0}
		if flags&1 != 0 {
			s.mode = passive + int(flags>>1&1)
		}
		if s.mode == active {
			if flags&2 != 0 {
				s.table = r.u32()
			}
			r.inRange(at, "table", s.table, p.m.count[KindTable])
			s.offset = p.constant(r)
		}
		if flags&3 != 0 {
			s.ref = r.elemType(s.exprs)
		}
		p.items(r, &s)
		if total += s.n; total > maxElems {
			r.fail(at, "more than %d elements", maxElems)
		}
		p.m.elems = append(p.m.elems, s)
	}
}

func (p *parser) items(r *reader, s *segment) {
	s.n = r.count("elements", maxElems)
	s.items.from = r.p
	for range s.n {
		if s.exprs {
			p.constant(r)
		} else {
			r.index("function", p.m.count[KindFunc])
		}
	}
	s.items.to = r.p
}

func (p *parser) data(r *reader) {
	n := r.count("data segments", maxSegs)
	p.m.datas = make([]segment, 0, n)
	for range n {
		at := r.p
		s := segment{mode: active}
		switch flags := r.u32(); flags {
		case 0:
		case 1:
			s.mode = passive
		case 2:
			if r.u32() != 0 {
				r.refuse(at, multiMemory, "")
			}
		default:
			r.fail(at, "data segment of kind %d is unknown", flags)
		}
		if s.mode == active {
			r.inRange(at, "memory", 0, p.m.count[KindMemory])
			s.offset = p.constant(r)
		}
		size := r.u32()
		s.items.from = r.p
		r.bytes(size)
		s.items.to = r.p
		p.m.datas = append(p.m.datas, s)
	}
}

// code reads where the functions' bodies stand and what locals they declare.
func (p *parser) code(r *reader) {
	n := r.count("functions", maxFuncs)
	p.m.bodies = make([]body, 0, n)
	for range n {
		b := body{at: r.p}
		c := r.part(r.u32())
		b.n = c.count("groups of locals", maxLocals)
		b.groups.from = c.p
		locals := uint64(0)
		for range b.n {
			locals += uint64(c.u32())
			c.valueType()
		}
		if locals > maxLocals {
			c.fail(b.at, "%d locals, at most %d are read", locals, maxLocals)
		}
		b.groups.to, b.locals = c.p, uint32(locals)
		b.code = span{c.p, c.stop}
		if c.err != nil {
			r.fail(c.err.Offset, "%s", c.err.Message)
			return
		}
		p.m.bodies = append(p.m.bodies, b)
	}
}

// valueType reads a value type.
func (r *reader) valueType() ValueType {
	at := r.p
	t := ValueType(r.byte())
	switch t {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
		return t
	}
	r.refuse(at, valueTypeFeature(byte(t)), "value type %#x is unknown", byte(t))
	return 0
}

func (r *reader) refType() ValueType {
	at := r.p
	t := r.valueType()
	if r.err == nil && t != FuncRef && t != ExternRef {
		r.fail(at, "%s is not a reference type", t)
	}
	return t
}

// elemType reads the type of a segment's elements, given as a reference type or,
// before function indices, as a kind.
func (r *reader) elemType(exprs bool) ValueType {
	if exprs {
		return r.refType()
	}
	at := r.p
	if kind := r.byte(); kind != 0 {
		r.fail(at, "element kind %#x is unknown", kind)
	}
	return FuncRef
}

func (r *reader) globalType() (t ValueType, mutable bool) {
	t = r.valueType()
	at := r.p
	flag := r.byte()
	if flag > 1 {
		r.refuse(at, mutabilityFeature(flag), "mutability %#x is unknown", flag)
	}
	return t, flag == 1
}

// limits reads the limits of a table or memory, whose size can't be above most.
func (r *reader) limits(most uint64) limits {
	at := r.p
	flags := r.byte()
	if flags > 1 {
		r.refuse(at, limitsFeature(flags), "limits of kind %#x are unknown", flags)
	}
	l := limits{min: r.u32(), bounded: flags&1 != 0}
	if l.bounded {
		l.max = r.u32()
	}
	switch {
	case uint64(l.min) > most || uint64(l.max) > most:
		r.fail(at, "limits above %d", most)
	case l.bounded && l.min > l.max:
		r.fail(at, "the minimum %d is above the maximum %d", l.min, l.max)
	}
	return l
}

// inRange checks an index that has been read already.
func (r *reader) inRange(at int, what string, i uint32, n int) {
	if r.err == nil && int64(i) >= int64(n) {
		r.fail(at, "%s %d doesn't exist: there are %d", what, i, n)
	}
}
