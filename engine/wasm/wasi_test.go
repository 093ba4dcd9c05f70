package wasm_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

const (
	badF  = 8
	fault = 21
	inval = 28
	noSys = 52
)

// wasi calls a function of the stub, whose failure would be one of the guest.
func wasi(t *testing.T, p *wasm.Probe, name string, args ...uint64) uint64 {
	t.Helper()
	n, f := p.Call(name, args...)
	if f.Type != "" {
		t.Fatalf("%s: %+v", name, f)
	}
	return n
}

func TestStubHasNoArgumentsNoEnvironmentAndNoFiles(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	for _, f := range []string{"args_sizes_get", "environ_sizes_get"} {
		copy(p.Memory()[100:], "\xff\xff\xff\xff\xff\xff\xff\xff")
		if n := wasi(t, p, f, 100, 104); n != 0 || !bytes.Equal(p.Memory()[100:108], make([]byte, 8)) {
			t.Errorf("%s gives %d and writes % x", f, n, p.Memory()[100:108])
		}
		if n := wasi(t, p, f, 65533, 0); n != fault {
			t.Errorf("%s outside of the memory gives %d", f, n)
		}
	}
	for f, want := range map[string]uint64{
		"args_get": 0, "environ_get": 0, "sched_yield": 0,
		"fd_prestat_get": badF, "fd_read": badF, "fd_close": badF, "fd_seek": badF, "fd_filestat_get": badF,
		"path_open": noSys, "sock_recv": noSys, "proc_raise": noSys, "path_unlink_file": noSys,
	} {
		if n := wasi(t, p, f, 3, 0, 0, 0, 0, 0, 0, 0, 0); n != want {
			t.Errorf("%s gives %d, want %d", f, n, want)
		}
	}
	if n := wasi(t, p, "fd_fdstat_get", 1, 200); n != 0 || hex.EncodeToString(p.Memory()[200:224]) != "0200000000000000"+"4000000000000000"+"0000000000000000" {
		t.Errorf("standard output is % x", p.Memory()[200:224])
	}
	if n := wasi(t, p, "fd_fdstat_get", 3, 200); n != badF {
		t.Errorf("fd 3 gives %d", n)
	}
}

func TestClocksOfTheStub(t *testing.T) {
	read := func(p *wasm.Probe, id uint64) uint64 {
		if n := wasi(t, p, "clock_time_get", id, 1, 96); n != 0 {
			t.Fatalf("clock %d gives %d", id, n)
		}
		return binary.LittleEndian.Uint64(p.Memory()[96:])
	}
	pl := plugin(t, everything(), everyGrant(t))
	var begins []uint64
	for range 2 {
		p := wasm.NewProbe(pl, hostapi.HookRequest, rich(t))
		for range 2 {
			if got := read(p, 0); got != uint64(decided.UnixMilli())*1_000_000 {
				t.Errorf("realtime is %d", got)
			}
		}
		begin := read(p, 1)
		if a, b := read(p, 2), read(p, 3); a != begin+1000 || b != begin+2000 {
			t.Errorf("the clocks go %d, %d, %d", begin, a, b)
		}
		begins = append(begins, begin)
		for _, id := range []uint64{4, absent} {
			if n := wasi(t, p, "clock_time_get", id, 1, 96); n != inval {
				t.Errorf("clock %d gives %d", id, n)
			}
		}
		if n := wasi(t, p, "clock_time_get", 1, 1, 65530); n != fault {
			t.Errorf("outside of the memory: %d", n)
		}
		if n := wasi(t, p, "clock_res_get", 1, 96); n != 0 || binary.LittleEndian.Uint64(p.Memory()[96:]) != 1000 {
			t.Errorf("resolution: %d", n)
		}
		p.Return(0)
	}
	if begins[0] != begins[1] {
		t.Errorf("a call begins at %d, the next at %d", begins[0], begins[1])
	}
}

