package detect

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// This file matches expressions for which nothing has to be tried twice, as most of detectors are: a word, a number of letters, an end. It
// does so in a tenth of the time that package regexp takes.

// straight is such an expression: ways to match it, of which the first that does is the match that regexp finds. nil is any other expression.
type straight []way

// way is one way through an expression: steps that each take as many characters as they can. No step of it would have the others match by
// taking fewer.
type way []step

type step struct {
	do          doing
	of          *[256]bool // with take: the characters, by their first byte; those outside of ASCII are all alike
	least, most int        // with take: how many; most is -1 if there is no bound
	mark        int        // with note: the index in what a match returns
}

type doing uint8

const (
	take  doing = iota
	note        // where a group begins or ends
	edge        // of a word: \b
	begin       // of the text
	end         // of the text
)

// maxWays is how many ways an expression may have.
const maxWays = 128

func straightOf(re *syntax.Regexp) straight {
	all := ways(re)
	for _, w := range all {
		for i := range w {
			if !w.settled(i) {
				return nil
			}
		}
	}
	return all
}

// fromBegin says that there is no match but at the beginning of a text.
func (all straight) fromBegin() bool {
	for _, w := range all {
		if i := slices.IndexFunc(w, func(s step) bool { return s.do != note }); i < 0 || w[i].do != begin {
			return false
		}
	}
	return len(all) > 0
}

// ways lists the ways through an expression, those first that regexp tries first; none if it has other things in it, or too many.
func ways(re *syntax.Regexp) []way {
	if of := single(re); of != nil {
		return []way{{{of: of, least: 1, most: 1}}}
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []way{{}}
	case syntax.OpWordBoundary:
		return []way{{{do: edge}}}
	case syntax.OpBeginText:
		return []way{{{do: begin}}}
	case syntax.OpEndText:
		return []way{{{do: end}}}
	case syntax.OpLiteral:
		var w way
		for _, r := range re.Rune {
			of := single(&syntax.Regexp{Op: syntax.OpLiteral, Flags: re.Flags, Rune: []rune{r}})
			if of == nil {
				return nil
			}
			w = append(w, step{of: of, least: 1, most: 1})
		}
		return []way{w}
	case syntax.OpCapture:
		from, to := []way{{{do: note, mark: 2 * re.Cap}}}, []way{{{do: note, mark: 2*re.Cap + 1}}}
		return then(then(from, ways(re.Sub[0])), to)
	case syntax.OpConcat:
		all := []way{{}}
		for _, sub := range re.Sub {
			all = then(all, ways(sub))
		}
		return all
	case syntax.OpAlternate:
		return either(re.Sub...)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		return repeated(re)
	default:
		return nil
	}
}

func repeated(re *syntax.Regexp) []way {
	times, upTo := repeats(re)
	of := single(re.Sub[0])
	switch {
	case re.Flags&syntax.NonGreedy != 0:
		return nil
	case of != nil:
		return []way{{{of: of, least: times, most: upTo}}}
	case re.Op == syntax.OpQuest:
		return either(re.Sub[0], &syntax.Regexp{Op: syntax.OpEmptyMatch})
	default:
		return nil
	}
}

func either(of ...*syntax.Regexp) []way {
	var all []way
	for _, re := range of {
		some := ways(re)
		if all = append(all, some...); some == nil || len(all) > maxWays {
			return nil
		}
	}
	return all
}

func then(first, second []way) []way {
	if len(first)*len(second) > maxWays {
		return nil
	}
	var all []way
	for _, a := range first {
		for _, b := range second {
			all = append(all, slices.Concat(a, b))
		}
	}
	return all
}

// single returns what an expression matches that matches one character; nil if it is another, or tells characters outside of ASCII apart. Where
// oddFolds make a difference no expression is matched this way.
func single(re *syntax.Regexp) *[256]bool {
	switch {
	case re.Op == syntax.OpLiteral && len(re.Rune) == 1:
		spans := []rune{re.Rune[0], re.Rune[0]}
		for f := unicode.SimpleFold(re.Rune[0]); re.Flags&syntax.FoldCase != 0 && f != re.Rune[0]; f = unicode.SimpleFold(f) {
			spans = append(spans, f, f)
		}
		return firsts(spans)
	case re.Op == syntax.OpCharClass:
		return firsts(re.Rune)
	case re.Op == syntax.OpAnyChar:
		return firsts([]rune{0, unicode.MaxRune})
	case re.Op == syntax.OpAnyCharNotNL:
		return firsts([]rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune})
	default:
		return nil
	}
}

func firsts(spans []rune) *[256]bool {
	of := new([256]bool)
	for span := range slices.Chunk(spans, 2) {
		from, to := span[0], span[1]
		switch {
		case from <= utf8.RuneSelf && to == unicode.MaxRune:
			for b := utf8.RuneSelf; b < len(of); b++ {
				of[b] = true
			}
		case to >= utf8.RuneSelf && (from != to || !slices.Contains(oddFolds, from)):
			return nil
		}
		for r := from; r <= min(to, unicode.MaxASCII); r++ {
			of[r] = true
		}
	}
	return of
}

// settled says that a step need not be tried with fewer characters than it can take. With fewer, the next is one of its own: what follows must
// not match there.
func (w way) settled(i int) bool {
	s := &w[i]
	if s.do != take || s.least == s.most {
		return true
	}
	for _, next := range w[i+1:] {
		switch next.do {
		case take:
			for b := range s.of {
				if s.of[b] && next.of[b] {
					return false
				}
			}
			if next.least > 0 {
				return true
			}
		case edge: // there is none between letters of a word, nor between others
			return s.least > 0 && (s.isOf(true) || s.isOf(false))
		case begin:
			return false
		case end:
			return true
		case note:
		}
	}
	return true
}

// isOf says that all characters of a step are of words, or none is.
func (s *step) isOf(words bool) bool {
	for b := range s.of {
		if s.of[b] && isWord(byte(b)) != words {
			return false
		}
	}
	return true
}

func isWord(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_'
}

// at matches at one place of a text, and sets loc as regexp would, unless it is nil. It also returns how many bytes it has looked at.
func (all straight) at(text []byte, at int, loc []int) (ok bool, looked int) {
	for _, w := range all {
		for i := range loc {
			loc[i] = -1
		}
		to, ok := w.match(text, at, loc)
		looked += to - at + 1
		if ok && loc != nil {
			loc[0], loc[1] = at, to
		}
		if ok {
			return true, looked
		}
	}
	return false, looked
}

// match returns where a match ends, or how far it was looked for.
func (w way) match(text []byte, at int, loc []int) (to int, ok bool) {
	for i := range w {
		switch s := &w[i]; s.do {
		case take:
			n := 0
			for ; n != s.most && at < len(text) && s.of[text[at]]; n++ {
				if text[at] < utf8.RuneSelf {
					at++
					continue
				}
				_, size := utf8.DecodeRune(text[at:])
				at += size
			}
			ok = n >= s.least
		case note:
			if ok = true; loc != nil {
				loc[s.mark] = at
			}
		case edge:
			ok = (at > 0 && isWord(text[at-1])) != (at < len(text) && isWord(text[at]))
		case begin:
			ok = at == 0
		case end:
			ok = at == len(text)
		}
		if !ok {
			return at, false
		}
	}
	return at, true
}
