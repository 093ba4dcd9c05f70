package detect

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// rule is a rule as it is run.
type rule struct {
	id       string
	keywords []string // in lower case
	secret   int      // the group that is the secret; 0: the first that is not empty, or all of the match
	entropy  float64  // what a secret must have more of; 0: nothing
	allow    []*allowlist

	re    *regexp.Regexp
	mode  mode
	uses  []use
	most  int         // the longest match in bytes; -1: there is none
	bytes *[256]uint8 // of which matches are made: bit 0; others are for bytes of which every match has one
	needs uint8       // the bits that the bytes of a match have together
	least int         // the shortest match
	folds bool        // the expression matches letters outside of ASCII as if they were in it

	// With anchor, the expression at one place: as straight, or else at the beginning of a text and behind its first character.
	straight     straight
	first, later *regexp.Regexp

	// The expression anywhere behind the first character, as a group.
	behind *regexp.Regexp
}

// mode is how an expression is run.
type mode uint8

const (
	whole  mode = iota // over the whole text
	window             // around keywords, one of which every match holds
	anchor             // at fixed distances before keywords
)

// use is a keyword that a match holds, and how far from its beginning.
type use struct {
	keyword int    // its index in keywords
	word    uint16 // the set's number of it
	offset  int    // with anchor
}

// margin is what an expression sees beside a window: the whole of a character, wherever that is cut.
const margin = 4

// plan finds out how the expression can be run.
func (r *rule) plan() error {
	tree, err := parse(r.re.String())
	if err != nil {
		return err
	}
	r.least, r.most = lengths(tree)
	r.bytes, r.needs = bytesOf(tree)
	r.folds = foldsOutside(tree)
	r.mode, r.uses = planOf(tree, r.keywords)
	if r.behind, err = regexp.Compile(`\A(?s:.)(?s:.*?)(` + r.re.String() + `)`); err != nil {
		return err
	}
	if r.mode == window && (r.most < 0 || r.most > maxWindow) {
		r.mode, r.uses = whole, nil
	}
	if r.mode != anchor {
		return nil
	}
	if r.straight = straightOf(tree); r.straight != nil {
		return nil
	}
	if r.first, err = regexp.Compile(`\A(?:` + r.re.String() + `)`); err != nil {
		return err
	}
	r.later, err = regexp.Compile(`\A(?s:.)(?:` + r.re.String() + `)`)
	return err
}

// maxWindow is the longest match for which looking around keywords is worth it.
const maxWindow = 1 << 14

// at tries the rule's expression at one place of the text. It returns a match as regexp does, good until the next, and how much of the text it
// has looked at.
func (x *search) at(r *rule, begin int) (loc []int, looked int) {
	text := x.text
	if text[begin] >= utf8.RuneSelf { // up to its keyword, a match is of ASCII
		return nil, 1
	}
	end := len(text)
	if r.most >= 0 {
		end = min(end, begin+r.most)
	}
	n, has := 0, uint8(0)
	for n < end-begin && r.bytes[text[begin+n]]&1 != 0 {
		has |= r.bytes[text[begin+n]]
		n++
	}
	if n < r.least || has&r.needs != r.needs {
		return nil, n
	}
	if r.straight != nil {
		groups := 2 * (1 + r.re.NumSubexp())
		x.loc = slices.Grow(x.loc[:0], groups)[:groups]
		ok, more := r.straight.at(text, begin, x.loc)
		if !ok {
			return nil, n + more
		}
		return x.loc, n + more
	}
	end = min(begin+n+margin, len(text))
	if begin == 0 {
		return x.submatch(r.first, text[:end]), end
	}
	// The byte before tells \b and ^ where they are.
	loc = x.submatch(r.later, text[begin-1:end])
	for i := range loc {
		if loc[i] >= 0 {
			loc[i] += begin - 1
		}
	}
	if loc != nil {
		loc[0] = begin
	}
	return loc, end - begin
}

// secretIn returns where in a match the secret is, if it is one.
func (r *rule) secretIn(x *search, loc []int) (begin, end int, ok bool) {
	text, g := x.text, r.secret
	if g == 0 {
		for i := 2; i < len(loc); i += 2 {
			if loc[i] >= 0 && loc[i+1] > loc[i] {
				g = i / 2
				break
			}
		}
	}
	begin, end = loc[2*g], loc[2*g+1]
	if begin < 0 || begin == end {
		return 0, 0, false
	}
	if r.entropy > 0 && entropy(text[begin:end]) <= r.entropy {
		return 0, 0, false
	}
	for _, a := range r.allow {
		if a.allows(x, loc[0], loc[1], begin, end) {
			return 0, 0, false
		}
	}
	return begin, end, true
}