func TestSleepsAreOverAtOnce(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	sub := func(at int, userdata uint64, tag byte, clock uint32, timeout uint64, flags byte) {
		b := p.Memory()[at : at+48]
		clear(b)
		binary.LittleEndian.PutUint64(b, userdata)
		b[8] = tag
		binary.LittleEndian.PutUint32(b[16:], clock)
		binary.LittleEndian.PutUint64(b[24:], timeout)
		b[40] = flags
	}
	now := func() uint64 {
		wasi(t, p, "clock_time_get", 1, 1, 96)
		return binary.LittleEndian.Uint64(p.Memory()[96:])
	}
	before := now()
	sub(1000, 11, 0, 1, 5_000_000, 0)
	sub(1048, 22, 0, 1, 1_000_000, 0)
	if n := wasi(t, p, "poll_oneoff", 1000, 2000, 2, 3000); n != 0 {
		t.Fatal(n)
	}
	if count := binary.LittleEndian.Uint32(p.Memory()[3000:]); count != 1 || binary.LittleEndian.Uint64(p.Memory()[2000:]) != 22 {
		t.Errorf("%d events, of %d", count, binary.LittleEndian.Uint64(p.Memory()[2000:]))
	}
	if after := now(); after != before+1_000_000+1000 {
		t.Errorf("a sleep of 1 ms took %d ns", after-before)
	}
	at := now()
	sub(1000, 1, 0, 0, uint64(decided.UnixMilli()+3)*1_000_000, 1)
	if n := wasi(t, p, "poll_oneoff", 1000, 2000, 1, 3000); n != 0 {
		t.Fatal(n)
	}
	if after := now(); after != at+3_000_000+1000 {
		t.Errorf("a sleep until 3 ms from now took %d ns", after-at)
	}
	sub(1000, 1, 0, 1, ^uint64(0), 0)
	wasi(t, p, "poll_oneoff", 1000, 2000, 1, 3000)
	sub(1000, 1, 1, 0, 0, 0)
	for args, want := range map[[4]uint64]uint64{{1000, 2000, 1, 3000}: noSys, {1000, 2000, 0, 3000}: inval, {1000, 2000, 65, 3000}: inval, {65500, 2000, 1, 3000}: fault} {
		if n := wasi(t, p, "poll_oneoff", args[:]...); n != want {
			t.Errorf("poll_oneoff%v gives %d, want %d", args, n, want)
		}
	}
}

func TestRandomNumbersAreThoseOfTheModule(t *testing.T) {
	pl := load(t, newHost(t, wasm.Options{}), example(t, "deny-all"), wasm.Config{})
	if got, want := pl.Info().Module, fmt.Sprintf("sha256:%x", example(t, "deny-all digest")); got != want {
		t.Fatalf("the module is %s, want %s", got, want)
	}
	for range 2 {
		p := wasm.NewProbe(pl, hostapi.HookRequest, rich(t))
		for _, part := range [][2]uint64{{0, 5}, {5, 27}} {
			if n := wasi(t, p, "random_get", 100+part[0], part[1]); n != 0 {
				t.Error(n)
			}
		}
		if got, want := p.Memory()[100:132], example(t, "deny-all random"); !bytes.Equal(got, want) {
			t.Errorf("got %x, want %x", got, want)
		}
		if n := wasi(t, p, "random_get", 65530, 7); n != fault {
			t.Errorf("outside of the memory: %d", n)
		}
		if got := sum(p.Return(1)); got != `deny denied_by_plugin ""` {
			t.Error(got)
		}
	}
}

func TestOutputIsLogged(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	write := func(fd uint64, texts ...string) uint64 {
		places := give(p, texts...)
		for i := 0; i < len(places); i += 2 {
			binary.LittleEndian.PutUint32(p.Memory()[500+4*i:], uint32(places[i]))
			binary.LittleEndian.PutUint32(p.Memory()[504+4*i:], uint32(places[i+1]))
		}
		return wasi(t, p, "fd_write", fd, 500, uint64(len(texts)), 400)
	}
	if n := write(2, "one\ntw", "o\n\n", ""); n != 0 || binary.LittleEndian.Uint32(p.Memory()[400:]) != 9 {
		t.Errorf("%d, %d written", n, binary.LittleEndian.Uint32(p.Memory()[400:]))
	}
	write(1, "thr")
	write(1, "ee")
	write(2, "four")
	write(1, strings.Repeat("x", 2000)+"\nlast")
	if n := write(3, "x"); n != badF {
		t.Errorf("fd 3 gives %d", n)
	}
	for args, want := range map[[4]uint64]uint64{{1, 65532, 1, 400}: fault, {1, 500, 1, 65533}: fault} {
		if n := wasi(t, p, "fd_write", args[:]...); n != want {
			t.Errorf("fd_write%v gives %d", args, n)
		}
	}
	want := []wasm.Line{{Level: 3, Text: "one"}, {Level: 3, Text: "two"}, {Level: 1, Text: "three"}, {Level: 3, Text: "four"}, {Level: 1, Text: strings.Repeat("x", 1024)}, {Level: 1, Text: "lastx"}}
	if diff := cmp.Diff(want, p.Return(0).Logs); diff != "" {
		t.Error(diff)
	}
}

func TestExitIsATrap(t *testing.T) {
	m := (&module{}).manifest(simpleManifest)
	exit := m.imp(hostapi.WASIModule, "proc_exit", "i:")
	m.mem(1, 1)
	m.fun("sp_on_request", ":i", "", i32(0), call(exit), i32(0))
	p := plugin(t, m, wasm.Config{})
	for range 2 {
		if got, want := sum(ask(t, p, message(t, `{}`))), "deny trap: the guest exited with 0"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
