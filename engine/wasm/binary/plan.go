package binary

// plan says what is added to a module and where it lies.
type plan struct {
	options     Options
	tuning      tuning
	hook        uint32 // function
	slow        uint32 // function: ends the call when it is too deep, else calls the hook
	fuel, depth uint32 // globals
	written     uint32 // likewise, if it is noted
	hookType    uint32
	blocks      map[uint32]int64 // by type of a function: the block type of its results
	added       []FuncType       // types
	cheap       []uint8          // by function: what its callers pay for it; 0 is nothing
	changes     Changes
	graph       *graph
}

// moved returns the index that a function has in the rewritten module.
func (p *plan) moved(fn uint32) uint32 {
	if fn >= p.hook {
		return fn + 1
	}
	return fn
}

// plan lays out what is added.
func (m *Module) plan(o Options, t tuning) *plan {
	p := &plan{
		options: o, tuning: t, graph: newGraph(m), blocks: map[uint32]int64{},
		hook:  uint32(m.foreign[KindFunc]),
		slow:  uint32(m.count[KindFunc]) + 1,
		fuel:  uint32(m.count[KindGlobal]),
		depth: uint32(m.count[KindGlobal]) + 1, written: uint32(m.count[KindGlobal]) + 2,
	}
	p.hookType = p.typeIndex(m, FuncType{})
	p.findCheap(m)
	return p
}

// typeIndex returns the index of a type, which it adds if the module doesn't have it.
func (p *plan) typeIndex(m *Module, t FuncType) uint32 {
	for i, u := range m.types {
		if typeKey(u) == typeKey(t) {
			return uint32(i)
		}
	}
	for i, u := range p.added {
		if typeKey(u) == typeKey(t) {
			return uint32(len(m.types) + i)
		}
	}
	p.added = append(p.added, t)
	return uint32(len(m.types) + len(p.added) - 1)
}

// block returns the block type of what a function of a type returns.
func (p *plan) block(m *Module, typ uint32) int64 {
	results := m.types[typ].Results
	switch len(results) {
	case 0:
		return blockEmpty
	case 1:
		return int64(results[0]) - 0x80
	}
	if t, ok := p.blocks[typ]; ok {
		return t
	}
	p.blocks[typ] = int64(p.typeIndex(m, FuncType{Results: results}))
	return p.blocks[typ]
}

// What a function may have at most that its callers pay for.
const (
	maxCheapCode   = 128 // bytes
	maxCheapLocals = 16
)

// findCheap finds the functions that call nothing, never loop and cost little: it
// takes more to charge them than to run them. What others than calls in the code
// can reach is not among them. It notes too what has references.
func (p *plan) findCheap(m *Module) {
	p.cheap = make([]uint8, m.count[KindFunc])
	reached := m.reached(p.graph)
	for i := range m.bodies {
		index := m.foreign[KindFunc] + i
		b := &m.bodies[i]
		if !reached[index] && b.code.to-b.code.from <= maxCheapCode && b.locals <= maxCheapLocals {
			p.cheap[index] = p.cost(m, index)
		}
	}
}

// reached returns which functions can be called from outside or by reference.
func (m *Module) reached(g *graph) []bool {
	list := make([]bool, m.count[KindFunc])
	for _, e := range m.exports {
		if e.kind == KindFunc {
			list[e.index] = true
		}
	}
	if m.start >= 0 {
		list[m.start] = true
	}
	m.references(func(fn uint32) {
		list[fn] = true
		g.take(fn)
	})
	return list
}

// references calls f with each function that an element segment or a global names.
func (m *Module) references(f func(fn uint32)) {
	for i := range m.elems {
		s := &m.elems[i]
		r := m.read(s.items)
		if s.exprs {
			r.references(f)
			continue
		}
		for !r.end() {
			f(r.u32())
		}
	}
	for _, g := range m.globals {
		r := m.read(g.init)
		r.references(f)
	}
}

// references reads constant expressions to the end.
func (r *reader) references(f func(fn uint32)) {
	for !r.end() {
		var in instr
		if r.instr(&in); in.op == opRefFunc {
			f(in.a)
		}
	}
}

// read returns a reader of a part of the module that has been read before.
func (m *Module) read(s span) reader {
	return reader{b: m.src, p: s.from, stop: s.to}
}

// cost returns the most that a function can cost, or 0 if it isn't cheap.
func (p *plan) cost(m *Module, index int) uint8 {
	if t := m.funcType(uint32(index)); len(t.Params) > maxCheapLocals || len(t.Results) > 1 {
		return 0
	}
	r := m.read(m.bodies[index-m.foreign[KindFunc]].code)
	total := uint32(1)
	for !r.end() {
		var in instr
		r.instr(&in)
		switch in.op {
		case opLoop, opCall, opCallIndirect, opReturnCall, opReturnCallIndirect, opMemoryGrow, opBrTable:
			return 0
		case opBlock, opIf:
			if in.v >= 0 {
				return 0
			}
		case opMisc:
			if in.sub >= miscMemoryInit {
				return 0
			}
		case opBr, opBrIf, opReturn:
			total++ // a value
		}
		if total += in.cost(0); total > p.tuning.absorb {
			return 0
		}
	}
	return uint8(total)
}
