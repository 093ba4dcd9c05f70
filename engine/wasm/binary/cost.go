package binary

// CostVersion is the version of the cost model: of what each instruction costs and
// where it is charged. Any change that can change the fuel of any module gets a
// new one. It belongs in the key of everything that is kept about a module that
// was rewritten.
const CostVersion = 1

// costs has the fuel of each instruction as a digit. A unit is about what an
// addition takes. What is only there for the engine's compiler costs nothing:
// block, loop, else, end, nop, drop. Calls and bulk operations cost more, below.
const costs = "" +
	"0000100000001131" + // 00 if, br, br_if, br_table, return
	"6060000000011000" + // 10 calls, select
	"1111122022222222" + // 20 locals, globals, loads with their bounds check
	"2222222222222221" + // 30 loads, stores, memory.size
	"0111111111111111" + // 40 constants, comparisons
	"1111111111111111" + // 50
	"1111111111111888" + // 60 i32 arithmetic; divisions
	"8111111111111119" + // 70 i64 arithmetic
	"9991111111111222" + // 80
	"2611153321122228" + // 90 f32, f64 arithmetic; square roots
	"1116332144441144" + // a0 checked conversions
	"4422232222321111" + // b0 conversions
	"1111100000000000" + // c0
	"1140000000000000" + // d0 references
	"0000000000000000" + // e0
	"0000000000000000" //   f0

const (
	costIndirect = 10  // an indirect call checks the callee's type
	costHost     = 100 // a call that crosses into the host and back, beyond a call
	costBulk     = 16  // a bulk operation, without its length
	costGrow     = 200 // memory.grow and table.grow, likewise
	costSat      = 5   // a saturating conversion
	costVector   = 2
	costVectorX  = 5 // a vector instruction that is a sequence in the machine

	// A unit moves eight bytes, so a page costs 8192.
	bytesPerUnit = 3 // as a shift
	unitsPerPage = 13
)

// slowVectors are the vector instructions that compile to many: shifts of bytes,
// population count, 64-bit products, division, roots, minima, saturating
// conversions.
const slowVectors = "\x62\x6b\x6c\x6d\x82\xcc\xd5\xe3\xe7\xe8\xe9\xef\xf3\xf4\xf5\xf8\xf9\xfb\xfc\xfd\xff"

// cost returns the fuel of an instruction that moves the given number of values to
// another place: arguments and results of a call, operands of a branch.
func (in *instr) cost(values int) uint32 {
	switch in.op {
	case opCallIndirect, opReturnCallIndirect:
		return costIndirect + uint32(values)
	case opMemoryGrow:
		return costGrow
	case opMisc:
		return in.miscCost()
	case opVector:
		for i := range len(slowVectors) {
			if uint32(slowVectors[i]) == in.sub {
				return costVectorX
			}
		}
		return costVector
	}
	return uint32(costs[in.op]-'0') + uint32(values)
}

func (in *instr) miscCost() uint32 {
	switch in.sub {
	case miscDataDrop, miscElemDrop, miscTableSize:
		return 1
	case miscTableGrow:
		return costGrow
	}
	if in.sub < miscMemoryInit {
		return costSat
	}
	return costBulk
}
