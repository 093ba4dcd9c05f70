package jsonscan

import (
	"bytes"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// shortEscape holds the letter of the two-byte escape of a control character.
var shortEscape = [' ']byte{'\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r'}

// unescaped holds the character that a two-byte escape stands for.
var unescaped = ['u']byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// decodeEscape returns the character of the escape at the start of b and its length.
// The escape has been scanned.
func decodeEscape(b []byte) (rune, int) {
	if b[1] != 'u' {
		return rune(unescaped[b[1]]), 2
	}
	r, _ := hex4(b, 2)
	if r < 0xd800 || r > 0xdfff {
		return r, 6
	}
	low, _ := hex4(b, 8)
	return utf16.DecodeRune(r, low), 12
}

// appendDecoded appends the text of a scanned string without its quotes.
func appendDecoded(dst, raw []byte) []byte {
	for {
		k := bytes.IndexByte(raw, '\\')
		if k < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:k]...)
		r, n := decodeEscape(raw[k:])
		dst = utf8.AppendRune(dst, r)
		raw = raw[k+n:]
	}
}

// equalDecoded says whether the text of a scanned string without its quotes is s.
func equalDecoded(raw []byte, s string) bool {
	for {
		k := bytes.IndexByte(raw, '\\')
		if k < 0 {
			return string(raw) == s
		}
		if len(s) < k || string(raw[:k]) != s[:k] {
			return false
		}
		r, n := decodeEscape(raw[k:])
		if len(s) == k {
			return false
		}
		got, size := utf8.DecodeRuneInString(s[k:])
		if got != r || got == utf8.RuneError && size == 1 {
			return false
		}
		raw, s = raw[k+n:], s[k+size:]
	}
}

// appendMinimal appends a scanned string without its quotes with no escape but the
// necessary ones.
func appendMinimal(dst, raw []byte) []byte {
	for {
		k := bytes.IndexByte(raw, '\\')
		if k < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:k]...)
		r, n := decodeEscape(raw[k:])
		if r < utf8.RuneSelf && needsEscape(byte(r)) {
			dst = appendEscape(dst, byte(r))
		} else {
			dst = utf8.AppendRune(dst, r)
		}
		raw = raw[k+n:]
	}
}

func needsEscape(c byte) bool { return c < ' ' || c == '"' || c == '\\' }

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch {
	case c >= ' ':
		return append(dst, '\\', c)
	case shortEscape[c] != 0:
		return append(dst, '\\', shortEscape[c])
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// AppendQuote appends s as a JSON string with minimal escapes. Bytes that are not
// UTF-8 become U+FFFD: the result always scans.
func AppendQuote(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string(bytes.ToValidUTF8([]byte(s), []byte("\uFFFD")))
	}
	dst = append(dst, '"')
	for {
		k := plainPrefix(s)
		dst = append(dst, s[:k]...)
		if k == len(s) {
			return append(dst, '"')
		}
		dst = appendEscape(dst, s[k])
		s = s[k+1:]
	}
}

// plainPrefix returns the length of the start of s that needs no escape.
func plainPrefix(s string) int {
	i := 0
	for ; i+32 <= len(s); i += 32 {
		t := s[i : i+32]
		if stops(load8(t))|stops(load8(t[8:]))|stops(load8(t[16:]))|stops(load8(t[24:])) != 0 {
			break
		}
	}
	for ; i+8 <= len(s); i += 8 {
		if m := stops(load8(s[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(s) && !needsEscape(s[i]) {
		i++
	}
	return i
}

// load8 is written so that it is one load; a copy of s would be a call.
func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