// entropy is Shannon's, in bits a byte.
func entropy(b []byte) float64 {
	var counts [256]uint32
	for _, c := range b {
		counts[c]++
	}
	sum := 0.0
	for _, c := range b { // each byte once, in the order of the text
		if n := counts[c]; n > 0 {
			sum += weight(n)
			counts[c] = 0
		}
	}
	n := float64(len(b))
	return math.Log2(n) - sum/n
}

// weights are n * log2(n) of small numbers.
var weights = func() (of [64]float64) {
	for n := 2; n < len(of); n++ {
		of[n] = float64(n) * math.Log2(float64(n))
	}
	return of
}()

func weight(n uint32) float64 {
	if int(n) < len(weights) {
		return weights[n]
	}
	return float64(n) * math.Log2(float64(n))
}

// allowlist says what is no secret.
type allowlist struct {
	all     bool // every criterion must hold, not one of them
	never   bool // one that can't hold is among those that must
	regexes []pattern
	target  string // what the expressions are tried on: secret, match, line
	words   *finder
}

func (a *allowlist) allows(x *search, from, to, begin, end int) bool {
	if a.never {
		return false
	}
	if len(a.regexes) > 0 {
		var matched bool
		switch a.target {
		case targetMatch:
			matched = a.matches(x, x.text[from:to])
		case targetLine:
			matched = x.onLine(a, from, to)
		default:
			matched = a.matches(x, x.text[begin:end])
		}
		if matched != a.all {
			return matched
		}
	}
	if a.words != nil {
		var few [8]hit
		stopped := len(a.words.find(x.text[begin:end], few[:0])) > 0
		if stopped != a.all {
			return stopped
		}
	}
	return a.all && (len(a.regexes) > 0 || a.words != nil)
}

const (
	targetSecret = "secret"
	targetMatch  = "match"
	targetLine   = "line"
)

func (a *allowlist) matches(x *search, text []byte) bool {
	for i := range a.regexes {
		if a.regexes[i].matches(x, text) {
			return true
		}
	}
	return false
}

// pattern is an expression that is tried on a text, and not looked for.
type pattern struct {
	re       *regexp.Regexp
	straight straight // nil, or all that it matches begins where the text does
}

func newPattern(re *regexp.Regexp) pattern {
	p := pattern{re: re}
	if tree, err := parse(re.String()); err == nil {
		if all := straightOf(tree); all.fromBegin() {
			p.straight = all
		}
	}
	return p
}

func (p *pattern) matches(x *search, text []byte) bool {
	if p.straight == nil || x.odd {
		return x.match(p.re, text)
	}
	ok, _ := p.straight.at(text, 0, nil)
	return ok
}

// tried is the line that an allowlist's expressions were tried on last, and whether one matched.
type tried struct {
	of       *allowlist
	from, to int
	matched  bool
}

// onLine says whether an allowlist matches the line, or the lines, that a match is on. A line with many matches is read once.
func (x *search) onLine(a *allowlist, from, to int) bool {
	i := slices.IndexFunc(x.lines, func(l tried) bool { return l.of == a })
	if i >= 0 && x.lines[i].from <= from && to <= x.lines[i].to {
		return x.lines[i].matched
	}
	l := tried{of: a, from: bytes.LastIndexByte(x.text[:from], '\n') + 1, to: len(x.text)}
	if n := bytes.IndexByte(x.text[to:], '\n'); n >= 0 {
		l.to = to + n
	}
	l.matched = a.matches(x, x.text[l.from:l.to])
	switch {
	case bytes.IndexByte(x.text[from:to], '\n') >= 0: // several: a match behind this one is on fewer
	case i >= 0:
		x.lines[i] = l
	default:
		x.lines = append(x.lines, l)
	}
	return l.matched
}

// hasKeyword says whether a rule's expression is to be tried on a text.
func (r *rule) hasKeyword(text string) bool {
	text = foldASCII(text)
	return len(r.keywords) == 0 || slices.ContainsFunc(r.keywords, func(w string) bool { return strings.Contains(text, w) })
}
