package wasm_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

func TestCallsAtOnceEachGetTheirOwnAnswer(t *testing.T) {
	h := newHost(t, wasm.Options{})
	p := load(t, h, needPath().bytes(), wasm.Config{MaxInstances: 3})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			var r wasm.Result
			with, without := message(t, `{"path":"x"}`), message(t, `{}`)
			for i := range 200 {
				m, want := with, "pass"
				if (i+g)%2 == 0 {
					m, want = without, `deny no_path "A path is needed."`
				}
				p.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: m, Timeout: time.Minute}, &r)
				if got := sum(&r); got != want {
					t.Errorf("got %s, want %s", got, want)
					return
				}
			}
		})
	}
	all.Wait()
	s := p.Stats()
	if s.Calls != 1600 || s.Verdicts[hostapi.VerdictDeny] != 800 || s.Verdicts[hostapi.VerdictPass] != 800 || s.Instances > 3 || s.Fuel == 0 || s.Time == 0 {
		t.Errorf("%+v", s)
	}
}

// slot is where a plugin is swapped, as a snapshot of the gateway holds it: counted, so that
// it is closed when its last call has ended.
type slot struct {
	plugin *wasm.Plugin
	users  atomic.Int64
	want   string
}

type current struct{ p atomic.Pointer[slot] }

func (c *current) acquire() *slot {
	for {
		s := c.p.Load()
		if n := s.users.Load(); n > 0 && s.users.CompareAndSwap(n, n+1) {
			return s
		}
	}
}

func (s *slot) release() {
	if s.users.Add(-1) == 0 {
		s.plugin.Close()
	}
}

func (c *current) swap(s *slot) {
	s.users.Store(1)
	if old := c.p.Swap(s); old != nil {
		old.release()
	}
}

func TestThousandHotSwapsUnderLoad(t *testing.T) {
	h := newHost(t, wasm.Options{})
	loaded := func(i int) *slot {
		m := needPath()
		m.datas = nil
		m.data(32, fmt.Sprintf("no_pathA path is needed%d", i%4))
		p, err := h.Load(context.Background(), m.bytes(), wasm.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return &slot{plugin: p, want: fmt.Sprintf(`deny no_path "A path is needed%d"`, i%4)}
	}
	var cur current
	cur.swap(loaded(0))
	var stop atomic.Bool
	var calls atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			var r wasm.Result
			m := message(t, `{}`)
			for !stop.Load() {
				s := cur.acquire()
				s.plugin.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: m, Timeout: time.Minute}, &r)
				if got := sum(&r); got != s.want {
					t.Errorf("got %s, want %s", got, s.want)
				}
				s.release()
				calls.Add(1)
			}
		})
	}
	for i := range 100 {
		cur.swap(loaded(i))
	}
	settled := held(t)
	swaps := 900
	if testing.Short() || raceEnabled {
		swaps = 100
	}
	for i := range swaps {
		cur.swap(loaded(i))
	}
	grew := held(t) - settled
	stop.Store(true)
	all.Wait()
	cur.p.Load().release()
	if grew > 16<<20 {
		t.Errorf("%d swaps left %d KiB", swaps, grew>>10)
	}
	if calls.Load() == 0 {
		t.Error("nothing was called meanwhile")
	}
	t.Logf("%d calls during %d swaps; the heap grew by %d KiB", calls.Load(), swaps+100, grew>>10)
}

// held returns the heap that is in use.
func held(t *testing.T) int {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// gate is a table whose look-up waits: a call stands still in the middle of the guest.
type gate struct {
	in, out chan struct{}
}

// waiting is a guest that looks a key up and then writes to its memory.
func waiting(t testing.TB, h *wasm.Host, instances int) (*wasm.Plugin, *gate) {
	g := &gate{in: make(chan struct{}), out: make(chan struct{})}
	m := (&module{}).manifest(`{"abi":"sallyport/1","name":"waiting","version":"1.0.0","hooks":["request"],"verdicts":["deny"],"capabilities":["lookup:t"],"limits":{"deadline_ms":10000}}`)
	lookup := m.host("lookup")
	m.mem(1, 4)
	m.fun("sp_on_request", ":i", "",
		i32(0), i32(0), i32(0), i32(0), i32(0), call(lookup), drop,
		i32(65000), i32(1), store32(0), i32(1), growMemory, drop, i32(131000), i32(7), store32(0), i32(1))
	return load(t, h, m.bytes(), wasm.Config{
		MaxInstances: instances,
		Grant:        wasm.Grant{Capabilities: capabilities("lookup:t")},
		Tables: func() wasm.Tables {
			return wasm.Tables{"t": func(string) jsonscan.Value {
				g.in <- struct{}{}
				<-g.out
				return jsonscan.Value{}
			}}
		},
	}), g
}

func begin(ctx context.Context, t testing.TB, p *wasm.Plugin) chan string {
	answer := make(chan string, 1)
	m := message(t, `{}`)
	go func() {
		var r wasm.Result
		p.Call(ctx, &wasm.Call{Hook: hostapi.HookRequest, Message: m}, &r)
		answer <- sum(&r)
	}()
	return answer
}

// With the memory of instances unmapped by Close, a call that goes on would end the process.
func TestCloseWaitsForCallsInFlight(t *testing.T) {
	p, g := waiting(t, newHost(t, wasm.Options{}), 2)
	first, second := begin(context.Background(), t, p), begin(context.Background(), t, p)
	<-g.in
	<-g.in
	closed := make(chan struct{}, 2)
	for range 2 {
		go func() {
			p.Close()
			closed <- struct{}{}
		}()
	}
	for sum(ask(t, p, message(t, `{}`))) != "deny trap: no instance: the plugin is closed" {
		runtime.Gosched()
	}
	g.out <- struct{}{}
	g.out <- struct{}{}
	for _, answer := range []chan string{first, second} {
		if got := <-answer; got != `deny denied_by_plugin ""` {
			t.Errorf("a call in flight says %s", got)
		}
	}
	<-closed
	<-closed
	if got := p.Stats().Instances; got != 0 {
		t.Errorf("%d instances are left", got)
	}
}

func TestCallsBeyondTheInstancesWaitForOne(t *testing.T) {
	p, g := waiting(t, newHost(t, wasm.Options{EjectFailures: 2}), 1)
	first := begin(context.Background(), t, p)
	<-g.in
	var r wasm.Result
	p.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: message(t, `{}`), Timeout: time.Millisecond}, &r)
	if got, want := sum(&r), "deny deadline: no instance: every instance of the plugin is busy"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	given := begin(ctx, t, p)
	cancel()
	if got, want := <-given, "deny deadline: no instance: context canceled"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	second := begin(context.Background(), t, p)
	g.out <- struct{}{}
	<-g.in
	g.out <- struct{}{}
	for _, answer := range []chan string{first, second} {
		if got := <-answer; got != `deny denied_by_plugin ""` {
			t.Error(got)
		}
	}
	if s := p.Stats(); s.Instances != 1 || s.Failures[hostapi.FailureDeadline] != 2 || s.Ejected {
		t.Errorf("%+v", s)
	}
}

