package binary

// control re-emits an instruction that opens or ends a block, or leaves one.
func (w *rewriter) control(at int, in *instr) {
	mt := &w.meter
	switch in.op {
	case opBlock, opLoop, opIf:
		w.open(at, in)
	case opElse:
		if mt.top().op != opIf {
			w.r.fail(at, "else without if")
			return
		}
		w.out = appendInstr(w.out, in)
		mt.otherwise(len(w.out))
	case opEnd:
		w.f.load.merges += min(w.f.locals, w.f.load.sets-mt.top().sets)
		w.out = appendInstr(w.out, in)
		if mt.top().op == opLoop {
			w.out = append(w.out, opEnd)
		}
		mt.leave(len(w.out))
	case opUnreachable:
		w.emit(in, 0)
		mt.stop(len(w.out))
	case opReturn:
		w.leave()
	case opBr, opBrIf:
		if label := in.a; w.label(at, label) {
			in.a = mt.moved(label)
			w.emit(in, mt.values(label))
			w.branch(label, in.op == opBr)
		}
	case opBrTable:
		w.brTable(at, in)
	}
}

// open opens a block.
func (w *rewriter) open(at int, in *instr) {
	params, results := 0, 0
	switch {
	case in.v >= 0:
		w.r.inRange(at, "type", uint32(in.v), len(w.m.types))
		if w.r.err != nil {
			return
		}
		t := &w.m.types[in.v]
		params, results = len(t.Params), len(t.Results)
	case in.v != blockEmpty:
		results = 1
	}
	if len(w.meter.frames) >= maxNesting {
		w.r.fail(at, "more than %d blocks in each other", maxNesting)
		return
	}
	values := 0
	if params+results > 1 {
		values = params + results
	}
	if in.op == opLoop {
		w.f.loops = true
		w.out = appendInstr(w.out, in)
		w.out = w.p.appendOuter(w.out, uint32(w.f.locals))
	}
	w.emit(in, values)
	w.meter.enter(in.op, params, results, len(w.out), w.f.load.sets)
}

// label checks a label: the one behind the last would be beyond what the function
// is wrapped in.
func (w *rewriter) label(at int, label uint32) bool {
	w.r.inRange(at, "label", label, len(w.meter.frames))
	return w.r.err == nil
}

func (w *rewriter) branch(label uint32, always bool) {
	w.meter.branch(label)
	if always {
		w.meter.stop(len(w.out))
	} else {
		w.meter.cut(len(w.out))
	}
}

func (w *rewriter) brTable(at int, in *instr) {
	if !w.label(at, in.a) {
		return
	}
	values := w.meter.values(in.a)
	moved := make([]byte, 0, len(in.raw))
	var list []uint32
	for r := (reader{b: in.raw, stop: len(in.raw)}); !r.end(); {
		label := r.u32()
		if !w.label(at, label) {
			return
		}
		moved = appendU32(moved, w.meter.moved(label))
		list = append(list, label)
	}
	last := in.a
	in.raw = moved
	in.a = w.meter.moved(last)
	w.emit(in, values)
	w.f.load.values += int(in.b)
	for _, l := range list {
		w.meter.branch(l)
	}
	w.branch(last, true)
}

// leave returns from the function, as a branch to its outermost block: when the
// function is wrapped, its depth is given back behind that.
func (w *rewriter) leave() {
	out := uint32(len(w.meter.frames) - 1)
	w.emit(&instr{op: opBr, letter: 'l', a: w.meter.moved(out)}, w.f.results)
	w.branch(out, true)
}

// call re-emits a call.
func (w *rewriter) call(at int, in *instr) {
	t, ok := w.callee(at, in)
	if !ok {
		return
	}
	w.f.load.calls++
	tail := in.op == opReturnCall || in.op == opReturnCallIndirect
	values := len(t.Params) + len(t.Results)
	if tail && staysTail(t) {
		w.mark(markTail)
		w.emit(in, values)
		w.meter.stop(len(w.out))
		return
	}
	if tail {
		in.op -= opReturnCall - opCall
	}
	w.mark(markSave)
	w.emit(in, values)
	w.mark(markLoad)
	if tail {
		w.leave()
	}
}

func (w *rewriter) mark(kind markKind) {
	w.marks = append(w.marks, mark{at: len(w.out), kind: kind})
}

// callee checks what a call names, renumbers it, notes it and charges it beyond
// the call itself.
func (w *rewriter) callee(at int, in *instr) (t FuncType, ok bool) {
	if in.op == opCallIndirect || in.op == opReturnCallIndirect {
		w.r.inRange(at, "type", in.a, len(w.m.types))
		w.r.inRange(at, "table", in.b, w.m.count[KindTable])
		if w.r.err != nil {
			return t, false
		}
		w.edges = append(w.edges, w.p.graph.anyOf(in.a))
		w.meter.called()
		return w.m.types[in.a], true
	}
	w.r.inRange(at, "function", in.a, w.m.count[KindFunc])
	if w.r.err != nil {
		return t, false
	}
	t = w.m.funcType(in.a)
	switch cheap := w.p.cheap[in.a]; {
	case int(in.a) < w.m.foreign[KindFunc]:
		w.meter.spend(len(w.out), costHost-costCall)
	case cheap > 0:
		w.meter.spend(len(w.out), uint32(cheap))
	default:
		w.meter.called()
	}
	w.edges = append(w.edges, in.a)
	in.a = w.p.moved(in.a)
	return t, true
}

// staysTail reports whether the engine makes a real tail call of one to a function
// of this type. With arguments or results on the stack it makes a call, which this
// must be too, or the depth would be lost.
func staysTail(t FuncType) bool {
	return len(t.Params) <= 4 && len(t.Results) <= 4
}
