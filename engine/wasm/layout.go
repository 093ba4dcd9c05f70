package wasm

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm/cow"
	"github.com/sallyport-dev/sallyport/engine/wasm/rego"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// Most of what a module of OPA's would do is read the text of its input. Where a module keeps values
// as rego.Heap lays them out, which is found out when it is loaded, it is given them instead.

// layoutExports are what a module must have for that besides.
var layoutExports = map[string]string{
	"eval": "(i32) -> (i32)", "opa_heap_ptr_set": "(i32) -> ()",
	"opa_eval_ctx_new": "() -> (i32)", "opa_eval_ctx_get_result": "(i32) -> (i32)",
	"opa_eval_ctx_set_input": "(i32, i32) -> ()", "opa_eval_ctx_set_data": "(i32, i32) -> ()", "opa_eval_ctx_set_entrypoint": "(i32, i32) -> ()",
}

// hasLayoutExports says whether a module has them.
func (v *verified) hasLayoutExports() bool {
	for name, want := range layoutExports {
		if t, ok := v.module.FuncType(name); !ok || t.String() != want {
			return false
		}
	}
	return true
}

// layouter is what an instance has for it.
type layouter struct {
	heap          rego.Heap
	setHeap, eval api.Function
	dump          api.Function // as JSON
	text          []byte
	found         []uint32 // members of the objects that are being made; 0: absent
}

func (in *instance) bindLayout() {
	l := &in.opa.layout
	l.setHeap, l.eval, l.dump = in.module.ExportedFunction("opa_heap_ptr_set"), in.module.ExportedFunction("eval"), in.module.ExportedFunction("opa_json_dump")
	l.heap.Charge, l.heap.Full = in.charge, in.full
}

func (in *instance) full() {
	in.stop(hostapi.FailureTrap, "the input doesn't fit into the %d pages of memory", in.program.limits.Pages)
}

// What a module evaluates with, as words: the input, the base document, the result, the entrypoint.
const resultAt = 8

// answerLaid runs the module on an input that is laid out, and returns where its result set is.
func (in *instance) answerLaid(h hostapi.Hook) (uint32, bool) {
	l := &in.opa.layout
	var with, result uint32
	if !in.guard(func() { with = in.layInput(h) }) || !in.invoke(l.setHeap) {
		return 0, false
	}
	in.stack[0] = uint64(with)
	if !in.invoke(l.eval) {
		return 0, false
	}
	if in.stack[0] != 0 || !in.guard(func() { result = in.word(with + resultAt) }) {
		in.failure = Failure{Type: hostapi.FailureTrap, Text: "the module gave up: eval failed"}
		return 0, false
	}
	in.stack[0] = uint64(result)
	ok := in.invoke(l.dump)
	return uint32(in.stack[0]), ok
}

// word reads a word of the guest's memory.
func (in *instance) word(at uint32) uint32 {
	b := in.slice(uint64(at), 4)
	if b == nil {
		in.outside("a word", uint64(at), 4)
	}
	return binary.LittleEndian.Uint32(b)
}

// layInput lays the input out, and returns where is what the module evaluates with. The end of the
// heap is on the stack then.
func (in *instance) layInput(h hostapi.Hook) uint32 {
	r, l := in.program.rego, &in.opa.layout
	in.beginHeap()
	input := in.lay(r.inputs[h], jsonscan.Value{})
	if input == 0 {
		input = l.heap.Object(0)
	}
	with := l.heap.Words(input, r.data, 0, r.entrypoints[h])
	in.stack[0] = uint64(in.endHeap())
	return with
}

func (in *instance) beginHeap() {
	heap, l := in.program.rego.heap, &in.opa.layout
	l.found = l.found[:0]
	l.heap.Reset(heap, in.program.limits.Pages*cow.PageSize-int(heap))
}

// endHeap writes the heap into the guest's memory, and returns its end.
func (in *instance) endHeap() uint32 {
	heap, b := uint64(in.program.rego.heap), in.opa.layout.heap.Bytes()
	n := uint64(len(b))
	in.charge(costBytes(len(b)))
	if heap+n > uint64(in.memory.Size()) {
		in.makeRoom(heap, n)
	}
	copy(in.writable(heap, n), b)
	return uint32(heap + n)
}

// makeRoom has the module itself make the memory larger: one that doesn't know that it is would then
// make it larger by as much again.
func (in *instance) makeRoom(heap, n uint64) {
	in.within(in.opa.layout.setHeap, heap, 0)
	in.within(in.opa.malloc, n, 0)
	in.roomFor(heap + n)
}

// lay lays out what the message, or an item of its list, has at a place, and returns 0 if it is
// absent: see appendInput.
func (in *instance) lay(n *inputNode, item jsonscan.Value) uint32 {
	switch {
	case n.read >= 0:
		return in.layField(n.read, item)
	case n.each != nil:
		return in.layItems(n.each)
	}
	l := &in.opa.layout
	begin, there := len(l.found), 0
	for _, m := range n.members {
		at := in.lay(m, item)
		l.found = append(l.found, at)
		there += int(min(at, 1))
	}
	if there == 0 {
		l.found = l.found[:begin]
		return 0
	}
	object := l.heap.Object(there)
	for i, m := range n.members {
		if at := l.found[begin+i]; at != 0 {
			l.heap.Put(object, m.name, at)
		}
	}
	l.found = l.found[:begin]
	return object
}

