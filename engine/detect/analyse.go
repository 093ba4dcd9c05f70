package detect

import (
	"bytes"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// This file finds out of an expression's tree what its matches have in common: how long they are, and which keywords they hold where.

func parse(expr string) (*syntax.Regexp, error) { return syntax.Parse(expr, syntax.Perl) }

// unbounded is the length from which on a match counts as one of any length.
const unbounded = 1 << 20

// lengths returns the least and the most bytes of a match; most is -1 if there is no bound.
func lengths(re *syntax.Regexp) (least, most int) {
	least, most = span(re)
	if most >= unbounded {
		most = -1
	}
	return min(least, unbounded), most
}

func span(re *syntax.Regexp) (least, most int) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			a, b := sizes(r, re.Flags&syntax.FoldCase != 0)
			least, most = least+a, most+b
		}
		return least, most
	case syntax.OpCharClass:
		return classSizes(re.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, utf8.UTFMax
	case syntax.OpCapture:
		return span(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		times, upTo := repeats(re)
		a, b := span(re.Sub[0])
		return times * a, atMost(upTo, b)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			a, b := span(sub)
			least, most = min(least+a, unbounded), min(most+b, unbounded)
		}
		return least, most
	case syntax.OpAlternate:
		least = unbounded
		for _, sub := range re.Sub {
			a, b := span(sub)
			least, most = min(least, a), max(most, b)
		}
		return least, most
	default: // what is empty, and what matches nothing
		return 0, 0
	}
}

// atMost is times of b bytes, where -1 times are any number.
func atMost(times, b int) int {
	switch {
	case b == 0:
		return 0
	case times < 0:
		return unbounded
	}
	return min(times*b, unbounded)
}

// repeats returns how often what is repeated must and may be there; -1 is any number of times.
func repeats(re *syntax.Regexp) (times, upTo int) {
	switch re.Op {
	case syntax.OpStar:
		return 0, -1
	case syntax.OpPlus:
		return 1, -1
	case syntax.OpQuest:
		return 0, 1
	default:
		return re.Min, re.Max
	}
}

// sizes returns the least and most bytes of a rune, or of all that it is equal to without case.
func sizes(r rune, fold bool) (least, most int) {
	least = runeLen(r)
	most = least
	for f := unicode.SimpleFold(r); fold && f != r; f = unicode.SimpleFold(f) {
		least, most = min(least, runeLen(f)), max(most, runeLen(f))
	}
	return least, most
}

// runeLen is the bytes of a rune; what stands for a broken one may be a single byte, but is as long at most.
func runeLen(r rune) int { return max(utf8.RuneLen(r), 1) }

func classSizes(class []rune) (least, most int) {
	if len(class) == 0 {
		return 0, 0
	}
	least = runeLen(class[0])
	for i := 0; i < len(class); i += 2 {
		if class[i] <= utf8.RuneError && utf8.RuneError <= class[i+1] {
			least = 1
		}
		most = max(most, runeLen(min(class[i+1], unicode.MaxRune)))
	}
	return least, most
}

// oddFolds are the letters that are equal to an ASCII letter without case: what is said below of ASCII texts holds of others without them.
var oddFolds = []rune{'\u017f', '\u212a'}

// foldsOutside says whether an expression matches one of oddFolds.
func foldsOutside(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return re.Flags&syntax.FoldCase != 0 || slices.ContainsFunc(re.Rune, func(r rune) bool { return slices.Contains(oddFolds, r) })
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			if slices.ContainsFunc(oddFolds, func(r rune) bool { return re.Rune[i] <= r && r <= re.Rune[i+1] }) {
				return true
			}
		}
		return false
	default:
		return slices.ContainsFunc(re.Sub, foldsOutside)
	}
}

// planOf says how to run an expression, given its keywords. The keywords are without case, so of shapes every letter is in lower case.
func planOf(re *syntax.Regexp, keywords []string) (mode, []use) {
	if len(keywords) == 0 {
		return whole, nil
	}
	for _, few := range []int{fewLetters, 1} {
		a := analysis{keywords, few}
		if all := a.add([]shape{{}}, re); a.holds(all) {
			var uses []use
			for _, s := range all {
				if u := (use{keyword: s.keyword - 1, offset: s.offset}); !slices.Contains(uses, u) {
					uses = append(uses, u)
				}
			}
			return anchor, uses
		}
	}
	if a := (&analysis{keywords, fewLetters}); !a.must(re) {
		return whole, nil
	}
	uses := make([]use, len(keywords))
	for i := range uses {
		uses[i].keyword = i
	}
	return window, uses
}

// shape is what a match can begin with: bytes in lower case, or anyByte where they can be many. Once it holds a keyword it is complete.
type shape struct {
	text    []byte
	keyword int // 1 + the index of the keyword that it holds
	offset  int // of that
	stuck   bool
}

