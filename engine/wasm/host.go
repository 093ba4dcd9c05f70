// Package wasm compiles, boots, limits and calls plugins: modules of WebAssembly that judge
// messages, in any language, without being trusted.
//
// A module is read and rewritten (engine/wasm/binary), compiled once, booted and configured
// once, and its memory kept as an image (engine/wasm/cow). Every call runs in an instance of
// that image, alone in it, on a bounded amount of fuel, time and memory, and what it leaves is
// undone before the next. Whatever goes wrong in a call denies. The rules between the two
// sides are hostapi/ABI.md.
package wasm

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/sallyport-dev/sallyport/engine/wasm/binary"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// Options are the bounds of a host, whatever its plugins ask for. The zero Options are the
// defaults.
type Options struct {
	// CacheDir is a directory for compiled code, which is made with mode 0700, or must have
	// it: who can write there can run what he likes in this process. Empty keeps compiled
	// code in memory only.
	CacheDir string
	// Now is the clock of deadlines and measurements; nil is the system's monotonic clock,
	// which is cheaper to read.
	Now func() time.Time
	// MaxPages is the most memory that an instance may have, in pages of 64 KiB; 0 is 512,
	// which is 32 MiB. It is at most hostapi.LimitPages.
	MaxPages int
	// MaxInstances is the most instances of one plugin, so the most of its calls that run at
	// once; 0 is twice the number of processors.
	MaxInstances int
	// BootTime and BootFuel bound what a plugin does before it serves: its start, its
	// settings, its self-test. 0 is 10 s, and hostapi.LimitFuel.
	BootTime time.Duration
	BootFuel int64
	// EjectFailures is how many calls may fail within EjectWindow before the plugin is
	// ejected; 0 is 20, and negative never ejects. A window of 0 is 10 s.
	EjectFailures int
	EjectWindow   time.Duration
}

func (o Options) withDefaults() Options {
	orElse(&o.MaxPages, 512)
	o.MaxPages = min(o.MaxPages, hostapi.LimitPages)
	orElse(&o.MaxInstances, 2*runtime.GOMAXPROCS(0))
	orElse(&o.BootTime, 10*time.Second)
	orElse(&o.BootFuel, hostapi.LimitFuel)
	if o.EjectFailures == 0 {
		o.EjectFailures = 20
	}
	orElse(&o.EjectWindow, 10*time.Second)
	return o
}

func orElse[T int | int64 | time.Duration](v *T, other T) {
	if *v <= 0 {
		*v = other
	}
}

// Host loads plugins. It is safe for concurrent use.
type Host struct {
	options Options
	now     func() time.Duration // since some moment
	runtime wazero.Runtime
	cache   *cache // nil: none

	mu      sync.Mutex
	plugins map[*Plugin]bool
	codes   map[madeKey]*made // that plugins use
	closed  bool
}

// features are what guests may use: what the rewriter reads, but for references. Whenever a
// guest makes one to a function, wazero makes an object that stays as long as the instance, so
// that a loop can take all memory there is. Pointers to functions, as compilers make them, are
// indexes into a table, and need none.
const features = api.CoreFeaturesV2&^api.CoreFeatureReferenceTypes | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst

// New makes a host. Close it.
func New(o Options) (*Host, error) {
	o = o.withDefaults()
	h := &Host{options: o, now: monotonic(o.Now), plugins: map[*Plugin]bool{}, codes: map[madeKey]*made{}}
	// One page more than an instance may have: see cow.Memory.Shrink. WithCloseOnContextDone
	// stays off: it makes every turn of every loop a way out of the guest and back.
	config := wazero.NewRuntimeConfig().WithCoreFeatures(features).WithDebugInfoEnabled(false).
		WithMemoryLimitPages(uint32(o.MaxPages) + 1)
	if o.CacheDir != "" {
		c, err := openCache(o.CacheDir)
		if err != nil {
			return nil, err
		}
		h.cache, config = c, config.WithCompilationCache(c.compiled)
	}
	h.runtime = wazero.NewRuntimeWithConfig(context.Background(), config)
	if err := h.link(context.Background()); err != nil {
		_ = h.runtime.Close(context.Background())
		return nil, fmt.Errorf("host functions: %w", err)
	}
	return h, nil
}

// monotonic returns a clock that says how long it has run.
func monotonic(now func() time.Time) func() time.Duration {
	if now == nil {
		begin := time.Now() //nolint:forbidigo // the default of an option, of which differences only are used
		return func() time.Duration { return time.Since(begin) }
	}
	begin := now()
	return func() time.Duration { return now().Sub(begin) }
}

// Close closes all plugins, waiting for their calls, and the host.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	plugins := h.plugins
	h.plugins = map[*Plugin]bool{}
	h.mu.Unlock()
	for p := range plugins {
		p.Close()
	}
	err := h.runtime.Close(context.Background())
	if h.cache != nil {
		err = h.cache.close(err)
	}
	return err
}

// adopt notes a plugin, unless the host is closed.
func (h *Host) adopt(p *Plugin) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.plugins[p] = true
	}
	return !h.closed
}

func (h *Host) forget(p *Plugin) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.plugins, p)
}

// link makes the modules that guests import from.
func (h *Host) link(ctx context.Context) error {
	if _, err := h.functions(h.runtime.NewHostModuleBuilder(hostapi.Module)).Instantiate(ctx); err != nil {
		return err
	}
	b := h.runtime.NewHostModuleBuilder(hostapi.WASIModule)
	for i := range wasiFuncs {
		b = wasiFuncs[i].export(b)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return err
	}
	if _, err := h.opaFunctions(h.runtime.NewHostModuleBuilder(opaModule)).Instantiate(ctx); err != nil {
		return err
	}
	refuel := api.GoFunc(func(ctx context.Context, _ []uint64) { ctx.(*instance).refuel() }) //nolint:forcetypeassert // guests run with their instance as context
	_, err := h.runtime.NewHostModuleBuilder(binary.HookModule).NewFunctionBuilder().
		WithGoFunction(refuel, nil, nil).Export(binary.HookName).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(unknown), []api.ValueType{api.ValueTypeI32}, nil).Export(unknownName).Instantiate(ctx)
	return err
}

// functions adds the host functions to a module.
func (h *Host) functions(b wazero.HostModuleBuilder) wazero.HostModuleBuilder {
	for _, f := range hostapi.Functions() {
		params := make([]api.ValueType, len(f.Params))
		for i, p := range f.Params {
			params[i] = byte(p.Type)
		}
		results := make([]api.ValueType, len(f.Results))
		for i, r := range f.Results {
			results[i] = byte(r)
		}
		b = b.NewFunctionBuilder().WithGoFunction(guarded(f, functions[f.Name]), params, results).Export(f.Name)
	}
	return b
}
