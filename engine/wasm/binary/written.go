package binary

import "math/bits"

// This file has the code note where it writes: see Options.Block. A function with loops gathers it in a local, as it does with fuel, and puts
// it into the global when it ends; a function that doesn't end traps, and the instance with it.

// held says what types a function's stores take, as bits of heldTypes: each is kept in a local while the address is looked at.
type held uint8

var heldTypes = [...]ValueType{I32, I64, F32, F64, V128}

func holds(t ValueType) held {
	for i, other := range heldTypes {
		if other == t {
			return 1 << i
		}
	}
	return 0
}

// stores are the types that the plain stores take, i32.store first.
var stores = [...]ValueType{I32, I64, F32, F64, I32, I32, I64, I64, I64}

const opI32Store = 0x36

// writes says what an instruction that writes to memory at one address stores; false is one that doesn't. Of the vector instructions with an
// alignment those write that leave nothing on the stack, of the others those behind the loads: what is added to them has no type in stores.
func (in *instr) writes() (ValueType, bool) {
	switch {
	case in.letter != 'm' && in.letter != 'k':
		return 0, false
	case in.op == opVector:
		return V128, in.effect() == -2
	case in.op < opI32Store:
		return 0, false
	}
	return stores[in.op-opI32Store], true
}

// noteWrite marks an instruction that writes to memory.
func (w *rewriter) noteWrite(in *instr) {
	if w.p.options.Block == 0 {
		return
	}
	if t, ok := in.writes(); ok {
		w.f.held |= holds(t)
		w.marks = append(w.marks, mark{at: len(w.out), kind: markWrite, cost: in.b, typ: t})
	}
	if in.op == opMisc && (in.sub == miscMemoryInit || in.sub == miscMemoryCopy || in.sub == miscMemoryFill) {
		w.f.held |= holds(I32) | holds(I64)
		w.mark(markRange)
	}
}

// notes are the locals that a function has for it.
type notes struct {
	n       uint32 // of them
	written uint32 // only of a function with loops
	address uint32
	first   uint32 // of those that hold
}

// notes lays out the locals from an index on.
func (f *function) notes(from uint32) notes {
	if f.held == 0 {
		return notes{}
	}
	own := uint32(flag(f.loops))
	return notes{written: from, address: from + own, first: from + own + 1, n: own + 1 + uint32(bits.OnesCount8(uint8(f.held)))}
}

func (f *function) appendNotes(b []byte) []byte {
	if f.held == 0 {
		return b
	}
	if f.loops {
		b = append(b, 1, byte(I64))
	}
	b = append(b, 1, byte(I32))
	for _, t := range heldTypes {
		if f.held&holds(t) != 0 {
			b = append(b, 1, byte(t))
		}
	}
	return b
}

// holding returns the local that holds values of a type.
func (x *writer) holding(t ValueType) uint32 {
	return x.notes.first + uint32(bits.OnesCount8(uint8(x.f.held&(holds(t)-1))))
}

// write notes a store. On the stack are the address and the value.
func (x *writer) write(mk mark) {
	value := x.holding(mk.typ)
	x.op(opLocalSet, value)
	x.op(opLocalSet, x.notes.address)
	x.written()
	x.number(1)
	x.op(opLocalGet, x.notes.address)
	if mk.cost > 0 { // what wraps around traps
		x.b = appendS64(append(x.b, opI32Const), int64(int32(mk.cost)))
		x.b = append(x.b, opI32Add)
	}
	x.block()
	x.b = append(x.b, opI64Shl, opI64Or)
	x.setWritten()
	x.op(opLocalGet, x.notes.address)
	x.op(opLocalGet, value)
}

// writeRange notes a bulk operation. On the stack are the address, a number that means something else, and the length. So many low bits as there
// are blocks in the range are moved to where it begins.
func (x *writer) writeRange() {
	other, blocks := x.holding(I32), x.holding(I64)
	x.op(opLocalSet, x.scratch)
	x.op(opLocalSet, other)
	x.op(opLocalSet, x.notes.address)
	x.written()
	x.number(-1)
	x.number(-1)
	x.op(opLocalGet, x.notes.address)
	x.b = append(appendS64(append(x.b, opI32Const), int64(x.p.options.Block-1)), opI32And, opI64ExtendU)
	x.op(opLocalGet, x.scratch)
	x.b = append(x.b, opI64ExtendU, opI64Add)
	x.number(int64(x.p.options.Block - 1))
	x.b = append(x.b, opI64Add, opI64Const, x.shift(), opI64ShrU)
	x.op(opLocalTee, blocks)
	x.b = append(x.b, opI64Shl)
	x.number(-1)
	x.b = append(x.b, opI64Xor)
	x.op(opLocalGet, blocks)
	x.number(64)
	x.b = append(x.b, opI64GeU, opSelect)
	x.op(opLocalGet, x.notes.address)
	x.block()
	x.b = append(x.b, opI64Rotl, opI64Or)
	x.setWritten()
	x.op(opLocalGet, x.notes.address)
	x.op(opLocalGet, other)
	x.op(opLocalGet, x.scratch)
}

func (x *writer) shift() byte { return byte(bits.TrailingZeros32(x.p.options.Block)) }

// block makes an i64 of the address on the stack: the block it is in.
func (x *writer) block() { x.b = append(x.b, opI32Const, x.shift(), opI32ShrU, opI64ExtendU) }

func (x *writer) written() {
	if x.f.loops {
		x.op(opLocalGet, x.notes.written)
	} else {
		x.op(opGlobalGet, x.p.written)
	}
}

func (x *writer) setWritten() {
	if x.f.loops {
		x.op(opLocalSet, x.notes.written)
	} else {
		x.op(opGlobalSet, x.p.written)
	}
}

// saveWritten puts what a function has gathered where the host finds it.
func (x *writer) saveWritten() {
	if x.f.loops && x.f.held != 0 {
		x.op(opGlobalGet, x.p.written)
		x.op(opLocalGet, x.notes.written)
		x.b = append(x.b, opI64Or)
		x.op(opGlobalSet, x.p.written)
	}
}
