package tck

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// Module describes a module that asks one thing of a host. What is left out is as a host
// expects it: a manifest with the hook request, a memory of a page, hooks that pass.
type Module struct {
	Hex      string                     `json:"hex"`      // the module itself
	Manifest map[string]json.RawMessage `json:"manifest"` // members that differ from those of the default
	// ManifestText takes the manifest's place, and Manifests says how many there are.
	ManifestText string            `json:"manifest_text"`
	Manifests    *int              `json:"manifests"`
	Memory       *Memory           `json:"memory"`
	Imports      []Import          `json:"imports"` // beside those of functions that are called
	Globals      int               `json:"globals"` // that it imports
	Data         []Bytes           `json:"data"`
	Exports      map[string][]Step `json:"exports"`
	Types        map[string]string `json:"types"` // of exports that the ABI doesn't have, or has with another
	Start        []Step            `json:"start"`
	Lacks        []string          `json:"lacks"` // exports that it doesn't have
}

// Memory is a module's memory, in pages.
type Memory struct {
	Min    uint64  `json:"min"`
	Max    *uint64 `json:"max"`
	Export *string `json:"export"` // memory if nil
	Count  *int    `json:"count"`  // 1 if nil
}

// Import is an imported function. Its type is as in types.go.
type Import struct{ Module, Name, Type string }

// Bytes are bytes at an address.
type Bytes struct {
	At   uint32 `json:"at"`
	Text string `json:"text"`
	Hex  string `json:"hex"`
}

func (b Bytes) bytes() ([]byte, error) {
	if b.Hex == "" {
		return []byte(b.Text), nil
	}
	return hex.DecodeString(strings.ReplaceAll(b.Hex, " ", ""))
}

// texts is where a module keeps what it says when a step goes wrong.
const texts = 0xe000

func (m *Module) encode(t *testing.T) []byte {
	t.Helper()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Encode makes the module.
func (m *Module) Encode() ([]byte, error) {
	if m.Hex != "" {
		return hex.DecodeString(strings.ReplaceAll(m.Hex, " ", ""))
	}
	w := &writer{module: m, types: map[string]uint32{}, imports: map[string]uint32{}, saidAt: texts}
	if err := w.declare(); err != nil {
		return nil, err
	}
	bodies, err := w.bodies()
	if err != nil {
		return nil, err
	}
	manifest, err := m.manifest()
	if err != nil {
		return nil, err
	}
	return w.sections(bodies, manifest)
}

// manifest is the content of the custom section.
func (m *Module) manifest() ([]byte, error) {
	if m.ManifestText != "" {
		return []byte(m.ManifestText), nil
	}
	all := map[string]json.RawMessage{
		"abi": json.RawMessage(`"` + hostapi.ABI + `"`), "name": json.RawMessage(`"probe"`), "version": json.RawMessage(`"1.0.0"`),
		"hooks": json.RawMessage(`["request"]`),
	}
	maps.Copy(all, m.Manifest)
	return json.Marshal(all)
}

// steps are what the exports do, those of hooks that the vector doesn't speak of included.
func (m *Module) steps() (map[string][]Step, error) {
	all := map[string][]Step{}
	hooks := []string{"request"}
	if raw, ok := m.Manifest["hooks"]; ok {
		if err := json.Unmarshal(raw, &hooks); err != nil {
			return nil, err
		}
	}
	for _, name := range hooks {
		if h, ok := hostapi.ParseHook(name); ok {
			all[h.Export()] = nil
		}
	}
	maps.Copy(all, m.Exports)
	for _, name := range m.Lacks {
		delete(all, name)
	}
	return all, nil
}

// function is one that a module defines.
type function struct {
	export string // empty: the start function, or the one that says what went wrong
	kind   string
	steps  []Step
}

// writer writes a module.
type writer struct {
	module    *Module
	typeList  []string
	types     map[string]uint32
	importAll []Import
	imports   map[string]uint32
	functions []function
	said      []Bytes // texts for steps that go wrong
	saidAt    uint32
}

func (w *writer) useType(kind string) {
	if _, ok := w.types[kind]; !ok {
		w.types[kind] = uint32(len(w.typeList))
		w.typeList = append(w.typeList, kind)
	}
}

func (w *writer) importOf(i Import) {
	key := i.Module + "." + i.Name
	if _, ok := w.imports[key]; !ok {
		w.imports[key] = uint32(len(w.importAll))
		w.importAll = append(w.importAll, i)
		w.useType(i.Type)
	}
}

// declare settles the indexes of types and functions.
func (w *writer) declare() error {
	all, err := w.module.steps()
	if err != nil {
		return err
	}
	for _, i := range w.module.Imports {
		w.importOf(i)
	}
	names := slices.Sorted(maps.Keys(all))
	for _, name := range names {
		kind, ok := w.module.Types[name]
		if !ok {
			if kind, ok = exportType(name); !ok {
				return fmt.Errorf("the type of %s is not given", name)
			}
		}
		w.functions = append(w.functions, function{name, kind, all[name]})
	}
	if w.module.Start != nil {
		w.functions = append(w.functions, function{"", ":", w.module.Start})
	}
	checks := false
	for _, f := range w.functions {
		for _, s := range f.steps {
			checks = checks || s.checks()
			if s.Call != "" {
				i, err := w.module.imported(&s)
				if err != nil {
					return err
				}
				w.importOf(i)
			}
		}
		w.useType(f.kind)
	}
	if checks {
		w.importOf(Import{hostapi.Module, hostapi.FuncNote, functionType(hostapi.FuncNote)})
		w.importOf(Import{hostapi.Module, hostapi.FuncFail, functionType(hostapi.FuncFail)})
	}
	return nil
}

// say keeps a text and returns its address and length.
func (w *writer) say(text string) (at, n uint32) {
	for _, s := range w.said {
		if s.Text == text {
			return s.At, uint32(len(text))
		}
	}
	at = w.saidAt
	w.said = append(w.said, Bytes{At: at, Text: text})
	w.saidAt += uint32(len(text))
	return at, uint32(len(text))
}

func (w *writer) bodies() ([][]byte, error) {
	var out [][]byte
	for _, f := range w.functions {
		c := &code{writer: w, function: f}
		b, err := c.body()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.export, err)
		}
		out = append(out, b)
	}
	return out, nil
}

