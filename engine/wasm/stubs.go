package wasm

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	rewriter "github.com/sallyport-dev/sallyport/engine/wasm/binary"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// A plugin that is newer than this host, and copes with that, imports functions that this host
// has never heard of. It gets them from a module made for it: that passes on the functions
// there are, and has one that fails in the place of each other. It must be a module of
// WebAssembly, for wazero resolves an import to no other kind.

// unknownName is the host function that stubs call, with their index.
const unknownName = "unknown"

func unknown(ctx context.Context, s []uint64) {
	in := ctx.(*instance) //nolint:forcetypeassert // guests run with their instance as context
	in.stop(hostapi.FailureABI, "this host has no function %s", in.program.unknown[s[0]])
}

// stubs makes the module that a plugin imports from, if it needs one of its own.
func (h *Host) stubs(ctx context.Context, p *program, imports []rewriter.Import) error {
	if len(imports) == 0 {
		return nil
	}
	for _, imp := range imports {
		p.unknown = append(p.unknown, imp.Name)
	}
	m, err := h.runtime.InstantiateWithConfig(ctx, stubModule(imports), wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return LoadErrors{{Code: LoadHost, Message: "stubs of unknown functions: " + err.Error(), Err: err}}
	}
	p.imports = m
	return nil
}

// stubModule writes the module.
func stubModule(imports []rewriter.Import) []byte {
	known := hostapi.Functions()
	var b stubBuilder
	for _, f := range known {
		var params, results []byte
		for _, p := range f.Params {
			params = append(params, byte(p.Type))
		}
		for _, r := range f.Results {
			results = append(results, byte(r))
		}
		b.imports = append(b.imports, slices.Concat(name(hostapi.Module), name(f.Name), []byte{0}, b.typ(params, results)))
		b.export(f.Name)
	}
	b.imports = append(b.imports, slices.Concat(name(rewriter.HookModule), name(unknownName), []byte{0}, b.typ([]byte{api.ValueTypeI32}, nil)))
	b.index++
	for k, imp := range imports {
		b.funcs = append(b.funcs, b.typ(bytesOf(imp.Type.Params), bytesOf(imp.Type.Results)))
		b.export(imp.Name)
		// No locals; i32.const k, call unknown, unreachable, end.
		code := slices.Concat([]byte{0, 0x41}, signed(k), []byte{0x10}, number(len(known)), []byte{0x00, 0x0b})
		b.code = append(b.code, slices.Concat(number(len(code)), code))
	}
	return b.bytes()
}

// stubBuilder holds the entries of the sections.
type stubBuilder struct {
	types, imports, funcs, exports, code [][]byte
	index                                int // of the next function
}

func (b *stubBuilder) typ(params, results []byte) []byte {
	b.types = append(b.types, slices.Concat([]byte{0x60}, number(len(params)), params, number(len(results)), results))
	return number(len(b.types) - 1)
}

// export exports the next function. A name that is imported twice is exported once, for the
// second is of the same type or the guest doesn't link.
func (b *stubBuilder) export(text string) {
	entry := slices.Concat(name(text), []byte{0})
	if !slices.ContainsFunc(b.exports, func(e []byte) bool { return len(e) > len(entry) && string(e[:len(entry)]) == string(entry) }) {
		b.exports = append(b.exports, slices.Concat(entry, number(b.index)))
	}
	b.index++
}

func (b *stubBuilder) bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range []struct {
		id      byte
		entries [][]byte
	}{{1, b.types}, {2, b.imports}, {3, b.funcs}, {7, b.exports}, {10, b.code}} {
		content := slices.Concat(number(len(s.entries)), slices.Concat(s.entries...))
		out = slices.Concat(out, []byte{s.id}, number(len(content)), content)
	}
	return out
}

func number(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// signed writes a number that is not negative as Wasm's signed ones are.
func signed(n int) []byte {
	var b []byte
	for ; n >= 0x40; n >>= 7 {
		b = append(b, byte(n&0x7f|0x80))
	}
	return append(b, byte(n))
}

func name(s string) []byte { return append(number(len(s)), s...) }

func bytesOf(list []rewriter.ValueType) []byte {
	out := make([]byte, len(list))
	for i, t := range list {
		out[i] = byte(t)
	}
	return out
}
