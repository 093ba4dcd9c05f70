package wasm

import (
	"bytes"
	"context"
	"math"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// hostFunc is a host function: it takes its arguments from the stack and puts its result
// there.
type hostFunc func(in *instance, s []uint64)

// functions are the host functions, by name.
var functions = map[string]hostFunc{
	hostapi.FuncField:      field,
	hostapi.FuncFieldNum:   fieldNum,
	hostapi.FuncFieldKind:  fieldKind,
	hostapi.FuncStr:        str,
	hostapi.FuncStrPath:    strPath,
	hostapi.FuncStrCount:   strCount,
	hostapi.FuncStrReplace: strReplace,
	hostapi.FuncView:       view,
	hostapi.FuncPatch:      patch,
	hostapi.FuncItemCount:  itemCount,
	hostapi.FuncItem:       item,
	hostapi.FuncItemDrop:   itemDrop,
	hostapi.FuncMatch:      match,
	hostapi.FuncMatchRule:  matchRule,
	hostapi.FuncLookup:     lookup,
	hostapi.FuncReason:     reason,
	hostapi.FuncApprove:    approve,
	hostapi.FuncNote:       note,
	hostapi.FuncLabel:      label,
	hostapi.FuncNowMS:      nowMS,
	hostapi.FuncFeature:    feature,
	hostapi.FuncGranted:    granted,
	hostapi.FuncLog:        logText,
	hostapi.FuncFail:       fail,
}

// Fuel of host functions. What a call of one costs whatever it does, the rewriter has charged
// already.
const (
	costCall    = 100 // for what a function does again and again in one call
	bytesPer    = 8   // bytes that are read or written for a unit
	costMatch   = 8   // a byte that detectors look at
	costOfJSON  = 1   // a byte of JSON that is written
	costOfParse = 4   // a byte that is read as JSON or as a path
	searchPer   = 16  // bytes of an item in which a field is looked for, for a unit
)

func costBytes(n int) int64 { return int64(n+bytesPer-1) / bytesPer }

// guarded is a host function that fails where its guest may not call it.
func guarded(f hostapi.Function, do hostFunc) api.GoFunc {
	var allowed stage
	if f.Stage.Allows(false, 0) {
		allowed |= stageStart | stageBoot
	}
	if f.Stage.Allows(true, hostapi.HookRequest) {
		allowed |= stageHook
	}
	if f.Stage.Allows(true, hostapi.HookList) {
		allowed |= stageList
	}
	name := f.Name
	return func(ctx context.Context, s []uint64) {
		in := ctx.(*instance) //nolint:forcetypeassert // guests run with their instance as context
		if allowed&in.stage == 0 {
			in.stop(hostapi.FailureABI, "%s is called where it may not be: %s", name, in.stage.where())
		}
		do(in, s)
	}
}

func (s stage) where() string {
	if s&(stageHook|stageList) == 0 {
		return "before the first hook"
	}
	return "in another hook than list"
}

// export adds a function of the WASI stub to a module.
func (f *wasiFunc) export(b wazero.HostModuleBuilder) wazero.HostModuleBuilder {
	params := make([]api.ValueType, len(f.params))
	for i, c := range f.params {
		params[i] = api.ValueTypeI32
		if c == 'I' {
			params[i] = api.ValueTypeI64
		}
	}
	do := f.do
	if do == nil {
		return b.NewFunctionBuilder().WithGoFunction(api.GoFunc(procExit), params, nil).Export(f.name)
	}
	return b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, s []uint64) {
		e := uint64(do(ctx.(*instance), s)) //nolint:forcetypeassert // as above
		if len(s) > 0 {
			s[0] = e
		}
	}), params, []api.ValueType{api.ValueTypeI32}).Export(f.name)
}

func procExit(ctx context.Context, s []uint64) {
	ctx.(*instance).stop(hostapi.FailureTrap, "the guest exited with %d", uint32(s[0])) //nolint:forcetypeassert // as above
}

// unguarded is a host function that a guest may always call.
func unguarded(do hostFunc) api.GoFunc {
	return func(ctx context.Context, s []uint64) {
		do(ctx.(*instance), s) //nolint:forcetypeassert // as above
	}
}

