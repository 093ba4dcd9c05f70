package binary

import (
	"fmt"
	"unicode/utf8"
)

// Error says why a module is refused.
type Error struct {
	Offset  int    // where in the module's bytes
	Section string // "code", "custom", ...; "module" for what is in no section
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("wasm: %s section at offset %#x: %s", e.Section, e.Offset, e.Message)
}

// reader reads a part of a module. It remembers the first mistake, after which
// every read gives zero and end() is true, so that loops end and a caller may
// look at err once.
type reader struct {
	b       []byte // the whole module, so that offsets are the module's
	p, stop int    // what is read next, and where to stop
	section string
	err     *Error
}

func (r *reader) end() bool { return r.p >= r.stop }

// fail refuses what begins at offset at.
func (r *reader) fail(at int, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Offset: at, Section: r.section, Message: fmt.Sprintf(format, args...)}
	}
	r.p = r.stop
}

// error returns the first mistake as an error that is nil when there is none.
func (r *reader) error() error {
	if r.err == nil {
		return nil
	}
	return r.err
}

func (r *reader) byte() byte {
	if r.p >= r.stop {
		r.fail(r.p, "unexpected end")
		return 0
	}
	c := r.b[r.p]
	r.p++
	return c
}

// u32 reads an unsigned LEB128 number of at most 32 bits.
func (r *reader) u32() uint32 {
	if r.p < r.stop && r.b[r.p] < 0x80 {
		r.p++
		return uint32(r.b[r.p-1])
	}
	at, v := r.p, uint32(0)
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		if shift == 28 && c > 0x0f {
			r.fail(at, "a number needs more than 32 bits")
			return 0
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
}

// signed reads a signed LEB128 number of at most the given bits.
func (r *reader) signed(bits int) int64 {
	at, v := r.p, int64(0)
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		v |= int64(c&0x7f) << shift
		if left := bits - shift; left < 7 {
			// The bits beyond the number must repeat its sign.
			if over := int8(c<<1) >> left; over != 0 && over != -1 || c >= 0x80 {
				r.fail(at, "a number needs more than %d bits", bits)
				return 0
			}
		}
		if c < 0x80 {
			if shift += 7; shift < 64 && c&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
}

// bytes reads n bytes; they alias the module.
func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(r.stop-r.p) {
		r.fail(r.p, "%d bytes wanted, %d left", n, r.stop-r.p)
		return nil
	}
	r.p += int(n)
	return r.b[r.p-int(n) : r.p : r.p]
}

func (r *reader) name() string {
	at := r.p
	b := r.bytes(r.u32())
	if !utf8.Valid(b) {
		r.fail(at, "a name is not UTF-8")
	}
	return string(b)
}

// count reads the length of a vector whose elements have at least one byte each.
func (r *reader) count(what string, most int) int {
	at := r.p
	n := r.u32()
	switch {
	case int64(n) > int64(most):
		r.fail(at, "%d %s, at most %d are read", n, what, most)
	case int64(n) > int64(r.stop-r.p):
		r.fail(at, "%d %s don't fit into %d bytes", n, what, r.stop-r.p)
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

// index reads an index into a space of n things.
func (r *reader) index(what string, n int) uint32 {
	at := r.p
	i := r.u32()
	if r.err == nil && int64(i) >= int64(n) {
		r.fail(at, "%s %d doesn't exist: there are %d", what, i, n)
		return 0
	}
	return i
}

// part returns a reader of the next n bytes and steps over them.
func (r *reader) part(n uint32) reader {
	p := *r
	r.bytes(n)
	if r.err != nil {
		p.stop = p.p
		return p
	}
	p.stop = r.p
	return p
}
