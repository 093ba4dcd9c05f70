package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm/cow"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// Probe stands in a guest's place: tests call host functions through it as a guest would.
type Probe struct {
	plugin *Plugin
	in     *instance
	hook   hostapi.Hook
	guards map[string]func(context.Context, []uint64)
	done   bool
	before []byte // what the memory was before a call
}

// NewProbe begins a call of a hook.
func NewProbe(p *Plugin, h hostapi.Hook, m *Message) *Probe {
	in, _, err := p.pool.get(context.Background(), time.Second)
	if err != nil {
		panic(err)
	}
	probe := &Probe{plugin: p, in: in, hook: h, guards: map[string]func(context.Context, []uint64){}}
	for _, f := range hostapi.Functions() {
		probe.guards[f.Name] = guarded(f, functions[f.Name])
	}
	for i := range wasiFuncs {
		if f := &wasiFuncs[i]; f.do != nil {
			probe.guards[f.name] = func(_ context.Context, s []uint64) { s[0] = uint64(f.do(in, s)) }
		} else {
			probe.guards[f.name] = procExit
		}
	}
	in.prepare(context.Background(), h, m, in.now()+time.Hour)
	return probe
}

// Call calls a function. A failure ends what the guest does.
func (p *Probe) Call(name string, args ...uint64) (result uint64, f Failure) {
	defer func() {
		if r := recover(); r != nil {
			if err, ok := r.(error); !ok || !errors.Is(err, errStopped) {
				panic(r)
			}
			f = p.in.failure
		}
	}()
	s := make([]uint64, max(len(args), 1))
	copy(s, args)
	defer p.noted(name)()
	p.guards[name](p.in, s)
	return s[0], Failure{}
}

// noted panics, when it is done, if a function has written where the instance hasn't noted it.
func (p *Probe) noted(name string) func() {
	in := p.in
	if in.written == nil {
		return func() {}
	}
	before, notes := append(p.before[:0], in.memory.Bytes()...), in.noted
	in.noted, p.before = 0, before
	return func() {
		defer func() { in.noted |= notes }()
		if bytes.Equal(before, in.memory.Bytes()) {
			return
		}
		for at, b := range in.memory.Bytes() {
			if b != before[at] && in.noted&cow.BlocksOf(at, 1, int(in.program.code.blockSize)) == 0 {
				panic(fmt.Sprintf("%s has written at %d, which is not noted", name, at))
			}
		}
	}
}

// Memory is the guest's, to be read and written.
func (p *Probe) Memory() []byte {
	p.in.noted = ^uint64(0)
	return p.in.memory.Bytes()
}

// Smudge writes to the memory of an idle instance, far from where its guest does, and has nothing note it.
func Smudge(p *Plugin) {
	in, _, err := p.pool.get(context.Background(), time.Second)
	if err != nil {
		panic(err)
	}
	in.memory.Bytes()[in.memory.Size()/2-5000]++
	p.pool.put(in)
}

// Left says what an idle instance has that no call begins with; nothing if it is as it should be.
func Left(p *Plugin) string {
	in, _, err := p.pool.get(context.Background(), time.Second)
	if err != nil {
		return err.Error()
	}
	defer p.pool.put(in)
	switch n := in.memory.Dirty(); {
	case n != 0:
		return fmt.Sprintf("%d pages that were written", n)
	case in.memory.Size() != in.program.image.Size():
		return fmt.Sprintf("%d bytes of memory", in.memory.Size())
	case in.program.byNotes() && (in.noted != 0 || in.written.Get() != 0):
		return "notes"
	case !slices.Equal(in.values(), in.program.state):
		return "globals"
	}
	return ""
}

// ProvedEvery is how many calls there may be until that is found out.
const ProvedEvery = provedEvery

// Fuel is what has been used.
func (p *Probe) Fuel() int64 { return p.in.used() }

// Return ends the hook with a verdict, or with the failure that there was. A second call does
// nothing.
func (p *Probe) Return(verdict int32) *Result {
	var r Result
	if p.done {
		return nil
	}
	p.done = true
	in := p.in
	v, ok := hostapi.VerdictDeny, false
	if in.failure.Type == "" {
		v, ok = in.accept(hostapi.Verdict(verdict))
	}
	in.output.flush(in.logLine)
	in.settle(&r, v, ok)
	if err := in.restore(); err != nil {
		panic(err)
	}
	p.plugin.pool.put(in)
	return &r
}

