package binary

// code writes the code section: the functions as they are in w.out with what the
// marks say between, and behind them the function that helps them.
func (w *rewriter) code() []byte {
	b := make([]byte, 0, len(w.out)+8*len(w.marks)+1024)
	b = appendU32(b, uint32(len(w.m.bodies)+1))
	var one []byte
	for i := range w.results {
		one = w.function(one[:0], i)
		b = append(appendU32(b, uint32(len(one))), one...)
	}
	one = w.p.appendSlow(append(one[:0], 0))
	return append(appendU32(b, uint32(len(one))), one...)
}

// function writes a function.
func (w *rewriter) function(b []byte, i int) []byte {
	index := uint32(w.m.foreign[KindFunc] + i)
	f := &w.results[i]
	counted := w.p.graph.counted[index]
	b = w.appendLocals(b, i)
	weight := int64(w.p.graph.chain[index])
	from := f.code.from
	for n, mk := range w.marks[f.marks.from:f.marks.to] {
		b = append(b, w.out[from:mk.at]...)
		from = mk.at
		switch {
		case mk.kind == markRestore && counted:
			b = w.p.appendAdd(b, w.p.depth, weight)
		case mk.kind == markRestore:
		case n == 0 && counted:
			b = w.p.appendEntry(b, int64(mk.cost), weight)
		default:
			b = w.p.appendCharge(b, mk)
		}
		if n == 0 && counted {
			b = append(b, opBlock)
			b = appendS64(b, w.p.block(w.m, w.m.funcs[index]))
		}
	}
	b = append(b, w.out[from:f.code.to]...)
	if counted {
		b = append(w.p.appendAdd(b, w.p.depth, weight), opEnd)
	}
	return b
}

// appendLocals writes the locals that a function declares, and one for itself.
func (w *rewriter) appendLocals(b []byte, i int) []byte {
	body, scratch := &w.m.bodies[i], w.results[i].scratch
	b = appendU32(b, uint32(body.n)+uint32(flag(scratch)))
	for r := w.m.read(body.groups); !r.end(); {
		b = appendU32(b, r.u32())
		b = append(b, byte(r.valueType()))
	}
	if scratch {
		b = append(b, 1, byte(I32))
	}
	return b
}

// appendAdd adds to a global of type i64.
func (p *plan) appendAdd(b []byte, global uint32, n int64) []byte {
	b = appendU32(append(b, opGlobalGet), global)
	b = appendS64(append(b, opI64Const), n)
	b = append(b, opI64Add, opGlobalSet)
	return appendU32(b, global)
}

// appendCharge takes fuel, and asks for more when it checks and there is none.
func (p *plan) appendCharge(b []byte, mk mark) []byte {
	b = p.appendAdd(b, p.fuel, -int64(mk.cost))
	if mk.kind == markCheck {
		b = p.appendCheck(b)
	}
	return b
}

func (p *plan) appendCheck(b []byte) []byte {
	b = appendU32(append(b, opGlobalGet), p.fuel)
	b = append(b, opI64Const, 0, opI64LtS, opIf, 0x40, opCall)
	b = appendU32(b, p.hook)
	return append(b, opEnd)
}

// appendEntry begins a function whose calls are counted: one test says whether the
// fuel or the stack is at its end.
func (p *plan) appendEntry(b []byte, cost, weight int64) []byte {
	b = p.appendAdd(b, p.fuel, -cost)
	b = p.appendAdd(b, p.depth, -weight)
	b = appendU32(append(b, opGlobalGet), p.fuel)
	b = appendU32(append(b, opGlobalGet), p.depth)
	b = append(b, opI64Or, opI64Const, 0, opI64LtS, opIf, 0x40, opCall)
	b = appendU32(b, p.slow)
	return append(b, opEnd)
}

// appendSlow writes the body of the function that counted functions call when that
// test is true.
func (p *plan) appendSlow(b []byte) []byte {
	b = appendU32(append(b, opGlobalGet), p.depth)
	b = append(b, opI64Const, 0, opI64LtS, opIf, 0x40, opUnreachable, opEnd, opCall)
	b = appendU32(b, p.hook)
	return append(b, opEnd)
}

// appendBulk charges for the length on top of the stack, shifted by so many bits. A
// length above most is charged nothing, if most isn't 0: the operation refuses it.
func (p *plan) appendBulk(b []byte, scratch, most uint32, shift int) []byte {
	b = appendU32(append(b, opLocalTee), scratch)
	b = appendU32(append(b, opGlobalGet), p.fuel)
	b = appendU32(append(b, opLocalGet), scratch)
	if most > 0 {
		b = append(b, opI32Const, 0)
		b = appendU32(append(b, opLocalGet), scratch)
		b = appendS64(append(b, opI32Const), int64(int32(most)))
		b = append(b, opI32LeU, opSelect)
	}
	b = append(b, opI64ExtendU)
	switch {
	case shift > 0:
		b = append(b, opI64Const, byte(shift), opI64Shl)
	case shift < 0:
		b = append(b, opI64Const, byte(-shift), opI64ShrU)
	}
	b = appendU32(append(b, opI64Sub, opGlobalSet), p.fuel)
	return p.appendCheck(b)
}
