package audit

import (
	"strconv"
	"strings"
)

// Redacted stands where a secret stood.
const Redacted = "[redacted]"

// A Masker finds secrets by the name they go under and by their shape. The zero value knows the usual ones. It is
// immutable and safe for concurrent use.
type Masker struct {
	names map[string]struct{}
}

// NewMasker returns a Masker that also takes values under the given names for secrets. Case and separators don't matter.
func NewMasker(names ...string) Masker {
	m := Masker{names: make(map[string]struct{}, len(names))}
	for _, name := range names {
		var buf [maxName]byte
		m.names[string(foldName(buf[:0], name))] = struct{}{}
	}
	return m
}

const maxName = 128

// Parts of a folded name that make it a secret's, wherever they stand in it.
var secretParts = []string{
	"password", "passwd", "passphrase", "secret", "apikey", "privatekey", "accesskey", "credential", "authorization",
	"cookie",
}

// partLetters rules out most parts without a search.
var partLetters = func() (all []uint32) {
	for _, part := range secretParts {
		all = append(all, lettersOf(part))
	}
	return all
}()

func lettersOf(s string) (set uint32) {
	for i := range len(s) {
		set |= 1 << (s[i] & 31)
	}
	return set
}

// Whole folded names that are a secret's.
var secretNames = map[string]struct{}{
	"pwd": {}, "pass": {}, "auth": {}, "bearer": {}, "jwt": {}, "otp": {}, "pin": {}, "signature": {}, "sessionid": {},
	"mcpsessionid": {}, "assertion": {}, "samlresponse": {},
}

// Secret says whether a value under name is a secret.
func (m Masker) Secret(name string) bool {
	var buf [maxName]byte
	folded := foldName(buf[:0], name)
	if strings.HasSuffix(text(folded), "token") && text(folded) != "progresstoken" {
		return true
	}
	has := lettersOf(text(folded))
	for i, part := range secretParts {
		if has&partLetters[i] == partLetters[i] && strings.Contains(text(folded), part) {
			return true
		}
	}
	if _, ok := secretNames[string(folded)]; ok {
		return true
	}
	_, ok := m.names[string(folded)]
	return ok
}

// secretField says whether a field is a secret by one of the names that lead to it from its root: `args["my pin"].code`.
func (m Masker) secretField(field string) bool {
	field = strings.TrimPrefix(field, "apiKey.") // what stands there is no key
	if m.Secret(field) {
		return true
	}
	for rest := field[rootEnd(field):]; rest != ""; {
		var step string
		if strings.HasPrefix(rest, `["`) {
			quoted, err := strconv.QuotedPrefix(rest[1:])
			if err != nil {
				return true // nobody can say what it is
			}
			step, _ = strconv.Unquote(quoted) // it is quoted
			rest = rest[1+len(quoted):]
		} else {
			rest = rest[1:]
			n := rootEnd(rest)
			step, rest = rest[:n], rest[n:]
		}
		if m.Secret(step) {
			return true
		}
	}
	return false
}

// rootEnd is where the first name of a field ends.
func rootEnd(field string) int {
	if n := strings.IndexAny(field, ".["); n >= 0 {
		return n
	}
	return len(field)
}

// foldName drops case and separators; of a name longer than its buffer the end counts.
func foldName(dst []byte, name string) []byte {
	if len(name) > cap(dst) {
		name = name[len(name)-cap(dst):]
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'A' && c <= 'Z':
			dst = append(dst, c|0x20)
		case c == '_' || c == '-' || c == '.' || c == ' ' || c == '/' || c == ':':
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// Text returns s with every secret in it replaced.
func (m Masker) Text(s string) string {
	start, end, ok := m.findSecret(s)
	if !ok {
		return s
	}
	var b strings.Builder
	for ok {
		b.WriteString(s[:start])
		b.WriteString(Redacted)
		s = s[end:]
		start, end, ok = m.findSecret(s)
	}
	b.WriteString(s)
	return b.String()
}

// appendString appends s as a JSON string of at most limit bytes of text, without its secrets, and says whether there
// were any.
func (m Masker) appendString(dst []byte, s string, limit int) (out []byte, masked bool) {
	if len(s)-lookahead > limit {
		s = s[:limit+lookahead]
	}
	class := classify(s)
	dst = append(dst, '"')
	if class&bytePivot != 0 {
		dst, s, limit, masked = m.appendMasked(dst, s, limit)
	}
	if class&byteEscape == 0 && len(s) <= limit {
		dst = append(dst, s...)
	} else {
		dst = appendCut(dst, s, limit)
	}
	return append(dst, '"'), masked
}

// lookahead is how far behind its bound a text is read, so that the bound never leaves the beginning of a secret.
const lookahead = 1024

// appendMasked appends s up to behind its last secret and returns the rest.
func (m Masker) appendMasked(dst []byte, s string, limit int) (out []byte, rest string, left int, masked bool) {
	for {
		start, end, ok := m.findSecret(s)
		if !ok || start > limit {
			return dst, s, limit, masked
		}
		dst = appendEscaped(dst, s[:start])
		dst = append(dst, Redacted...)
		limit -= start
		s = s[end:]
		masked = true
	}
}

func appendCut(dst []byte, s string, limit int) []byte {
	if len(s) <= limit {
		return appendEscaped(dst, s)
	}
	return append(appendEscaped(dst, cut(s, max(limit, 0))), "\u2026"...)
}
