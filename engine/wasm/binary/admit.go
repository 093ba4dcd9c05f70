package binary

import (
	"fmt"
	"strings"
)

// admit refuses what can't be bounded and what is beyond bounds as it stands.
func (m *Module) admit(o Options) error {
	if err := m.admitNames(); err != nil {
		return err
	}
	if own := len(m.bodies); own > o.MaxFuncs {
		return m.refuse(secFunction, "%d functions, %d are allowed", own, o.MaxFuncs)
	}
	locals := 0
	for i := range m.bodies {
		locals += len(m.funcType(m.own(i)).Params) + int(m.bodies[i].locals)
		if locals > o.MaxLocals {
			return m.refuse(secCode, "more than %d locals and parameters", o.MaxLocals)
		}
	}
	if m.memory != nil && m.memory.min > o.MaxPages {
		return m.refuse(secMemory, "%d pages, %d are allowed", m.memory.min, o.MaxPages)
	}
	mutable := 0
	for _, g := range m.globals {
		mutable += int(flag(g.mutable))
	}
	if mutable > o.MaxGlobals {
		return m.refuse(secGlobal, "%d mutable globals, %d are allowed", mutable, o.MaxGlobals)
	}
	return m.admitElements(o)
}

func (m *Module) admitElements(o Options) error {
	slots, elements := uint64(0), 0
	for _, t := range m.tables {
		slots += uint64(t.limits.min)
	}
	for i := range m.elems {
		elements += m.elems[i].n
	}
	switch {
	case slots > uint64(o.MaxTable):
		return m.refuse(secTable, "%d elements, %d are allowed", slots, o.MaxTable)
	case elements > int(o.MaxTable):
		return m.refuse(secElement, "%d elements, %d are allowed", elements, o.MaxTable)
	}
	return nil
}

// admitNames refuses imports that aren't functions, and the names that are reserved.
func (m *Module) admitNames() error {
	for _, imp := range m.imports {
		switch {
		case imp.module == HookModule:
			return m.refuse(secImport, "%s.%s: the module's name is reserved", imp.module, imp.name)
		case imp.kind == KindMemory:
			return m.refuse(secImport, "%s.%s: a memory is imported; see OwnMemory", imp.module, imp.name)
		case imp.kind != KindFunc:
			return m.refuse(secImport, "%s.%s: a %s is imported; only functions can be", imp.module, imp.name, imp.kind)
		}
	}
	for _, e := range m.exports {
		if e.name == FuelExport || strings.HasPrefix(e.name, reservedExport) {
			return m.refuse(secExport, "%q: the name is reserved", e.name)
		}
	}
	return nil
}

// refuse says what is wrong with a section as a whole.
func (m *Module) refuse(section int, format string, args ...any) error {
	return &Error{Offset: m.sections[section].from, Section: sectionNames[section], Message: fmt.Sprintf(format, args...)}
}
