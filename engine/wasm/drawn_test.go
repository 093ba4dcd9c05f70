package wasm_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

const wasmPage = 64 << 10

// drawn is a guest of which is drawn what it writes, where, and on what way through its code. What it stores is one of its fields, so that no call
// writes what is there already.
type drawn struct {
	t       *rapid.T
	m       *module
	size    int32 // of memory, when a call begins
	helpers []uint32
	num     uint32 // host functions
	field   uint32
	random  uint32
	clock   uint32
	pattern uint32 // the global that has the field
}

// drawnGuest draws a guest with a hook, functions that it calls, and one that makes its memory larger before the first call.
func drawnGuest(t *rapid.T) *module {
	g := &drawn{t: t, m: (&module{}).manifest(strings.Replace(simpleManifest, `"args.path"`, `"args.n"`, 1))}
	m := g.m
	g.num, g.field = m.host("field_num"), m.host("field")
	g.random, g.clock = m.imp(hostapi.WASIModule, "random_get", "ii:i"), m.imp(hostapi.WASIModule, "clock_time_get", "iIi:i")
	pages := rapid.IntRange(1, 9).Draw(t, "pages")
	m.mem(uint32(pages), 0)
	more := rapid.SampledFrom([]int{0, 0, 1, 3, 7, 40}).Draw(t, "more pages")
	g.size = int32(pages+more) * wasmPage
	g.pattern = m.glob('I', i64(0))
	m.fun("_initialize", ":", "", i32(int32(more)), growMemory, drop, i32(g.size-8), i32(0x0badcafe), store32(0))
	for range 3 {
		g.helpers = append(g.helpers, m.fun("", ":", "i", g.statements(2)))
	}
	m.tables = [][]byte{raw(0x70, 1, 3, 3)}
	m.elems = [][]byte{cat(raw(0), i32(0), raw(0x0b), vec([][]byte{leb(uint64(g.helpers[0])), leb(uint64(g.helpers[1])), leb(uint64(g.helpers[2]))}))}
	work := m.fun("", ":", "i", g.statements(3))
	// The field, as an i64, goes into the global.
	m.fun("sp_on_request", ":i", "", i32(0), call(g.num), raw(0xbd), setGlobal(g.pattern), call(work), i32(0))
	return m
}

func (g *drawn) n(most int, what string) int { return rapid.IntRange(0, most).Draw(g.t, what) }

// statements draws code of a function without arguments and results, whose first local is 0 wherever it begins.
func (g *drawn) statements(depth int) []byte {
	var code []byte
	for range 1 + g.n(3, "statements") {
		code = append(code, g.statement(depth)...)
	}
	return code
}

func (g *drawn) statement(depth int) []byte {
	kinds := 7
	if depth > 0 {
		kinds = 11
	}
	switch g.n(kinds, "statement") {
	case 0, 1, 2:
		return g.store(nil, 0)
	case 3:
		return g.bulk()
	case 4:
		return g.grow()
	case 5:
		return g.host()
	case 6:
		if len(g.helpers) == 0 {
			return g.store(nil, 0)
		}
		return g.call()
	case 7: // the code behind it isn't run
		return cat(i32(int32(g.n(3, "taken")/3)), when(raw(0x0f)))
	case 8: // four turns, each further on, which leave the local as it was
		turn := int32(1 + g.n(3000, "stride"))
		return cat(raw(0x03, 0x40), g.store(local(0), 3*turn), local(0), i32(turn), add, raw(0x22, 0), i32(4*turn), lts, raw(0x0d, 0, 0x0b), i32(0), raw(0x21, 0))
	case 9: // one turn of anything
		return cat(raw(0x03, 0x40), g.statements(depth-1), raw(0x0b))
	case 10: // left by a branch
		return cat(raw(0x02, 0x40), g.statements(depth-1), i32(int32(g.n(2, "label"))), raw(0x0e, 1, 0, 0, 0x0b))
	}
	return cat(i32(1), when(g.statements(depth-1)))
}

// stores are the instructions that store at an address, and what makes of an i64 what they take.
var stores = []struct{ op, of []byte }{
	{raw(0x36, 0), raw(0xa7)},
	{raw(0x37, 0), nil},
	{raw(0x38, 0), raw(0xa7, 0xbe)},
	{raw(0x39, 0), raw(0xbf)},
	{raw(0x3a, 0), raw(0xa7)},
	{raw(0x3b, 0), raw(0xa7)},
	{raw(0x3c, 0), nil},
	{raw(0x3d, 0), nil},
	{raw(0x3e, 0), nil},
	{raw(0xfd, 0x0b, 0), raw(0xfd, 0x12)},
	{raw(0xfd, 0x58, 0), raw(0xfd, 0x12)},
	{raw(0xfd, 0x59, 0), raw(0xfd, 0x12)},
	{raw(0xfd, 0x5a, 0), raw(0xfd, 0x12)},
	{raw(0xfd, 0x5b, 0), raw(0xfd, 0x12)},
}

