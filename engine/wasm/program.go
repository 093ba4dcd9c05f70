package wasm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/sallyport-dev/sallyport/engine/wasm/binary"
	"github.com/sallyport-dev/sallyport/engine/wasm/cow"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// program is a plugin without its instances: everything about it that does not change.
type program struct {
	host     *Host
	manifest *hostapi.Manifest
	config   Config
	grant    Grant
	limits   hostapi.Limits
	settings []byte

	code    *made
	imports api.Module // to import from; nil: the host's
	unknown []string   // functions that the host doesn't know

	hooks        [3]hookPlan
	verdicts     [hostapi.VerdictAbstain + 1]bool // that are granted
	capabilities []capability
	reads        int // of the hook that has most
	random       [32]byte
	rego         *regoProgram // of a module of OPA's, else nil

	// What every call begins with.
	image *cow.Image
	state []uint64 // of the globals
	clock clock
}

// plan prepares what guests may see and say.
func (p *program) plan() {
	for _, h := range p.manifest.Hooks {
		plan := &p.hooks[h]
		plan.declared = true
		for _, path := range p.manifest.Reads[h] {
			plan.reads = append(plan.reads, newRead(path, slices.ContainsFunc(p.grant.Reads, path.Equal)))
		}
		plan.strings = newSelection(p.manifest.Strings[h], p.grant.Strings, p.grant.Writes)
		p.reads = max(p.reads, len(plan.reads))
	}
	for v := range p.verdicts {
		p.verdicts[v] = slices.Contains(p.grant.Verdicts, hostapi.Verdict(v))
	}
}

// mayWrite says whether a place is within the granted writes.
func (p *program) mayWrite(q hostapi.Path) bool {
	return slices.ContainsFunc(p.grant.Writes, func(w hostapi.Path) bool { return w.Holds(q) })
}

// compile compiles a rewritten module, or takes it from the cache.
func (h *Host) compile(ctx context.Context, code []byte) (wazero.CompiledModule, error) {
	// With two workers it ends with ctx; with one it doesn't look at it.
	ctx = experimental.WithCompilationWorkers(ctx, 2)
	c, err := h.runtime.CompileModule(ctx, code)
	if h.cache != nil && h.cache.broken(err) && h.cache.clear() == nil {
		c, err = h.runtime.CompileModule(ctx, code)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, notCompiled(err)
	}
	return c, nil
}

func notCompiled(err error) error {
	help := "build it anew; if it validates elsewhere, report it"
	if strings.Contains(err.Error(), `"reference-types" is disabled`) {
		help = "build it without reference types: references to functions, typed selects, tables beside the first"
	}
	return LoadErrors{{Code: LoadCompile, Message: "the module doesn't compile: " + err.Error(), Help: help, Err: err}}
}

// instantiate makes an instance on a memory of an image. Nothing of the guest's has run.
func (p *program) instantiate(ctx context.Context, image *cow.Image) (*instance, error) {
	memory, err := image.NewMemory()
	if err != nil {
		return nil, err
	}
	ctx = experimental.WithMemoryAllocator(ctx, allocator{memory})
	if p.imports != nil {
		ctx = experimental.WithImportResolver(ctx, func(name string) api.Module {
			if name == hostapi.Module {
				return p.imports
			}
			return nil
		})
	}
	module, err := p.host.runtime.InstantiateModule(ctx, p.code.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		memory.Free()
		return nil, err
	}
	in := &instance{program: p, module: module, memory: memory, now: p.host.now}
	in.seen, in.random.seed = make([]value, p.reads), p.random
	if err := in.bind(); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// bind finds the exports that are used in every call.
func (in *instance) bind() error {
	global := func(name string) (api.MutableGlobal, error) {
		if g, ok := in.module.ExportedGlobal(name).(api.MutableGlobal); ok {
			return g, nil
		}
		return nil, fmt.Errorf("the rewritten module has no global %s", name)
	}
	r := in.program.code.result
	var err error
	if in.fuel, err = global(r.Fuel); err != nil {
		return err
	}
	if in.depth, err = global(binary.DepthExport); err != nil {
		return err
	}
	if r.Written != "" {
		if in.written, err = global(r.Written); err != nil {
			return err
		}
	}
	for _, g := range r.Globals {
		m, err := global(g.Name)
		if err != nil {
			return err
		}
		in.globals = append(in.globals, m)
	}
	if in.program.rego != nil {
		return in.bindOPA()
	}
	for _, h := range in.program.manifest.Hooks {
		if in.hooks[h] = in.module.ExportedFunction(h.Export()); in.hooks[h] == nil {
			return fmt.Errorf("the rewritten module has no function %s", h.Export())
		}
	}
	return nil
}

// allocator gives wazero the memory of the instance that it makes.
type allocator struct{ memory *cow.Memory }

// Allocate implements experimental.MemoryAllocator.
func (a allocator) Allocate(_, _ uint64) experimental.LinearMemory { return a.memory }

// fresh makes an instance that is ready for calls.
func (p *program) fresh(ctx context.Context) (*instance, error) {
	in, err := p.instantiate(ctx, p.image)
	if err != nil {
		return nil, err
	}
	for i, g := range in.globals {
		g.Set(p.state[i])
	}
	return in, nil
}

// close frees what the plugin has beside its instances, which are gone.
func (p *program) close(ctx context.Context) {
	if p.image != nil {
		_ = p.image.Close() // in use only if an instance were left
	}
	p.host.release(ctx, p.code)
	if p.imports != nil {
		_ = p.imports.Close(ctx)
	}
}