const (
	anyByte    = 0
	maxShapes  = 256
	maxShape   = 128
	fewLetters = 16 // of a class that shapes tell apart, if that leads somewhere
)

type analysis struct {
	keywords []string
	few      int // the most letters of a class that shapes tell apart
}

// holds says whether every shape holds a keyword.
func (a *analysis) holds(all []shape) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(s shape) bool { return s.keyword == 0 })
}

// add appends what an expression matches to shapes.
func (a *analysis) add(all []shape, re *syntax.Regexp) []shape {
	if !slices.ContainsFunc(all, shape.open) {
		return all
	}
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return all
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			all = a.letters(all, letters([]rune{r, r}))
		}
		return all
	case syntax.OpCharClass:
		return a.letters(all, letters(re.Rune))
	case syntax.OpCapture:
		return a.add(all, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			all = a.add(all, sub)
		}
		return all
	case syntax.OpAlternate:
		var out []shape
		for _, sub := range re.Sub {
			out = append(out, a.add(slices.Clone(all), sub)...)
		}
		return bounded(out)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		return a.repeat(all, re)
	default:
		return stick(all)
	}
}

func (a *analysis) repeat(all []shape, re *syntax.Regexp) []shape {
	times, upTo := repeats(re)
	for range min(times, maxShape) {
		all = a.add(all, re.Sub[0])
	}
	if upTo < 0 { // none more, or one and what nobody knows
		return bounded(append(slices.Clone(all), stick(a.add(slices.Clone(all), re.Sub[0]))...))
	}
	out, last := slices.Clone(all), all
	for range min(upTo-times, maxShapes) {
		last = a.add(slices.Clone(last), re.Sub[0])
		if out = append(out, last...); len(out) > maxShapes {
			break
		}
	}
	return bounded(out)
}

func (s shape) open() bool { return s.keyword == 0 && !s.stuck }

// stick ends shapes that don't hold a keyword: what follows can't be told.
func stick(all []shape) []shape {
	out := slices.Clone(all)
	for i := range out {
		out[i].stuck = out[i].keyword == 0
	}
	return out
}

func bounded(all []shape) []shape {
	if len(all) > maxShapes {
		return []shape{{stuck: true}}
	}
	return all
}

// letters returns the ASCII bytes of a class in lower case, once each; nil if it has others too.
func letters(class []rune) []byte {
	var out []byte
	for span := range slices.Chunk(class, 2) {
		from, to := span[0], span[len(span)-1]
		if slices.Contains(oddFolds, from) && from == to {
			continue
		}
		if to > unicode.MaxASCII {
			return nil
		}
		for r := from; r <= to; r++ {
			if c := lower(byte(r)); !bytes.Contains(out, []byte{c}) {
				out = append(out, c)
			}
		}
	}
	return out
}

// letters appends one of some bytes to shapes.
func (a *analysis) letters(all []shape, of []byte) []shape {
	if len(of) == 0 {
		return stick(all)
	}
	var out []shape
	for _, s := range all {
		if !s.open() {
			out = append(out, s)
			continue
		}
		var next []shape
		for _, c := range of {
			next = append(next, a.complete(shape{text: append(slices.Clip(s.text), c), stuck: len(s.text) == maxShape}))
		}
		if len(of) > a.few && !a.holds(next) {
			next = []shape{{text: append(slices.Clip(s.text), anyByte), stuck: len(s.text) == maxShape}}
		}
		out = append(out, next...)
	}
	return bounded(out)
}

// complete notes which keyword a shape ends in.
func (a *analysis) complete(s shape) shape {
	for i, w := range a.keywords {
		if bytes.HasSuffix(s.text, []byte(w)) {
			s.keyword, s.offset, s.stuck = i+1, len(s.text)-len(w), false
			break
		}
	}
	return s
}

// must says whether every match holds a keyword.
func (a *analysis) must(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return a.holds(a.within(re))
	case syntax.OpCapture:
		return a.must(re.Sub[0])
	case syntax.OpPlus, syntax.OpRepeat:
		times, _ := repeats(re)
		return times > 0 && a.must(re.Sub[0])
	case syntax.OpConcat:
		for i := range re.Sub {
			rest := syntax.Regexp{Op: syntax.OpConcat, Sub: re.Sub[i:]}
			if a.must(re.Sub[i]) || a.holds(a.add([]shape{{}}, &rest)) {
				return true
			}
		}
		return false
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !a.must(sub) })
	default:
		return false
	}
}

func (a *analysis) within(re *syntax.Regexp) []shape { return a.add([]shape{{}}, re) }

func sortedOnce(at []int) []int {
	slices.Sort(at)
	return slices.Compact(at)
}
