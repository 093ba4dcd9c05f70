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

// writer writes one function.
type writer struct {
	p       *plan
	b       []byte
	counted bool   // its calls are
	weight  int64  // of a call
	local   uint32 // holds the fuel, if there are loops
	loops   bool
	scratch uint32 // local
}

// function writes a function.
func (w *rewriter) function(b []byte, i int) []byte {
	index := uint32(w.m.foreign[KindFunc] + i)
	f := &w.results[i]
	x := writer{p: w.p, b: w.appendLocals(b, i), loops: f.loops, counted: w.p.graph.counted[index]}
	x.weight = int64(w.p.graph.chain[index])
	x.local = uint32(f.locals)
	x.scratch = uint32(f.locals) + uint32(flag(f.loops))
	wrapped := x.counted || x.loops
	from := f.code.from
	for n, mk := range w.marks[f.marks.from:f.marks.to] {
		x.b = append(x.b, w.out[from:mk.at]...)
		from = mk.at
		if n == 0 {
			x.entry(int64(mk.cost))
			if wrapped {
				x.b = appendS64(append(x.b, opBlock), w.p.block(w.m, w.m.funcs[index]))
			}
			continue
		}
		x.mark(mk)
	}
	x.b = append(x.b, w.out[from:f.code.to]...)
	if wrapped {
		x.exit()
		x.b = append(x.b, opEnd)
	}
	return x.b
}

func (x *writer) op(op byte, index uint32) { x.b = appendU32(append(x.b, op), index) }

func (x *writer) num(n int64) { x.b = appendS64(append(x.b, opI64Const), n) }

// mark writes what a mark says.
func (x *writer) mark(mk mark) {
	switch mk.kind {
	case markCharge, markCheck:
		x.charge(int64(mk.cost), mk.kind == markCheck)
	case markLoop:
		x.op(opLocalGet, x.local)
		x.b = append(x.b, opI64Const, 0, opI64LtS, opIf, 0x40, opBr, 2, opEnd)
		x.charge(int64(mk.cost), false)
	case markSave:
		x.save()
	case markLoad:
		x.load()
	case markBulk:
		x.bulk(mk.cost, int(mk.shift))
	case markTail:
		x.exit()
	}
}

func (x *writer) save() {
	if x.loops {
		x.op(opLocalGet, x.local)
		x.op(opGlobalSet, x.p.fuel)
	}
}

func (x *writer) load() {
	if x.loops {
		x.op(opGlobalGet, x.p.fuel)
		x.op(opLocalSet, x.local)
	}
}

func (x *writer) exit() {
	x.save()
	if x.counted {
		x.add(x.weight)
	}
}

func (x *writer) add(n int64) {
	x.op(opGlobalGet, x.p.depth)
	if n < 0 {
		x.num(-n)
		x.b = append(x.b, opI64Sub)
	} else {
		x.num(n)
		x.b = append(x.b, opI64Add)
	}
	x.op(opGlobalSet, x.p.depth)
}

func (x *writer) charge(cost int64, check bool) {
	if !x.loops {
		x.op(opGlobalGet, x.p.fuel)
		x.num(cost)
		x.b = append(x.b, opI64Sub)
		x.op(opGlobalSet, x.p.fuel)
		if check {
			x.op(opGlobalGet, x.p.fuel)
			x.check(x.p.hook)
		}
		return
	}
	x.op(opLocalGet, x.local)
	x.num(cost)
	x.b = append(x.b, opI64Sub)
	if check {
		x.op(opLocalTee, x.local)
		x.check(x.p.hook)
	} else {
		x.op(opLocalSet, x.local)
	}
}

func (x *writer) check(call uint32) {
	x.b = append(x.b, opI64Const, 0, opI64LtS, opIf, 0x40)
	x.save()
	x.op(opCall, call)
	x.load()
	x.b = append(x.b, opEnd)
}

func (x *writer) entry(cost int64) {
	x.load()
	if !x.counted {
		x.charge(cost, true)
		return
	}
	x.charge(cost, false)
	x.add(-x.weight)
	if x.loops {
		x.op(opLocalGet, x.local)
	} else {
		x.op(opGlobalGet, x.p.fuel)
	}
	x.op(opGlobalGet, x.p.depth)
	x.b = append(x.b, opI64Or)
	x.check(x.p.slow)
}

func (x *writer) bulk(most uint32, shift int) {
	x.op(opLocalTee, x.scratch)
	if x.loops {
		x.op(opLocalGet, x.local)
	} else {
		x.op(opGlobalGet, x.p.fuel)
	}
	x.op(opLocalGet, x.scratch)
	if most > 0 {
		x.b = append(x.b, opI32Const, 0)
		x.op(opLocalGet, x.scratch)
		x.b = appendS64(append(x.b, opI32Const), int64(int32(most)))
		x.b = append(x.b, opI32LeU, opSelect)
	}
	x.b = append(x.b, opI64ExtendU)
	switch {
	case shift > 0:
		x.b = append(x.b, opI64Const, byte(shift), opI64Shl)
	case shift < 0:
		x.b = append(x.b, opI64Const, byte(-shift), opI64ShrU)
	}
	x.b = append(x.b, opI64Sub)
	if x.loops {
		x.op(opLocalTee, x.local)
	} else {
		x.op(opGlobalSet, x.p.fuel)
		x.op(opGlobalGet, x.p.fuel)
	}
	x.check(x.p.hook)
}

// appendLocals writes the locals that a function declares, and those added.
func (w *rewriter) appendLocals(b []byte, i int) []byte {
	body, f := &w.m.bodies[i], &w.results[i]
	b = appendU32(b, uint32(body.n)+uint32(flag(f.scratch)+flag(f.loops)))
	for r := w.m.read(body.groups); !r.end(); {
		b = appendU32(b, r.u32())
		b = append(b, byte(r.valueType()))
	}
	if f.loops {
		b = append(b, 1, byte(I64))
	}
	if f.scratch {
		b = append(b, 1, byte(I32))
	}
	return b
}

// appendSlow writes the body of the function that counted functions call when that
// test is true.
func (p *plan) appendSlow(b []byte) []byte {
	b = appendU32(append(b, opGlobalGet), p.depth)
	b = append(b, opI64Const, 0, opI64LtS, opIf, 0x40, opUnreachable, opEnd, opCall)
	b = appendU32(b, p.hook)
	return append(b, opEnd)
}

func (p *plan) appendOuter(b []byte, local uint32) []byte {
	b = appendU32(append(b, opLocalGet), local)
	b = append(b, opI64Const, 0, opI64LtS, opIf, 0x40)
	b = appendU32(append(b, opLocalGet), local)
	b = appendU32(append(b, opGlobalSet), p.fuel)
	b = appendU32(append(b, opCall), p.hook)
	b = appendU32(append(b, opGlobalGet), p.fuel)
	b = appendU32(append(b, opLocalSet), local)
	return append(b, opEnd)
}