// WazeroVersion is what the cache goes by.
const WazeroVersion = wazeroVersion

// Tidy is what is done to what a matcher finds.
func Tidy(found []Match, size, rules int) []Match { return tidy(found, size, rules) }

// FunctionsWithoutHost are the host functions that there is nothing behind.
func FunctionsWithoutHost() []string {
	var out []string
	for _, f := range hostapi.Functions() {
		if functions[f.Name] == nil {
			out = append(out, f.Name)
		}
	}
	return out
}

// NamesWithoutRoot are the names of field paths that nothing is read from.
func NamesWithoutRoot() []string {
	var out []string
	for _, n := range hostapi.Names() {
		if roots[n.Name] == nil && n.Type != hostapi.TypeHeaders {
			out = append(out, n.Name)
		}
	}
	return out
}

// Waiting is how many callers wait for an instance.
func Waiting(p *Plugin) int {
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	return len(p.pool.waiting)
}

// PruneEntries removes the oldest files of a directory until it has at most so many bytes.
var PruneEntries = pruneEntries

// Evaluation is what a module of Rego was given and what it answered.
type Evaluation struct {
	Input, Answer string
	Failure       Failure
}

// Evaluate has a module of Rego answer, without making a verdict of it.
func Evaluate(p *Plugin, h hostapi.Hook, m *Message) Evaluation {
	in, _, err := p.pool.get(context.Background(), time.Second)
	if err != nil {
		panic(err)
	}
	in.prepare(context.Background(), h, m, in.now()+time.Hour)
	var e Evaluation
	if at, ok := in.answer(h); ok {
		e.Answer = string(in.text(at))
	}
	e.Failure = in.failure
	if in.guard(func() { in.textInput(h) }) {
		e.Input = string(in.opa.input)
	}
	in.end()
	if in.restore() == nil {
		p.pool.put(in)
	}
	return e
}

// Lays says whether a module of Rego is given its inputs laid out, and Read has it read them.
func Lays(p *Plugin) bool { return p.program.rego.laid }

// Read has a module of Rego read the text of its inputs.
func Read(p *Plugin) { p.program.rego.laid = false }

// Laid says whether an input is laid out for a module of Rego as the module would make it of its text.
func Laid(p *Plugin, h hostapi.Hook, m *Message) bool {
	in, err := p.program.fresh(context.Background())
	if err != nil {
		panic(err)
	}
	defer in.close()
	in.prepare(context.Background(), h, m, in.now()+time.Hour)
	defer in.end()
	alike := false
	return in.guard(func() {
		in.beginHeap()
		ours := in.lay(in.program.rego.inputs[h], jsonscan.Value{})
		in.within(in.opa.layout.setHeap, uint64(in.endHeap()), 0)
		in.textInput(h)
		in.scratch = append(in.scratch[:0], in.opa.input...)
		other := in.store("the input")
		alike = in.opa.layout.heap.Same(ours, in.memory.Bytes(), other)
	}) && alike
}

// Alike says whether a module keeps a JSON text as it is laid out for it.
func Alike(p *Plugin, text string) bool {
	in, err := p.program.fresh(context.Background())
	if err != nil {
		panic(err)
	}
	defer in.close()
	var d jsonscan.Doc
	if err := d.Scan([]byte(text), jsonscan.Options{}); err != nil {
		panic(err)
	}
	in.begin(context.Background(), stageHook, p.program.limits.Fuel, in.now()+time.Hour)
	defer in.end()
	alike := false
	return in.guard(func() { alike = in.laysOut(d.Root(), text) }) && alike
}

// CallUnreset is Call without what makes the next call one of its own: the instance is not reset. It is for guests that keep nothing.
func (p *Plugin) CallUnreset(ctx context.Context, c *Call, r *Result) {
	r.reset()
	begin := p.program.host.now()
	in, _, err := p.pool.get(ctx, time.Second)
	if err != nil {
		panic(err)
	}
	in.judge(ctx, c, r, begin+p.program.limits.Deadline)
	p.pool.put(in)
	r.Time = p.program.host.now() - begin
}

// Kept is how many modules a host has compiled code of, which p's is or isn't among.
func Kept(h *Host, p *Plugin) (n int, among bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.codes), h.codes[p.program.code.key] == p.program.code
}

// SameCode says whether two plugins share their code.
func SameCode(p, q *Plugin) bool { return p.program.code == q.program.code }
