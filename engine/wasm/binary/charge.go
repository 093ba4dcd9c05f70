package binary

// code writes the code section: the functions as they are in w.out with what the
// marks say between, and behind them the function that helps them.
func (w *rewriter) code() []byte {
	b := make([]byte, 0, len(w.out)+12*len(w.marks)+24*len(w.functions))
	b = appendU32(b, uint32(len(w.m.bodies)+1))
	var one []byte
	for i := range w.functions {
		one = w.function(one[:0], i)
		b = append(appendU32(b, uint32(len(one))), one...)
	}
	one = w.p.appendSlow(append(one[:0], 0))
	return append(appendU32(b, uint32(len(one))), one...)
}

// appendSlow writes the body of the function that counted functions call when fuel
// or depth is below zero.
func (p *plan) appendSlow(b []byte) []byte {
	b = appendU32(append(b, opGlobalGet), p.depth)
	b = append(b, opI64Const, 0, opI64LtS, opIf, blockNothing, opUnreachable, opEnd, opCall)
	b = appendU32(b, p.hook)
	return append(b, opEnd)
}

// writer writes one function. Between calls, a function with loops keeps the fuel
// in a local, which the engine keeps in a register.
type writer struct {
	p       *plan
	f       *function
	b       []byte
	counted bool  // its calls are
	weight  int64 // of a call
	results int64 // as a block type
	fuel    uint32
	scratch uint32
	notes   notes
}

// function writes the i-th function.
func (w *rewriter) function(b []byte, i int) []byte {
	index := w.m.own(i)
	f := &w.functions[i]
	x := writer{p: w.p, f: f, b: w.appendLocals(b, i), fuel: f.locals, scratch: f.locals + uint32(flag(f.loops))}
	x.notes = f.notes(x.scratch + uint32(flag(f.scratch)))
	x.counted, x.weight = w.p.graph.counted[index], int64(w.p.graph.chain[index])
	if x.wrapped() {
		x.results = w.p.block(w.m, w.m.funcs[index])
	}
	from := f.code.from
	for _, mk := range w.marks[f.marks.from:f.marks.to] {
		x.b = append(x.b, w.out[from:mk.at]...)
		from = mk.at
		x.mark(mk)
	}
	x.b = append(x.b, w.out[from:f.code.to]...)
	if x.wrapped() {
		x.exit()
		x.b = append(x.b, opEnd)
	}
	return x.b
}

// appendLocals writes the locals that a function declares, and those added.
func (w *rewriter) appendLocals(b []byte, i int) []byte {
	body, f := &w.m.bodies[i], &w.functions[i]
	b = appendU32(b, uint32(body.n)+uint32(flag(f.scratch)+flag(f.loops))+f.notes(0).n)
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
	return f.appendNotes(b)
}

// wrapped reports whether the function is within a block, behind which it puts back
// what it has taken.
func (x *writer) wrapped() bool { return x.counted || x.f.loops }

// mark writes what a mark says.
func (x *writer) mark(mk mark) {
	switch mk.kind {
	case markEntry:
		x.entry(mk.cost)
	case markCharge:
		x.charge(mk.cost)
	case markCheck:
		x.charge(mk.cost)
		x.check(x.p.hook)
	case markAsk:
		x.check(x.p.hook)
	case markLoop:
		x.loop(mk.cost)
	case markBytes, markElements, markPages, markSlots:
		x.bulk(mk.kind)
	case markSave:
		x.save()
	case markLoad:
		x.load()
	case markTail:
		x.exit()
	case markWrite:
		x.write(mk)
	case markRange:
		x.writeRange()
	}
}

// entry begins a function. If calls are counted, one test says whether the fuel or
// the stack is at its end; if the function calls nothing and doesn't recurse, those
// that call it check soon enough.
func (x *writer) entry(cost uint32) {
	x.load()
	x.charge(cost)
	switch {
	case x.counted:
		x.add(opI64Sub)
		x.left()
		x.op(opGlobalGet, x.p.depth)
		x.b = append(x.b, opI64Or)
		x.ask(x.p.slow)
	case x.f.nested:
		x.check(x.p.hook)
	}
	if x.wrapped() {
		x.b = appendS64(append(x.b, opBlock), x.results)
	}
}

// exit ends a function.
func (x *writer) exit() {
	x.save()
	x.saveWritten()
	if x.counted {
		x.add(opI64Add)
	}
}

// add adds the weight to the depth, or subtracts it.
func (x *writer) add(op byte) {
	x.op(opGlobalGet, x.p.depth)
	x.number(x.weight)
	x.b = append(x.b, op)
	x.op(opGlobalSet, x.p.depth)
}

// left puts the fuel on the stack.
func (x *writer) left() {
	if x.f.loops {
		x.op(opLocalGet, x.fuel)
	} else {
		x.op(opGlobalGet, x.p.fuel)
	}
}

// set takes the fuel from the stack.
func (x *writer) set() {
	if x.f.loops {
		x.op(opLocalSet, x.fuel)
	} else {
		x.op(opGlobalSet, x.p.fuel)
	}
}

func (x *writer) charge(cost uint32) {
	if cost > 0 {
		x.left()
		x.number(int64(cost)) // the engine has an instruction for it if it isn't negative
		x.b = append(x.b, opI64Sub)
		x.set()
	}
}

func (x *writer) check(call uint32) {
	x.left()
	x.ask(call)
}

// ask calls a function if the number on the stack is below zero.
func (x *writer) ask(call uint32) {
	x.b = append(x.b, opI64Const, 0, opI64LtS, opIf, blockNothing)
	x.save()
	x.op(opCall, call)
	x.load()
	x.b = append(x.b, opEnd)
}

// save puts the fuel where the host and callees find it.
func (x *writer) save() {
	if x.f.loops {
		x.op(opLocalGet, x.fuel)
		x.op(opGlobalSet, x.p.fuel)
	}
}

func (x *writer) load() {
	if x.f.loops {
		x.op(opGlobalGet, x.p.fuel)
		x.op(opLocalSet, x.fuel)
	}
}

// loop begins a loop that rewriter.open has split. The charge comes behind the test:
// otherwise it would be made again when the loop is entered again, and fuel would
// depend on how much is granted at a time.
func (x *writer) loop(cost uint32) {
	x.left()
	x.b = append(x.b, opI64Const, 0, opI64LtS, opBrIf, 1)
	x.charge(cost)
}

// bulk charges for the length on top of the stack. To grow by more than there may
// be costs nothing: it is refused.
func (x *writer) bulk(kind markKind) {
	x.op(opLocalTee, x.scratch)
	x.left()
	x.op(opLocalGet, x.scratch)
	most, limited := x.p.options.MaxTable, kind == markSlots
	if kind == markPages {
		most, limited = x.p.options.MaxPages, true
	}
	if limited {
		x.b = append(x.b, opI32Const, 0)
		x.op(opLocalGet, x.scratch)
		x.b = appendS64(append(x.b, opI32Const), int64(int32(most)))
		x.b = append(x.b, opI32LeU, opSelect)
	}
	x.b = append(x.b, opI64ExtendU)
	switch kind {
	case markPages:
		x.b = append(x.b, opI64Const, unitsPerPage, opI64Shl)
	case markBytes:
		x.b = append(x.b, opI64Const, bytesPerUnit, opI64ShrU)
	default: // elements cost a unit each
	}
	x.b = append(x.b, opI64Sub)
	x.set()
	x.check(x.p.hook)
}

func (x *writer) op(op byte, index uint32) { x.b = appendU32(append(x.b, op), index) }

func (x *writer) number(n int64) { x.b = appendS64(append(x.b, opI64Const), n) }
