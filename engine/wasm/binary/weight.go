package binary

import "fmt"

// How much a frame takes, and how much work it is to compile, was found out on the
// engine's machine code: of a Go module of 1.8 MB, of C, and of functions made to
// have large frames.
const (
	frameBytes   = 80
	mergeBytes   = 1
	mergesOfLoop = 4 // a loop is split, and values meet at each of its heads
	instrsOfNote = 8
)

// weight estimates the stack of a function's frame.
func (w *rewriter) weight(fn uint32) uint64 {
	own := int(fn) - w.m.foreign[KindFunc]
	if own < 0 {
		return 0
	}
	f, slot := &w.functions[own], uint64(8)
	if f.load.vector {
		slot = 16
	}
	values := int(f.locals) + f.results + f.load.height.most
	return frameBytes + slot*uint64(values) + mergeBytes*uint64(f.load.merges)
}

// modulesWork is how much work all functions may be, in the most of one.
const modulesWork = 16

// bound refuses a function that would take the engine too long or too much memory
// to compile, whatever its size in bytes: a block may move a thousand values, and a
// thousand locals may have to be merged where a thousand branches meet. A unit takes
// the engine up to ten microseconds.
func (w *rewriter) bound(i int) error {
	f := &w.functions[i]
	l := &f.load
	checks, notes := 0, 0
	for _, mk := range w.marks[f.marks.from:f.marks.to] {
		checks += int(flag(mk.kind == markCheck || mk.kind == markAsk))
		notes += int(flag(mk.kind == markWrite || mk.kind == markRange))
	}
	work := l.instrs + notes*instrsOfNote + l.values + l.merges + l.moves + (checks+1)*int(f.locals)
	w.work += work
	what, most := fmt.Sprintf("function %d is", w.m.own(i)), w.p.options.MaxWork
	if work <= most {
		what, work, most = fmt.Sprintf("the functions up to %d are", w.m.own(i)), w.work, modulesWork*most
	}
	if work <= most {
		return nil
	}
	return &Error{
		Offset: w.m.bodies[i].at, Section: sectionNames[secCode],
		Message: fmt.Sprintf("%s too much work to compile: %d, %d is allowed", what, work, most),
	}
}

// callees returns whom a function calls.
func (w *rewriter) callees(fn uint32) []uint32 {
	own := int(fn) - w.m.foreign[KindFunc]
	if own < 0 {
		return nil
	}
	calls := w.functions[own].calls
	return w.edges[calls.from:calls.to]
}
