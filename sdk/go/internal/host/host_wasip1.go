// Package host is the host as the SDK calls it: the functions of the ABI with Go's strings and
// slices. On wasip1 they are imports; elsewhere package fake plays the host.
package host

import (
	"unsafe"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

// Host is the host.
type Host struct{}

func out(b []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))
}

func in(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

// The functions of the ABI, under its names.

func (*Host) Field(id int32, buf []byte) int32 {
	p, n := out(buf)
	return abi.Field(id, p, n)
}

func (*Host) FieldNum(id int32) float64 { return abi.FieldNum(id) }

func (*Host) FieldKind(id int32) int32 { return abi.FieldKind(id) }

func (*Host) Str(index int32, buf []byte) int32 {
	p, n := out(buf)
	return abi.Str(index, p, n)
}

func (*Host) StrPath(index int32, buf []byte) int32 {
	p, n := out(buf)
	return abi.StrPath(index, p, n)
}

func (*Host) StrCount() int32 { return abi.StrCount() }

func (*Host) StrReplace(index int32, text string) int32 {
	p, n := in(text)
	return abi.StrReplace(index, p, n)
}

func (*Host) Patch(op int32, path, json string) int32 {
	p, n := in(path)
	q, m := in(json)
	return abi.Patch(op, p, n, q, m)
}

func (*Host) ItemCount() int32 { return abi.ItemCount() }

func (*Host) Item(index, id int32, buf []byte) int32 {
	p, n := out(buf)
	return abi.Item(index, id, p, n)
}

func (*Host) ItemDrop(index int32) int32 { return abi.ItemDrop(index) }

func (*Host) Match(capability, what int32, buf []byte) int32 {
	p, n := out(buf)
	return abi.Match(capability, what, p, n)
}

func (*Host) MatchRule(capability, rule int32, buf []byte) int32 {
	p, n := out(buf)
	return abi.MatchRule(capability, rule, p, n)
}

func (*Host) Lookup(capability int32, key string, buf []byte) int32 {
	k, m := in(key)
	p, n := out(buf)
	return abi.Lookup(capability, k, m, p, n)
}

func (*Host) Reason(code, text string) {
	p, n := in(code)
	q, m := in(text)
	abi.Reason(p, n, q, m)
}

func (*Host) Approve(text string) {
	p, n := in(text)
	abi.Approve(p, n)
}

func (*Host) Note(key, text string) {
	p, n := in(key)
	q, m := in(text)
	abi.Note(p, n, q, m)
}

func (*Host) Label(name string) {
	p, n := in(name)
	abi.Label(p, n)
}

func (*Host) NowMS() int64 { return abi.NowMS() }

func (*Host) Feature(id int32) int32 { return abi.Feature(id) }

func (*Host) Granted(capability int32) int32 { return abi.Granted(capability) }

func (*Host) Log(level int32, text string) {
	p, n := in(text)
	abi.Log(level, p, n)
}

func (*Host) Fail(text string) {
	p, n := in(text)
	abi.Fail(p, n)
}