// sections puts the module together.
func (w *writer) sections(bodies [][]byte, manifest []byte) ([]byte, error) {
	out := []byte("\x00asm\x01\x00\x00\x00")
	add := func(id byte, content []byte) {
		out = append(out, id)
		out = append(binary.AppendUvarint(out, uint64(len(content))), content...)
	}
	var types, functions [][]byte
	for _, k := range w.typeList {
		b, err := encodeType(k)
		if err != nil {
			return nil, err
		}
		types = append(types, b)
	}
	for _, f := range w.functions {
		functions = append(functions, binary.AppendUvarint(nil, uint64(w.types[f.kind])))
	}
	data, err := w.data()
	if err != nil {
		return nil, err
	}
	add(1, vec(types))
	add(2, vec(w.importSection()))
	add(3, vec(functions))
	add(5, vec(w.module.memories()))
	add(7, vec(w.exportSection()))
	if w.module.Start != nil {
		add(8, binary.AppendUvarint(nil, uint64(len(w.importAll)+len(w.functions)-1)))
	}
	add(10, vec(bodies))
	add(11, vec(data))
	n := 1
	if w.module.Manifests != nil {
		n = *w.module.Manifests
	}
	for range n {
		add(0, append(name(hostapi.ManifestSection), manifest...))
	}
	return out, nil
}

func (w *writer) importSection() [][]byte {
	var out [][]byte
	for _, i := range w.importAll {
		out = append(out, binary.AppendUvarint(append(slices.Concat(name(i.Module), name(i.Name)), 0), uint64(w.types[i.Type])))
	}
	for range w.module.Globals {
		out = append(out, slices.Concat(name(hostapi.Module), name("global"), []byte{3, byte(hostapi.I32), 0}))
	}
	return out
}

func (m *Module) memories() [][]byte {
	mem := Memory{Min: 1}
	if m.Memory != nil {
		mem = *m.Memory
	}
	b := binary.AppendUvarint([]byte{0}, mem.Min)
	if mem.Max != nil {
		b = binary.AppendUvarint(binary.AppendUvarint([]byte{1}, mem.Min), *mem.Max)
	}
	n := 1
	if mem.Count != nil {
		n = *mem.Count
	}
	return slices.Repeat([][]byte{b}, n)
}

func (w *writer) exportSection() [][]byte {
	var out [][]byte
	for i, f := range w.functions {
		if f.export != "" {
			out = append(out, binary.AppendUvarint(append(name(f.export), 0), uint64(len(w.importAll)+i)))
		}
	}
	memory := hostapi.MemoryExport
	if w.module.Memory != nil && w.module.Memory.Export != nil {
		memory = *w.module.Memory.Export
	}
	if memory != "" {
		out = append(out, append(name(memory), 2, 0))
	}
	return out
}

func (w *writer) data() ([][]byte, error) {
	var out [][]byte
	for _, d := range slices.Concat(w.module.Data, w.said) {
		b, err := d.bytes()
		if err != nil {
			return nil, err
		}
		segment := append([]byte{0}, i32Const(int32(d.At))...)
		segment = append(segment, opEnd)
		out = append(out, append(binary.AppendUvarint(segment, uint64(len(b))), b...))
	}
	return out, nil
}

func vec(items [][]byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(items))), slices.Concat(items...)...)
}

func name(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }

// sameManifest says whether a guest has the kit's manifest.
func sameManifest(module []byte) error {
	want, err := files.ReadFile("manifest.json")
	if err != nil {
		return err
	}
	got, err := manifestOf(module)
	if err != nil {
		return err
	}
	a, err := hostapi.ParseManifest(want)
	if err != nil {
		return err
	}
	b, err := hostapi.ParseManifest(got)
	if err != nil {
		return err
	}
	one, err := a.Encode()
	if err != nil {
		return err
	}
	other, err := b.Encode()
	if err != nil {
		return err
	}
	if string(one) != string(other) {
		return fmt.Errorf("the guest's manifest is not the kit's manifest.json:\n%s\n%s", other, one)
	}
	return nil
}

// manifestOf finds the manifest in a module.
func manifestOf(module []byte) ([]byte, error) {
	for rest := module[min(8, len(module)):]; len(rest) > 1; {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			break
		}
		body := rest[1+n : 1+n+int(size)]
		if rest[0] == 0 {
			length, n := binary.Uvarint(body)
			if n > 0 && length <= uint64(len(body)-n) && string(body[n:n+int(length)]) == hostapi.ManifestSection {
				return body[n+int(length):], nil
			}
		}
		rest = rest[1+n+int(size):]
	}
	return nil, errors.New("the guest has no manifest")
}
