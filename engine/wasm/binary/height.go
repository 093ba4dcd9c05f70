package binary

// effects says how much higher the operand stack is after an instruction: + one
// more, 0 the same, - one less, = two less, # three less. Control instructions and
// calls are not in it.
const effects = "" +
	"0000000000000000" + // 00
	"0000000000-==000" + // 10 drop, select
	"+-0+-0=000000000" + // 20 locals, globals, tables, loads
	"000000=========+" + // 30 loads, stores, memory.size
	"0++++0----------" + // 40 memory.grow, constants, comparisons
	"0---------------" + // 50
	"-------000------" + // 60 i32
	"---------000----" + // 70 i64
	"-----------00000" + // 80 f32
	"00-------0000000" + // 90 f64
	"-------000000000" + // a0 conversions
	"0000000000000000" + // b0
	"0000000000000000" + // c0
	"+0+0000000000000" + // d0 references
	"0000000000000000" + // e0
	"0000000000000000" //   f0

const miscEffects = "00000000#0###0#-+#"

const vectorEffects = "" +
	"00000000000=+--0" + // 00 loads, store, constant, shuffles
	"0000000-00-0-0-0" + // 10 splats, lanes
	"-0--------------" + // 20 lanes, comparisons
	"----------------" + // 30
	"-------------0--" + // 40 logic
	"--=0----====0000" + // 50
	"00000--0000-----" + // 60 i8x16
	"----00----0-0000" + // 70
	"00-00--0000-----" + // 80 i16x8
	"----0-----------" + // 90
	"00-00--0000-----" + // a0 i32x4
	"----------------" + // b0
	"00-00--0000-----" + // c0 i64x2
	"----------------" + // d0
	"00-0--------00-0" + // e0 f32x4, f64x2
	"--------00000000" //   f0

// effect returns how much higher the stack is after an instruction.
func (in *instr) effect() int {
	c := effects[in.op]
	switch in.op {
	case opMisc:
		c = miscEffects[in.sub]
	case opVector:
		c = vectorEffects[in.sub]
	}
	switch c {
	case '+':
		return 1
	case '-':
		return -1
	case '=':
		return -2
	case '#':
		return -3
	}
	return 0
}

// height follows how high the operand stack is, which is an estimate: types aren't
// checked here, and code that is never run counts like other code.
type height struct{ now, most int }

func (h *height) add(n int) {
	h.now = max(h.now+n, 0)
	h.most = max(h.most, h.now)
}

// reset puts the stack at the height that it has at the beginning or end of a block.
func (h *height) reset(base, values int) {
	h.now = base
	h.add(values)
}
