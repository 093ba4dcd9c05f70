package binary

import (
	"encoding/binary"
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// gen draws a module that is valid and does a bit of everything. It may trap, and
// it may never end.
type gen struct {
	t      *rapid.T
	a      *asm
	types  []FuncType // of the functions
	own    int        // the function at hand
	locals []ValueType
	labels [][]ValueType // innermost last: what a branch takes
	budget int           // of instructions
}

const (
	genGlobals = 5 // two i32, i64, f32, f64; all mutable
	genTable   = 8
	genData    = 2 // segments, the second passive
)

var genTypes = []ValueType{I32, I64, F32, F64}

// genModule draws a module. Its functions are exported as f0, f1, ..., its globals
// as g0, g1, ..., its memory as memory.
func genModule(t *rapid.T) *asm {
	g := &gen{t: t, a: &asm{memory: b(1, u(1), u(2)), counted: true}}
	a := g.a
	for range rapid.IntRange(1, 4).Draw(t, "functions") {
		g.types = append(g.types, FuncType{g.list("params", 5), g.list("results", 3)})
	}
	// For blocks: what they return, and in one of three cases what they take.
	a.types = append(a.types, g.types...)
	a.types = append(a.types, ft("", ""), ft("", "il"), ft("i", "i"), ft("il", "li"), ft("d", ""))
	for i := range g.types {
		a.funcs = append(a.funcs, g.function(i))
		a.exports = append(a.exports, exportFunc(fmt.Sprint("f", i), uint32(i)))
	}
	a.globals = [][]byte{
		b(I32, 1, opI32Const, s(7), opEnd), b(I32, 1, opI32Const, s(-1), opI32Const, 5, opI32Mul, opEnd),
		b(I64, 1, opI64Const, s(1<<40), opEnd), b(F32, 1, opF32Const, "\x00\x00\x80\x3f", opEnd),
		b(F64, 1, opF64Const, "\x00\x00\x00\x00\x00\x00\xf0\x3f", opEnd),
	}
	for i := range genGlobals {
		a.exports = append(a.exports, exported{fmt.Sprint("g", i), KindGlobal, uint32(i)})
	}
	a.exports = append(a.exports, exported{"memory", KindMemory, 0})
	a.tables = [][]byte{b(FuncRef, 1, u(genTable), u(genTable))}
	elems := b(0, opI32Const, 0, opEnd, u(genTable-1))
	for i := range genTable - 1 {
		elems = append(elems, u(uint32(i%len(g.types)))...)
	}
	a.elems = [][]byte{elems, b(1, 0, u(2), u(0), u(uint32(len(g.types)-1)))}
	a.datas = [][]byte{b(0, opI32Const, s(64), opEnd, name("sally")), b(1, name("port in the dark"))}
	return a
}

func (g *gen) list(what string, most int) []ValueType {
	return rapid.SliceOfN(rapid.SampledFrom(genTypes), 0, most).Draw(g.t, what)
}

func (g *gen) n(most int) int { return rapid.IntRange(0, most).Draw(g.t, "n") }

func (g *gen) function(i int) asmFunc {
	t := g.types[i]
	g.own, g.budget, g.labels = i, 60, [][]ValueType{t.Results}
	f := asmFunc{typ: i}
	g.locals = append([]ValueType(nil), t.Params...)
	// The last three are there for the code below.
	for _, v := range append(g.list("locals", 4), I64, I32, I32) {
		f.groups++
		f.locals = append(f.locals, b(u(1), v)...)
		g.locals = append(g.locals, v)
	}
	f.code = append(g.statements(3), g.values(t.Results, 3)...)
	return f
}

func (g *gen) values(types []ValueType, depth int) []byte {
	var code []byte
	for _, t := range types {
		code = append(code, g.value(t, depth)...)
	}
	return code
}

// constant makes an interesting number.
func (g *gen) constant(t ValueType) []byte {
	v := rapid.OneOf(rapid.Int64Range(-3, 70), rapid.Int64(), rapid.SampledFrom([]int64{-1 << 63, 1<<63 - 1, -1 << 31, 1 << 31, 1 << 16})).Draw(g.t, "constant")
	switch t {
	case I32:
		return b(opI32Const, s(int64(int32(v))))
	case I64:
		return b(opI64Const, s(v))
	case F32:
		return b(opF32Const, binary.LittleEndian.AppendUint32(nil, uint32(v)))
	}
	return b(opF64Const, binary.LittleEndian.AppendUint64(nil, uint64(v)))
}

// local returns a local of a type, or false.
func (g *gen) local(t ValueType) ([]byte, bool) {
	var of []int
	for i, v := range g.locals {
		if v == t {
			of = append(of, i)
		}
	}
	if of == nil {
		return nil, false
	}
	return u(uint32(of[g.n(len(of)-1)])), true
}

// genOps has the instructions that make a value of a type of others.
var genOps = map[ValueType][]struct {
	op   []byte
	args []ValueType
}{
	I32: {
		{b(0x45), []ValueType{I32}},
		{b(0x48), []ValueType{I32, I32}},
		{b(0x50), []ValueType{I64}},
		{b(0x51), []ValueType{I64, I64}},
		{b(0x5d), []ValueType{F32, F32}},
		{b(0x63), []ValueType{F64, F64}},
		{b(0x67), []ValueType{I32}},
		{b(0x69), []ValueType{I32}},
		{b(0x6a), []ValueType{I32, I32}},
		{b(0x6b), []ValueType{I32, I32}},
		{b(0x6c), []ValueType{I32, I32}},
		{b(0x6d), []ValueType{I32, I32}},
		{b(0x70), []ValueType{I32, I32}},
		{b(0x71), []ValueType{I32, I32}},
		{b(0x74), []ValueType{I32, I32}},
		{b(0x77), []ValueType{I32, I32}},
		{b(0xa7), []ValueType{I64}},
		{b(0xa8), []ValueType{F32}},
		{b(0xbc), []ValueType{F32}},
		{b(0xc0), []ValueType{I32}},
		{b(0xfc, 3), []ValueType{F64}},
		{b(opRefNull, FuncRef, 0xd1), nil},
		{b(opRefFunc, 0, 0xd1), nil},
		{b(0x3f, 0), nil},
		{b(0xfc, 16, 0), nil},
		{b(0xfd, 15, 0xfd, 0x16, 3), []ValueType{I32}},
		{b(0xfd, 17, 0xfd, 0xa1, 1, 0xfd, 0x1b, 0), []ValueType{I32}},
		{b(opI32Const, 15, 0x71, opTableGet, 0, 0xd1), []ValueType{I32}},
	},
	I64: {
		{b(0x79), []ValueType{I64}},
		{b(0x7c), []ValueType{I64, I64}},
		{b(0x7e), []ValueType{I64, I64}},
		{b(0x80), []ValueType{I64, I64}},
		{b(0x81), []ValueType{I64, I64}},
		{b(0x85), []ValueType{I64, I64}},
		{b(0x88), []ValueType{I64, I64}},
		{b(0xac), []ValueType{I32}},
		{b(0xad), []ValueType{I32}},
		{b(0xb0), []ValueType{F64}},
		{b(0xbd), []ValueType{F64}},
		{b(0xfc, 5), []ValueType{F32}},
		{b(0xfd, 18, 0xfd, 0xc1, 1, 0xfd, 0x1d, 1), []ValueType{I64}},
	},
	F32: {
		{b(0x8c), []ValueType{F32}},
		{b(0x91), []ValueType{F32}},
		{b(0x92), []ValueType{F32, F32}},
		{b(0x95), []ValueType{F32, F32}},
		{b(0x96), []ValueType{F32, F32}},
		{b(0xb2), []ValueType{I32}},
		{b(0xb6), []ValueType{F64}},
		{b(0xbe), []ValueType{I32}},
	},
	F64: {
		{b(0x99), []ValueType{F64}},
		{b(0x9c), []ValueType{F64}},
		{b(0xa0), []ValueType{F64, F64}},
		{b(0xa2), []ValueType{F64, F64}},
		{b(0xa5), []ValueType{F64, F64}},
		{b(0xb9), []ValueType{I64}},
		{b(0xbb), []ValueType{F32}},
		{b(0xbf), []ValueType{I64}},
	},
}

var genGlobal = map[ValueType][]byte{I32: u(1), I64: u(2), F32: u(3), F64: u(4)}

var genLoad = map[ValueType]byte{I32: 0x2d, I64: 0x29, F32: 0x2a, F64: 0x2b}

var genStore = map[ValueType]byte{I32: 0x36, I64: 0x3c, F32: 0x38, F64: 0x39}

func genBlockType(t ValueType) []byte { return b(t & 0x7f) }

// value makes code that leaves one value.
func (g *gen) value(t ValueType, depth int) []byte {
	g.budget--
	if depth <= 0 || g.budget < 0 {
		if l, ok := g.local(t); ok && g.n(1) == 0 {
			return b(opLocalGet, l)
		}
		return g.constant(t)
	}
	switch g.n(11) {
	case 0:
		return g.constant(t)
	case 1:
		return b(opGlobalGet, genGlobal[t])
	case 2:
		return b(g.address(depth), genLoad[t], 0, u(uint32(g.n(9))))
	case 3:
		return b(g.values([]ValueType{t, t, I32}, depth-1), opSelect)
	case 4:
		return b(g.values([]ValueType{t, t, I32}, depth-1), 0x1c, 1, t)
	case 5:
		return g.block(opBlock, t, depth)
	case 6:
		return b(g.value(I32, depth-1), opIf, genBlockType(t), g.inside(t, depth), opElse, g.inside(t, depth), opEnd)
	case 7:
		return g.call(t, depth)
	case 8:
		if l, ok := g.local(t); ok {
			return b(g.value(t, depth-1), opLocalTee, l)
		}
	case 9:
		return g.block(opLoop, t, depth)
	}
	o := genOps[t][g.n(len(genOps[t])-1)]
	return b(g.values(o.args, depth-1), o.op)
}

// address makes an address that is in the first page.
func (g *gen) address(depth int) []byte {
	return b(g.value(I32, depth-1), opI32Const, s(0xfff), 0x71)
}

// under makes code with one label more.
func (g *gen) under(takes []ValueType, code func() []byte) []byte {
	g.labels = append(g.labels, takes)
	c := code()
	g.labels = g.labels[:len(g.labels)-1]
	return c
}

// inside makes a value under a label that takes it.
func (g *gen) inside(t ValueType, depth int) []byte {
	return g.under([]ValueType{t}, func() []byte { return b(g.statements(depth-1), g.value(t, depth-1)) })
}

// block makes a block or a loop of one value. A loop goes round as long as a number
// counts down, or not at all.
func (g *gen) block(op int, t ValueType, depth int) []byte {
	if op == opBlock {
		return b(opBlock, genBlockType(t), g.inside(t, depth), opEnd)
	}
	counter := u(uint32(len(g.locals) - 1 - g.n(1)))
	return g.under(nil, func() []byte {
		return b(
			opI32Const, s(int64(g.n(20))), opLocalSet, counter, opLoop, genBlockType(t), g.statements(depth-1),
			opLocalGet, counter, opI32Const, 1, opI32Sub, opLocalTee, counter, opI32Const, 0, 0x4a, opBrIf, 0,
			g.value(t, depth-1), opEnd,
		)
	})
}

// call makes a call of a function whose last result is of a type.
func (g *gen) call(t ValueType, depth int) []byte {
	for i, f := range g.types {
		n := len(f.Results)
		if n == 0 || f.Results[n-1] != t || i <= g.own && g.n(3) > 0 {
			continue
		}
		code := g.values(f.Params, depth-1)
		if g.n(1) == 0 {
			code = b(code, opCall, u(uint32(i)))
		} else {
			code = b(code, opI32Const, s(int64(i)), opCallIndirect, u(uint32(i)), 0)
		}
		l, ok := g.local(t)
		if n > 1 && !ok {
			continue
		}
		for range n - 1 { // what lies below goes
			code = b(code, opLocalSet, l, 0x1a, opLocalGet, l)
		}
		return code
	}
	return g.constant(t)
}

func (g *gen) statements(depth int) []byte {
	var code []byte
	for range g.n(2) {
		if g.budget > 0 {
			code = append(code, g.statement(depth)...)
		}
	}
	return code
}

// statement makes code that leaves nothing.
func (g *gen) statement(depth int) []byte {
	g.budget--
	t := rapid.SampledFrom(genTypes).Draw(g.t, "type")
	switch g.n(14) {
	case 0:
		return b(g.value(t, depth-1), opGlobalSet, genGlobal[t])
	case 1:
		return b(g.address(depth), g.value(t, depth-1), genStore[t], 0, u(uint32(g.n(9))))
	case 2:
		label := g.n(len(g.labels) - 1)
		types := g.labels[len(g.labels)-1-label]
		return b(g.values(types, depth-1), g.value(I32, depth-1), opBrIf, u(uint32(label)), repeat(len(types), b(0x1a)))
	case 3: // a branch that may be taken; what comes behind it isn't reached
		return b(g.value(I32, depth-1), opIf, 0x40, g.under(nil, func() []byte {
			label := g.n(len(g.labels) - 1)
			return b(g.values(g.labels[len(g.labels)-1-label], depth-1), opBr, u(uint32(label)), g.statements(depth-1))
		}), opEnd)
	case 4:
		return b(g.value(I32, depth-1), opIf, 0x40, g.under(nil, func() []byte {
			return b(g.values(g.labels[0], depth-1), opReturn)
		}), opEnd)
	case 5:
		return g.dispatch(depth)
	case 6:
		return b(g.address(depth), g.value(I32, 1), g.address(depth), opMisc, miscMemoryFill, 0)
	case 7:
		return b(g.address(depth), g.address(depth), g.address(depth), opMisc, miscMemoryCopy, 0, 0)
	case 8:
		return b(g.address(depth), opI32Const, s(int64(g.n(8))), opI32Const, s(int64(g.n(9))), opMisc, miscMemoryInit, 1, 0)
	case 9:
		return [][]byte{
			b(opMisc, miscDataDrop, 1), b(opMisc, miscElemDrop, 1), b(opI32Const, 1, opMemoryGrow, 0, 0x1a),
			b(opRefNull, FuncRef, opI32Const, 1, opMisc, miscTableGrow, 0, 0x1a),
			b(opI32Const, 7, opRefFunc, 0, opTableSet, 0),
			b(opI32Const, 5, opI32Const, 0, opI32Const, 2, opMisc, miscTableInit, 1, 0),
			b(opI32Const, 5, opI32Const, 0, opI32Const, 2, opMisc, miscTableCopy, 0, 0),
			b(opI32Const, 6, opRefNull, FuncRef, opI32Const, 1, opMisc, miscTableFill, 0),
		}[g.n(7)]
	case 10: // blocks that take something
		n, l := uint32(len(g.types)), uint32(len(g.locals))
		return b(g.value(I32, depth-1), opLoop, u(n+2), opI32Const, 1, opI32Add, opI32Const, 63, 0x71, opLocalTee, u(l-1),
			opLocalGet, u(l-1), opBrIf, 0, opEnd, 0x1a,
			g.value(I32, depth-1), g.value(I64, depth-1), opBlock, u(n+3), opLocalSet, u(l-3),
			0xac, opI32Const, 3, opEnd, 0x1a, 0x1a)
	case 11:
		return g.tail(depth)
	case 12:
		return b(g.value(I32, depth-1), 0x45, opIf, 0x40, opUnreachable, opEnd)
	}
	return b(g.value(t, depth-1), 0x1a)
}

// dispatch makes a switch whose cases fall through.
func (g *gen) dispatch(depth int) []byte {
	quiet := func() []byte { return b(g.value(I32, depth-1), 0x1a) }
	return b(opBlock, 0x40, g.under(nil, func() []byte {
		return b(opBlock, 0x40, g.under(nil, func() []byte {
			return b(opBlock, 0x40, g.under(nil, func() []byte {
				return b(g.value(I32, depth-1), opBrTable, 2, 0, 1, 2)
			}), opEnd, quiet())
		}), opEnd, quiet())
	}), opEnd)
}

// tail makes a tail call that is perhaps made.
func (g *gen) tail(depth int) []byte {
	for i, f := range g.types {
		if !slices.Equal(f.Results, g.labels[0]) || i <= g.own && g.n(3) > 0 {
			continue
		}
		call := b(opReturnCall, u(uint32(i)))
		if g.n(1) == 0 {
			call = b(opI32Const, s(int64(i)), opReturnCallIndirect, u(uint32(i)), 0)
		}
		return b(g.value(I32, depth-1), opIf, 0x40, g.under(nil, func() []byte {
			return b(g.values(f.Params, depth-1), call)
		}), opEnd)
	}
	return nil
}
