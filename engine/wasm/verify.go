package wasm

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/wasm/binary"
	"github.com/sallyport-dev/sallyport/engine/wasm/rego"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// verified is a module of which everything was checked that can be without running it.
type verified struct {
	bytes    []byte
	module   *binary.Module
	manifest *hostapi.Manifest
	pages    uint32          // that it begins with
	most     int             // pages that it may have by its own account
	unknown  []binary.Import // functions that are linked to one that fails
	exports  map[string]bool // functions of the ABI that it has
	imports  []string
	opa      bool   // the module is one of OPA's: see opa.go
	data     []byte // of such a module, as JSON; nil: it has none
	layable  bool   // such a module has what it takes to be given inputs as rego.Heap lays them out
}

// verify checks a module and its manifest.
func verify(module []byte) (*verified, error) {
	if n := len(module); n > hostapi.LimitModuleBytes {
		return nil, refused(LoadLimit, fmt.Sprintf("strip debug information and symbols; a module may have %d bytes", hostapi.LimitModuleBytes), "the module has %d bytes", n)
	}
	m, err := binary.Parse(module)
	if err != nil {
		return nil, notAModule(module, err)
	}
	v := &verified{bytes: module, module: m, exports: map[string]bool{}}
	var es LoadErrors
	if v.opa = isOPA(m); v.opa {
		if err := v.own(); err != nil {
			return nil, err
		}
	}
	v.readManifest(&es)
	v.checkSkin(&es)
	v.checkMemory(&es)
	if v.opa {
		v.checkOPA(&es)
		v.data, _ = v.module.Custom(rego.DataSection)
		v.layable = v.hasLayoutExports()
		return v, es.err()
	}
	v.checkImports(&es)
	v.checkExports(&es)
	return v, es.err()
}

func notAModule(module []byte, err error) error {
	help := "build a core WebAssembly 2.0 module; threads, exceptions, garbage collection and 64-bit memories are not supported"
	if len(module) < 4 || string(module[:4]) != "\x00asm" {
		help = "give the .wasm file that the compiler wrote, not text or source"
	}
	return LoadErrors{{Code: LoadModule, Message: "not a module that can be run: " + err.Error(), Help: help, Err: err}}
}

func (v *verified) readManifest(es *LoadErrors) {
	text, ok := v.module.Custom(hostapi.ManifestSection)
	if !ok {
		help := "build the plugin with an SDK, or add the custom section"
		if v.opa {
			help = "put it beside the module: NAME.manifest.json beside NAME.wasm"
		}
		es.add(LoadManifest, help, "there is no custom section %s", hostapi.ManifestSection)
		return
	}
	m, err := hostapi.ParseManifest(text)
	if wrong := (*hostapi.ManifestError)(nil); errors.As(err, &wrong) {
		for _, x := range wrong.Mistakes {
			es.add(LoadManifest, x.Fix, "%s: %s", inManifest(x.Where), x.Problem)
		}
		return
	}
	v.manifest = m
}

// inManifest names a place in the manifest.
func inManifest(where string) string {
	if where == "manifest" {
		return where
	}
	return "manifest: " + where
}

func (v *verified) checkMemory(es *LoadErrors) {
	pages, most, bounded, ok := v.module.Memory()
	if v.most = hostapi.LimitPages; bounded {
		v.most = int(max(most, 1))
	}
	if !ok {
		es.add(LoadExport, "define a memory", "the module has no memory")
		return
	}
	v.pages = max(pages, 1)
	exported := slices.ContainsFunc(v.module.Exports(), func(e binary.Export) bool {
		return e.Name == hostapi.MemoryExport && e.Kind == binary.KindMemory
	})
	if !exported {
		es.add(LoadExport, fmt.Sprintf("export it as %q", hostapi.MemoryExport), "the memory is not exported")
	}
}

// signature returns a function's type as package binary writes it.
func signature(f *hostapi.Function) string {
	var t binary.FuncType
	for _, p := range f.Params {
		t.Params = append(t.Params, binary.ValueType(p.Type))
	}
	for _, r := range f.Results {
		t.Results = append(t.Results, binary.ValueType(r))
	}
	return t.String()
}