// give is how a function gives bytes: it writes them if they fit, and returns their length.
func (in *instance) give(s []uint64, buf, size uint64, b []byte) {
	n := uint64(len(b))
	if n > uint64(uint32(size)) {
		s[0] = n
		return
	}
	into := in.writable(buf, n)
	if into == nil {
		in.outside("buffer", buf, n)
	}
	in.charge(costBytes(len(b)))
	copy(into, b)
	s[0] = n
}

// take is how a function takes bytes. They are the guest's own: what is kept is copied.
func (in *instance) take(at, n uint64) []byte {
	n = uint64(uint32(n))
	b := in.slice(at, n)
	if b == nil {
		in.outside("argument", at, n)
	}
	in.charge(costBytes(len(b)))
	return b
}

func (in *instance) outside(what string, at, n uint64) {
	in.stop(hostapi.FailureABI, "%s of %d bytes at %d lies outside of the memory of %d bytes", what, n, uint32(at), in.memory.Size())
}

// code is what stands in the place of a length.
func code(c hostapi.Code) uint64 { return uint64(uint32(c)) }

// The fields.

// field finds a read by its id, and stops a guest that may not have it.
func (in *instance) read(id uint64) *read {
	k := int32(id)
	switch {
	case k < 0 || int(k) >= len(in.hook.reads):
		in.stop(hostapi.FailureCapability, "field %d is not declared: reads.%v has %d", k, in.judging, len(in.hook.reads))
	case !in.hook.reads[k].granted:
		in.stop(hostapi.FailureCapability, "field %d of reads.%v is not granted", k, in.judging)
	}
	return &in.hook.reads[k]
}

// value finds the value of a field that is not one of items, once in a call: a large object
// is not to be searched again and again for the price of a call.
func (in *instance) value(r *read, id uint64) *value {
	v := &in.seen[id]
	if in.has[id/64]&(1<<(id%64)) == 0 {
		in.has[id/64] |= 1 << (id % 64)
		r.find(in.message, v)
	}
	return v
}

// only returns a value that is none of the fields, good until the next.
func (in *instance) only(v value) *value {
	in.one = v
	return &in.one
}

// bytes returns what the ABI gives for a value; the bytes are good until the next are asked
// for, and not to be changed: those of a string without escapes are the message's.
func (in *instance) bytes(v *value) []byte {
	if v.json.Kind() == jsonscan.String {
		raw := v.json.Raw()
		if raw = raw[1 : len(raw)-1]; bytes.IndexByte(raw, '\\') < 0 {
			return raw
		}
	}
	in.scratch = v.appendTo(in.scratch[:0])
	return in.scratch
}

func field(in *instance, s []uint64) {
	r := in.read(s[0])
	if r.perItem {
		s[0] = code(hostapi.CodeWrongType)
		return
	}
	v := in.value(r, uint64(uint32(s[0])))
	in.giveValue(s, s[1], s[2], v)
}

func (in *instance) giveValue(s []uint64, buf, size uint64, v *value) {
	if v.kindOf() == hostapi.KindAbsent {
		s[0] = code(hostapi.CodeAbsent)
		return
	}
	b := in.bytes(v)
	in.charge(v.cost(len(b)))
	in.give(s, buf, size, b)
}

// cost is the fuel of making a value's n bytes.
func (v *value) cost(n int) int64 {
	if k := v.json.Kind(); k == jsonscan.Array || k == jsonscan.Object {
		return int64(n) * costOfJSON
	}
	return costBytes(n)
}

func fieldNum(in *instance, s []uint64) {
	r := in.read(s[0])
	f := math.NaN()
	if !r.perItem {
		if n, ok := in.value(r, uint64(uint32(s[0]))).json.Float64(); ok {
			f = n
		}
	}
	s[0] = math.Float64bits(f)
}

func fieldKind(in *instance, s []uint64) {
	r := in.read(s[0])
	kind := hostapi.KindAbsent
	if !r.perItem {
		kind = in.value(r, uint64(uint32(s[0]))).kindOf()
	}
	s[0] = uint64(kind)
}

// The items of a list.

func itemCount(in *instance, s []uint64) { s[0] = uint64(in.message.itemCount()) }

func item(in *instance, s []uint64) {
	r := in.read(s[1])
	if !r.perItem {
		s[0] = code(hostapi.CodeWrongType)
		return
	}
	v := in.message.item(int(int32(s[0])))
	in.charge(int64(len(v.Raw()) / searchPer))
	in.giveValue(s, s[2], s[3], in.only(value{json: walk(v, r.path)}))
}
