package binary

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// features is what the package reads, in the engine's words.
const features = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst

var errNoFuel = errors.New("out of fuel")

// tank is a host's side of the hook.
type tank struct {
	slice int64 // granted each time
	left  int64 // granted in all at most
	used  int64 // granted
	calls int
}

func ample() *tank { return &tank{slice: 100_000, left: 1 << 60} }

func (f *tank) refuel(_ context.Context, mod api.Module) {
	f.calls++
	if f.left <= 0 {
		panic(errNoFuel)
	}
	n := min(f.slice, f.left)
	f.left -= n
	f.used += n
	g := mod.ExportedGlobal(FuelExport).(api.MutableGlobal)
	g.Set(uint64(int64(g.Get()) + n))
}

// spent returns the fuel that an instance has used.
func (f *tank) spent(mod api.Module) int64 {
	return f.used - int64(mod.ExportedGlobal(FuelExport).Get())
}

// oracle is the engine that says what modules do.
type oracle struct {
	wazero.Runtime
	compiled map[string]wazero.CompiledModule
}

// newRuntime returns an engine with the hook in it.
func newRuntime(t testing.TB, f *tank, pages uint32) *oracle {
	t.Helper()
	ctx := context.Background()
	cfg := wazero.NewRuntimeConfig().WithCoreFeatures(features).WithMemoryLimitPages(pages)
	o := &oracle{wazero.NewRuntimeWithConfig(ctx, cfg), map[string]wazero.CompiledModule{}}
	t.Cleanup(func() { _ = o.Close(ctx) })
	_, err := o.NewHostModuleBuilder(HookModule).NewFunctionBuilder().WithFunc(f.refuel).Export(HookName).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// compile compiles a module once.
func (o *oracle) compile(code []byte) (wazero.CompiledModule, error) {
	if c, ok := o.compiled[string(code)]; ok {
		return c, nil
	}
	c, err := o.CompileModule(context.Background(), code)
	if err == nil {
		o.compiled[string(code)] = c
	}
	return c, err
}