func (in *instance) layField(id int, item jsonscan.Value) uint32 {
	v, heap := in.inputValue(id, item), &in.opa.layout.heap
	switch v.kind {
	case hostapi.KindAbsent:
		return in.layJSON(v.json)
	case hostapi.KindString:
		return heap.String(valid(v.text))
	case hostapi.KindArray:
		array := heap.Array(len(v.list))
		for i, s := range v.list {
			heap.Set(array, i, heap.String(valid(s)))
		}
		return array
	default: // emptyObject
		return heap.Object(0)
	}
}

// valid is a text as jsonscan.AppendQuote has it: one that isn't of JSON, as that of a header, may have
// bytes that aren't UTF-8.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func (in *instance) layItems(n *inputNode) uint32 {
	if in.message.Items.Kind() != jsonscan.Array {
		return 0
	}
	heap := &in.opa.layout.heap
	array := heap.Array(in.message.itemCount())
	for i := range in.message.itemCount() {
		at := in.lay(n, in.message.item(i))
		if at == 0 {
			at = heap.Object(0)
		}
		heap.Set(array, i, at)
	}
	return array
}

// layJSON lays out a value of JSON, and returns 0 if it is absent.
func (in *instance) layJSON(v jsonscan.Value) uint32 {
	l := &in.opa.layout
	switch v.Kind() {
	case jsonscan.Null:
		return l.heap.Null()
	case jsonscan.False, jsonscan.True:
		return l.heap.Bool(v.Kind() == jsonscan.True)
	case jsonscan.Number:
		return l.heap.Number(alias(v.Raw()))
	case jsonscan.String:
		return l.heap.String(in.decoded(v))
	case jsonscan.Array:
		array, i := l.heap.Array(v.Len()), 0
		for c := v.Cursor(); c.Next(); i++ {
			l.heap.Set(array, i, in.layJSON(c.Value()))
		}
		return array
	case jsonscan.Object:
		object := l.heap.Object(v.Len())
		for c := v.Cursor(); c.Next(); {
			at := in.layJSON(c.Value())
			l.heap.Put(object, in.decoded(c.Name()), at)
		}
		return object
	default:
		return 0
	}
}

// decoded returns the text of a string, valid until it is called again.
func (in *instance) decoded(v jsonscan.Value) string {
	l := &in.opa.layout
	l.text = v.AppendText(kept(l.text))
	return alias(l.text)
}

// sample has what decides where values are: each kind, texts in blocks of each size, arrays and
// objects that have outgrown their first blocks, names whose hashes meet, in another order than
// they are sorted in, and some that aren't ASCII.
const sample = `{"b":[null,true,false,0,-1,12.50,1e3,123456789012345678901234567890,"","abcd","abcdefgh","\u00e9\n\"\ud83d\ude00",` +
	`"sixteen bytes...","a text that is longer than sixty-four bytes, and so in a block of the next size, and more",[],{},[[{"x":[0]}]]],` +
	`"a":{"5":1,"4":2,"3":3,"2":4,"1":5},"\u00fc":{"k12":0,"k11":0,"k10":0,"k09":0,"k08":0,"k07":0,"k06":0,"k05":0,"k04":0,"\u00e9":0,"k03":0,"z":0},"":0,"c":1,"d":2,"e":3}`

// tryLayout finds out whether a module keeps values as rego.Heap lays them out. Whether it does must
// not depend on this machine, so it has the time of booting.
func (p *program) tryLayout(ctx context.Context) error {
	in, err := p.fresh(ctx)
	if err != nil {
		return LoadErrors{{Code: LoadHost, Message: "no instance: " + err.Error(), Err: err}}
	}
	defer in.close()
	var d jsonscan.Doc
	if err := d.Scan([]byte(sample), jsonscan.Options{}); err != nil {
		return err
	}
	o := &p.host.options
	in.begin(ctx, stageHook, o.BootFuel, in.now()+o.BootTime)
	defer in.end()
	in.guard(func() { p.rego.laid = in.laysOut(d.Root(), sample) && in.evaluatesWith() })
	if in.failure.Type == hostapi.FailureDeadline {
		return orEnded(ctx, refused(LoadBoot, "look for what it waits for", "the module took longer than %v to read a value", o.BootTime))
	}
	return nil
}

// laysOut says whether a module makes of a text what layJSON makes of its value.
func (in *instance) laysOut(v jsonscan.Value, text string) bool {
	in.beginHeap()
	ours := in.layJSON(v)
	in.within(in.opa.layout.setHeap, uint64(in.endHeap()), 0)
	in.scratch = append(in.scratch[:0], text...)
	other := in.store("the sample")
	return in.opa.layout.heap.Same(ours, in.memory.Bytes(), other)
}

// evaluatesWith says whether what a module evaluates with is as answerLaid has it.
func (in *instance) evaluatesWith() bool {
	const input, data, result, entrypoint = 1 << 8, 2 << 16, 3 << 24, 4
	with := in.within(in.module.ExportedFunction("opa_eval_ctx_new"), 0, 0)
	set := func(name string, v uint64) {
		in.within(in.module.ExportedFunction("opa_eval_ctx_set_"+name), uint64(with), v)
	}
	set("input", input) // always in the same order, for a guest may tell
	set("data", data)
	set("entrypoint", entrypoint)
	if !in.put32(uint64(with+resultAt), result) || in.within(in.module.ExportedFunction("opa_eval_ctx_get_result"), uint64(with), 0) != result {
		return false
	}
	return in.word(with) == input && in.word(with+4) == data && in.word(with+12) == entrypoint
}
