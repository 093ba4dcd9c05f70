package detect

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strings"
)

// finder finds where words are in a text, whatever the case of their ASCII letters.
//
// It looks at three bytes at every second place of a text, since any word of four has them at an even place or an odd one: a table says which
// words they could belong to, and those are compared. Shorter words make it look at every place, or at fewer bytes. Of longer words it looks at
// the bytes that are rarest in texts.
type finder struct {
	words  []string
	gram   int               // the bytes that are looked at
	factor uint32            // of their hash
	stride int               // from one place to the next
	maybe  *[tableSize]uint8 // by the hash of a gram: whether a word has one with it; with short, if one ends there
	fours  *[foursSize]bool  // by the hash of a gram and the byte behind it: whether a word has them
	first  *[slots]uint16    // by the end of a gram's hash: 1 + the index of the first entry; 0 is none
	chain  []entry
}

const (
	hashBits  = 16 // with fewer, more texts look as if they had words in them
	tableSize = 1 << hashBits
	foursSize = tableSize / 4
	slots     = 1 << 12
	fold8     = 0x2020202020202020
	fold4     = 0x20202020
)

// entry is a word that has a gram at an offset.
type entry struct {
	want, mask uint32 // what up to four bytes from the gram on must be
	next       uint16 // 1 + the index of the next entry in the slot
	word       uint16
	offset     uint16
}

// hit is a word that begins at a place of a text.
type hit struct {
	at   uint32
	word uint16
}

// newFinder prepares to find words, which are in lower case, not empty, and all different.
func newFinder(words []string) finder {
	f := finder{words: words, gram: 3, stride: 2, maybe: new([tableSize]uint8), fours: new([foursSize]bool), first: new([slots]uint16)}
	for _, w := range words {
		f.gram = min(f.gram, len(w))
		if len(w) < 4 {
			f.stride = 1
		}
	}
	f.factor = uint32(ofFour) << (8 * (4 - f.gram))
	for i, w := range words {
		for parity := range f.stride {
			o := f.rarest(w, parity)
			n := min(len(w)-o, 4)
			h := hash(gramOf(w[o:], f.gram), f.factor)
			slot := &f.first[h%slots]
			f.chain = append(f.chain, entry{want: gramOf(w[o:], n), mask: uint32(1<<(8*n) - 1), next: *slot, word: uint16(i), offset: uint16(o)})
			*slot = uint16(len(f.chain))
			f.maybe[h] |= has
			if n < 4 {
				f.maybe[h] |= short
			} else {
				f.fours[hash(gramOf(w[o:], 4), ofFour)%foursSize] = true
			}
		}
	}
	return f
}

const has, short = 1, 2

// rarest returns the offset, even or odd, at which a word's gram is rarest in texts.
func (f *finder) rarest(word string, parity int) int {
	at, least := parity, math.MaxInt
	for o := parity; o+f.gram <= len(word); o += f.stride {
		common := 1
		for _, c := range []byte(word[o : o+f.gram]) {
			common *= 1 + strings.IndexByte(byRarity, c)
		}
		if common < least {
			at, least = o, common
		}
	}
	return at
}

// byRarity has the letters in the order of how often they are in English texts, the rarest first. Other bytes that words have are rarer still.
const byRarity = "zqxjkvbpygfwmucldrhsnioate "

func gramOf(s string, n int) (g uint32) {
	for i := range n {
		g |= uint32(s[i]|0x20) << (8 * i)
	}
	return g
}

// hash is of four bytes, or of as many of them as the factor is for.
func hash(four, factor uint32) uint32 { return four * factor >> (32 - hashBits) }

// Factors. Those bytes make no difference that are shifted out to the left.
const (
	ofFour  = 0x9e3779b1
	ofThree = ofFour << 8 & math.MaxUint32
)

// find appends where the words are, once each, nearly in order.
func (f *finder) find(text []byte, hits []hit) []hit {
	if len(f.words) == 0 {
		return hits
	}
	i := 0
	if f.gram == 3 && f.stride == 2 {
		for i = f.skip(text, 0); i+strip+2 <= len(text); i = f.skip(text, i+strip) {
			for likely := f.likely(text[i:]); likely != 0; likely &= likely - 1 {
				at := i + 2*bits.TrailingZeros(likely)
				four := binary.LittleEndian.Uint32(text[at:]) | fold4
				if h := hash(four, ofThree); f.fours[hash(four, ofFour)%foursSize] || f.maybe[h]&short != 0 {
					hits = f.check(text, at, four, h, hits)
				}
			}
		}
	}
	for ; i+f.gram <= len(text); i += f.stride {
		var four [4]byte
		copy(four[:], text[i:])
		v := binary.LittleEndian.Uint32(four[:]) | fold4
		if h := hash(v, f.factor); f.maybe[h] != 0 {
			hits = f.check(text, i, v, h, hits)
		}
	}
	return hits
}

// strip is how many bytes skip goes on by.
const strip = 12

// skip returns the first place, from one on in strips, where one of the next six grams may be a word's, or less than a strip and two bytes are
// left. It calls nothing and keeps little: the search is as fast as this is.
func (f *finder) skip(text []byte, from int) int {
	maybe, rest := f.maybe, text[from:]
	for len(rest) >= strip+2 {
		v, w := binary.LittleEndian.Uint64(rest)|fold8, binary.LittleEndian.Uint64(rest[strip/2:])|fold8
		p := maybe[hash(uint32(v), ofThree)] | maybe[hash(uint32(v>>16), ofThree)] | maybe[hash(uint32(v>>32), ofThree)]
		q := maybe[hash(uint32(w), ofThree)] | maybe[hash(uint32(w>>16), ofThree)] | maybe[hash(uint32(w>>32), ofThree)]
		if p|q != 0 {
			break
		}
		rest = rest[strip:]
	}
	return len(text) - len(rest)
}

// likely has a bit for each gram of a strip that may be a word's.
func (f *finder) likely(text []byte) (places uint) {
	v, w := binary.LittleEndian.Uint64(text)|fold8, binary.LittleEndian.Uint64(text[strip/2:])|fold8
	for k := range 3 {
		p, q := f.maybe[hash(uint32(v>>(16*k)), ofThree)], f.maybe[hash(uint32(w>>(16*k)), ofThree)]
		places |= uint(p&has)<<k | uint(q&has)<<(k+3)
	}
	return places
}

// check compares the words that may have a gram at a place, of which four bytes are given.
func (f *finder) check(text []byte, at int, four, h uint32, hits []hit) []hit {
	for n := f.first[h%slots]; n != 0; {
		e := &f.chain[n-1]
		n = e.next
		if four&e.mask != e.want {
			continue
		}
		if begin := at - int(e.offset); begin >= 0 && hasWord(text[begin:], f.words[e.word]) {
			hits = append(hits, hit{uint32(begin), e.word})
		}
	}
	return hits
}

// hasWord says whether a text begins with a word.
func hasWord(text []byte, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		if lower(text[i]) != word[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// foldASCII lowers the letters A to Z of s.
func foldASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r | 0x20
		}
		return r
	}, s)
}
