package binary

import "encoding/binary"

// The opcodes that the package looks at or writes.
const (
	opUnreachable        = 0x00
	opBlock              = 0x02
	opLoop               = 0x03
	opIf                 = 0x04
	opElse               = 0x05
	opEnd                = 0x0b
	opBr                 = 0x0c
	opBrIf               = 0x0d
	opBrTable            = 0x0e
	opReturn             = 0x0f
	opCall               = 0x10
	opCallIndirect       = 0x11
	opReturnCall         = 0x12
	opReturnCallIndirect = 0x13
	opSelect             = 0x1b
	opLocalGet           = 0x20
	opLocalSet           = 0x21
	opLocalTee           = 0x22
	opGlobalGet          = 0x23
	opGlobalSet          = 0x24
	opTableGet           = 0x25
	opTableSet           = 0x26
	opMemoryGrow         = 0x40
	opI32Const           = 0x41
	opI64Const           = 0x42
	opF32Const           = 0x43
	opF64Const           = 0x44
	opI32LeU             = 0x4d
	opI64LtS             = 0x53
	opI64GeU             = 0x5a
	opI32Add             = 0x6a
	opI32Sub             = 0x6b
	opI32Mul             = 0x6c
	opI32And             = 0x71
	opI32ShrU            = 0x76
	opI64Add             = 0x7c
	opI64Sub             = 0x7d
	opI64Mul             = 0x7e
	opI64Or              = 0x84
	opI64Shl             = 0x86
	opI64ShrU            = 0x88
	opI64Rotl            = 0x89
	opI64Xor             = 0x85
	opI64ExtendU         = 0xad
	opRefNull            = 0xd0
	opRefFunc            = 0xd2
	opMisc               = 0xfc
	opVector             = 0xfd

	miscMemoryInit = 8
	miscDataDrop   = 9
	miscMemoryCopy = 10
	miscMemoryFill = 11
	miscTableInit  = 12
	miscElemDrop   = 13
	miscTableCopy  = 14
	miscTableGrow  = 15
	miscTableSize  = 16
	miscTableFill  = 17
	vecConst       = 12

	// The block type without params and results, as a number and as it stands.
	blockEmpty   = -64
	blockNothing = 0x40
)

// immediates has a letter for what follows each opcode; - is one that isn't read.
//
//	. nothing       b block type     l label          t labels of br_table
//	f function      i type, table    v local          g global
//	T table         m alignment, offset               M memory
//	3 i32  6 i64  4 f32  8 f64      s types           r reference type
//	p an opcode of its own
const immediates = "" +
	"..bbb.-----.llt." + // 00 unreachable .. return
	"fifi------..s---" + // 10 call .. select
	"vvvggTT-mmmmmmmm" + // 20 local.get .. i32.load8_u
	"mmmmmmmmmmmmmmmM" + // 30 .. memory.size
	"M3648..........." + // 40 memory.grow, constants, comparisons
	"................" + // 50
	"................" + // 60
	"................" + // 70
	"................" + // 80
	"................" + // 90
	"................" + // a0
	"................" + // b0
	".....-----------" + // c0 sign extensions
	"r.f-------------" + // d0 references
	"----------------" + // e0
	"------------pp--" //   f0 misc, vector

// vectors is the same for the vector opcodes: c sixteen bytes, n a lane, k
// alignment, offset and lane.
const vectors = "" +
	"mmmmmmmmmmmmcc.." + // 00
	".....nnnnnnnnnnn" + // 10
	"nnn............." + // 20
	"................" + // 30
	"................" + // 40
	"....kkkkkkkkmm.." + // 50
	"................" + // 60
	"................" + // 70
	"................" + // 80
	"..........-....." + // 90
	"..-..--........-" + // a0
	"-.---......-...." + // b0
	"..-..--........-" + // c0
	"-.---..........." + // d0
	"..-...........-." + // e0
	"................" //   f0

// miscs is the same for the misc opcodes: d segment, memory; D segment; C two
// memories; x segment, table; X two tables.
const miscs = "........dDCMxDXTTT"

// instr is an instruction as it was read.
type instr struct {
	op     byte
	letter byte   // of its immediates
	sub    uint32 // opcode behind opMisc and opVector
	a, b   uint32 // indices; alignment and offset
	lane   byte
	v      int64  // constant, or block type: a type index or a negative encoding
	raw    []byte // float, sixteen bytes, labels of br_table but the last, types of select
}

