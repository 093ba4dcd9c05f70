package audit

import (
	"unicode/utf8"
	"unsafe"
)

const hexDigits = "0123456789abcdef"

// What a byte of text may need before it can stand in a record.
const (
	byteEscape = 1 << iota // it can't stand as it is, or begins a rune that may not
	bytePivot              // it may be part of a secret; see findSecret
)

var byteClass = makeByteClass()

func makeByteClass() (t [256]uint8) {
	for c := range t {
		if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			t[c] |= byteEscape
		}
	}
	for _, c := range []byte("J-_I :=") {
		t[c] |= bytePivot
	}
	return t
}

func classify(s string) (class uint8) {
	for i := range len(s) {
		class |= byteClass[s[i]]
	}
	return class
}

// plain says whether s can stand in a JSON string as it is.
func plain(s string) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for len(s) >= 8 {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		quote, slash, del := x^ones*'"', x^ones*'\\', x^ones*0x7f
		// A byte b is below n if b-n borrows: its top bit is set then, and was not before.
		bad := x | (x-ones*0x20)&^x | (quote-ones)&^quote | (slash-ones)&^slash | (del-ones)&^del
		if bad&tops != 0 {
			return false
		}
		s = s[8:]
	}
	return classify(s)&byteEscape == 0
}

// text views b as a string for as long as b is unchanged.
//
//nolint:gosec // the view never outlives the call that is given it
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// appendEscaped appends s as it stands between the quotes of a JSON string. Control characters of C0 and C1, line and
// paragraph separators, and runes that hide or reorder what a reader sees are written as \u escapes; bytes that are no
// UTF-8 become U+FFFD.
func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if byteClass[c]&byteEscape == 0 {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
			if (r != utf8.RuneError || n > 1) && !hidden(r) {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		dst = appendRune(dst, r)
		i += n
		start = i
	}
	return append(dst, s[start:]...)
}

// hidden says whether r must not reach a terminal or a page as it is.
func hidden(r rune) bool {
	switch {
	case r >= 0x80 && r <= 0x9f, // C1
		r == 0xad, r == 0x061c, r == 0x180e, r == 0xfeff,
		r >= 0x200b && r <= 0x200f, // zero width, marks
		r >= 0x2028 && r <= 0x202e, // separators, embeddings and overrides
		r >= 0x2060 && r <= 0x206f, // isolates
		r >= 0xfff9 && r <= 0xfffb, // interlinear
		r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}

func appendRune(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if r > 0xffff {
		r -= 0x10000
		return appendUnit(appendUnit(dst, 0xd800|uint16(r>>10)), 0xdc00|uint16(r&0x3ff))
	}
	return appendUnit(dst, uint16(r))
}

func appendUnit(dst []byte, u uint16) []byte {
	return append(dst, '\\', 'u', hexDigits[u>>12], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
}

// cut returns the longest beginning of s of at most n bytes that ends between runes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
