package wasm

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm/binary"
	"github.com/sallyport-dev/sallyport/engine/wasm/cow"
	"github.com/sallyport-dev/sallyport/engine/wasm/rego"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// A module that OPA has compiled is a plugin with another skin: it exports no hooks but a function
// that evaluates an entrypoint on an input, both in its own memory. What it may import and must
// export, and how it is booted, is here; how it is asked, in evaluate.go. Everything else about it,
// from the fuel to the reset, is as with other plugins.

const (
	opaModule  = "env" // that it imports from
	opaVersion = "opa_wasm_abi_version"
	opaMinor   = "opa_wasm_abi_minor_version"
	opaHelp    = "build it with `opa build -t wasm -e ENTRYPOINT`, of OPA 0.35 or later"
)

var opaImports = map[string]string{
	"opa_abort": "(i32) -> ()", "opa_println": "(i32) -> ()",
	"opa_builtin0": "(i32, i32) -> (i32)", "opa_builtin1": "(i32, i32, i32) -> (i32)", "opa_builtin2": "(i32, i32, i32, i32) -> (i32)",
	"opa_builtin3": "(i32, i32, i32, i32, i32) -> (i32)", "opa_builtin4": "(i32, i32, i32, i32, i32, i32) -> (i32)",
}

var opaExports = map[string]string{
	"opa_eval": "(i32, i32, i32, i32, i32, i32, i32) -> (i32)", "opa_malloc": "(i32) -> (i32)", "opa_heap_ptr_get": "() -> (i32)",
	"opa_json_parse": "(i32, i32) -> (i32)", "opa_json_dump": "(i32) -> (i32)",
	"opa_value_parse": "(i32, i32) -> (i32)", "opa_value_dump": "(i32) -> (i32)",
	"builtins": "() -> (i32)", "entrypoints": "() -> (i32)",
}

// isOPA says whether a module is one of OPA's.
func isOPA(m *binary.Module) bool {
	return slices.ContainsFunc(m.Exports(), func(e binary.Export) bool { return e.Name == opaVersion && e.Kind == binary.KindGlobal })
}

// own gives a module of OPA's, which imports its memory, one of its own.
func (v *verified) own() error {
	module, err := binary.OwnMemory(v.bytes)
	if err == nil {
		v.module, err = binary.Parse(module)
	}
	if err != nil {
		return LoadErrors{{Code: LoadModule, Message: "the module can't be given a memory: " + err.Error(), Err: err}}
	}
	return nil
}

