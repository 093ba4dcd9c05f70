package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// These tests hold the runtime to what a guest that means harm may cost: one denied call, and
// less than 64 MiB.

const hostileManifest = `{"abi":"sallyport/1","name":"hostile","version":"1.0.0","hooks":["request"],` +
	`"reads":{"request":["args","args.path","mcp.tool.annotations"]},"strings":{"request":["args"]},"writes":["args"],"verdicts":["deny","mutate"],` +
	`"limits":{"pages":256,"fuel":%d,"deadline_ms":%d}}`

const plentyOfFuel = hostapi.LimitFuel

// attack makes the hook of a guest that does harm where a call has a path. The message that the
// host makes up at load has none.
func (m *module) attack(locals string, code ...[]byte) *module {
	kind := m.kind
	m.fun("sp_on_request", ":i", locals, i32(1), call(kind), raw(0x04, 0x7f), cat(code...), raw(0x05), i32(0), raw(0x0b))
	return m
}

func hostile(fuel int64, deadline time.Duration) *module {
	m := (&module{}).manifest(fmt.Sprintf(hostileManifest, fuel, deadline.Milliseconds()))
	m.kind = m.host("field_kind")
	return m
}

// spin is a guest that never comes back.
func spin(deadline time.Duration) *module {
	m := hostile(plentyOfFuel, deadline)
	m.mem(1, 1)
	return m.attack("", loop(), unreachable)
}

// withFuel gives a hostile guest less.
func (m *module) withFuel(fuel int64) *module {
	m.customs = nil
	return m.manifest(fmt.Sprintf(hostileManifest, fuel, 10_000))
}

const harm = `{"path":"/etc/passwd"}`

// ticking is a clock that goes on by d whenever it is read.
func ticking(d time.Duration) func() time.Time {
	var reads atomic.Int64
	return func() time.Time { return time.Unix(0, reads.Add(1)*int64(d)) }
}

func TestLoopEndsAtItsDeadline(t *testing.T) {
	h := newHost(t, wasm.Options{Now: ticking(time.Millisecond), EjectFailures: -1})
	p := load(t, h, spin(50*time.Millisecond).bytes(), wasm.Config{})
	for range 3 {
		r := ask(t, p, message(t, harm))
		if got, want := sum(r), "deny deadline: the guest was still running at its deadline"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if r.Time < 50*time.Millisecond || r.Time > 55*time.Millisecond {
			t.Errorf("ended after %v", r.Time)
		}
		if r.Code != wasm.CodeFailed {
			t.Errorf("the reason is %s", r.Code)
		}
	}
}

func TestCallHasNoMoreTimeThanItsCallerHas(t *testing.T) {
	h := newHost(t, wasm.Options{Now: ticking(time.Millisecond)})
	p := load(t, h, spin(time.Second).bytes(), wasm.Config{})
	var r wasm.Result
	p.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: message(t, harm), Timeout: 20 * time.Millisecond}, &r)
	if r.Failure.Type != hostapi.FailureDeadline || r.Time > 25*time.Millisecond {
		t.Errorf("%s after %v", sum(&r), r.Time)
	}
}

func TestLoopEndsWhenItsFuelIsSpent(t *testing.T) {
	m := hostile(1_000_000, 10*time.Second)
	m.mem(1, 1)
	m.attack("", loop(), unreachable)
	r := ask(t, plugin(t, m, wasm.Config{}), message(t, harm))
	if got, want := sum(r), "deny fuel: the fuel of the call, 1000000 units, is used up"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r.Fuel < 1_000_000 || r.Fuel > 1_010_000 {
		t.Errorf("%d units were used", r.Fuel)
	}
}

// That its caller has no time is not a guest's fault, nor that there was none left for it.
func TestPluginIsNotEjectedForItsCallersHaste(t *testing.T) {
	h := newHost(t, wasm.Options{EjectFailures: 1, Now: ticking(time.Millisecond)})
	p := load(t, h, spin(time.Second).bytes(), wasm.Config{})
	for range 3 {
		var r wasm.Result
		p.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: message(t, harm), Timeout: 20 * time.Millisecond}, &r)
		if got, want := sum(&r), "deny deadline: the guest was still running at its deadline"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var r wasm.Result
	p.Call(ctx, &wasm.Call{Hook: hostapi.HookRequest, Message: message(t, harm)}, &r)
	if p.Stats().Ejected {
		t.Errorf("ejected after %s", sum(&r))
	}
	ask(t, p, message(t, harm))
	if !p.Stats().Ejected {
		t.Error("a guest that had all its time is not ejected")
	}
}

