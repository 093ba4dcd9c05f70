package sallyport

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// depth is how deep a text that ParseJSON reads may be nested.
const depth = 128

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r') {
		i++
	}
	return i
}

// skip returns the end of the value that begins at i in JSON that is known to be good.
func skip(s string, i int) int {
	switch s[i] {
	case '"':
		return skipString(s, i)
	case '{', '[':
		open := 0
		for ; ; i++ {
			switch s[i] {
			case '"':
				i = skipString(s, i) - 1
			case '{', '[':
				open++
			case '}', ']':
				if open--; open == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(s) && strings.IndexByte(",]} \t\r\n", s[i]) < 0 {
		i++
	}
	return i
}

func skipString(s string, i int) int {
	for i++; s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// check returns the end of the value that begins at i in a text that may be anything.
func check(s string, i, level int) (end int, ok bool) {
	if i >= len(s) || level > depth {
		return i, false
	}
	switch s[i] {
	case '{':
		return checkMany(s, i+1, level, '}', checkMember)
	case '[':
		return checkMany(s, i+1, level, ']', check)
	case '"':
		return checkString(s, i)
	}
	for _, word := range []string{"true", "false", "null"} {
		if strings.HasPrefix(s[i:], word) {
			return i + len(word), true
		}
	}
	return checkNumber(s, i)
}

// checkMany checks what stands between brackets.
func checkMany(s string, i, level int, closing byte, one func(string, int, int) (int, bool)) (end int, ok bool) {
	i = skipSpace(s, i)
	if i < len(s) && s[i] == closing {
		return i + 1, true
	}
	for {
		i, ok = one(s, skipSpace(s, i), level+1)
		i = skipSpace(s, i)
		switch {
		case !ok || i >= len(s):
			return i, false
		case s[i] == closing:
			return i + 1, true
		case s[i] != ',':
			return i, false
		}
		i++
	}
}

func checkMember(s string, i, level int) (int, bool) {
	if i >= len(s) || s[i] != '"' {
		return i, false
	}
	i, ok := checkString(s, i)
	i = skipSpace(s, i)
	if !ok || i >= len(s) || s[i] != ':' {
		return i, false
	}
	return check(s, skipSpace(s, i+1), level)
}

func checkString(s string, i int) (end int, ok bool) {
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1, true
		case c < ' ':
			return i, false
		case c == '\\':
			i++
			if i >= len(s) || strings.IndexByte(`"\/bfnrtu`, s[i]) < 0 {
				return i, false
			}
			if s[i] == 'u' {
				if _, ok := hex4(s[i+1:]); !ok {
					return i, false
				}
				i += 4
			}
		}
	}
	return i, false
}

func checkNumber(s string, i int) (end int, ok bool) {
	if s[i] == '-' {
		i++
	}
	start := i
	if i = skipDigits(s, i); i == start || s[start] == '0' && i > start+1 {
		return i, false
	}
	if i < len(s) && s[i] == '.' {
		start = i + 1
		if i = skipDigits(s, start); i == start {
			return i, false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		start = i
		if i = skipDigits(s, start); i == start {
			return i, false
		}
	}
	return i, true
}

func skipDigits(s string, i int) int {
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}

// hex4 reads four hexadecimal digits.
func hex4(s string) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for i := range 4 {
		c := s[i] | 0x20
		switch {
		case '0' <= s[i] && s[i] <= '9':
			r = r<<4 | rune(s[i]-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// unquote returns the text of what stands between the quotes of a good string.
func unquote(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		i++
		if s[i] != 'u' {
			out = append(out, unescape(s[i]))
			continue
		}
		r, _ := hex4(s[i+1:])
		i += 4
		if utf16.IsSurrogate(r) {
			r = utf8.RuneError
			if strings.HasPrefix(s[i+1:], `\u`) {
				if low, ok := hex4(s[i+3:]); ok {
					first, _ := hex4(s[i-3:])
					if pair := utf16.DecodeRune(first, low); pair != utf8.RuneError {
						r = pair
						i += 6
					}
				}
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// Quote returns a text as a JSON string, for [Call.SetJSON].
func Quote(text string) string {
	return string(AppendQuote(make([]byte, 0, len(text)+2), text))
}

// AppendQuote appends a text as a JSON string. What is not UTF-8 becomes U+FFFD.
func AppendQuote(dst []byte, text string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			if k := strings.IndexByte("\b\f\n\r\t", byte(r)); k >= 0 {
				dst = append(dst, '\\', "bfnrt"[k])
				continue
			}
			dst = append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
