package audit

import "strings"

// findSecret returns where the first secret in s stands. It looks at s once: every shape has a byte that is rare in
// other text, and only there the neighbourhood is read. What reads on for long must find a secret, or the time would grow
// with the square of the text.
func (m Masker) findSecret(s string) (start, end int, ok bool) {
	for i := range len(s) {
		if byteClass[s[i]]&bytePivot == 0 {
			continue
		}
		if start, end = m.secretAt(s, i); end > 0 {
			return start, end, true
		}
	}
	return 0, 0, false
}

func (m Masker) secretAt(s string, i int) (start, end int) {
	switch s[i] {
	case 'J':
		return prefixed(s, i, "eyJ", 10)
	case '_':
		return shaped(s, i, 0)
	case '-':
		if i > 0 && s[i-1] == '-' {
			return privateKey(s, i)
		}
		return shaped(s, i, 1)
	case 'I':
		return cloudKey(s, i)
	case ' ':
		return scheme(s, i)
	case ':':
		return m.colon(s, i)
	case '=':
		return m.assigned(s, i)
	}
	return 0, 0
}

// prefixed matches a token that begins with prefix, whose last byte is s[i], and goes on for at least n more bytes.
func prefixed(s string, i int, prefix string, n int) (start, end int) {
	if !strings.HasSuffix(s[:i+1], prefix) {
		return 0, 0
	}
	end = tokenEnd(s, i+1)
	if end-(i+1) < n {
		return 0, 0
	}
	return i + 1 - len(prefix), end
}

func tokenEnd(s string, i int) int {
	for i < len(s) && isToken(s[i]) {
		i++
	}
	return i
}

