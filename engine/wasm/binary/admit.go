package binary

import (
	"fmt"
	"strings"
)

// admit refuses what can't be bounded.
func (m *Module) admit(o Options) error {
	if own := len(m.bodies); own > o.MaxFuncs {
		return m.refuse("function", "%d functions, %d are allowed", own, o.MaxFuncs)
	}
	locals := 0
	for i := range m.bodies {
		if locals += int(m.bodies[i].locals); locals > o.MaxLocals {
			return m.refuse("code", "more than %d locals", o.MaxLocals)
		}
	}
	for _, imp := range m.imports {
		switch {
		case imp.module == HookModule:
			return m.refuse("import", "%s.%s: the module's name is reserved", imp.module, imp.name)
		case imp.kind == KindMemory:
			return m.refuse("import", "%s.%s: a memory is imported; see OwnMemory", imp.module, imp.name)
		case imp.kind != KindFunc:
			return m.refuse("import", "%s.%s: a %s is imported; only functions can be", imp.module, imp.name, imp.kind)
		}
	}
	for _, e := range m.exports {
		if e.name == FuelExport || strings.HasPrefix(e.name, reservedExport) {
			return m.refuse("export", "%q: the name is reserved", e.name)
		}
	}
	if m.memory != nil && m.memory.min > o.MaxPages {
		return m.refuse("memory", "%d pages, %d are allowed", m.memory.min, o.MaxPages)
	}
	elements, mutable := uint64(0), 0
	for _, t := range m.tables {
		elements += uint64(t.limits.min)
	}
	for _, g := range m.globals {
		if g.mutable {
			mutable++
		}
	}
	switch {
	case elements > uint64(o.MaxTable):
		return m.refuse("table", "%d elements, %d are allowed", elements, o.MaxTable)
	case mutable > o.MaxGlobals:
		return m.refuse("global", "%d mutable globals, %d are allowed", mutable, o.MaxGlobals)
	}
	return nil
}

// refuse says what is wrong with a section as a whole.
func (m *Module) refuse(section, format string, args ...any) error {
	for id, name := range sectionNames {
		if name == section {
			return &Error{Offset: m.sections[id].from, Section: section, Message: fmt.Sprintf(format, args...)}
		}
	}
	return &Error{Section: section, Message: fmt.Sprintf(format, args...)}
}
