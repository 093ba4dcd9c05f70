package wasm_test

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// These modules look like OPA's and aren't: what they do costs them the call.

const fakeManifest = `{"abi":"sallyport/1","name":"fake","version":"1.0.0","hooks":["request"],"reads":{"request":["args.path"]},"verdicts":["deny"],` +
	`"rego":{"entrypoints":{"request":"e/d"}},"limits":{"pages":4,"fuel":1000000,"deadline_ms":10000}}`

const (
	atBuiltins = 16 // and so on: where the texts are
	atEntries  = 64
	atAnswer   = 96
	atText     = 160
	atHeap     = 4096
)

// fake is a module whose functions do as little as they can, but for those that a test gives.
type fake struct {
	dump, malloc, eval func(m *module, call uint32) []byte
	noData, noResult   bool // what it is given is no value to it
	heap               int32
	builtins           string
	layout             []byte // what it puts over what is laid out for it, to see how it reads: one that can be given inputs so
}

func returns(n int32) func(*module, uint32) []byte {
	return func(*module, uint32) []byte { return i32(n) }
}

func (f fake) module() []byte {
	m := (&module{}).manifest(fakeManifest)
	builtin := m.imp("env", "opa_builtin2", "iiii:i")
	m.mem(1, 0)
	or := func(f func(*module, uint32) []byte, other int32) []byte {
		if f == nil {
			f = returns(other)
		}
		return f(m, builtin)
	}
	if f.heap == 0 {
		f.heap = atHeap
	}
	number := map[bool]int32{false: 1, true: 0}
	if f.builtins == "" {
		f.builtins = `{"sprintf":7}`
	}
	local := raw(0x20, 0) // the argument
	m.fun("opa_eval", "iiiiiii:i", "", or(f.eval, atAnswer))
	m.fun("opa_malloc", "i:i", "", or(f.malloc, 2048))
	m.fun("opa_heap_ptr_get", ":i", "", i32(f.heap))
	m.fun("opa_json_parse", "ii:i", "", i32(number[f.noData]))
	m.fun("opa_json_dump", "i:i", "", local)
	if f.layout == nil {
		m.fun("opa_value_parse", "ii:i", "", i32(number[f.noResult]))
	} else {
		f.addLayout(m)
	}
	m.fun("opa_value_dump", "i:i", "", or(f.dump, atText))
	m.fun("builtins", ":i", "", i32(atBuiltins))
	m.fun("entrypoints", ":i", "", i32(atEntries))
	m.exp("opa_wasm_abi_version", 3, m.glob('i', i32(1)))
	m.exp("opa_wasm_abi_minor_version", 3, m.glob('i', i32(3)))
	m.data(atBuiltins, f.builtins)
	m.data(atEntries, `{"e/d":0}`)
	m.data(atAnswer, `[{"result":true}]`)
	m.data(atText, `"%s"`)
	return m.bytes()
}

// addLayout adds what a module must have to be given its inputs laid out.
func (f fake) addLayout(m *module) {
	const atLayout = 1024
	m.data(atLayout, string(f.layout))
	m.fun("opa_value_parse", "ii:i", "", i32(atHeap), i32(atLayout), i32(int32(len(f.layout))), raw(0xfc, 10, 0, 0), i32(atHeap+12))
	m.fun("eval", "i:i", "", unreachable)
	m.fun("opa_heap_ptr_set", "i:", "")
	m.fun("opa_eval_ctx_new", ":i", "", i32(0))
	m.fun("opa_eval_ctx_get_result", "i:i", "", i32(0))
	for _, name := range []string{"input", "data", "entrypoint"} {
		m.fun("opa_eval_ctx_set_"+name, "ii:", "")
	}
}

// asking has a module call a builtin before it passes.
func asking(id int32) func(*module, uint32) []byte {
	return func(_ *module, builtin uint32) []byte {
		return cat(i32(id), i32(0), i32(1), i32(1), call(builtin), drop, i32(atAnswer))
	}
}