// instr reads one instruction. Indices are not checked, but for those of memories.
func (r *reader) instr(in *instr) {
	at := r.p
	*in = instr{op: r.byte()}
	in.letter = immediates[in.op]
	if in.letter == 'p' {
		r.prefixed(at, in)
	}
	switch in.letter {
	case '.':
	case 'l', 'f', 'v', 'g', 'T', 'D':
		in.a = r.u32()
	case 'i', 'x', 'X':
		in.a, in.b = r.u32(), r.u32()
	case 'm':
		r.memArg(in)
	case '3':
		in.v = r.signed(32)
	case '6':
		in.v = r.signed(64)
	case 'b':
		r.blockType(in)
	case '-':
		r.refuse(at, opcodeFeature(in.op), "instruction %#x is unknown", in.op)
	default:
		r.rare(in)
	}
}

func (r *reader) prefixed(at int, in *instr) {
	in.sub = r.u32()
	table := miscs
	if in.op == opVector {
		table = vectors
	}
	if r.err != nil {
		return
	}
	if int64(in.sub) >= int64(len(table)) || table[in.sub] == '-' {
		r.refuse(at, subOpcodeFeature(in.op, in.sub), "instruction %#x %#x is unknown", in.op, in.sub)
		return
	}
	in.letter = table[in.sub]
}

// rare reads the immediates that are seldom there.
func (r *reader) rare(in *instr) {
	switch in.letter {
	case '4':
		in.raw = r.bytes(4)
	case '8':
		in.raw = r.bytes(8)
	case 'c':
		in.raw = r.bytes(16)
	case 'n':
		in.lane = r.byte()
	case 'k':
		r.memArg(in)
		in.lane = r.byte()
	case 't':
		n := r.count("labels", maxModule)
		from := r.p
		for range n {
			r.u32()
		}
		in.raw = r.b[from:r.p]
		in.b, in.a = uint32(n), r.u32()
	case 's':
		n := r.count("types of select", maxValues)
		from := r.p
		for range n {
			r.valueType()
		}
		in.raw = r.b[from:r.p]
	case 'r':
		in.a = uint32(r.refType())
	case 'M':
		r.memoryZero()
	case 'C':
		r.memoryZero()
		r.memoryZero()
	case 'd':
		in.a = r.u32()
		r.memoryZero()
	}
}

func (r *reader) memoryZero() {
	at := r.p
	if r.byte() != 0 {
		r.refuse(at, multiMemory, "")
	}
}

func (r *reader) memArg(in *instr) {
	at := r.p
	in.a = r.u32()
	if in.a >= 32 {
		feature := ""
		if in.a >= 64 && in.a < 128 {
			feature = multiMemory
		}
		r.refuse(at, feature, "alignment 2^%d", in.a)
	}
	in.b = r.u32()
}

func (r *reader) blockType(in *instr) {
	at := r.p
	in.v = r.signed(33)
	if in.v >= 0 || in.v == blockEmpty || r.err != nil {
		return
	}
	t := reader{b: []byte{byte(in.v & 0x7f)}, stop: 1, section: r.section}
	if t.valueType(); in.v < blockEmpty || t.err != nil {
		r.refuse(at, valueTypeFeature(byte(in.v&0x7f)), "block type %d is unknown", in.v)
	}
}

// appendInstr writes an instruction in its canonical encoding.
func appendInstr(b []byte, in *instr) []byte {
	b = append(b, in.op)
	if in.op == opMisc || in.op == opVector {
		b = appendU32(b, in.sub)
	}
	switch in.letter {
	case '.':
	case 'l', 'f', 'v', 'g', 'T', 'D':
		b = appendU32(b, in.a)
	case 'i', 'x', 'X', 'm':
		b = appendU32(appendU32(b, in.a), in.b)
	case '3', '6', 'b':
		b = appendS64(b, in.v)
	case '4', '8', 'c':
		b = append(b, in.raw...)
	case 'n':
		b = append(b, in.lane)
	case 'k':
		b = append(appendU32(appendU32(b, in.a), in.b), in.lane)
	case 't':
		b = appendU32(b, in.b)
		for r := (reader{b: in.raw, stop: len(in.raw)}); !r.end(); {
			b = appendU32(b, r.u32())
		}
		b = appendU32(b, in.a)
	case 's':
		b = append(appendU32(b, uint32(len(in.raw))), in.raw...)
	case 'r':
		b = append(b, byte(in.a))
	case 'M':
		b = append(b, 0)
	case 'C':
		b = append(b, 0, 0)
	case 'd':
		b = append(appendU32(b, in.a), 0)
	}
	return b
}

func appendU32(b []byte, v uint32) []byte {
	return binary.AppendUvarint(b, uint64(v))
}

func appendS64(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func appendName(b []byte, s string) []byte {
	return append(appendU32(b, uint32(len(s))), s...)
}
