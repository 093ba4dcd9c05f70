package wasm_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// stateful is a guest that changes all that it can: memory, its size, globals of every type,
// the clock, the random numbers, its output. It denies with what it sees of earlier calls.
func stateful() *module {
	m := (&module{}).manifest(simpleManifest)
	reason, clock, random, write := m.host("reason"), m.imp(hostapi.WASIModule, "clock_time_get", "iIi:i"), m.imp(hostapi.WASIModule, "random_get", "ii:i"), m.imp(hostapi.WASIModule, "fd_write", "iiii:i")
	m.mem(1, 8)
	m.data(500, "code")
	gi, gI := m.glob('i', i32(7)), m.glob('I', i64(7))
	gf, gF := m.glob('f', raw(0x43, 0, 0, 0xe0, 0x40)), m.glob('F', f64(7))
	m.fun("sp_on_request", ":i", "i",
		// What there is goes to 1000.
		i32(0), load8(16), i32('0'), add, storeAt(1000, store8(0)),
		getGlobal(gi), i32('0'), add, storeAt(1001, store8(0)),
		getGlobal(gI), raw(0xa7), i32('0'), add, storeAt(1002, store8(0)),
		getGlobal(gf), raw(0xa8), i32('0'), add, storeAt(1003, store8(0)),
		getGlobal(gF), raw(0xaa), i32('0'), add, storeAt(1004, store8(0)),
		sizeMemory, i32('0'), add, storeAt(1005, store8(0)),
		i32(1), i64(1), i32(64), call(clock), drop,
		i32(0), load8(64), i32(0x3f), and, i32('@'), add, storeAt(1006, store8(0)),
		i32(80), i32(1), call(random), drop,
		i32(0), load8(80), i32(0x3f), and, i32('@'), add, storeAt(1007, store8(0)),
		// Then it is changed.
		i32(0), i32(0), load8(16), i32(1), add, store8(16),
		getGlobal(gi), i32(1), add, setGlobal(gi),
		i64(1), setGlobal(gI), raw(0x43, 0, 0, 0, 0), setGlobal(gf), f64(0), setGlobal(gF),
		i32(1), growMemory, i32(0), ne, when(sizeMemory, i32(16), raw(0x74), i32(-1), add, i32(0xff), store8(0)),
		i32(300), i32(1000), store32(0), i32(300), i32(3), store32(4),
		i32(1), i32(300), i32(1), i32(320), call(write), drop,
		i32(500), i32(4), i32(1000), i32(8), call(reason), i32(1),
	)
	return m
}

// storeAt stores what is on the stack at an address, by way of the first local.
func storeAt(at int32, store []byte) []byte {
	return cat(raw(0x21, 0), i32(at), local(0), store)
}

func TestNoCallSeesWhatAnotherLeft(t *testing.T) {
	p := plugin(t, stateful(), wasm.Config{MaxInstances: 1})
	first := ask(t, p, message(t, `{}`))
	if first.Verdict() != hostapi.VerdictDeny || len(first.Message) != 8 {
		t.Fatal(sum(first))
	}
	for i := range 5 {
		r := ask(t, p, message(t, fmt.Sprintf(`{"path":"%d"}`, i)))
		if sum(r) != sum(first) || r.Fuel != first.Fuel || r.Memory != first.Memory {
			t.Errorf("call %d: %s, %d units, %d bytes; the first %s, %d, %d", i, sum(r), r.Fuel, r.Memory, sum(first), first.Fuel, first.Memory)
		}
		if diff := cmp.Diff(first.Logs, r.Logs); diff != "" {
			t.Error(diff)
		}
	}
	if s := p.Stats(); s.Instances != 1 || s.Discarded != 0 {
		t.Errorf("%d instances, %d discarded", s.Instances, s.Discarded)
	}
}

// The same is so in every process: what was decided can be decided again. The test runs
// itself, twice, and compares.
func TestOtherProcessesDecideTheSame(t *testing.T) {
	if os.Getenv("SALLYPORT_WASM_DECIDE") != "" {
		fmt.Print("DECIDED ", decideAll(t), "\n")
		return
	}
	want := decideAll(t)
	for range 2 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestOtherProcessesDecideTheSame$", "-test.count=1")
		cmd.Env = append(os.Environ(), "SALLYPORT_WASM_DECIDE=1")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		_, got, _ := strings.Cut(string(out), "DECIDED ")
		got, _, _ = strings.Cut(got, "\n")
		if diff := cmp.Diff(strings.Fields(want), strings.Fields(got)); diff != "" {
			t.Error(diff)
		}
	}
}

// decideAll says everything that a replay depends on.
func decideAll(t *testing.T) string {
	guests := map[string]*module{"stateful": stateful(), "fields": threeFields(), "hostile": spin(0).withFuel(1_000_000)}
	var out []string
	h := newHost(t, wasm.Options{})
	for _, name := range []string{"stateful", "fields", "hostile"} {
		p := load(t, h, guests[name].bytes(), wasm.Config{})
		info := p.Info()
		out = append(out, info.Module, info.Code, info.Image, fmt.Sprint(info.BootFuel))
		for _, arguments := range []string{`{}`, harm, `{"path":"/srv/x"}`} {
			r := ask(t, p, message(t, arguments))
			out = append(out, fmt.Sprintf("%s:%d:%q", name, r.Fuel, sum(r)))
		}
	}
	return strings.ReplaceAll(strings.Join(out, " "), "\n", " ")
}

// threeFields reads three fields, compares one, and denies.
func threeFields() *module {
	m := (&module{}).manifest(simpleManifest)
	field, reason := m.host("field"), m.host("reason")
	m.mem(1, 1)
	m.data(32, "outsideThe path is outside.")
	m.fun("sp_on_request", ":i", "",
		i32(1), i32(1024), i32(64), call(field), drop,
		i32(2), i32(1100), i32(64), call(field), drop,
		i32(0), i32(2048), i32(256), call(field), drop,
		i32(2048), load32(1), i32(0x2f637465), ne, // "etc/"
		cat(raw(0x04, 0x7f), i32(0), raw(0x05), i32(32), i32(7), i32(39), i32(20), call(reason), i32(1), raw(0x0b)),
	)
	return m
}

// A memory that has grown as far as the module itself lets it must be made smaller too.
func TestMemoryThatReachedItsOwnMaximumIsMadeSmaller(t *testing.T) {
	for name, limit := range map[string]uint32{"of its own": 3, "of the grant": 0} {
		m := (&module{}).manifest(simpleManifest)
		kind := m.host("field_kind")
		m.mem(2, limit)
		m.fun("sp_on_request", ":i", "",
			sizeMemory, i32(2), ne, when(unreachable),
			i32(0), call(kind), when(
				i32(1), growMemory, i32(2), ne, when(unreachable),
				i32(1), growMemory, i32(-1), ne, when(unreachable),
				i32(3*65536-4), i32(7), store32(0)),
			i32(0))
		p := plugin(t, m, wasm.Config{Pages: 3, MaxInstances: 1})
		for range 3 {
			if got := sum(ask(t, p, message(t, harm))); got != "pass" {
				t.Errorf("%s: %s", name, got)
			}
		}
		if s := p.Stats(); s.Discarded != 0 || s.Memory != 3*65536 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