func TestModulesThatOnlyLookLikeOPAs(t *testing.T) {
	h := newHost(t, wasm.Options{EjectFailures: -1})
	for name, c := range map[string]struct {
		fake fake
		want string
	}{
		"one that behaves":                  {fake{}, "pass"},
		"a builtin whose argument is none":  {fake{eval: asking(7)}, "pass"}, // its second argument is no array: undefined
		"an answer outside of the memory":   {fake{eval: returns(-1)}, "deny abi: the decision can't be read: "},
		"an answer that is text":            {fake{eval: returns(atText)}, `deny abi: the decision is not a set of one result: "%s"`},
		"a builtin that it never asked for": {fake{eval: asking(8)}, "deny abi: there is no builtin 8 of 2 arguments"},
		"a builtin within a builtin":        {fake{eval: asking(7), dump: asking(7)}, "deny abi: a builtin is called while another is"},
		"a dump that traps":                 {fake{eval: asking(7), dump: func(*module, uint32) []byte { return unreachable }}, "deny trap: unreachable"},
		"a dump that spins":                 {fake{eval: asking(7), dump: func(*module, uint32) []byte { return cat(loop(), unreachable) }}, "deny fuel: "},
		"a dump outside of the memory":      {fake{eval: asking(7), dump: returns(-1)}, "deny abi: sprintf: argument 1: not a value of Rego"},
		"a dump that is no value":           {fake{eval: asking(7), dump: returns(atAnswer + 1)}, "deny abi: sprintf: argument 1: not a value of Rego"},
		"a dump that is the rest of memory": {fake{eval: asking(7), dump: returns(65535)}, "deny abi: sprintf: argument 1: not a value of Rego"},
		"a result that it can't read":       {fake{eval: asking(9), builtins: `{"strings.count":9}`, noResult: true}, "deny abi: strings.count: the module can't read the result"},
		"builtins again and again": {fake{eval: func(_ *module, builtin uint32) []byte {
			return cat(loop(i32(7), i32(0), i32(1), i32(1), call(builtin), drop), unreachable)
		}}, "deny fuel: "},
	} {
		p := load(t, h, c.fake.module(), wasm.Config{})
		for range 2 {
			if got := sum(ask(t, p, message(t, `{"path":"x"}`))); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		}
	}
}

func TestModulesThatOnlyLookLikeOPAsAreRefused(t *testing.T) {
	h := newHost(t, wasm.Options{})
	for name, c := range map[string]struct {
		fake fake
		want string
	}{
		"a heap outside of the memory": {fake{heap: 1 << 20}, "the heap ends at 1048576, in a memory of 65536 bytes"},
		"data that it can't read":      {fake{noData: true}, "the module can't read the data"},
		"builtins that are no object":  {fake{builtins: `["sprintf"]`}, "what builtins returns can't be read: "},
		"a builtin below all":          {fake{builtins: `{"sprintf":-1}`}, "what builtins returns can't be read: "},
		"memory that is none":          {fake{malloc: returns(-1)}, "opa_malloc(2) returned 4294967295, in a memory of 65536 bytes"},
		"a boot that asks for more":    {fake{malloc: asking(7)}, "opa_malloc failed: abi: there is no builtin 7 of 2 arguments"},
	} {
		p, err := h.Load(context.Background(), c.fake.module(), wasm.Config{})
		if err == nil {
			p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// What is laid out for a module that is loaded is in its memory, where it makes of it what has no end.
func TestAModuleThatPutsEndlessValuesOverWhatIsLaidOut(t *testing.T) {
	words := func(w ...uint32) (b []byte) {
		for _, w := range w {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	const root, rest = atHeap + 12, atHeap + 28 // where the first value is, and what follows it
	for name, layout := range map[string][]byte{
		"an array of itself":             words(0, 0, 0, 5, rest, 1, 1, root, root),
		"a list of members in a circle":  words(0, 0, 0, 6, rest, 1, 1, rest+4, rest+16, rest+16, rest+4, 1),
		"an object of all of the memory": words(0, 0, 0, 6, 1<<20, 1<<32-1, 1),
	} {
		p := load(t, newHost(t, wasm.Options{}), fake{layout: layout}.module(), wasm.Config{})
		if wasm.Lays(p) {
			t.Errorf("%s: it is given its inputs laid out", name)
		}
		if got := sum(ask(t, p, message(t, `{"path":"x"}`))); got != "pass" {
			t.Errorf("%s: %s", name, got)
		}
	}
}
