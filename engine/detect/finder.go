package detect

import (
	"encoding/binary"
	"strings"
)

// finder finds where words are in a text, whatever the case of their ASCII letters.
//
// It looks at three bytes at every second place of a text, since any word of four has them at an even place or an odd one: a table says which
// words they could belong to, and those are compared. Shorter words make it look at every place, or at fewer bytes.
type finder struct {
	words  []string
	gram   int              // the bytes that are looked at
	stride int              // from one place to the next
	maybe  [tableSize]uint8 // by the hash of a gram: 1 if a word has one with it
	first  [slots]uint16    // by the end of the hash: 1 + the index of the first entry; 0 is none
	chain  []entry
}

const (
	hashBits  = 14
	tableSize = 1 << hashBits
	slots     = 1 << 12
	fold8     = 0x2020202020202020
	fold4     = 0x20202020
	gram3     = 0xffffff
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
	f := finder{words: words, gram: 3, stride: 2}
	for _, w := range words {
		f.gram = min(f.gram, len(w))
		if len(w) < 4 {
			f.stride = 1
		}
	}
	for i, w := range words {
		for o := range f.stride {
			h := hash(gramOf(w[o:], f.gram))
			n := min(len(w)-o, 4)
			e := entry{want: gramOf(w[o:], n), mask: uint32(1<<(8*n) - 1), next: f.first[h%slots], word: uint16(i), offset: uint16(o)}
			f.chain = append(f.chain, e)
			f.first[h%slots] = uint16(len(f.chain))
			f.maybe[h] = 1
		}
	}
	return f
}

func gramOf(s string, n int) (g uint32) {
	for i := range n {
		g |= uint32(s[i]|0x20) << (8 * i)
	}
	return g
}

func hash(gram uint32) uint32 { return gram * 0x9e3779b1 >> (32 - hashBits) }

// find appends where the words are, once each, nearly in order.
func (f *finder) find(text []byte, hits []hit) []hit {
	if len(f.words) == 0 {
		return hits
	}
	i := 0
	if f.gram == 3 && f.stride == 2 {
		for ; i+8 <= len(text); i += 6 {
			v := binary.LittleEndian.Uint64(text[i:]) | fold8
			a, b, c := hash(uint32(v)&gram3), hash(uint32(v>>16)&gram3), hash(uint32(v>>32)&gram3)
			p, q, r := f.maybe[a], f.maybe[b], f.maybe[c]
			if p|q|r == 0 {
				continue
			}
			if p != 0 {
				hits = f.check(text, i, uint32(v), a, hits)
			}
			if q != 0 {
				hits = f.check(text, i+2, uint32(v>>16), b, hits)
			}
			if r != 0 {
				hits = f.check(text, i+4, uint32(v>>32), c, hits)
			}
		}
	}
	mask := uint32(1)<<(8*f.gram) - 1
	for ; i+f.gram <= len(text); i += f.stride {
		var four [4]byte
		copy(four[:], text[i:])
		v := binary.LittleEndian.Uint32(four[:]) | fold4
		if h := hash(v & mask); f.maybe[h] != 0 {
			hits = f.check(text, i, v, h, hits)
		}
	}
	return hits
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
