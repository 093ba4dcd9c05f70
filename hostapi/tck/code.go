package tck

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// Step is what an export of a made module does: it calls a function and checks what that
// gives, returns, or breaks something.
type Step struct {
	Call  string          `json:"call"` // a host function, one of imports, or wasi: and one of WASI
	Args  []json.Number   `json:"args"`
	Gives json.RawMessage `json:"gives"` // its result: a number, or "nan"
	// Only has the export return 0 if the result is another: so it ignores calls that warm it up.
	Only   *int32  `json:"only"`
	Memory []Bytes `json:"memory"` // what is in memory now
	Return *int32  `json:"return"`
	Grow   *int32  `json:"grow"`  // memory.grow, which Gives is about
	Given  *string `json:"given"` // the settings that the export was given
	Break  string  `json:"break"` // trap, spin, recurse
}

func (s *Step) checks() bool { return s.Gives != nil || s.Memory != nil || s.Given != nil }

// imported is the function that a step calls: one that the module names itself, or the ABI.
func (m *Module) imported(s *Step) (Import, error) {
	for _, i := range m.Imports {
		if i.Name == s.Call {
			return i, nil
		}
	}
	if f, ok := strings.CutPrefix(s.Call, "wasi:"); ok {
		kind, ok := wasi[f]
		if !ok {
			return Import{}, fmt.Errorf("the type of %s is not known", s.Call)
		}
		return Import{hostapi.WASIModule, f, kind}, nil
	}
	kind := functionType(s.Call)
	if kind == "" {
		return Import{}, fmt.Errorf("there is no function %s", s.Call)
	}
	return Import{hostapi.Module, s.Call, kind}, nil
}

// A type is written as parameters, a colon and results: i is i32, I is i64, d is f64.

// wasi are the types of the functions of WASI that vectors call.
var wasi = map[string]string{
	"args_get": "ii:i", "args_sizes_get": "ii:i", "clock_res_get": "ii:i", "clock_time_get": "iIi:i", "environ_get": "ii:i",
	"environ_sizes_get": "ii:i", "fd_close": "i:i", "fd_fdstat_get": "ii:i", "fd_prestat_get": "ii:i", "fd_read": "iiii:i",
	"fd_write": "iiii:i", "path_open": "iiiiiIIii:i", "poll_oneoff": "iiii:i", "proc_exit": "i:", "random_get": "ii:i",
	"sched_yield": ":i", "sock_shutdown": "ii:i",
}

func letter(v hostapi.ValueType) string {
	switch v {
	case hostapi.I32:
		return "i"
	case hostapi.I64:
		return "I"
	case hostapi.F64:
		return "d"
	}
	return "?"
}

func signature(f hostapi.Function) string {
	var b strings.Builder
	for _, p := range f.Params {
		b.WriteString(letter(p.Type))
	}
	b.WriteByte(':')
	for _, r := range f.Results {
		b.WriteString(letter(r))
	}
	return b.String()
}

func find(list []hostapi.Function, name string) string {
	i := slices.IndexFunc(list, func(f hostapi.Function) bool { return f.Name == name })
	if i < 0 {
		return ""
	}
	return signature(list[i])
}

func functionType(name string) string { return find(hostapi.Functions(), name) }

func exportType(name string) (string, bool) {
	kind := find(hostapi.Exports(), name)
	return kind, kind != ""
}

func encodeType(kind string) ([]byte, error) {
	params, results, ok := strings.Cut(kind, ":")
	out := []byte{0x60}
	for _, side := range []string{params, results} {
		out = binary.AppendUvarint(out, uint64(len(side)))
		for _, c := range side {
			v, known := map[rune]hostapi.ValueType{'i': hostapi.I32, 'I': hostapi.I64, 'd': hostapi.F64}[c]
			if !known || !ok {
				return nil, fmt.Errorf("%q is no type", kind)
			}
			out = append(out, byte(v))
		}
	}
	return out, nil
}

// The instructions that modules are made of.
const (
	opUnreachable = 0x00
	opLoop        = 0x03
	opIf          = 0x04
	opEnd         = 0x0b
	opBr          = 0x0c
	opReturn      = 0x0f
	opCall        = 0x10
	opDrop        = 0x1a
	opLocalGet    = 0x20
	opI32Load8U   = 0x2d
	opMemoryGrow  = 0x40
	opI32Const    = 0x41
	opI64Const    = 0x42
	opF64Const    = 0x44
	opI32Ne       = 0x47
	opI64Ne       = 0x52
	opF64Ne       = 0x62
	opF64Ge       = 0x66
	opI32Add      = 0x6a

	voidBlock = 0x40
)

func i32Const(n int32) []byte { return appendSleb([]byte{opI32Const}, int64(n)) }

func appendSleb(dst []byte, n int64) []byte {
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return append(dst, b)
		}
		dst = append(dst, b|0x80)
	}
}

// code writes one function.
type code struct {
	*writer
	function function
	b        []byte
	step     int
}

func (c *code) op(bytes ...byte) { c.b = append(c.b, bytes...) }

func (c *code) call(module, f string) {
	c.b = binary.AppendUvarint(append(c.b, opCall), uint64(c.imports[module+"."+f]))
}

// body writes the function's steps and, if none of them returns, its result: 0.
func (c *code) body() ([]byte, error) {
	for i := range c.function.steps {
		c.step = i
		if err := c.write(&c.function.steps[i]); err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
	}
	if _, results, _ := strings.Cut(c.function.kind, ":"); results == "i" {
		c.op(i32Const(0)...)
	}
	c.op(opEnd)
	body := append([]byte{0}, c.b...)
	return append(binary.AppendUvarint(nil, uint64(len(body))), body...), nil
}

