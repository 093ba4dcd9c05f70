//go:build wasip1

package main

import (
	"encoding/hex"
	"math"
	"slices"
	"strconv"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

// What is noted as out.

func (c *call) put(text string) { c.out = append(c.out, text...) }

func (c *call) putInt(n int64) { c.out = strconv.AppendInt(c.out, n, 10) }

// putValue writes a value after a sign that tells it from what is not there.
func (c *call) putValue(text string, there bool) {
	if !there {
		c.put("absent")
		return
	}
	c.put("=" + text)
}

func (c *call) putField(kind, id int32, text string) {
	c.putInt(int64(id))
	c.put(":")
	c.putInt(int64(kind))
	c.put(":" + text + "\n")
}

// take asks the host for bytes, twice if it must. code is negative if there are none.
func take(ask func(buf []byte) int32) (text string, code int32) {
	n := ask(nil)
	if n <= 0 {
		return "", n
	}
	buf := make([]byte, n)
	n = ask(buf)
	return string(buf[:max(n, 0)]), n
}

func (c *call) field(id int32) (text string, code int32) {
	return take(func(buf []byte) int32 { return c.raw.Field(id, buf) })
}

func (c *call) stringAt(index int32) (text string, there bool) {
	text, code := take(func(buf []byte) int32 { return c.raw.Str(index, buf) })
	return text, code >= 0
}

func (c *call) pathAt(index int32) (text string, there bool) {
	text, code := take(func(buf []byte) int32 { return c.raw.StrPath(index, buf) })
	return text, code >= 0
}

// The declared reads of each hook: how many, and which is the first parameter.
var (
	reads = [...]int32{abi.HookRequest: 42, abi.HookResponse: 21, abi.HookList: 19}
	first = [...]int32{abi.HookRequest: 17, abi.HookResponse: 6, abi.HookList: 4}
)

const parameters = 14

func (c *call) isParameter(id int32) bool {
	return id >= first[c.hook] && id < first[c.hook]+parameters
}

// readsMessage says whether do was about what the message says.
func (c *call) readsMessage(do string) bool {
	id, index := c.int("id"), c.int("index")
	switch do {
	case "field":
		text, code := c.field(id)
		if code == abi.CodeWrongType {
			c.put("wrong type")
		} else {
			c.putValue(text, code >= 0)
		}
	case "field_num":
		c.number(c.raw.FieldNum(id))
	case "field_kind":
		c.putInt(int64(c.raw.FieldKind(id)))
	case "fields":
		for id := range reads[c.hook] {
			if !c.isParameter(id) {
				text, _ := c.field(id)
				c.putField(c.raw.FieldKind(id), id, text)
			}
		}
	case "strings":
		for s := range c.Strings() {
			c.put(s.Path() + "=" + s.Text() + "\n")
		}
	case "str":
		c.putValue(c.stringAt(index))
	case "str_path":
		c.putValue(c.pathAt(index))
	case "str_count":
		c.putInt(int64(c.raw.StrCount()))
	case "small_buffer":
		c.smallBuffer(id)
	default:
		return c.views(do)
	}
	return true
}

func (c *call) number(n float64) {
	if math.IsNaN(n) {
		c.put("nan")
		return
	}
	bits := math.Float64bits(n)
	big := make([]byte, 8)
	for i := range big {
		big[i] = byte(bits >> (56 - 8*i))
	}
	c.put(hex.EncodeToString(big))
}

func (c *call) smallBuffer(id int32) {
	buf := slices.Repeat([]byte{0xee}, 16)
	c.putInt(int64(c.raw.Field(id, buf[:c.int("n")])))
	c.put(" " + hex.EncodeToString(buf))
}

// edits says whether do was an edit.
func (c *call) edits(do string) bool {
	switch do {
	case "str_replace":
		c.putInt(int64(c.raw.StrReplace(c.int("index"), c.text("text"))))
	case "patch":
		c.putInt(int64(c.raw.Patch(c.int("op"), c.text("path"), c.text("json"))))
		if path, there := c.Text("params._meta.tck.path2"); there {
			c.put(" ")
			c.putInt(int64(c.raw.Patch(c.int("op2"), path, c.text("json2"))))
		}
	case "item_drop":
		c.putInt(int64(c.raw.ItemDrop(c.int("index"))))
	default:
		return false
	}
	return true
}