func find(list []hostapi.Function, name string) *hostapi.Function {
	i := slices.IndexFunc(list, func(f hostapi.Function) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func (v *verified) checkImports(es *LoadErrors) {
	list := hostapi.Functions()
	for _, imp := range v.module.Imports() {
		name := imp.Module + "." + imp.Name
		v.imports = append(v.imports, name)
		switch {
		case imp.Module != hostapi.Module && imp.Module != hostapi.WASIModule:
			es.add(LoadImport, fmt.Sprintf("a plugin can import functions of %s and %s", hostapi.Module, hostapi.WASIModule), "the module imports %s, which there is not", name)
		case imp.Kind != binary.KindFunc:
			es.add(LoadImport, "a plugin can import functions only", "the module imports the %v %s", imp.Kind, name)
		case imp.Module == hostapi.WASIModule:
			v.checkWASI(es, imp)
		default:
			v.checkFunction(es, imp, find(list, imp.Name))
		}
	}
}

func (v *verified) checkWASI(es *LoadErrors, imp binary.Import) {
	for i := range wasiFuncs {
		f := &wasiFuncs[i]
		if f.name != imp.Name {
			continue
		}
		if want := f.signature(); imp.Type.String() != want {
			es.add(LoadImport, "its type is "+want, "the module imports %s.%s as %v", imp.Module, imp.Name, imp.Type)
		}
		return
	}
	es.add(LoadImport, "build for WASI preview 1", "the module imports %s.%s, which there is not", imp.Module, imp.Name)
}

// signature returns the type of a function of the WASI stub.
func (f *wasiFunc) signature() string {
	var t binary.FuncType
	for _, c := range f.params {
		p := binary.I32
		if c == 'I' {
			p = binary.I64
		}
		t.Params = append(t.Params, p)
	}
	if f.do != nil {
		t.Results = []binary.ValueType{binary.I32}
	}
	return t.String()
}

func (v *verified) checkFunction(es *LoadErrors, imp binary.Import, f *hostapi.Function) {
	switch {
	case f == nil && v.newer():
		v.unknown = append(v.unknown, imp)
	case f == nil:
		es.add(LoadImport, "build the plugin for this host's version, or name the feature that has it in features.optional", "the module imports %s.%s, which this host doesn't have", imp.Module, imp.Name)
	case imp.Type.String() != signature(f):
		es.add(LoadImport, "its type is "+signature(f), "the module imports %s.%s as %v", imp.Module, imp.Name, imp.Type)
	}
}

// newer says whether the plugin copes without a feature that this host has never heard of.
func (v *verified) newer() bool {
	return v.manifest != nil && slices.ContainsFunc(v.manifest.Optional, func(name string) bool {
		_, known := hostapi.ParseFeature(name)
		return !known
	})
}

// prefixes of exports that mean something to the host.
const (
	ownPrefix    = "sp_"
	hostsPrefix  = "__sallyport"
	settingsHelp = "export it: it gives the settings a place"
)

func (v *verified) checkExports(es *LoadErrors) {
	list := hostapi.Exports()
	for _, e := range v.module.Exports() {
		f := find(list, e.Name)
		switch {
		case strings.HasPrefix(e.Name, hostsPrefix):
			es.add(LoadExport, "name it otherwise: names that begin with "+hostsPrefix+" are the host's", "the module exports %s", e.Name)
		case f == nil && strings.HasPrefix(e.Name, ownPrefix):
			es.add(LoadExport, "the ABI has "+names(list), "the module exports %s, which is no export of the ABI", e.Name)
		case f == nil:
		case e.Kind != binary.KindFunc:
			es.add(LoadExport, "export a function of the type "+signature(f), "the module exports the %v %s", e.Kind, e.Name)
		case e.Type.String() != signature(f):
			es.add(LoadExport, "its type is "+signature(f), "the module exports %s as %v", e.Name, e.Type)
		default:
			v.exports[e.Name] = true
		}
	}
	if (v.exports[hostapi.ExportValidateSettings] || v.exports[hostapi.ExportConfigure]) && !v.exports[hostapi.ExportAlloc] {
		es.add(LoadExport, settingsHelp, "the module takes settings, and has no %s", hostapi.ExportAlloc)
	}
	if v.manifest != nil {
		v.checkHooks(es)
	}
}

func (v *verified) checkHooks(es *LoadErrors) {
	for _, h := range hostapi.Hooks() {
		declared := slices.Contains(v.manifest.Hooks, h)
		switch exported := v.exports[h.Export()]; {
		case declared && !exported:
			es.add(LoadExport, fmt.Sprintf("export it, or take %v out of hooks", h), "the manifest declares the hook %v, and the module has no %s", h, h.Export())
		case exported && !declared:
			es.add(LoadManifest, fmt.Sprintf("add %q to hooks, or don't export it", h.String()), "the module exports %s, and the manifest doesn't declare the hook", h.Export())
		}
	}
}

func names(list []hostapi.Function) string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].Name
	}
	return strings.Join(out, ", ")
}