func (c *code) write(s *Step) error {
	switch {
	case s.Call != "":
		if err := c.writeCall(s); err != nil {
			return err
		}
	case s.Grow != nil:
		c.op(i32Const(*s.Grow)...)
		c.op(opMemoryGrow, 0)
		if err := c.gives("i", s.Gives); err != nil {
			return err
		}
	case s.Break == "trap":
		c.op(opUnreachable)
	case s.Break == "spin":
		c.op(opLoop, voidBlock, opBr, 0, opEnd)
	case s.Break == "recurse":
		c.recurse()
	case s.Break != "":
		return fmt.Errorf("%q breaks nothing", s.Break)
	}
	if s.Given != nil {
		c.given(*s.Given)
	}
	for _, m := range s.Memory {
		b, err := m.bytes()
		if err != nil {
			return err
		}
		for i, want := range b {
			c.op(i32Const(int32(m.At) + int32(i))...)
			c.op(opI32Load8U, 0, 0)
			c.op(i32Const(int32(want))...)
			c.op(opI32Ne)
			c.wrongIf(fmt.Sprintf("the byte at %d", int(m.At)+i))
		}
	}
	if s.Return != nil {
		c.op(i32Const(*s.Return)...)
		c.op(opReturn)
	}
	return nil
}

// recurse calls the function itself, in whose result the compiler may not see a loop.
func (c *code) recurse() {
	at := slices.IndexFunc(c.functions, func(f function) bool { return f.export == c.function.export })
	c.b = binary.AppendUvarint(append(c.b, opCall), uint64(len(c.importAll)+at))
	c.op(i32Const(1)...)
	c.op(opI32Add, opReturn)
}

func (c *code) writeCall(s *Step) error {
	i, err := c.module.imported(s)
	if err != nil {
		return err
	}
	params, results, _ := strings.Cut(i.Type, ":")
	if len(s.Args) != len(params) {
		return fmt.Errorf("%s takes %d arguments", s.Call, len(params))
	}
	for k, kind := range params {
		n, err := s.Args[k].Int64()
		if err != nil {
			return err
		}
		if kind == 'I' {
			c.b = appendSleb(append(c.b, opI64Const), n)
		} else {
			c.op(i32Const(int32(n))...)
		}
	}
	c.call(i.Module, i.Name)
	switch {
	case results == "":
		return nil
	case s.Only != nil:
		c.op(i32Const(*s.Only)...)
		c.op(opI32Ne, opIf, voidBlock)
		c.op(i32Const(0)...)
		c.op(opReturn, opEnd)
		return nil
	}
	return c.gives(results, s.Gives)
}

// gives compares the value on the stack.
func (c *code) gives(kind string, want json.RawMessage) error {
	if want == nil {
		c.op(opDrop)
		return nil
	}
	if kind == "d" {
		return c.givesFloat(want)
	}
	var n int64
	if err := json.Unmarshal(want, &n); err != nil {
		return err
	}
	if kind == "I" {
		c.b = appendSleb(append(c.b, opI64Const), n)
		c.op(opI64Ne)
	} else {
		c.op(i32Const(int32(n))...)
		c.op(opI32Ne)
	}
	c.wrongIf(fmt.Sprintf("not %d", n))
	return nil
}

// givesFloat compares a float; NaN is unequal to whatever it is compared with.
func (c *code) givesFloat(want json.RawMessage) error {
	if string(want) == `"nan"` {
		c.op(opF64Const)
		c.b = binary.LittleEndian.AppendUint64(c.b, math.Float64bits(math.Inf(-1)))
		c.op(opF64Ge) // true of every number, and of NaN not
		c.wrongIf("not NaN")
		return nil
	}
	var f float64
	if err := json.Unmarshal(want, &f); err != nil {
		return err
	}
	c.op(opF64Const)
	c.b = binary.LittleEndian.AppendUint64(c.b, math.Float64bits(f))
	c.op(opF64Ne)
	c.wrongIf(fmt.Sprintf("not %v", f))
	return nil
}

// given compares the settings whose address and length the export was given.
func (c *code) given(want string) {
	c.op(opLocalGet, 1)
	c.op(i32Const(int32(len(want)))...)
	c.op(opI32Ne)
	c.wrongIf("the settings' length")
	for i := range len(want) {
		c.op(opLocalGet, 0)
		c.op(opI32Load8U, 0)
		c.b = binary.AppendUvarint(c.b, uint64(i))
		c.op(i32Const(int32(want[i]))...)
		c.op(opI32Ne)
		c.wrongIf(fmt.Sprintf("byte %d of the settings", i))
	}
}

// wrongIf ends the call, with a note that no vector expects, if what is on the stack is not 0.
func (c *code) wrongIf(what string) {
	key, keyLen := c.say("wrong")
	at, n := c.say(fmt.Sprintf("%s, step %d: %s", c.function.export, c.step, what))
	c.op(opIf, voidBlock)
	for _, k := range []uint32{key, keyLen, at, n} {
		c.op(i32Const(int32(k))...)
	}
	c.call(hostapi.Module, hostapi.FuncNote)
	c.op(i32Const(int32(at))...)
	c.op(i32Const(int32(n))...)
	c.call(hostapi.Module, hostapi.FuncFail)
	c.op(opEnd)
}
