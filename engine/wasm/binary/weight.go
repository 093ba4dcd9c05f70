package binary

import "fmt"

// bound refuses a function that would take the engine too long or too much memory
// to compile, whatever its size in bytes: a block may move a thousand values, and
// a thousand locals may have to be merged at the end of each of a thousand blocks.
func (w *rewriter) bound(i int) error {
	l := &w.results[i].load
	if work := l.instrs + l.values + l.merges; work > w.p.options.MaxWork {
		return &Error{
			Offset: w.m.bodies[i].at, Section: sectionNames[secCode],
			Message: fmt.Sprintf("function %d is too much work to compile: %d values, %d are allowed",
				w.m.foreign[KindFunc]+i, work, w.p.options.MaxWork),
		}
	}
	return nil
}

// callees returns whom a function calls.
func (w *rewriter) callees(fn uint32) []uint32 {
	own := int(fn) - w.m.foreign[KindFunc]
	if own < 0 {
		return nil
	}
	calls := w.results[own].calls
	return w.edges[calls.from:calls.to]
}

// weight estimates the stack of a function's frame.
func (w *rewriter) weight(fn uint32) uint64 {
	own := int(fn) - w.m.foreign[KindFunc]
	if own < 0 {
		return 0
	}
	f := &w.results[own]
	return uint64(64 + 8*(f.locals+f.results) + 4*f.load.sets)
}
