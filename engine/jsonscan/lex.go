package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stops marks the bytes of w that end a run of literal text: a quote, a backslash
// or a control character. Only the lowest mark is exact.
func stops(w uint64) uint64 {
	q := w ^ (ones * '"')
	s := w ^ (ones * '\\')
	return ((q - ones) | (s - ones) | (w - ones*0x20)) &^ w & highs
}

// stringValue scans the string value at i.
func (s *scanner) stringValue(i int) int {
	end, flags := s.str(i, false)
	if end < 0 {
		return end
	}
	return s.leaf(String, flags, i, end)
}

// str scans the string at i, a member's name or not, and returns the offset after
// its closing quote and its flags.
func (s *scanner) str(start int, name bool) (end int, flags uint8) {
	b, i := s.src, start+1
	var seen uint64 // all bytes before i, ored
	flags = flagPlain
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			if m := stops(w); m != 0 {
				k := bits.TrailingZeros64(m) &^ 7
				seen |= w & (1<<k - 1)
				i += k >> 3
				break
			}
			seen |= w
			i += 8
		}
		if i >= len(b) {
			return s.stringError(CodeSyntax, start, i), 0
		}
		switch c := b[i]; {
		case c == '"':
			if seen&highs == 0 {
				return i + 1, flags
			}
			if !utf8.Valid(b[start+1 : i]) {
				return s.stringError(CodeSyntax, start, i), 0
			}
			return i + 1, flags | flagHigh
		case c == '\\' && i+1 < len(b) && plainEscape(b[i+1]):
			flags |= flagEscaped
			i += 2
		case c == '\\':
			var plain bool
			if i, plain = s.escape(start, i, name); i < 0 {
				return i, 0
			}
			flags |= flagEscaped
			if !plain {
				flags &^= flagPlain
				s.dirty = i
			}
		case c < ' ':
			return s.stringError(CodeSyntax, start, i), 0
		default:
			seen |= uint64(c)
			i++
		}
	}
}

// stringError refuses the string at start for what is at offset at, or for invalid
// UTF-8 before that.
func (s *scanner) stringError(code ErrorCode, start, at int) int {
	for i := start + 1; i < at; {
		r, n := utf8.DecodeRune(s.src[i:at])
		if r == utf8.RuneError && n == 1 {
			return s.fail(CodeInvalidUTF8, i)
		}
		i += n
	}
	return s.fail(code, at)
}

// plainEscape says whether a backslash and c are what AppendTo writes for a
// character.
func plainEscape(c byte) bool {
	return c == 'n' || c == '"' || c == '\\' || c == 't' || c == 'r' || c == 'b' || c == 'f'
}

// escape checks the escape at i, not a plain one of two bytes, and returns the offset after it, and whether it is
// the one that AppendTo writes for its character.
func (s *scanner) escape(start, i int, name bool) (end int, plain bool) {
	if i+1 >= len(s.src) {
		return s.stringError(CodeSyntax, start, len(s.src)), false
	}
	switch s.src[i+1] {
	case '/':
		return i + 2, false
	case 'u':
		return s.unicodeEscape(start, i, name)
	}
	return s.stringError(CodeSyntax, start, i), false
}

func (s *scanner) unicodeEscape(start, i int, name bool) (end int, plain bool) {
	r, ok := hex4(s.src, i+2)
	switch {
	case !ok:
		return s.stringError(CodeSyntax, start, i), false
	case r == 0 && name:
		return s.stringError(CodeNULName, start, i), false
	case r >= 0xdc00 && r < 0xe000:
		return s.stringError(CodeLoneSurrogate, start, i), false
	case r >= 0xd800 && r < 0xdc00:
		if !isLowSurrogate(s.src, i+6) {
			return s.stringError(CodeLoneSurrogate, start, i), false
		}
		return i + 12, false
	}
	return i + 6, r < ' ' && shortEscape[r] == 0 && s.src[i+5]&0x20 != 0
}

// isLowSurrogate says whether at i is the escaped second half of a UTF-16 pair.
func isLowSurrogate(b []byte, i int) bool {
	if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
		return false
	}
	r, ok := hex4(b, i+2)
	return ok && r >= 0xdc00 && r < 0xe000
}

// hex4 reads the four hexadecimal digits at i.
func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case c-'0' < 10:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// scalar scans the number or literal at i, which begins with c.
func (s *scanner) scalar(i int, c byte) int {
	switch {
	case c == '-' || c-'0' < 10:
		return s.number(i)
	case c == 't':
		return s.literal(i, "true", True)
	case c == 'f':
		return s.literal(i, "false", False)
	case c == 'n':
		return s.literal(i, "null", Null)
	}
	return s.fail(CodeSyntax, i)
}

func (s *scanner) literal(i int, word string, kind Kind) int {
	end := i + len(word)
	if end > len(s.src) || string(s.src[i:end]) != word {
		return s.fail(CodeSyntax, i)
	}
	return s.leaf(kind, flagPlain, i, end)
}

// number scans the number at start. A literal of at most 308 integer digits without
// exponent is finite; any other is asked of strconv.
func (s *scanner) number(start int) int {
	b, i := s.src, start
	if b[i] == '-' {
		i++
	}
	first := i
	i = digits(b, i)
	if i == first || b[first] == '0' && i > first+1 {
		return s.fail(CodeSyntax, start)
	}
	long := i-first > 308
	flags := uint8(flagPlain | flagInteger)
	if i < len(b) && b[i] == '.' {
		flags = flagPlain
		from := i + 1
		if i = digits(b, from); i == from {
			return s.fail(CodeSyntax, start)
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		flags = flagPlain
		long = true
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		if i = digits(b, from); i == from {
			return s.fail(CodeSyntax, start)
		}
	}
	if i-start > s.Number || long && !finite(b[start:i]) {
		return s.fail(CodeNumber, start)
	}
	return s.leaf(Number, flags, start, i)
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' < 10 {
		i++
	}
	return i
}

func finite(literal []byte) bool {
	_, err := strconv.ParseFloat(alias(literal), 64)
	return err == nil
}
