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
		w.f.load.height.reset(mt.top().base, mt.top().params)
		mt.otherwise(len(w.out))
	case opEnd:
		w.close()
	case opUnreachable:
		w.emit(in, 0)
		mt.stop(len(w.out))
	case opReturn:
		w.leave()
	case opBr, opBrIf:
		if label := in.a; w.label(at, label) {
			in.a = mt.moved(label)
			w.emit(in, mt.values(label))
			w.f.load.height.add(-int(flag(in.op == opBrIf)))
			w.branch(label, in.op == opBr)
		}
	case opBrTable:
		w.brTable(at, in)
	}
}

// open opens a block. A loop becomes
//
//	block
//	  loop                 ;; ask for fuel if there is none
//	    block
//	      loop             ;; leave if there is no fuel, take fuel
//	        ...
//	      end
//	      br 2             ;; done
//	    end
//	    br 0               ;; begin again
//	  end
//	end
//
// so that the call that asks stands outside of the loop: the engine keeps nothing in
// registers over a call, and what lives through a loop with one is moved to memory
// and back in every turn.
func (w *rewriter) open(at int, in *instr) {
	f := frame{op: in.op, sets: w.f.load.sets, nest: w.meter.top().nest + int(flag(in.op == opLoop))}
	switch {
	case in.v >= 0:
		w.r.inRange(at, "type", uint32(in.v), len(w.m.types))
		if w.r.err != nil {
			return
		}
		t := &w.m.types[in.v]
		f.params, f.results = len(t.Params), len(t.Results)
	case in.v != blockEmpty:
		f.results = 1
	}
	if len(w.meter.frames) >= maxNesting {
		w.r.fail(at, "more than %d blocks in each other", maxNesting)
		return
	}
	if in.op == opLoop {
		w.f.loops = true
		// What a loop takes would have to be put on the stack again.
		f.split = f.params == 0
	}
	if f.split {
		w.out = appendS64(append(w.out, opBlock), in.v)
		w.out = appendS64(append(w.out, opLoop), in.v)
		w.mark(markAsk)
		w.out = append(w.out, opBlock, blockNothing)
	}
	values := 0
	if in.v >= 0 {
		values = f.params + f.results
	}
	w.emit(in, values)
	w.f.load.height.add(-int(flag(in.op == opIf)))
	f.base = w.f.load.height.now - f.params
	w.meter.enter(f, len(w.out))
}

// close ends a block.
func (w *rewriter) close() {
	f, l := w.meter.top(), &w.f.load
	assigned := min(int(w.f.locals), l.sets-f.sets)
	l.moves += (f.branches + f.nest) * assigned
	if f.op == opLoop {
		assigned *= mergesOfLoop
	}
	l.merges += assigned
	l.height.reset(f.base, f.results)
	w.out = append(w.out, opEnd)
	if f.split {
		w.out = append(w.out, opBr, 2, opEnd, opBr, 0, opEnd, opEnd)
	}
	w.meter.leave(len(w.out))
}

// label checks a label: the one behind the last would be beyond what the function
// is wrapped in.
func (w *rewriter) label(at int, label uint32) bool {
	w.r.inRange(at, "label", label, len(w.meter.frames))
	return w.r.err == nil
}

func (w *rewriter) branch(label uint32, always bool) {
	w.meter.cut(len(w.out))
	w.meter.branch(label)
	if always {
		w.meter.stop(len(w.out))
	}
}

func (w *rewriter) brTable(at int, in *instr) {
	w.labels = w.labels[:0]
	for r := (reader{b: in.raw, stop: len(in.raw)}); !r.end(); {
		w.labels = append(w.labels, r.u32())
	}
	w.labels = append(w.labels, in.a)
	for _, label := range w.labels {
		if !w.label(at, label) {
			return
		}
	}
	values := w.meter.values(in.a)
	w.f.load.values += values + len(w.labels)
	w.meter.spend(len(w.out), in.cost(values))
	w.out = appendU32(append(w.out, opBrTable), uint32(len(w.labels)-1))
	for _, label := range w.labels {
		w.out = appendU32(w.out, w.meter.moved(label))
	}
	w.meter.cut(len(w.out))
	for _, label := range w.labels {
		w.meter.branch(label)
	}
	w.meter.stop(len(w.out))
}

// leave returns from the function, as a branch to its outermost block: if that is
// within another, depth and fuel are put back behind it.
func (w *rewriter) leave() {
	outermost := uint32(len(w.meter.frames) - 1)
	w.emit(&instr{op: opBr, letter: 'l', a: w.meter.moved(outermost)}, w.f.results)
	w.branch(outermost, true)
}

// call re-emits a call.
func (w *rewriter) call(at int, in *instr) {
	t, ok := w.callee(at, in)
	if !ok {
		return
	}
	w.f.load.height.add(-int(flag(in.letter == 'i')))
	tail := in.op == opReturnCall || in.op == opReturnCallIndirect
	values := len(t.Params) + len(t.Results)
	if tail && staysTail(t) {
		w.mark(markTail)
		w.emit(in, values)
		w.branch(uint32(len(w.meter.frames)-1), true)
		return
	}
	if tail {
		in.op -= opReturnCall - opCall
	}
	w.mark(markSave)
	w.emit(in, values)
	w.f.load.height.add(-len(t.Params))
	w.f.load.height.add(len(t.Results))
	w.mark(markLoad)
	if tail {
		w.leave()
	}
}

// callee checks what a call names, renumbers it, notes it and charges what it takes
// beyond the call itself.
func (w *rewriter) callee(at int, in *instr) (t FuncType, ok bool) {
	if in.op == opCallIndirect || in.op == opReturnCallIndirect {
		w.r.inRange(at, "type", in.a, len(w.m.types))
		w.r.inRange(at, "table", in.b, w.m.count[KindTable])
		if w.r.err != nil {
			return t, false
		}
		w.edges = append(w.edges, w.p.graph.anyOf(in.a))
		w.f.nested = true
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
		w.meter.spend(len(w.out), costHost)
	case cheap > 0:
		w.meter.spend(len(w.out), uint32(cheap))
	default:
		w.f.nested = true
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
