package binary

import (
	"slices"
	"strings"
)

// What Parse reads at most. Options has the bounds that a host sets; these keep
// the memory that a module costs in proportion to its size, here and in the engine,
// which makes room for whatever a module says it has.
const (
	maxModule  = 64 << 20
	maxTypes   = 1 << 16
	maxValues  = 1000 // params or results of one type
	maxImports = 1 << 12
	maxFuncs   = 1 << 17
	maxTables  = 1 << 7
	maxGlobals = 1 << 16
	maxExports = 1 << 17
	maxSegs    = 1 << 17
	maxElems   = 1 << 22
	maxLocals  = 50_000 // of one function
)

// reservedCustom begins the names of custom sections that may stand only once:
// with two manifests it would be open which of them was judged.
const reservedCustom = "sallyport."

// The sections, in their binary encoding.
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
	secTag
)

var sectionNames = [...]string{
	"custom", "type", "import", "function", "table", "memory", "global",
	"export", "start", "element", "code", "data", "data count", "tag",
}

// sectionOrder is where a section stands among the others; the numbers of the
// later ones aren't in order.
var sectionOrder = [...]int{
	secType: 1, secImport: 2, secFunction: 3, secTable: 4, secMemory: 5, secTag: 6, secGlobal: 7,
	secExport: 8, secStart: 9, secElement: 10, secDataCount: 11, secCode: 12, secData: 13,
}

const header = "\x00asm\x01\x00\x00\x00"