// A guest that loops holds no thread that the Go runtime wants to stop: or the garbage
// collector, and with it everybody, waits for the guest.
func TestLoopStallsNobody(t *testing.T) {
	p := plugin(t, spin(10*time.Second), wasm.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan string, 1)
	go func() {
		var r wasm.Result
		p.Call(ctx, &wasm.Call{Hook: hostapi.HookRequest, Message: message(t, harm)}, &r)
		ended <- sum(&r)
	}()
	for p.Stats().Instances == 0 {
		runtime.Gosched()
	}
	for range 10 {
		runtime.GC()
	}
	select {
	case got := <-ended:
		t.Errorf("the garbage collector waited for the guest, which ended: %s", got)
	default:
	}
	cancel()
	if got, want := <-ended, "deny deadline: nobody waits for the call any more: context canceled"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// costs calls a guest once and checks what that took of the machine.
func costs(t *testing.T, m *module, want ...string) {
	t.Helper()
	p := plugin(t, m, wasm.Config{})
	msg := message(t, `{"path":"/etc/passwd","s":"`+strings.Repeat("x", 1000)+`"}`)
	runtime.GC()
	before := peak(t)
	r := ask(t, p, msg)
	grew := peak(t) - before
	expected := func(got string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return strings.HasPrefix(got, w) })
	}
	if got := sum(r); !expected(got) {
		t.Errorf("got %s, want %q", got, want)
	}
	if grew > 64<<20 {
		t.Errorf("the call took %d MiB", grew>>20)
	}
	if got := sum(ask(t, p, msg)); !expected(got) {
		t.Errorf("another call says %s", got)
	}
}

func TestMemoryBomb(t *testing.T) {
	m := hostile(plentyOfFuel, 100*time.Millisecond)
	m.customs = nil
	m.manifest(strings.Replace(fmt.Sprintf(hostileManifest, plentyOfFuel, 100), `"pages":256`, `"pages":1024`, 1))
	m.mem(1, 0)
	// Grows by a page for as long as that goes, writes to each, and then tries for ever.
	m.attack("i",
		loop(
			i32(1), growMemory, raw(0x22, 0), i32(-1), ne,
			when(local(0), i32(16), raw(0x74), i32(1), store32(0),
				local(0), i32(16), raw(0x74), i32(-1), i32(65536), raw(0xfc, 11, 0)),
		), unreachable)
	costs(t, m, "deny deadline: ", "deny fuel: ")
}

func TestMemoryGrowsToTheGrantAndNoFurther(t *testing.T) {
	m := hostile(plentyOfFuel, time.Second)
	m.mem(1, 0)
	m.attack("",
		i32(15), growMemory, i32(1), ne, when(unreachable),
		i32(1), growMemory, i32(-1), ne, when(unreachable),
		sizeMemory, i32(16), ne, when(unreachable),
		i32(16*65536-4), i32(1), store32(0),
		i32(0))
	p := plugin(t, m, wasm.Config{Pages: 16})
	for range 2 {
		r := ask(t, p, message(t, harm))
		if got := sum(r); got != "pass" || r.Memory != 16*65536 {
			t.Errorf("%s, with %d bytes", got, r.Memory)
		}
	}
	if got := p.Stats().Memory; got != 16*65536 {
		t.Errorf("the high water mark is %d", got)
	}
	if diff := cmp.Diff([]string{"pages: 16, where the plugin asks for 256"}, p.Info().Lowered); diff != "" {
		t.Error(diff)
	}
}

func TestTableBombsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		table []byte
		code  []byte
		want  string
	}{
		"grows": {
			cat(raw(0x70, 0), leb(1)), cat(raw(0xd0, 0x70), i32(1<<30), raw(0xfc, 15, 0), drop, i32(0)),
			"the module changes its tables, which can't be undone after a call; build without reference types that are changed, and without passive segments that are dropped",
		},
		"is large": {
			cat(raw(0x70, 0), leb(100_000_000)), i32(0),
			"the module can't be bounded: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := hostile(plentyOfFuel, time.Second)
			m.mem(1, 1)
			m.tables = append(m.tables, c.table)
			m.fun("sp_on_request", ":i", "", c.code)
			_, err := newHost(t, wasm.Options{}).Load(context.Background(), m.bytes(), wasm.Config{})
			var le *wasm.LoadError
			if !errors.As(err, &le) || le.Code != wasm.LoadModule || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestStackBomb(t *testing.T) {
	for name, locals := range map[string]string{"": "", "of wide frames": strings.Repeat("v", 2000)} {
		t.Run("recursion "+name, func(t *testing.T) {
			m := hostile(plentyOfFuel, 5*time.Second)
			m.mem(1, 1)
			var use [][]byte
			for i := range len(locals) {
				use = append(use, local(uint32(i+1)), raw(0xfd, 27, 0), raw(0x6a))
			}
			m.fun("", "i:i", locals, local(0), cat(use...), call(1), local(0), add)
			m.attack("", i32(1), call(1))
			costs(t, m, "deny trap: stack overflow")
		})
	}
}

func TestStackIsWholeAfterAnOverflow(t *testing.T) {
	m := hostile(plentyOfFuel, 5*time.Second)
	m.mem(1, 1)
	stack := m.glob('i', i32(4096)) // as C compilers keep it
	down := uint32(1)
	m.fun("", ":", "",
		getGlobal(stack), i32(16), sub, setGlobal(stack),
		getGlobal(stack), i32(7), store32(0), // traps below zero
		call(down), getGlobal(stack), i32(16), add, setGlobal(stack))
	m.attack("", call(down), i32(0))
	p := plugin(t, m, wasm.Config{})
	for range 3 {
		if got, want := sum(ask(t, p, message(t, harm))), "deny trap: out of bounds memory access"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := sum(ask(t, p, message(t, `{}`))); got != "pass" {
			t.Errorf("after an overflow: %s", got)
		}
	}
}

func TestForgedFuelIsRefused(t *testing.T) {
	for name, index := range map[string]uint32{"the fuel": 0, "the depth": 1, "far out": 1000} {
		t.Run(name, func(t *testing.T) {
			m := hostile(1000, time.Second)
			m.mem(1, 1)
			m.fun("sp_on_request", ":i", "", loop(i64(1<<40), setGlobal(index)), unreachable)
			_, err := newHost(t, wasm.Options{}).Load(context.Background(), m.bytes(), wasm.Config{})
			var le *wasm.LoadError
			if !errors.As(err, &le) || le.Code != wasm.LoadModule || !strings.Contains(err.Error(), "global") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("as an import", func(t *testing.T) {
		m := hostile(1000, time.Second)
		refuel := m.imp("sallyport_v1_internal", "refuel", ":")
		m.mem(1, 1)
		m.fun("sp_on_request", ":i", "", loop(call(refuel)), unreachable)
		_, err := newHost(t, wasm.Options{}).Load(context.Background(), m.bytes(), wasm.Config{})
		if want := "the module imports sallyport_v1_internal.refuel, which there is not; a plugin can import functions of sallyport_v1 and wasi_snapshot_preview1"; fmt.Sprint(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

// Every host function, called for ever.
func TestHostCallFlood(t *testing.T) {
	path := `args.path`
	for name, c := range map[string]struct {
		args [][]byte
		want string
	}{
		"field":       {[][]byte{i32(0), i32(1024), i32(60000)}, "deny fuel: "},
		"field_num":   {[][]byte{i32(1)}, "deny fuel: "},
		"field_kind":  {[][]byte{i32(0)}, "deny fuel: "},
		"str":         {[][]byte{i32(1), i32(1024), i32(60000)}, "deny fuel: "},
		"str_path":    {[][]byte{i32(1), i32(1024), i32(60000)}, "deny fuel: "},
		"str_count":   {nil, "deny fuel: "},
		"str_replace": {[][]byte{i32(1), i32(1024), i32(60000)}, "deny abi: more than 8388608 bytes of edits"},
		"view":        {[][]byte{i32(1), i32(1024), i32(60000)}, "deny fuel: "},
		"patch":       {[][]byte{i32(0), i32(16), i32(int32(len(path))), i32(32), i32(1)}, "deny abi: more than 65536 edits"},
		"reason":      {[][]byte{i32(64), i32(1), i32(1024), i32(60000)}, "deny abi: more than 262144 bytes of texts"},
		"note":        {[][]byte{i32(64), i32(1), i32(1024), i32(60000)}, "deny abi: more than 262144 bytes of texts"},
		"label":       {[][]byte{i32(64), i32(1)}, "deny fuel: "},
		"approve":     {[][]byte{i32(64), i32(1)}, "deny abi: more than 262144 bytes of texts"},
		"now_ms":      {nil, "deny fuel: "},
		"log":         {[][]byte{i32(0), i32(1024), i32(60000)}, "deny fuel: "},
	} {
		t.Run(name, func(t *testing.T) {
			fuel := int64(100_000_000)
			if raceEnabled {
				fuel /= 2
			}
			m := hostile(fuel, 10*time.Second)
			f := m.host(name)
			m.mem(1, 1)
			m.data(16, path)
			m.data(32, "1")
			m.data(64, "a")
			body := cat(cat(c.args...), call(f))
			if i := indexOf(hostapi.Functions(), name); len(hostapi.Functions()[i].Results) > 0 {
				body = cat(body, drop)
			}
			m.attack("", loop(body), unreachable)
			costs(t, m, c.want)
		})
	}
}

func indexOf(list []hostapi.Function, name string) int {
	for i := range list {
		if list[i].Name == name {
			return i
		}
	}
	return -1
}

// A reference to a function is an object of the host's that lives as long as the instance.
func TestReferencesAreRefused(t *testing.T) {
	m := hostile(plentyOfFuel, 10*time.Second)
	m.mem(1, 1)
	m.fun("f", ":", "")
	m.attack("", loop(raw(0xd2, 1), drop), unreachable)
	_, err := newHost(t, wasm.Options{}).Load(context.Background(), m.bytes(), wasm.Config{})
	var le *wasm.LoadError
	if !errors.As(err, &le) || le.Code != wasm.LoadCompile || le.Help != "build it without reference types: references to functions, typed selects, tables beside the first" {
		t.Errorf("got %v", err)
	}
}
