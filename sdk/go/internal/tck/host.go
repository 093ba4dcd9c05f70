//go:build wasip1

package main

import (
	"encoding/binary"
	"strconv"

	sallyport "github.com/sallyport-dev/sallyport/sdk/go"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

// asksHost says whether do was about what the host has.
func (c *call) asksHost(do string) bool {
	id, index := c.int("id"), c.int("index")
	switch do {
	case "item_count":
		c.putInt(int64(c.raw.ItemCount()))
	case "item":
		text, code := take(func(buf []byte) int32 { return c.raw.Item(index, id, buf) })
		if code == abi.CodeWrongType {
			c.put("wrong type")
		} else {
			c.putValue(text, code >= 0)
		}
	case "match":
		c.match(id, index)
	case "match_rule":
		text, code := c.rule(id, index)
		c.putValue(text, code >= 0)
	case "lookup":
		key := c.text("key")
		text, code := take(func(buf []byte) int32 { return c.raw.Lookup(id, key, buf) })
		c.putValue(text, code >= 0)
	case "granted":
		c.putInt(int64(c.raw.Granted(id)))
	case "feature":
		c.putInt(int64(c.raw.Feature(id)))
	case "now":
		c.putInt(c.raw.NowMS())
	default:
		return false
	}
	return true
}

func (c *call) rule(id, rule int32) (text string, code int32) {
	return take(func(buf []byte) int32 { return c.raw.MatchRule(id, rule, buf) })
}

func (c *call) match(id, what int32) {
	found, code := take(func(buf []byte) int32 { return c.raw.Match(id, what, buf) })
	if code < 0 {
		c.putInt(int64(code))
	}
	for m := []byte(found); len(m) >= abi.MatchBytes; m = m[abi.MatchBytes:] {
		name, _ := c.rule(id, int32(binary.LittleEndian.Uint32(m[8:])))
		c.putInt(int64(binary.LittleEndian.Uint32(m)))
		c.put("-")
		c.putInt(int64(binary.LittleEndian.Uint32(m[4:])))
		c.put(" " + name + "\n")
	}
}

// says says whether do was to say something.
func (c *call) says(do string) bool {
	key, text, n := c.text("key"), c.text("text"), c.int("n")
	switch do {
	case "reason":
		c.Deny(key, text)
	case "approve":
		c.Approve(text)
	case "note":
		c.Note(key, text)
	case "label":
		c.Label(text)
	case "log":
		c.Log(sallyport.Level(c.int("level")), text)
	case "notes":
		many(n, func(x string) { c.Note(x, x) })
	case "labels":
		many(n, c.Label)
	case "logs":
		many(n, func(x string) { c.Log(sallyport.Info, x) })
	default:
		return false
	}
	return true
}

func many(n int32, say func(string)) {
	for i := range int(n) {
		say("x" + strconv.Itoa(i))
	}
}

// What must not be.

var (
	turns int
	held  [][]byte
)

func (c *call) breaks(do string) {
	switch do {
	case "fail":
		c.Fail(c.text("text"))
	case "trap":
		panic("as told")
	case "spin":
		for {
			turns++
		}
	case "recurse":
		turns = deeper(turns)
	case "grow":
		for {
			held = append(held, make([]byte, 1<<20))
		}
	}
}

//go:noinline
func deeper(n int) int {
	var here [64]int
	here[n%64] = n + 1
	return deeper(here[n%64]) + here[(n+1)%64]
}
