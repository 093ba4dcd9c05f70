package binary

// maxNesting bounds the blocks that are open at once in a function.
const maxNesting = 1 << 15

// rewriter re-emits the functions' bodies, one after the other. What it adds at
// places that are known later, charges above all, it notes as marks.
type rewriter struct {
	m         *Module
	p         *plan
	r         reader
	out       []byte // code of all functions, without what the marks say
	marks     []mark
	edges     []uint32 // who calls whom: functions, and what anyOf gives
	labels    []uint32 // of the br_table at hand
	meter     meter
	in        instr      // at hand
	functions []function // one per body
	f         *function  // the one at hand
	work      int        // of all, for the engine
}

// mark is something to add before an offset in out.
type mark struct {
	at   int
	kind markKind
	cost uint32    // of markWrite: the offset of the instruction
	typ  ValueType // of markWrite: of what is stored
}

// markKind says what is added. At one offset the kinds follow each other in this
// order.
type markKind byte

const (
	markLoad     markKind = iota // take the fuel that a callee left
	markEntry                    // begin the function
	markCharge                   // take fuel
	markCheck                    // and ask for more when there is none
	markLoop                     // the other way round: at the beginning of a loop
	markAsk                      // ask for fuel when there is none
	markBytes                    // charge for as many bytes as the top of the stack says
	markElements                 // for as many elements
	markPages                    // for as many pages to grow by
	markSlots                    // for as many elements to grow by
	markSave                     // put the fuel where a callee finds it
	markTail                     // and the depth, before a tail call
	markWrite                    // note where the address below the top of the stack is
	markRange                    // note as many bytes as the top says, from the address two below
)

// function is what is known of a function's body when it has been read.
type function struct {
	code    span   // in out
	marks   span   // in marks
	calls   span   // in edges
	locals  uint32 // params included
	results int
	scratch bool // has a local more, for the length of bulk operations
	held    held // of what is stored, while it is noted where
	loops   bool // keeps the fuel in a local
	cheap   bool // is charged by its callers
	nested  bool // calls what may call or loop
	load    load
}

// load is what a function's frame and the engine's work on it grow with.
type load struct {
	instrs int
	values int // that control instructions and calls move
	sets   int // assignments of locals
	merges int // locals that may have two values where ways meet, of all such places
	moves  int // the same, times how many ways there are to each and how many loops are around it
	height height
	vector bool // has values of 16 bytes
}

// body reads the code of the i-th defined function.
func (w *rewriter) body(i int) {
	index := w.m.own(i)
	t := w.m.funcType(index)
	b := &w.m.bodies[i]
	w.functions = append(w.functions, function{
		locals: uint32(len(t.Params)) + b.locals, results: len(t.Results), cheap: w.p.cheap[index] > 0,
	})
	w.f = &w.functions[i]
	start, marks, edges := len(w.out), len(w.marks), len(w.edges)
	w.r = w.m.read(b.code)
	w.r.section = sectionNames[secCode]
	w.meter.reset(w.p.tuning, start, len(t.Results))
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

// charges puts the function's charges among its marks, in order.
func (w *rewriter) charges(from int) {
	if w.f.cheap {
		return
	}
	others := append([]mark(nil), w.marks[from:]...)
	w.marks = w.marks[:from]
	for _, p := range w.meter.points {
		cost := p.cost + p.absorbed
		if p.kind == markCharge && cost == 0 {
			continue
		}
		for len(others) > 0 && (others[0].at < p.at || others[0].at == p.at && others[0].kind < p.kind) {
			w.marks, others = append(w.marks, others[0]), others[1:]
		}
		w.marks = append(w.marks, mark{at: p.at, kind: p.kind, cost: cost})
	}
	w.marks = append(w.marks, others...)
}

// instr re-emits one instruction and counts it.
func (w *rewriter) instr() {
	at := w.r.p
	in := &w.in
	w.r.instr(in)
	if w.r.err != nil {
		return
	}
	w.f.load.instrs++
	switch in.op {
	case opBlock, opLoop, opIf, opElse, opEnd, opBr, opBrIf, opBrTable, opReturn, opUnreachable:
		w.control(at, in)
	case opCall, opCallIndirect, opReturnCall, opReturnCallIndirect:
		w.call(at, in)
	default:
		w.operands(at, in)
		w.noteWrite(in)
		w.emit(in, 0)
		w.f.load.height.add(in.effect())
		w.f.load.vector = w.f.load.vector || in.op == opVector
	}
}

// emit writes an instruction and counts it, with the values that it moves.
func (w *rewriter) emit(in *instr, values int) {
	w.f.load.values += values
	w.meter.spend(len(w.out), in.cost(values))
	w.out = appendInstr(w.out, in)
}

func (w *rewriter) mark(kind markKind) {
	w.marks = append(w.marks, mark{at: len(w.out), kind: kind})
}

// operands checks the indices in an instruction, any of which could name what is
// added if it were out of range, and notes what the instruction changes.
func (w *rewriter) operands(at int, in *instr) {
	switch in.letter {
	case 'v':
		w.r.inRange(at, "local", in.a, int(w.f.locals))
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
	case 'f': // ref.func
		w.r.inRange(at, "function", in.a, w.m.count[KindFunc])
		w.p.graph.take(in.a)
		in.a = w.p.moved(in.a)
	case 'M', 'm', 'k', 'C', 'd':
		w.r.inRange(at, "memory", 0, w.m.count[KindMemory])
	}
	switch {
	case in.op == opMemoryGrow:
		w.bulk(markPages)
	case in.op == opMisc && in.sub >= miscMemoryInit:
		w.misc(at, in)
	}
}

// misc is operands for the instructions on segments and ranges.
func (w *rewriter) misc(at int, in *instr) {
	tables := w.m.count[KindTable]
	switch in.sub {
	case miscMemoryInit, miscDataDrop:
		w.r.inRange(at, "data segment", in.a, len(w.m.datas))
		if !w.m.counted {
			w.r.fail(at, "data segments are used without a data count section")
		}
	case miscTableInit, miscElemDrop:
		w.r.inRange(at, "element segment", in.a, len(w.m.elems))
	case miscTableCopy:
		w.r.inRange(at, "table", in.a, tables)
	}
	switch in.sub {
	case miscTableInit, miscTableCopy:
		w.r.inRange(at, "table", in.b, tables)
	}
	switch in.sub {
	case miscMemoryInit, miscMemoryCopy, miscMemoryFill:
		w.bulk(markBytes)
	case miscDataDrop, miscElemDrop:
		w.p.changes |= ChangesSegments
	case miscTableInit, miscTableCopy, miscTableFill:
		w.p.changes |= ChangesTables
		w.bulk(markElements)
	case miscTableGrow:
		w.p.changes |= ChangesTables
		w.bulk(markSlots)
	}
}

func (w *rewriter) bulk(kind markKind) {
	w.f.scratch = true
	w.mark(kind)
}
