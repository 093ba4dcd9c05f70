package detect

import (
	"regexp/syntax"
	"slices"
	"unicode"
)

// bytesOf says which bytes matches of an expression are made of (bit 0), and of which sets of bytes each match has one: a bit each, and all of
// those bits together.
func bytesOf(re *syntax.Regexp) (of *[256]uint8, needs uint8) {
	of = new([256]uint8)
	alphabet(re, of)
	needs = 1
	for i, set := range needed(re) {
		if i == 7 {
			break
		}
		needs |= 2 << i
		for _, b := range set {
			of[b] |= 2 << i
		}
	}
	return of, needs
}

// alphabet notes the bytes that matches of an expression can have: of those outside of ASCII all or none.
func alphabet(re *syntax.Regexp, of *[256]uint8) {
	add := func(from, to rune) {
		for r := from; r <= min(to, unicode.MaxASCII); r++ {
			of[r] |= 1
		}
		for b := 0x80; to > unicode.MaxASCII && b < len(of); b++ {
			of[b] |= 1
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			add(r, r)
			for f := unicode.SimpleFold(r); re.Flags&syntax.FoldCase != 0 && f != r; f = unicode.SimpleFold(f) {
				add(f, f)
			}
		}
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			add(re.Rune[i], re.Rune[i+1])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		add(0, unicode.MaxRune)
	default:
	}
	for _, sub := range re.Sub {
		alphabet(sub, of)
	}
}

// needed returns sets of bytes, of which every match has one of each. Sets with letters say little, and are left out.
func needed(re *syntax.Regexp) [][]byte {
	switch re.Op {
	case syntax.OpLiteral:
		var all [][]byte
		for _, r := range re.Rune {
			all = join(all, telling(letters([]rune{r, r})))
		}
		return all
	case syntax.OpCharClass:
		return join(nil, telling(letters(re.Rune)))
	case syntax.OpCapture:
		return needed(re.Sub[0])
	case syntax.OpPlus, syntax.OpRepeat:
		if times, _ := repeats(re); times == 0 {
			return nil
		}
		return needed(re.Sub[0])
	case syntax.OpConcat:
		var all [][]byte
		for _, sub := range re.Sub {
			for _, set := range needed(sub) {
				all = join(all, set)
			}
		}
		return all
	case syntax.OpAlternate: // one set of each, together
		var both []byte
		for _, sub := range re.Sub {
			sets := needed(sub)
			if len(sets) == 0 {
				return nil
			}
			for _, b := range sets[0] {
				if !slices.Contains(both, b) {
					both = append(both, b)
				}
			}
		}
		return join(nil, both)
	default:
		return nil
	}
}

// telling returns a set of bytes unless it has letters.
func telling(set []byte) []byte {
	if slices.ContainsFunc(set, func(b byte) bool { return unicode.IsLetter(rune(b)) }) {
		return nil
	}
	return set
}

func join(all [][]byte, set []byte) [][]byte {
	if len(set) == 0 {
		return all
	}
	set = slices.Sorted(slices.Values(set))
	if slices.ContainsFunc(all, func(other []byte) bool { return slices.Equal(other, set) }) {
		return all
	}
	return append(all, set)
}