// checkOPA checks the skin of a module of OPA's.
func (v *verified) checkOPA(es *LoadErrors) {
	for _, imp := range v.module.Imports() {
		name := imp.Module + "." + imp.Name
		v.imports = append(v.imports, name)
		want, ok := opaImports[imp.Name]
		switch {
		case imp.Module != opaModule || !ok:
			es.add(LoadImport, opaHelp, "the module imports %s, which a module of Rego doesn't", name)
		case imp.Kind != binary.KindFunc || imp.Type.String() != want:
			es.add(LoadImport, opaHelp, "the module imports %s as something else than a function of the type %s", name, want)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(opaExports)) {
		t, ok := v.module.FuncType(name)
		switch want := opaExports[name]; {
		case !ok:
			es.add(LoadExport, opaHelp, "the module exports no function %s", name)
		case t.String() != want:
			es.add(LoadExport, opaHelp, "the module exports %s as %v, and not as %s", name, t, want)
		}
	}
}

// checkSkin checks that the manifest is for the kind of module that this is.
func (v *verified) checkSkin(es *LoadErrors) {
	switch m := v.manifest; {
	case m == nil:
	case v.opa && m.Rego == nil:
		es.add(LoadManifest, `add "rego": {"entrypoints": {"request": "authz/decision"}}`, "the module is one of OPA's, and the manifest has no rego")
	case !v.opa && m.Rego != nil:
		es.add(LoadManifest, "remove it", "the manifest has rego, and the module is none of OPA's")
	}
	if _, ok := v.module.Custom(rego.DataSection); ok && !v.opa {
		es.add(LoadManifest, "remove it, or put it into the plugin's settings", "there is data for the module, which is none of OPA's")
	}
}

// regoProgram is what a program has that OPA has compiled.
type regoProgram struct {
	entrypoints [3]uint32
	builtins    map[uint32]*rego.Builtin
	inputs      [3]*inputNode
	data        uint32 // where the base document is
	heap        uint32 // where the next thing would be: the input
	cache       rego.Cache
	laid        bool // it is given them so
}

// planRego prepares the inputs.
func (p *program) planRego(v *verified, es *LoadErrors) {
	if !v.opa {
		return
	}
	p.rego = &regoProgram{}
	for _, h := range p.manifest.Hooks {
		for _, path := range p.manifest.Reads[h] {
			if !slices.ContainsFunc(p.grant.Reads, path.Equal) {
				es.add(LoadGrant, "grant all that it reads, or don't load it", "%v is not granted, and a module of Rego sees all of its input at once", path)
			}
		}
		p.rego.inputs[h] = newInput(p.manifest.Reads[h])
	}
}

// base returns the base document: that of the bundle, with the settings if there can be any.
func (p *program) base(v *verified) ([]byte, error) {
	text := v.data
	if text == nil {
		text = []byte("{}")
	}
	var d jsonscan.Doc
	if err := d.Scan(text, jsonscan.Options{}); err != nil {
		return nil, refused(LoadManifest, "give one JSON object", "the data can't be read: %v", err)
	}
	root := d.Root()
	if root.Kind() != jsonscan.Object {
		return nil, refused(LoadManifest, "give one JSON object", "the data is of the type %v", root.Kind())
	}
	if p.manifest.SettingsSchema == nil {
		return root.AppendTo(nil), nil
	}
	if root.Get("settings").Exists() {
		return nil, refused(LoadManifest, "give it another name: data.settings is the config of the rule", "the data has a member settings")
	}
	var e jsonscan.Edits
	e.Set(root, "settings", p.settings)
	return root.AppendEdited(nil, &e), nil
}

// bootRego gives the module its base document, and finds what it was built with.
func (in *instance) bootRego(v *verified) error {
	r := in.program.rego
	if err := in.checkVersion(); err != nil {
		return err
	}
	data, err := in.program.base(v)
	if err != nil {
		return err
	}
	at, err := in.boot("opa_malloc", uint64(len(data)))
	if err != nil {
		return err
	}
	into := in.writable(uint64(at), uint64(len(data)))
	if into == nil {
		return refused(LoadBoot, opaHelp, "opa_malloc(%d) returned %d, in a memory of %d bytes", len(data), at, in.memory.Size())
	}
	copy(into, data)
	if r.data, err = in.boot("opa_json_parse", uint64(at), uint64(len(data))); err != nil {
		return err
	}
	if r.data == 0 { // all of it would be undefined, and who may not do something with it
		return refused(LoadBoot, opaHelp, "the module can't read the data")
	}
	if err := in.findBuiltins(); err != nil {
		return err
	}
	if err := in.findEntrypoints(); err != nil {
		return err
	}
	heap, err := in.boot("opa_heap_ptr_get")
	r.heap = heap
	if err == nil && int(heap) > in.memory.Size() {
		err = refused(LoadBoot, opaHelp, "the heap ends at %d, in a memory of %d bytes", heap, in.memory.Size())
	}
	return err
}

func (in *instance) checkVersion() error {
	major, minor := in.module.ExportedGlobal(opaVersion), in.module.ExportedGlobal(opaMinor)
	if major == nil || minor == nil || int32(major.Get()) != 1 || int32(minor.Get()) < 2 {
		return refused(LoadModule, opaHelp, "the module is not of OPA's ABI 1.2 or later")
	}
	return nil
}

// table calls an export that returns an object of numbers, and reads it.
func (in *instance) table(name string) (map[string]uint32, error) {
	at, err := in.boot(name)
	if err == nil {
		at, err = in.boot("opa_json_dump", uint64(at))
	}
	if err != nil {
		return nil, err
	}
	var out map[string]uint32
	if err := json.Unmarshal(in.text(at), &out); err != nil {
		return nil, refused(LoadBoot, opaHelp, "what %s returns can't be read: %v", name, err)
	}
	return out, nil
}

// text returns what stands in the guest's memory up to a zero.
func (in *instance) text(at uint32) []byte {
	all := in.memory.Bytes()
	if uint64(at) > uint64(len(all)) {
		return nil
	}
	s, _, _ := strings.Cut(alias(all[at:]), "\x00")
	return all[at : int(at)+len(s) : int(at)+len(s)]
}

// findBuiltins finds what the module has its host do, and refuses what the host doesn't.
func (in *instance) findBuiltins() error {
	names, err := in.table("builtins")
	if err != nil {
		return err
	}
	p, es := in.program, LoadErrors(nil)
	p.rego.builtins = make(map[uint32]*rego.Builtin, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		b, why := rego.Find(name)
		switch {
		case b == nil:
			es.add(LoadImport, "decide without it; docs/rego.md lists what there is", "the module calls %s, %s", name, why)
		case b.Clock && !p.manifest.Rego.Clock:
			es.add(LoadManifest, `add "clock": true to rego in the manifest, or decide without it`, "the module calls %s, and its manifest doesn't ask for the clock", name)
		default:
			p.rego.builtins[names[name]] = b
		}
	}
	return es.err()
}

func (in *instance) findEntrypoints() error {
	names, err := in.table("entrypoints")
	if err != nil {
		return err
	}
	p, es := in.program, LoadErrors(nil)
	for _, h := range p.manifest.Hooks {
		name := p.manifest.Rego.Entrypoints[h]
		id, ok := names[name]
		if !ok {
			es.add(LoadManifest, "the module was built with: "+strings.Join(slices.Sorted(maps.Keys(names)), ", "), "the entrypoint %s of the hook %v is not in the module", strconv.Quote(name), h)
		}
		p.rego.entrypoints[h] = id
	}
	return es.err()
}

// roomFor makes the memory large enough for the input.
func (in *instance) roomFor(end uint64) {
	size := uint64(in.memory.Size())
	if end <= size {
		return
	}
	pages := (end - size + cow.PageSize - 1) / cow.PageSize
	if _, ok := in.module.Memory().Grow(uint32(min(pages, 1<<16))); !ok {
		in.stop(hostapi.FailureTrap, "the input doesn't fit into the %d pages of memory", in.program.limits.Pages)
	}
}