func isToken(c byte) bool {
	return isAlnum(c) || c == '-' || c == '_' || c == '.' || c == '+' || c == '/' || c == '=' || c == '~'
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// shapes are the beginnings of tokens, by the pivot that they end in and the byte before it.
type shape struct {
	prefix string
	more   int  // bytes that must follow
	word   bool // nothing of a word may stand before
}

var underscored = map[byte][]shape{
	'p': {{"ghp_", 12, false}},
	'o': {{"gho_", 12, false}},
	'u': {{"ghu_", 12, false}},
	's': {{"ghs_", 12, false}},
	'r': {{"ghr_", 12, false}},
	't': {{"github_pat_", 12, false}, {"sk_test_", 12, false}, {"rk_test_", 12, false}},
	'e': {{"sk_live_", 12, false}, {"rk_live_", 12, false}},
	'm': {{"npm_", 16, true}},
	'f': {{"hf_", 20, true}},
	'1': {{"dop_v1_", 20, false}},
}

var hyphened = map[byte][]shape{
	'k': {{"sk-", 16, true}},
	'b': {{"xoxb-", 8, false}},
	'a': {{"xoxa-", 8, false}},
	'p': {{"xoxp-", 8, false}, {"xapp-", 8, false}},
	'r': {{"xoxr-", 8, false}},
	's': {{"xoxs-", 8, false}},
	'e': {{"xoxe-", 8, false}, {"xoxe.xoxp-", 8, false}},
	't': {{"glpat-", 12, false}},
	'i': {{"pypi-", 16, false}},
}

// shapesAt is the two tables as an array: this is asked at every hyphen and underscore.
var shapesAt = makeShapesAt()

func makeShapesAt() (t [2][128][]shape) {
	for c, shapes := range underscored {
		t[0][c] = shapes
	}
	for c, shapes := range hyphened {
		t[1][c] = shapes
	}
	return t
}

func shaped(s string, i, table int) (start, end int) {
	if i == 0 || s[i-1] >= 128 {
		return 0, 0
	}
	for _, sh := range shapesAt[table][s[i-1]] {
		before := i - len(sh.prefix)
		if sh.word && before >= 0 && isAlnum(s[before]) {
			continue
		}
		if start, end = prefixed(s, i, sh.prefix, sh.more); end > 0 {
			return start, end
		}
	}
	return 0, 0
}

// privateKey matches a PEM block from the last hyphen before BEGIN to its end, or to the end of s.
func privateKey(s string, i int) (start, end int) {
	const begin, key, last = "-----BEGIN ", "PRIVATE KEY", "-----END "
	start = i + 1 - len("-----")
	if start < 0 || !strings.HasPrefix(s[start:], begin) {
		return 0, 0
	}
	label := s[start+len(begin) : min(start+len(begin)+64, len(s))]
	if !strings.Contains(label, key) {
		return 0, 0
	}
	n := strings.Index(s[i:], last)
	if n < 0 {
		return start, len(s)
	}
	end = i + n + len(last)
	if n = strings.Index(s[end:], "-----"); n < 0 || n > 64 {
		return start, len(s)
	}
	return start, end + n + len("-----")
}

// cloudKey matches AWS access key ids and Google API keys.
func cloudKey(s string, i int) (start, end int) {
	switch {
	case i >= 2 && i+1 < len(s) && s[i+1] == 'A' && s[i-2] == 'A' && (s[i-1] == 'K' || s[i-1] == 'S'):
		start = i - 2
	case i >= 1 && s[i-1] == 'A' && strings.HasPrefix(s[i+1:], "za"):
		start = i - 1
	default:
		return 0, 0
	}
	end = tokenEnd(s, start)
	if end-start < 16 {
		return 0, 0
	}
	return start, end
}

// Words that follow a scheme's name in prose.
var schemeProse = map[string]struct{}{
	"token": {}, "tokens": {}, "authentication": {}, "authorization": {}, "credential": {}, "credentials": {}, "scheme": {},
	"header": {}, "challenge": {},
}

// scheme matches what follows the name of an authentication scheme, the challenges of WWW-Authenticate apart.
func scheme(s string, i int) (start, end int) {
	if !endsFold(s[:i], "bearer") && !endsFold(s[:i], "basic") {
		return 0, 0
	}
	start = i + 1
	for start < len(s) && s[start] == ' ' {
		start++
	}
	end = tokenEnd(s, start)
	word := s[start:end]
	if _, prose := schemeProse[word]; prose || len(word) < 4 || challenge(word, s[end:]) {
		return 0, 0
	}
	return start, end
}

func challenge(word, rest string) bool {
	return strings.HasSuffix(word, "=") && strings.HasPrefix(rest, `"`)
}

func endsFold(s, word string) bool {
	return len(s) >= len(word) && strings.EqualFold(s[len(s)-len(word):], word)
}

// colon matches the userinfo of a URL, and the value of a header that carries credentials, to the end of its line.
func (m Masker) colon(s string, i int) (start, end int) {
	if strings.HasPrefix(s[i+1:], "//") {
		return userinfo(s, i+3)
	}
	switch strings.ToLower(wordBefore(s, i)) {
	case "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "mcp-session-id":
	default:
		return 0, 0
	}
	end = i + 1
	for end < len(s) && s[end] != '\n' && s[end] != '\r' {
		end++
	}
	if end == i+1 {
		return 0, 0
	}
	return i + 1, end
}

func userinfo(s string, start int) (from, to int) {
	at := 0
	for i := start; i < len(s); i++ {
		switch s[i] {
		case '@':
			at = i
		case '/', '?', '#', ' ', '"', '\'', '\n', '\r', '\t', '<', '>':
			return start, at
		}
	}
	return start, at
}

// assigned matches the value of `name=value` where name is a secret's.
func (m Masker) assigned(s string, i int) (start, end int) {
	word := wordBefore(s, i)
	if word == "" || !m.Secret(word) {
		return 0, 0
	}
	start = i + 1
	if start < len(s) && (s[start] == '"' || s[start] == '\'') {
		quote := s[start]
		start++
		if n := strings.IndexByte(s[start:], quote); n >= 0 {
			return start, start + n
		}
		return start, len(s)
	}
	end = start
	for end < len(s) && !strings.ContainsRune(" &;,)]}\"'\n\r\t", rune(s[end])) {
		end++
	}
	if end == start {
		return 0, 0
	}
	return start, end
}

// wordBefore returns the name that ends before s[i], of at most 64 bytes.
func wordBefore(s string, i int) string {
	start := i
	for start > 0 && i-start < 64 && (isAlnum(s[start-1]) || s[start-1] == '_' || s[start-1] == '-' || s[start-1] == '.') {
		start--
	}
	return s[start:i]
}
