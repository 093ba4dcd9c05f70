package js

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/sallyport-dev/sallyport/hostapi"
)

const (
	pageSize    = 65536
	trailerSize = 16
)

// The sections of a module that are changed.
const (
	sectionCustom = 0
	sectionMemory = 5
	sectionExport = 7
	sectionData   = 11
	sectionCount  = 12
)

var errEngine = errors.New("the engine is not a module of the form that engine/build makes")

// assemble puts a compiled script behind the engine's memory, where the engine looks for it
// when it boots, and the manifest into its section. Exports of hooks that are not declared are
// left out.
func assemble(made *compiled, hooks []hostapi.Hook) ([]byte, error) {
	a := &assembler{hooks: hooks}
	for _, part := range [][]byte{made.abi, made.sdk, made.script, made.manifest} {
		a.tail = append(a.tail, part...)
		a.trailer = binary.LittleEndian.AppendUint32(a.trailer, uint32(len(part)))
	}
	out := slices.Clone(engine[:8])
	r := reader{b: engine[8:]}
	for !r.end() {
		id, content := r.byte(), r.bytes()
		if r.bad || id == sectionCount {
			return nil, errEngine
		}
		content = a.section(id, content)
		if content == nil {
			return nil, errEngine
		}
		out = appendBytes(append(out, id), content)
	}
	custom := append(appendBytes(nil, []byte(hostapi.ManifestSection)), made.manifest...)
	return appendBytes(append(out, sectionCustom), custom), nil
}

type assembler struct {
	hooks         []hostapi.Hook
	tail, trailer []byte
	pages         uint32 // of the engine
}

// section returns the content that a section has instead; nil if the engine is none.
func (a *assembler) section(id byte, content []byte) []byte {
	switch id {
	case sectionMemory:
		return a.memory(content)
	case sectionExport:
		return a.exports(content)
	case sectionData:
		return a.data(content)
	}
	return content
}

// more is how many pages the script takes.
func (a *assembler) more() uint32 {
	return uint32((len(a.tail) + trailerSize + pageSize - 1) / pageSize)
}

// memory makes room for the script behind the engine's data.
func (a *assembler) memory(content []byte) []byte {
	r := reader{b: content}
	if r.byte() != 1 || r.byte() != 0 { // one memory, without a maximum
		return nil
	}
	if a.pages = r.number(); r.bad || !r.end() {
		return nil
	}
	return binary.AppendUvarint([]byte{1, 0}, uint64(a.pages+a.more()))
}

func (a *assembler) exports(content []byte) []byte {
	r := reader{b: content}
	var kept []byte
	n := uint64(0)
	for range r.number() {
		name, kind, index := r.bytes(), r.byte(), r.number()
		if a.undeclared(string(name)) {
			continue
		}
		kept = binary.AppendUvarint(append(appendBytes(kept, name), kind), uint64(index))
		n++
	}
	if r.bad {
		return nil
	}
	return append(binary.AppendUvarint(nil, n), kept...)
}

func (a *assembler) undeclared(name string) bool {
	return slices.ContainsFunc(hostapi.Hooks(), func(h hostapi.Hook) bool {
		return h.Export() == name && !slices.Contains(a.hooks, h)
	})
}

// data adds a segment that ends where the memory does.
func (a *assembler) data(content []byte) []byte {
	r := reader{b: content}
	n := r.number()
	if r.bad || a.pages == 0 {
		return nil
	}
	at := int(a.pages+a.more())*pageSize - len(a.tail) - trailerSize
	out := append(binary.AppendUvarint(nil, uint64(n)+1), r.b...)
	out = append(out, 0, 0x41) // active; i32.const
	out = append(appendSigned(out, int64(at)), 0x0b)
	out = binary.AppendUvarint(out, uint64(len(a.tail)+trailerSize))
	return append(append(out, a.tail...), a.trailer...)
}

func appendBytes(out, b []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}

// appendSigned appends a number as signed LEB128.
func appendSigned(out []byte, v int64) []byte {
	for ; v < -64 || v > 63; v >>= 7 {
		out = append(out, byte(v&0x7f)|0x80)
	}
	return append(out, byte(v&0x7f))
}

// reader reads what is known to be well-formed, and notices if it isn't.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) end() bool { return len(r.b) == 0 || r.bad }

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) number() uint32 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return uint32(v)
}

func (r *reader) bytes() []byte { return r.take(uint64(r.number())) }
