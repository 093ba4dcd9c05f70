package binary

import (
	"strconv"
	"strings"
)

// The names that an instrumented module has beside the guest's. A guest that uses
// them is refused.
const (
	// HookModule and HookName name the function that the module imports and calls,
	// without arguments and results, when its fuel is below zero. It sets the fuel,
	// to what it grants and, if fuel is to be exact, plus what is left; or it panics,
	// which ends the call.
	HookModule = "sallyport_v1_internal"
	HookName   = "refuel"
	// FuelExport is the fuel that is left, a mutable i64 that begins at zero.
	FuelExport = "sp_fuel"
	// DepthExport is the stack that is left, a mutable i64. It is below zero after a
	// call that was ended because it went too deep, and only then; the next call
	// needs it restored.
	DepthExport = "sp_internal_depth"
	// WrittenExport says where the code has written, if that is noted, a mutable i64 that
	// begins at zero and that a host sets to zero. See Options.Block.
	WrittenExport = "sp_internal_written"
	// StartExport is the start function of a module that Lift has lifted it from.
	StartExport = "sp_internal_start"

	reservedExport = "sp_internal_"
)

// Options bound a module. The zero Options are the defaults.
type Options struct {
	MaxPages   uint32 // of memory, 64 KiB each; 0 is 256, which is 16 MiB
	FullMemory bool   // the maximum of memory is MaxPages also where the module has a lower one
	MaxTable   uint32 // elements of all tables together, about, and of all segments; 0 is 65536
	MaxFuncs   int    // functions with code; 0 is 50,000
	MaxGlobals int    // mutable globals, each of which a reset restores; 0 is 1024
	MaxLocals  int    // locals and parameters of all functions together; 0 is a million
	MaxWork    int    // the engine's work on one function, about in instructions; on all, 16 times that; 0 is 500,000
	Stack      uint32 // bytes of stack that recursion may take, estimated; 0 is 4 MiB
	// Block has the code note which blocks of memory it writes to, of as many bytes each, a
	// power of two of 16 or more: it sets bit k, modulo 64, when it writes to a place of
	// which the first byte is in block k. What it writes there may end up to 15 bytes into
	// the next. Of a call that trapped nothing needs to be noted. 0 notes nothing.
	Block uint32
}

func (o Options) withDefaults() Options {
	orElse(&o.MaxPages, 256)
	orElse(&o.MaxTable, 1<<16)
	orElse(&o.MaxFuncs, 50_000)
	orElse(&o.MaxGlobals, 1024)
	orElse(&o.MaxLocals, 1_000_000)
	orElse(&o.MaxWork, 500_000)
	orElse(&o.Stack, 4<<20)
	o.MaxPages = min(o.MaxPages, 1<<16)
	return o
}

func orElse[T int | uint32](v *T, other T) {
	if *v <= 0 {
		*v = other
	}
}

// Result is an instrumented module.
type Result struct {
	// Code is the module: its tables and its memory bounded, every path charged,
	// recursion bounded, mutable globals exported. It has no custom sections but the
	// names of functions. It imports what the guest does, and the hook.
	Code []byte
	// Fuel is the export that holds the fuel: FuelExport.
	Fuel string
	// Globals are the exports that hold what the guest's globals say, and the depth.
	// A host that uses an instance again restores them as they were. The fuel is not
	// among them.
	Globals []Global
	// Written is the export that holds what was noted: WrittenExport, or empty.
	Written string
	// Changes says what else the code can change.
	Changes Changes
	// Cost is CostVersion.
	Cost int
}

// Global is an exported mutable global.
type Global struct {
	Name string
	Type ValueType
}

// Changes is state of an instance besides its memory and its numeric globals. None
// of it can be restored from outside: an instance of a module that changes any is
// fit for one call, and only if it was instantiated afresh, not from an image.
type Changes uint8

// What code can change.
const (
	ChangesTables   Changes = 1 << iota // table.set, grow, fill, copy, init
	ChangesSegments                     // data.drop, elem.drop
	ChangesGlobals                      // mutable globals that are references or vectors
)

// String names what is changed.
func (c Changes) String() string {
	var names []string
	for i, name := range []string{"tables", "segments", "globals"} {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// Instrument rewrites a module so that a host can bound what it does. The result
// depends on nothing but the module and the options: not on the machine, the
// process or the engine. An error is an *Error.
//
// The fuel of a run, too, depends on nothing else, if the hook sets it the same. Of a
// run that traps, what was spent since the hook was last called is perhaps not counted.
func (m *Module) Instrument(o Options) (*Result, error) {
	return m.instrument(o.withDefaults(), normal())
}

func (m *Module) instrument(o Options, t tuning) (*Result, error) {
	if err := m.admit(o); err != nil {
		return nil, err
	}
	p := m.plan(o, t)
	w := &rewriter{m: m, p: p, out: make([]byte, 0, len(m.src))}
	for i := range m.bodies {
		w.body(i)
		if err := w.r.error(); err != nil {
			return nil, err
		}
		if err := w.bound(i); err != nil {
			return nil, err
		}
	}
	p.graph.edges = w.callees
	p.graph.weight = w.weight
	p.graph.solve()
	res := &Result{Fuel: FuelExport, Cost: CostVersion}
	if o.Block > 0 {
		res.Written = WrittenExport
	}
	res.Globals = m.stateGlobals(p)
	res.Changes = p.changes
	res.Code = w.module(res)
	return res, nil
}

// stateGlobals lists the globals that a reset restores.
func (m *Module) stateGlobals(p *plan) []Global {
	list := []Global{{Name: DepthExport, Type: I64}}
	for i, g := range m.globals {
		switch {
		case restorable(g):
			list = append(list, Global{Name: globalExport(i), Type: g.typ})
		case g.mutable:
			p.changes |= ChangesGlobals
		}
	}
	return list
}

// restorable reports whether a host can save and restore a global: the engine hands
// out half of a vector, and a reference means something in one instance only.
func restorable(g global) bool {
	return g.mutable && (g.typ == I32 || g.typ == I64 || g.typ == F32 || g.typ == F64)
}

func globalExport(i int) string { return reservedExport + "g" + strconv.Itoa(i) }
