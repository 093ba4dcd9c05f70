//go:build wasip1

package main

import (
	"encoding/binary"
	"unsafe"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

// views says whether do was about a view. The SDK has no use for them, so the guest asks the host itself.
func (c *call) views(do string) bool {
	switch do {
	case "view_fields":
		for _, e := range view(abi.ViewFields) {
			if !c.isParameter(e.path) {
				c.putField(e.kind, e.path, e.text)
			}
		}
	case "view_strings":
		for _, e := range view(abi.ViewStrings) {
			c.putField(e.kind, e.path, e.text)
		}
	default:
		return false
	}
	return true
}

// entry is an entry of a view.
type entry struct {
	kind, path int32
	text       string
}

func view(what int32) []entry {
	text, _ := take(func(buf []byte) int32 {
		return abi.View(what, unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
	})
	number := func(at int) int { return int(binary.LittleEndian.Uint32([]byte(text[at : at+4]))) }
	var all []entry
	for i := range number(0) {
		at := abi.ViewHeaderBytes + i*abi.ViewEntryBytes
		start := number(at + 4)
		all = append(all, entry{kind: int32(number(at)), path: int32(number(at + 12)), text: text[start : start+number(at+8)]})
	}
	return all
}
