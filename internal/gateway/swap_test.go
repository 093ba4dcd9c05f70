package gateway

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/trial"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

var soak = flag.Bool("soak", false, "a thousand activations during a million calls, and what is left of them")

// verdictOfRevision is what follows from a revision: nothing else may stand in a record that names it.
type verdictOfRevision struct {
	policy, effect string
	who            string // "" is everybody
}

// hammered is a gateway on a socket whose policies change while clients call. No revision comes twice, and each names its policy, so that
// a record tells of every mixture.
type hammered struct {
	t        *testing.T
	gateway  *Gateway
	address  string
	base     *Snapshot
	log      *audit.Log
	calls    atomic.Int64
	allowed  atomic.Int64 // of them, as clients have been told
	released atomic.Int64
	trials   sync.WaitGroup

	mu       sync.Mutex
	expected map[string]verdictOfRevision
	open     map[audit.ID]string // revisions of decisions whose outcome is to come
	rest     []byte              // of a line
	decided  int64               // records of decisions
	passed   int64               // of them, those that allow
}

func newHammered(t *testing.T) *hammered {
	t.Helper()
	h := &hammered{t: t, expected: map[string]verdictOfRevision{}, open: map[audit.ID]string{}}
	var err error
	if h.log, err = audit.Open(audit.Options{Writer: h, Now: time.Now, Buffer: 64 << 20, Wait: 20 * time.Second}); err != nil {
		t.Fatal(err)
	}
	who, err := identity.New(identity.Options{Now: time.Now, Keys: []identity.APIKey{{ID: "alice", Hash: sum("alice")}, {ID: "bob", Hash: sum("bob")}}})
	if err != nil {
		t.Fatal(err)
	}
	h.gateway, err = New(Options{
		Audit: h.log, Metrics: telemetry.New(telemetry.Options{}), Now: time.Now, RecordInputs: true,
		Warn: func(msg string, err error) { t.Error(msg, err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.address = l.Addr().String()
	h.base = &Snapshot{
		Identity: who, Routes: routes(), Servers: map[string]upstream.Server{"files": fixed{&script{}, []byte(strings.ReplaceAll(okResult, "$ID", "7"))}},
		Names: Names{Hosts: []string{"gw.test"}},
	}
	go func() { _ = h.gateway.Serve(h.gateway.Listen(l)) }() // Shutdown ends it
	return h
}

// activate compiles policies that are like no others, some with a canary beside them, and has them decide.
func (h *hammered) activate(i int, previous *engine.Snapshot) *engine.Snapshot {
	h.t.Helper()
	s := snapCopy(h.base)
	s.Policy = h.policy(fmt.Sprintf("active-%d", i), i%2 == 0, "", previous)
	if i%3 == 0 {
		candidate := h.policy(fmt.Sprintf("candidate-%d", i), i%2 != 0, "alice", s.Policy)
		s.Candidate = &Candidate{Policy: candidate, Canary: &Canary{Principals: []string{"alice"}}}
		s.Candidate.Trial = trial.New(trial.Options{
			Active: s.Policy, Candidate: candidate, Metrics: h.gateway.Metrics, Show: h.gateway.ShowExample, Budget: 0.04, Now: time.Now,
		})
	}
	s.Release = func() {
		h.released.Add(1)
		h.trials.Go(func() {
			if c := s.Candidate; c != nil {
				c.Trial.Close()
				<-c.Trial.Done()
				c.Policy.Close()
			}
			s.Policy.Close()
		})
	}
	h.gateway.Swap(s)
	return s.Policy
}

// policy says one thing of every call, and lets answers pass by a rule.
func (h *hammered) policy(name string, allow bool, who string, previous *engine.Snapshot) *engine.Snapshot {
	h.t.Helper()
	effect := "deny"
	if allow {
		effect = "allow"
	}
	text := fmt.Sprintf("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: %s }\nrules:\n"+
		"  - { name: calls, when: 'mcp.tool.name == \"read_file\"', effect: %s }\n  - { name: answers, phase: response, when: 'mcp.tool.result.content.exists(c, c.text == \"no\")', effect: deny }\n", name, effect)
	b, err := bundle.FS(fstest.MapFS{"policy.yaml": {Data: []byte(text)}})
	if err != nil {
		h.t.Fatal(err)
	}
	s, err := engine.Compile(h.t.Context(), b, engine.Options{Previous: previous})
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.expected[s.Revision()]; known {
		h.t.Fatalf("revision %s comes twice", s.Revision())
	}
	h.expected[s.Revision()] = verdictOfRevision{name, effect, who}
	return s
}

// client calls until it is told to stop. A call that gets no answer is lost.
func (h *hammered) client(who string, stop *atomic.Bool) {
	c, err := net.Dial("tcp", h.address)
	if err != nil {
		h.t.Error(err)
		return
	}
	defer c.Close()
	request, r := []byte(post(call("read_file", `{}`), as(who))), bufio.NewReader(c)
	for !stop.Load() {
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			h.t.Error(err)
			return
		}
		if _, err := c.Write(request); err != nil {
			h.t.Error("lost:", err)
			return
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			h.t.Error("lost:", err)
			return
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			h.t.Error("lost:", err)
			return
		}
		result, unknown := bytes.Contains(body, []byte(`"result"`)), bytes.Contains(body, []byte("Unknown tool"))
		if resp.StatusCode != 200 || result == unknown {
			h.t.Errorf("answer %d %s", resp.StatusCode, body)
			return
		}
		if result {
			h.allowed.Add(1)
		}
		h.calls.Add(1)
	}
}

// Write judges records as they come.
func (h *hammered) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rest = append(h.rest, p...)
	for {
		line, rest, whole := bytes.Cut(h.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		e, err := audit.Read(line)
		if err != nil {
			h.t.Errorf("record %q: %v", line, err)
		}
		h.judge(&e.Record)
		h.rest = h.rest[:copy(h.rest, rest)]
	}
}

func (h *hammered) judge(r *audit.Record) {
	if r.Kind == audit.Outcome {
		if was, known := h.open[r.DecisionID]; !known || was != r.Revision {
			h.t.Errorf("the answer of a call that was decided under %q is decided under %q", was, r.Revision)
		}
		delete(h.open, r.DecisionID)
		return
	}
	want, known := h.expected[r.Revision]
	if !known || r.Policy != want.policy || r.Effect != want.effect || r.Rule != "calls" || want.who != "" && want.who != r.PrincipalID {
		h.t.Errorf("revision %s, of %+v, does not explain effect %q by %s/%s for %s", r.Revision, want, r.Effect, r.Policy, r.Rule, r.PrincipalID)
	}
	h.decided++
	if r.Effect == "allow" {
		h.passed++
		h.open[r.DecisionID] = r.Revision
	}
}

// run activates while clients call, so that at least calls are made in all.
func (h *hammered) run(activations, calls int) {
	last := h.activate(0, nil)
	var stop atomic.Bool
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() { h.client([]string{"alice", "bob"}[i%2], &stop) })
	}
	for i := 1; i < activations; i++ {
		last = h.activate(i, last)
		for want := int64(i) * int64(calls) / int64(activations-1); h.calls.Load() < want && !h.t.Failed(); time.Sleep(50 * time.Microsecond) {
		}
	}
	stop.Store(true)
	clients.Wait()
	h.gateway.Swap(nil)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := h.gateway.Shutdown(ctx); err != nil {
		h.t.Error("shutdown:", err)
	}
	h.trials.Wait()
	if err := h.log.Close(); err != nil {
		h.t.Error(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if got := h.released.Load(); got != int64(activations) {
		h.t.Errorf("%d of %d snapshots were released", got, activations)
	}
	if h.decided != h.calls.Load() || h.passed != h.allowed.Load() || len(h.open) > 0 {
		h.t.Errorf("clients were answered %d calls, of which %d were allowed; records tell of %d, %d allowed, %d without an outcome",
			h.calls.Load(), h.allowed.Load(), h.decided, h.passed, len(h.open))
	}
	h.t.Logf("%d activations during %d calls", activations, h.calls.Load())
}

// While policies and candidates change, no call is lost, and none is decided on a mix of two: the record of each has a revision that
// explains it, the answer's the same as the call's. Afterwards nothing is left.
func TestSwapHammer(t *testing.T) {
	activations, calls, once := 100, 2000, 20
	if *soak {
		activations, calls, once = 1000, 1_000_000, 50_000
	}
	newHammered(t).run(10, once) // what is made once is made by then
	before := usageNow()
	newHammered(t).run(activations, calls)
	var after usage
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		after = usageNow()
		if after.goroutines <= before.goroutines && after.descriptors <= before.descriptors {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("%+v is left, and there was %+v before", after, before)
			break
		}
	}
	t.Logf("before %+v, after %+v", before, after)
	if *soak && after.heap > before.heap+8<<20 {
		t.Errorf("%d MiB of memory are left, and there were %d MiB before", after.heap>>20, before.heap>>20)
	}
}

// usage is what this process holds.
type usage struct {
	goroutines, descriptors int
	heap                    uint64 // bytes in use
}

func usageNow() usage {
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.descriptors = len(open)
	}
	return u
}
