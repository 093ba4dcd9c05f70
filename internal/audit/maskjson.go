package audit

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNesting bounds the recursion of a rewrite; the gateway refuses messages nested deeper than 128.
const maxNesting = 200

// A rewrite carries one JSON value into a record: token by token, without whitespace, secrets replaced. It checks the
// grammar as it goes, for a broken value would break the line.
type rewrite struct {
	mask    Masker
	src     []byte
	at      int
	dst     []byte
	scratch []byte
	end     int // dst may not grow beyond it
	mute    int // > 0: inside a secret, nothing is written
	masked  bool
}

// run rewrites src. It reports false when src is not one JSON value or doesn't fit; dst then holds a part of it.
func (w *rewrite) run(src []byte) bool {
	w.src, w.at = src, 0
	w.space()
	ok := w.value(0)
	w.space()
	return ok && w.at == len(w.src) && len(w.dst) <= w.end
}

func (w *rewrite) peek() byte {
	if w.at < len(w.src) {
		return w.src[w.at]
	}
	return 0
}

func (w *rewrite) space() {
	for w.at < len(w.src) {
		switch w.src[w.at] {
		case ' ', '\t', '\r', '\n':
			w.at++
		default:
			return
		}
	}
}

func (w *rewrite) emit(c byte) {
	if w.mute == 0 {
		w.dst = append(w.dst, c)
	}
}

// take consumes c, with the space around it, and writes it.
func (w *rewrite) take(c byte) bool {
	w.space()
	if w.peek() != c {
		return false
	}
	w.at++
	w.space()
	w.emit(c)
	return true
}

// closes consumes the end of an object or array. The space behind it is the caller's.
func (w *rewrite) closes(end byte) bool {
	w.space()
	if w.peek() != end {
		return false
	}
	w.at++
	w.emit(end)
	return true
}

func (w *rewrite) value(depth int) bool {
	if depth > maxNesting || len(w.dst) > w.end {
		return false
	}
	switch c := w.peek(); {
	case c == '"':
		s, ok := w.literalString()
		if ok {
			w.str(s)
		}
		return ok
	case c == '{':
		return w.sequence('{', '}', depth)
	case c == '[':
		return w.sequence('[', ']', depth)
	case c == '-' || c >= '0' && c <= '9':
		return w.number()
	case c == 't':
		return w.word("true")
	case c == 'f':
		return w.word("false")
	case c == 'n':
		return w.word("null")
	}
	return false
}

func (w *rewrite) sequence(open, end byte, depth int) bool {
	w.take(open)
	if w.closes(end) {
		return true
	}
	for {
		if open == '{' && !w.member(depth+1) || open == '[' && !w.value(depth+1) {
			return false
		}
		if w.closes(end) {
			return true
		}
		if !w.take(',') {
			return false
		}
	}
}

func (w *rewrite) member(depth int) bool {
	name, ok := w.literalString()
	if !ok || !w.name(text(name)) {
		return false
	}
	secret := w.mute == 0 && w.mask.Secret(text(name))
	if !w.take(':') {
		return false
	}
	if !secret {
		return w.value(depth)
	}
	w.dst = append(w.dst, `"`+Redacted+`"`...)
	w.masked = true
	w.mute++
	ok = w.value(depth)
	w.mute--
	return ok
}

// name writes the name of a member. One that is changed on the way could become that of another member, and a line with
// two members of one name reads as two different records: a value with such a name is not recorded.
func (w *rewrite) name(s string) bool {
	if w.mute > 0 {
		return true
	}
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return false
	}
	var masked bool
	w.dst, masked = w.mask.appendString(w.dst, s, w.end)
	return !masked
}

// literalString consumes a string literal and returns its text, which is valid until the next call.
func (w *rewrite) literalString() ([]byte, bool) {
	if w.peek() != '"' {
		return nil, false
	}
	start := w.at + 1
	escaped := false
	for i := start; i < len(w.src); i++ {
		switch c := w.src[i]; {
		case c == '\\':
			escaped = true
			i++
		case c < 0x20:
			return nil, false
		case c == '"':
			w.at = i + 1
			s := w.src[start:i]
			if escaped {
				w.scratch = appendUnescaped(w.scratch[:0], s)
				s = w.scratch
			}
			return s, true
		}
	}
	return nil, false
}

func (w *rewrite) str(s []byte) {
	if w.mute > 0 {
		return
	}
	var masked bool
	w.dst, masked = w.mask.appendString(w.dst, text(s), w.end)
	w.masked = w.masked || masked
}

func (w *rewrite) word(s string) bool {
	if !bytes.HasPrefix(w.src[w.at:], []byte(s)) {
		return false
	}
	return w.bare(len(s))
}

func (w *rewrite) bare(n int) bool {
	if w.mute == 0 {
		w.dst = append(w.dst, w.src[w.at:w.at+n]...)
	}
	w.at += n
	return n > 0
}

func (w *rewrite) number() bool {
	n := numberEnd(w.src[w.at:])
	number := w.src[w.at : w.at+n]
	if n > 300 || bytes.IndexByte(number, 'e') >= 0 || bytes.IndexByte(number, 'E') >= 0 {
		if _, err := strconv.ParseFloat(text(number), 64); err != nil {
			return false
		}
	}
	return w.bare(n)
}

// numberEnd returns the length of the JSON number at the start of s, 0 if there is none.
func numberEnd(s []byte) int {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	n := digits(s[i:])
	if n == 0 || n > 1 && s[i] == '0' {
		return 0
	}
	i += n
	if i < len(s) && s[i] == '.' {
		if n = digits(s[i+1:]); n == 0 {
			return 0
		}
		i += 1 + n
	}
	if i == len(s) || s[i]|0x20 != 'e' {
		return i
	}
	i++
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	if n = digits(s[i:]); n == 0 {
		return 0
	}
	return i + n
}

func digits(s []byte) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// appendUnescaped appends the text that the inside of a JSON string stands for; a lone surrogate becomes a byte that is no
// UTF-8.
func appendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			dst = append(dst, s[i])
			i++
			continue
		}
		if s[i+1] != 'u' {
			dst = append(dst, unescape(s[i+1]))
			i += 2
			continue
		}
		r := unit(s[i:])
		i += min(6, len(s)-i)
		if utf16.IsSurrogate(r) {
			if r = utf16.DecodeRune(r, unit(s[i:])); r == utf8.RuneError {
				dst = append(dst, 0xff)
				continue
			}
			i += 6
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	}
	return c
}

// unit reads the \uXXXX at the start of s; U+FFFD if there is none.
func unit(s []byte) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return utf8.RuneError
	}
	var r rune
	for _, c := range s[2:6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return utf8.RuneError
		}
	}
	return r
}