func TestWhoWaitsIsTurnedAwayByClose(t *testing.T) {
	p, g := waiting(t, newHost(t, wasm.Options{}), 1)
	first := begin(context.Background(), t, p)
	<-g.in
	second := begin(context.Background(), t, p)
	for wasm.Waiting(p) == 0 {
		runtime.Gosched()
	}
	closed := make(chan struct{})
	go func() { p.Close(); close(closed) }()
	if got, want := <-second, "deny trap: no instance: the plugin is closed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	g.out <- struct{}{}
	<-first
	<-closed
}

func TestPluginThatFailsTooOftenIsEjected(t *testing.T) {
	var now atomic.Int64
	clock := func() time.Time { return time.Unix(0, now.Load()) }
	h := newHost(t, wasm.Options{Now: clock, EjectFailures: 3, EjectWindow: time.Second})
	m := (&module{}).manifest(simpleManifest)
	kind := m.host("field_kind")
	m.mem(1, 1)
	m.fun("sp_on_request", ":i", "", i32(0), call(kind), when(unreachable), i32(0))
	p := load(t, h, m.bytes(), wasm.Config{})
	bad, good := message(t, harm), message(t, `{}`)
	for range 5 { // too seldom
		if got := sum(ask(t, p, bad)); got != "deny trap: unreachable" {
			t.Fatal(got)
		}
		now.Add(int64(501 * time.Millisecond))
	}
	now.Add(int64(time.Second))
	for range 3 {
		if got := sum(ask(t, p, bad)); got != "deny trap: unreachable" {
			t.Fatal(got)
		}
		now.Add(int64(500 * time.Millisecond))
	}
	want := "deny trap: ejected after 3 failures within 1s, the last: unreachable"
	for range 2 {
		r := ask(t, p, good)
		if got := sum(r); got != want || !r.Ejected || r.Code != wasm.CodeFailed {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if s := p.Stats(); !s.Ejected || s.Refused != 2 || s.Calls != 10 || s.Failures[hostapi.FailureTrap] != 8 || s.Discarded != 8 {
		t.Errorf("%+v", s)
	}
	if got := p.Info().Ejected; "deny trap: "+got != want {
		t.Errorf("info says %q", got)
	}
	again := load(t, h, m.bytes(), wasm.Config{})
	if got := sum(ask(t, again, good)); got != "pass" {
		t.Errorf("loaded anew it says %s", got)
	}
}

func TestInstancesThatFailedAreThrownAway(t *testing.T) {
	h := newHost(t, wasm.Options{EjectFailures: -1})
	m := (&module{}).manifest(simpleManifest)
	kind := m.host("field_kind")
	m.mem(1, 1)
	m.fun("sp_on_request", ":i", "", i32(0), i32(5), store32(100), i32(0), call(kind), when(unreachable), i32(0))
	p := load(t, h, m.bytes(), wasm.Config{MaxInstances: 1})
	for i := range 50 {
		if got := sum(ask(t, p, message(t, harm))); got != "deny trap: unreachable" {
			t.Fatal(got)
		}
		if s := p.Stats(); s.Instances != 0 || s.Discarded != uint64(i+1) || s.Ejected {
			t.Fatalf("%+v", s)
		}
	}
	if got := sum(ask(t, p, message(t, `{}`))); got != "pass" {
		t.Error(got)
	}
}

func TestLoadsAndCallsAtOnce(t *testing.T) {
	h := newHost(t, wasm.Options{})
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 10 {
				m := needPath()
				if (g+i)%2 == 0 {
					m = threeFields()
				}
				p, err := h.Load(context.Background(), m.bytes(), wasm.Config{})
				if err != nil {
					t.Error(err)
					return
				}
				ask(t, p, message(t, harm))
				p.Close()
			}
		})
	}
	all.Wait()
}