// place draws an address of n bytes, many of them about the ends of blocks and of memory.
func (g *drawn) place(n int32) int32 {
	last := int(g.size - n)
	edge := func(k int) int { return min(max(k, 0), last) }
	return int32(rapid.OneOf(
		rapid.IntRange(0, last), rapid.Map(rapid.IntRange(-20, 20), func(d int) int { return edge(last + d) }),
		rapid.Custom(func(t *rapid.T) int {
			return edge(rapid.IntRange(0, last>>10).Draw(t, "block")<<10 + rapid.IntRange(-17, 3).Draw(t, "from its end"))
		}),
	).Draw(g.t, "place"))
}

// store draws a store, at an address to which at most what far says is added.
func (g *drawn) store(added []byte, far int32) []byte {
	s := rapid.SampledFrom(stores).Draw(g.t, "store")
	at := g.place(16 + far)
	offset := rapid.SampledFrom([]int32{0, at, at / 2, min(at, 1)}).Draw(g.t, "offset")
	address := i32(at - offset)
	if added != nil {
		address = cat(address, added, add)
	}
	code := cat(address, getGlobal(g.pattern), s.of, s.op, leb(uint64(offset)))
	if s.op[0] == 0xfd && s.op[1] != 0x0b {
		code = append(code, 0) // the lane
	}
	return code
}

func (g *drawn) bulk() []byte {
	n := rapid.OneOf(rapid.Int32Range(0, 40), rapid.Int32Range(0, min(g.size, 10*wasmPage))).Draw(g.t, "bytes")
	if g.n(1, "fill") == 1 {
		return cat(i32(g.place(n)), getGlobal(g.pattern), raw(0xa7), i32(n), raw(0xfc, 11, 0))
	}
	return cat(i32(g.place(n)), i32(g.place(n)), i32(n), raw(0xfc, 10, 0, 0))
}

// grow makes memory larger, and if that is done writes across where it began to grow, and where it ends.
func (g *drawn) grow() []byte {
	before := func(n int32) []byte { return cat(sizeMemory, i32(16), raw(0x74), i32(-n), add) }
	word := cat(getGlobal(g.pattern), raw(0x37, 0, 0))
	return cat(before(4), raw(0x21, 0), i32(int32(1+g.n(1, "pages"))), growMemory, i32(-1), ne, when(local(0), word, before(8), word), i32(0), raw(0x21, 0))
}

func (g *drawn) host() []byte {
	n := int32(g.n(3000, "bytes"))
	switch g.n(2, "function") {
	case 0:
		return cat(i32(g.place(n)), i32(n), call(g.random), drop)
	case 1:
		return cat(i32(1), i64(0), i32(g.place(8)), call(g.clock), drop)
	}
	return cat(i32(0), i32(g.place(32)), i32(32), call(g.field), drop)
}

func (g *drawn) call() []byte {
	k := g.n(len(g.helpers)-1, "helper")
	if g.n(1, "by reference") == 1 && len(g.helpers) == 3 {
		return cat(i32(int32(k)), raw(0x11), leb(uint64(g.m.typ(":"))), raw(0))
	}
	return call(g.helpers[k])
}

// Whatever a guest writes, its instance begins the next call as it began the first.
func TestDrawnGuestsLeaveNothing(t *testing.T) {
	h := newHost(t, wasm.Options{EjectFailures: -1})
	rapid.Check(t, func(rt *rapid.T) {
		p, err := h.Load(t.Context(), drawnGuest(rt).bytes(), wasm.Config{MaxInstances: 1, Fuel: 5_000_000})
		if err != nil {
			rt.Fatal(err)
		}
		defer p.Close()
		for i := range 3 {
			r := ask(t, p, message(t, fmt.Sprintf(`{"n":%d.3}`, i+1)))
			if got := sum(r); got != "pass" && r.Failure.Type != hostapi.FailureFuel { // it may call one that calls others that copy much
				rt.Fatal(got)
			}
			if left := wasm.Left(p); left != "" {
				rt.Fatalf("reset by %s, the call leaves %s", p.Info().Reset, left)
			}
		}
	})
}
