package binary

// maxNesting bounds the blocks that are open at once in a function.
const maxNesting = 1 << 15

// rewriter re-emits the functions' bodies, one after the other. What it adds at
// places that are known later, charges above all, it notes as marks.
type rewriter struct {
	m       *Module
	p       *plan
	r       reader
	out     []byte // code of all functions, without what the marks say
	marks   []mark
	edges   []uint32 // who calls whom: functions, and what anyOf gives
	meter   meter
	results []function // one per body
	f       *function  // the one at hand
}

// mark is something to add before an offset in out.
type mark struct {
	at    int
	kind  markKind
	shift int8
	cost  uint32
}

type markKind byte

const (
	markCharge markKind = iota // subtract the cost
	markCheck                  // and ask for more fuel when there is none
	markLoop                   // likewise, at the beginning of a loop
	markSave                   // put the fuel where a callee finds it
	markLoad                   // and take what the callee left
	markBulk                   // charge for the length on top of the stack
	markTail                   // put back depth and fuel, before a tail call
)

// function is what is known of a function's body when it has been read.
type function struct {
	code    span // in out
	marks   span // in marks
	params  int
	locals  int // params included
	results int
	scratch bool // has a local more, for the length of bulk operations
	loops   bool // keeps the fuel in a local
	cheap   bool // is charged by its callers
	calls   span // in edges
	load    load
}

// load is what a function's frame and the engine's work on it grow with.
type load struct {
	instrs int
	values int // that control instructions and calls move
	sets   int // assignments of locals
	merges int // assignments of locals, per frame around them
	calls  int
}

// body reads the code of the i-th defined function.
func (w *rewriter) body(i int) {
	index := uint32(w.m.foreign[KindFunc] + i)
	t := w.m.funcType(index)
	b := &w.m.bodies[i]
	w.results = append(w.results, function{
		params: len(t.Params), locals: len(t.Params) + int(b.locals), results: len(t.Results),
		cheap: w.p.cheap[index] > 0,
	})
	w.f = &w.results[i]
	start, marks, edges := len(w.out), len(w.marks), len(w.edges)
	w.r = reader{b: w.m.src, p: b.code.from, stop: b.code.to, section: sectionNames[secCode]}
	w.meter.reset(start, len(t.Results))
	for len(w.meter.frames) > 0 && w.r.err == nil {
		w.instr()
	}
	if !w.r.end() {
		w.r.fail(w.r.p, "code behind the end of function %d", index)
	}
	w.charges(marks)
	w.f.code = span{start, len(w.out)}
	w.f.marks = span{marks, len(w.marks)}
	w.f.calls = span{edges, len(w.edges)}
}

// charges puts the charges among the marks of the function, in order.
func (w *rewriter) charges(from int) {
	if w.f.cheap {
		return
	}
	others := append([]mark(nil), w.marks[from:]...)
	w.marks = w.marks[:from]
	for _, p := range w.meter.points {
		m := mark{at: p.at, kind: p.kind, cost: p.cost + p.absorbed}
		if m.kind == markCharge && m.cost == 0 {
			continue
		}
		for len(others) > 0 && others[0].at < m.at {
			w.marks, others = append(w.marks, others[0]), others[1:]
		}
		w.marks = append(w.marks, m)
	}
	w.marks = append(w.marks, others...)
}

// instr re-emits one instruction and counts it.
func (w *rewriter) instr() {
	at := w.r.p
	in := w.r.instr()
	if w.r.err != nil {
		return
	}
	w.f.load.instrs++
	switch in.op {
	case opBlock, opLoop, opIf, opElse, opEnd, opBr, opBrIf, opBrTable, opReturn, opUnreachable:
		w.control(at, &in)
		return
	case opCall, opCallIndirect, opReturnCall, opReturnCallIndirect:
		w.call(at, &in)
		return
	case opMemoryGrow:
		w.bulk(&in)
	case opMisc:
		w.segments(at, &in)
		if in.sub >= miscMemoryInit {
			w.bulk(&in)
		}
	case opRefFunc:
		w.r.inRange(at, "function", in.a, w.m.count[KindFunc])
		w.p.graph.take(in.a)
		in.a = w.p.moved(in.a)
	default:
		w.operands(at, &in)
	}
	w.emit(&in, 0)
}

// emit writes an instruction and counts it, with the values that it moves.
func (w *rewriter) emit(in *instr, values int) {
	w.f.load.values += values
	w.meter.spend(len(w.out), in.cost(values))
	w.out = appendInstr(w.out, in)
}

// operands checks the indices of locals, globals and tables: one that is out of
// range could name what is added.
func (w *rewriter) operands(at int, in *instr) {
	switch in.letter {
	case 'v':
		w.r.inRange(at, "local", in.a, w.f.locals)
		if in.op != opLocalGet {
			w.f.load.sets++
		}
	case 'g':
		w.r.inRange(at, "global", in.a, w.m.count[KindGlobal])
	case 'T':
		w.r.inRange(at, "table", in.a, w.m.count[KindTable])
		if in.op == opTableSet {
			w.p.changes |= ChangesTables
		}
	}
}

// segments checks the indices of bulk operations.
func (w *rewriter) segments(at int, in *instr) {
	tables := w.m.count[KindTable]
	switch in.sub {
	case miscMemoryInit, miscDataDrop:
		if !w.m.counted {
			w.r.fail(at, "data segments are used without a data count section")
		}
		w.r.inRange(at, "data segment", in.a, len(w.m.datas))
		if in.sub == miscDataDrop {
			w.p.changes |= ChangesSegments
		}
	case miscTableInit, miscElemDrop:
		w.r.inRange(at, "element segment", in.a, len(w.m.elems))
		if in.sub == miscElemDrop {
			w.p.changes |= ChangesSegments
			return
		}
		w.r.inRange(at, "table", in.b, tables)
		w.p.changes |= ChangesTables
	case miscTableCopy:
		w.r.inRange(at, "table", in.b, tables)
		fallthrough
	case miscTableGrow, miscTableFill:
		w.r.inRange(at, "table", in.a, tables)
		w.p.changes |= ChangesTables
	case miscTableSize:
		w.r.inRange(at, "table", in.a, tables)
	}
}

// bulk charges an operation for the length that lies on top of the stack.
func (w *rewriter) bulk(in *instr) {
	most, shift := uint32(0), 0
	switch {
	case in.op == opMemoryGrow:
		most, shift = w.p.options.MaxPages, unitsPerPage
	case in.sub == miscTableGrow:
		most = w.p.options.MaxTable
	case in.sub == miscMemoryInit, in.sub == miscMemoryCopy, in.sub == miscMemoryFill:
		shift = -bytesPerUnit
	case in.sub == miscDataDrop, in.sub == miscElemDrop, in.sub == miscTableSize:
		return
	}
	w.f.scratch = true
	w.marks = append(w.marks, mark{at: len(w.out), kind: markBulk, cost: most, shift: int8(shift)})
}