// Parse reads a module: its sections, its types and every index outside of code.
// Instructions are read by Instrument. The module must not be changed as long as
// the result is used. An error is an *Error. Parse takes memory in proportion to
// the module's size and never panics.
func Parse(module []byte) (*Module, error) {
	r := reader{b: module, stop: len(module), section: "module"}
	switch {
	case len(module) > maxModule:
		r.fail(0, "%d bytes, at most %d are read", len(module), maxModule)
	case len(module) < len(header) || string(module[:4]) != header[:4]:
		r.fail(0, "not WebAssembly: it doesn't begin with \\0asm")
	case string(module[:8]) == "\x00asm\x0d\x00\x01\x00":
		r.fail(4, "the component model is not supported: a core module is needed")
	case string(module[4:8]) != header[4:]:
		r.fail(4, "binary version % x is not supported", module[4:8])
	}
	r.p = min(len(header), r.stop)
	m := &Module{src: module, start: -1}
	p := parser{m: m}
	for !r.end() {
		p.section(&r)
	}
	p.finish(&r)
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

// parser holds what is needed while a module is read.
type parser struct {
	m     *Module
	last  int         // order of the last section
	count int         // data segments that the data count section says
	arena []ValueType // of all types
}

func (p *parser) section(r *reader) {
	at := r.p
	id := r.byte()
	if r.err == nil && int(id) >= len(sectionNames) {
		r.fail(at, "section %d is unknown", id)
	}
	s := r.part(r.u32())
	if r.err != nil {
		return
	}
	s.section = sectionNames[id]
	if id != secCustom {
		if sectionOrder[id] <= p.last {
			r.fail(at, "the %s section is out of order or there twice", s.section)
			return
		}
		p.last = sectionOrder[id]
		p.m.sections[id] = span{at, r.p}
	}
	p.content(id, &s)
	if s.err == nil && !s.end() {
		s.fail(s.p, "%d bytes too many", s.stop-s.p)
	}
	if s.err != nil {
		r.err = s.err
		r.p = r.stop
	}
}

func (p *parser) content(id byte, r *reader) {
	switch id {
	case secCustom:
		p.custom(r)
	case secType:
		p.types(r)
	case secImport:
		p.imports(r)
	case secFunction:
		p.functions(r)
	case secTable:
		p.tables(r)
	case secMemory:
		p.memories(r)
	case secTag:
		r.refuse(r.p, exceptions, "")
	case secGlobal:
		p.globals(r)
	case secExport:
		p.exports(r)
	case secStart:
		p.m.start = int(r.index("function", p.m.count[KindFunc]))
	case secElement:
		p.elements(r)
	case secDataCount:
		p.m.counted, p.count = true, int(r.u32())
	case secCode:
		p.code(r)
	case secData:
		p.data(r)
	}
}

// finish checks what the sections say of each other.
func (p *parser) finish(r *reader) {
	own := p.m.count[KindFunc] - p.m.foreign[KindFunc]
	switch {
	case r.err != nil:
	case own != len(p.m.bodies):
		r.fail(p.m.sections[secCode].from, "%d functions are declared and %d have code", own, len(p.m.bodies))
	case p.m.counted && p.count != len(p.m.datas):
		r.fail(p.m.sections[secDataCount].from, "%d data segments are declared and %d are there", p.count, len(p.m.datas))
	}
}

func (p *parser) custom(r *reader) {
	at := r.p
	name := r.name()
	if r.err != nil {
		return
	}
	if strings.HasPrefix(name, reservedCustom) {
		if _, twice := p.m.Custom(name); twice {
			r.fail(at, "%q is there twice", name)
			return
		}
	}
	p.m.customs = append(p.m.customs, custom{name, r.bytes(uint32(r.stop - r.p)), span{at, r.stop}})
}

func (p *parser) types(r *reader) {
	n := r.count("types", maxTypes)
	p.m.types = make([]FuncType, 0, n)
	p.arena = make([]ValueType, 0, r.stop-r.p)
	for range n {
		at := r.p
		if form := r.byte(); form != 0x60 {
			r.refuse(at, typeFormFeature(form), "type form %#x is unknown", form)
		}
		p.m.types = append(p.m.types, FuncType{p.values(r), p.values(r)})
	}
}

func (p *parser) values(r *reader) []ValueType {
	from := len(p.arena)
	for range r.count("values in a type", maxValues) {
		p.arena = append(p.arena, r.valueType())
	}
	return p.arena[from:len(p.arena):len(p.arena)]
}

func (p *parser) imports(r *reader) {
	n := r.count("imports", maxImports)
	p.m.imports = make([]imported, 0, n)
	for range n {
		imp := imported{module: r.name(), name: r.name()}
		at := r.p
		imp.kind = Kind(r.byte())
		switch imp.kind {
		case KindFunc:
			imp.typ = r.index("type", len(p.m.types))
			p.m.funcs = append(p.m.funcs, imp.typ)
		case KindTable:
			imp.ref, imp.limits = r.refType(), r.limits(1<<32-1)
		case KindMemory:
			imp.limits = r.limits(1 << 16)
		case KindGlobal:
			imp.ref, imp.mutable = r.globalType()
		default:
			r.refuse(at, kindFeature(imp.kind), "import of %s is unknown", imp.kind)
		}
		if r.err != nil {
			return
		}
		p.m.imports = append(p.m.imports, imp)
		p.m.count[imp.kind]++
		p.m.foreign[imp.kind]++
	}
	p.oneMemory(r, r.p)
}

func (p *parser) functions(r *reader) {
	n := r.count("functions", maxFuncs)
	p.m.funcs = slices.Grow(p.m.funcs, n)
	for range n {
		p.m.funcs = append(p.m.funcs, r.index("type", len(p.m.types)))
	}
	p.m.count[KindFunc] += n
}

func (p *parser) tables(r *reader) {
	n := r.count("tables", maxTables)
	for range n {
		at := r.p
		if !r.end() && r.b[r.p] == 0x40 {
			r.refuse(at, typedRefs, "")
		}
		p.m.tables = append(p.m.tables, table{r.refType(), r.limits(1<<32 - 1)})
	}
	p.m.count[KindTable] += n
}

func (p *parser) memories(r *reader) {
	at := r.p
	n := r.count("memories", 1<<10)
	p.m.count[KindMemory] += n
	p.oneMemory(r, at)
	if n == 1 && r.err == nil {
		l := r.limits(1 << 16)
		p.m.memory = &l
	}
}

func (p *parser) oneMemory(r *reader, at int) {
	if p.m.count[KindMemory] > 1 {
		r.refuse(at, multiMemory, "")
	}
}

func (p *parser) exports(r *reader) {
	n := r.count("exports", maxExports)
	names := make(map[string]bool, n)
	p.m.exports = make([]exported, 0, n)
	for range n {
		at := r.p
		e := exported{name: r.name()}
		kind := r.p
		e.kind = Kind(r.byte())
		if e.kind > KindGlobal {
			r.refuse(kind, kindFeature(e.kind), "export of %s is unknown", e.kind)
			return
		}
		e.index = r.index(e.kind.String(), p.m.count[e.kind])
		if names[e.name] {
			r.fail(at, "%q is exported twice", e.name)
		}
		names[e.name] = true
		p.m.exports = append(p.m.exports, e)
	}
}
