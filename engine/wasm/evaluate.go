package wasm

import (
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm/rego"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// opaGuest is what an instance of a module of OPA's has beside others.
type opaGuest struct {
	eval, malloc, parse, dump api.Function
	input                     []byte
	answer                    jsonscan.Doc
	inner                     [2]uint64
	layout                    layouter
	// nested says that the guest is called from within a host function: there it may call none
	// of its builtins, which would call it again, and so on.
	nested bool
}

// bindOPA finds the exports that are used in calls.
func (in *instance) bindOPA() error {
	g := &in.opa
	for name, f := range map[string]*api.Function{
		"opa_eval": &g.eval, "opa_malloc": &g.malloc, "opa_value_parse": &g.parse, "opa_value_dump": &g.dump,
	} {
		if *f = in.module.ExportedFunction(name); *f == nil {
			return fmt.Errorf("the rewritten module has no function %s", name)
		}
	}
	in.bindLayout()
	return nil
}

// evaluate has the module decide on a message.
func (in *instance) evaluate(h hostapi.Hook) (hostapi.Verdict, bool) {
	at, ok := in.answer(h)
	v := hostapi.VerdictDeny
	if !ok || !in.guard(func() { v = in.readAnswer(at) }) {
		return hostapi.VerdictDeny, false
	}
	return in.accept(v)
}

// answer runs the module on a message, and returns where its result set is. A module that keeps
// values in a way of its own reads its input.
func (in *instance) answer(h hostapi.Hook) (uint32, bool) {
	g, r := &in.opa, in.program.rego
	g.nested = false
	if r.laid {
		return in.answerLaid(h)
	}
	if !in.guard(func() { in.giveInput(h) }) {
		return 0, false
	}
	n := uint64(len(g.input))
	const words = 16
	heap := (uint64(r.heap) + n + words - 1) / words * words
	in.stack = [7]uint64{0, uint64(r.entrypoints[h]), uint64(r.data), uint64(r.heap), n, heap, 0}
	ok := in.invoke(g.eval)
	return uint32(in.stack[0]), ok
}

// guard runs what may stop the call, outside of the guest. It returns false if that happened.
func (in *instance) guard(do func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil && r != errStopped { //nolint:errorlint // compared with itself
			panic(r)
		}
	}()
	do()
	return true
}

// giveInput writes the input where the heap of the booted module ends.
func (in *instance) giveInput(h hostapi.Hook) {
	g, r := &in.opa, in.program.rego
	in.textInput(h)
	n := uint64(len(g.input))
	in.charge(costBytes(len(g.input)))
	in.roomFor(uint64(r.heap) + n + 16)
	copy(in.writable(uint64(r.heap), n), g.input)
}

// textInput makes the text of the input.
func (in *instance) textInput(h hostapi.Hook) {
	g := &in.opa
	g.input = in.appendInput(kept(g.input), in.program.rego.inputs[h], jsonscan.Value{})
	if len(g.input) == 0 {
		g.input = append(g.input, "{}"...)
	}
}

// maxAnswer is how many values an answer may have.
const maxAnswer = 1 << 16

// readAnswer makes a verdict of the result set at an address.
func (in *instance) readAnswer(at uint32) hostapi.Verdict {
	text := in.text(at)
	in.charge(int64(len(text)) * costOfParse)
	g := &in.opa
	defer g.answer.Reset()
	if err := g.answer.Scan(text, jsonscan.Options{Values: maxAnswer}); err != nil {
		in.stop(hostapi.FailureABI, "the decision can't be read: %v", err)
	}
	set := g.answer.Root()
	switch {
	case set.Kind() != jsonscan.Array || set.Len() > 1:
		in.stop(hostapi.FailureABI, "the decision is not a set of one result: %s", head(text))
	case set.Len() == 0:
		return in.denied(codeUndefined, "")
	}
	return in.decision(set.Index(0).Get("result"))
}

// Host functions of modules that OPA has compiled.

func (h *Host) opaFunctions(b wazero.HostModuleBuilder) wazero.HostModuleBuilder {
	i32 := api.ValueTypeI32
	add := func(name string, params int, result bool, do hostFunc) {
		types, results := make([]api.ValueType, params), []api.ValueType(nil)
		for i := range types {
			types[i] = i32
		}
		if result {
			results = []api.ValueType{i32}
		}
		b = b.NewFunctionBuilder().WithGoFunction(unguarded(do), types, results).Export(name)
	}
	add("opa_abort", 1, false, func(in *instance, s []uint64) {
		in.stop(hostapi.FailureTrap, "the module gave up: %s", appendText(nil, in.text(uint32(s[0])), hostapi.LimitTextBytes))
	})
	add("opa_println", 1, false, func(in *instance, s []uint64) {
		line := in.text(uint32(s[0]))
		in.charge(costBytes(len(line)))
		in.logLine(hostapi.LevelInfo, line)
	})
	for n := range 5 {
		add(fmt.Sprintf("opa_builtin%d", n), 2+n, true, func(in *instance, s []uint64) {
			s[0] = uint64(in.builtin(uint32(s[0]), s[2:2+n]))
		})
	}
	return b
}

// builtin runs a builtin on values in the guest's memory, and returns the address of the result; 0
// is undefined.
func (in *instance) builtin(id uint32, addresses []uint64) uint32 {
	if in.opa.nested {
		in.stop(hostapi.FailureABI, "a builtin is called while another is")
	}
	b := in.program.rego.builtins[id]
	if b == nil || b.Args != len(addresses) {
		in.stop(hostapi.FailureABI, "there is no builtin %d of %d arguments", id, len(addresses))
	}
	args := make([]rego.Value, len(addresses))
	for i, at := range addresses {
		text := in.text(in.within(in.opa.dump, at, 0))
		in.charge(int64(len(text)) * costOfParse)
		v, err := rego.Parse(text)
		if err != nil {
			in.stop(hostapi.FailureABI, "%s: argument %d: %v", b.Name, i+1, err)
		}
		args[i] = v
	}
	c := rego.Call{Now: in.nowMS * 1e6, Charge: in.charge, Cache: &in.program.rego.cache}
	v, err := b.Do(&c, args)
	switch {
	case err != nil:
		in.stop(hostapi.FailureTrap, "%s: %v", b.Name, err)
	case v == rego.Undefined:
		return 0
	}
	in.scratch = rego.Append(in.scratch[:0], v)
	return in.store(b.Name)
}

// store makes a value of the guest's of the text in scratch.
func (in *instance) store(name string) uint32 {
	n := uint64(len(in.scratch))
	in.charge(int64(n) * costOfJSON)
	at := in.within(in.opa.malloc, n, 0)
	into := in.writable(uint64(at), n)
	if into == nil {
		in.outside("result of "+name, uint64(at), n)
	}
	copy(into, in.scratch)
	value := in.within(in.opa.parse, uint64(at), n)
	if value == 0 { // which would be undefined, and deny nothing
		in.stop(hostapi.FailureABI, "%s: the module can't read the result", name)
	}
	return value
}

// within calls the guest from within one of its host functions.
//
//nolint:contextcheck,nolintlint // the instance is the context of its calls; said here, it need not be said by every caller
func (in *instance) within(f api.Function, a, b uint64) uint32 {
	g := &in.opa
	g.inner, g.nested = [2]uint64{a, b}, true
	err := f.CallWithStack(in, g.inner[:])
	g.nested = false
	if err != nil {
		in.trapped(err)
		panic(errStopped)
	}
	return uint32(g.inner[0])
}
