package wasm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// Fuel is counted to the unit, however often the guest had to ask for more, and whatever host
// functions charge in between.
func TestFuelIsExact(t *testing.T) {
	for name, turn := range map[string]func(field uint32) []byte{
		"alone":            func(uint32) []byte { return nil },
		"calling the host": func(field uint32) []byte { return cat(i32(2), i32(1024), i32(64), call(field), drop) },
		"and moving memory": func(field uint32) []byte {
			return cat(i32(2), i32(1024), i32(64), call(field), drop, i32(2048), i32(1024), i32(999), raw(0xfc, 10, 0, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := (&module{}).manifest(strings.Replace(simpleManifest, `"args.path"`, `"args.n"`, 1))
			num, field := m.host("field_num"), m.host("field")
			m.mem(1, 1)
			m.fun("sp_on_request", ":i", "i", i32(0), call(num), raw(0xaa), raw(0x21, 0), // i32.trunc_f64_s
				raw(0x03, 0x40), turn(field), local(0), i32(1), sub, raw(0x22, 0), i32(0), raw(0x4a), raw(0x0d, 0, 0x0b), i32(0)) // while (--n > 0)
			p := plugin(t, m, wasm.Config{})
			used := func(n int) int64 {
				r := ask(t, p, message(t, fmt.Sprintf(`{"n":%d}`, n)))
				if got := sum(r); got != "pass" {
					t.Fatal(got)
				}
				return r.Fuel
			}
			one := used(2) - used(1)
			for _, n := range []int{10, 1000, 20_000, 100_000} {
				if got, want := used(n), used(1)+int64(n-1)*one; got != want {
					t.Errorf("%d turns take %d units, want %d", n, got, want)
				}
			}
		})
	}
}

func TestFuelMayBeUsedToTheLastUnit(t *testing.T) {
	guest := func(fuel int64) *module {
		m := hostile(fuel, time.Second)
		m.mem(1, 1)
		var work [][]byte
		for range 200 {
			work = append(work, i32(7), i32(3), raw(0x6d), drop) // a division
		}
		return m.attack("", i32(1), when(work...), i32(0))
	}
	need := ask(t, plugin(t, guest(1_000_000), wasm.Config{}), message(t, harm)).Fuel
	for fuel, want := range map[int64]string{
		need:     "pass",
		need - 1: fmt.Sprintf("deny fuel: the fuel of the call, %d units, is used up", need-1),
	} {
		if got := sum(ask(t, plugin(t, guest(fuel), wasm.Config{}), message(t, harm))); got != want {
			t.Errorf("with %d units: %s, want %s", fuel, got, want)
		}
	}
}
