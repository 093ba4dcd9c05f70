package jsonscan

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"unicode"
	"unicode/utf8"
)

const (
	// linearNames is how many names of one object are compared one by one; the names
	// of larger objects go to the table.
	linearNames = 16
	// shortName is the longest name whose tag is made of its words; longer ones are
	// hashed, so that comparing names stays linear in their length.
	shortName = 32
	// keepEntries is the largest table (192 KiB) or other buffer that Reset keeps.
	keepEntries = 1 << 14
)

// nameIndex finds equal names of one object while a text is scanned.
//
// Names of small objects lie on a stack with a tag each, those of open inner objects
// above those of the outer. When an object grows beyond linearNames, its names move
// to a hash table, one for all large objects of the text. Its hash is seeded per Doc:
// a sender cannot choose names that collide.
type nameIndex struct {
	seed    maphash.Seed
	stack   []nameTag
	table   []nameEntry // open addressing, its length a power of two; nil until needed
	used    int
	spare   []nameEntry // the table's memory before it last grew
	scratch []byte
	other   []byte
	decoded []byte
}

// nameTag is a name on the stack: its tag in the upper half, its node in the lower.
// Names that are equal, or fold-equal, have the same tag.
type nameTag uint64

// nameEntry is a name in the table; name is 0 in a free entry (node 0 is the root).
type nameEntry struct{ hash, object, name uint32 }

func (x *nameIndex) height() uint32 { return uint32(len(x.stack)) }

func (x *nameIndex) truncate(height uint32) { x.stack = x.stack[:height] }

func (x *nameIndex) clear() {
	x.stack = x.stack[:0]
	x.table = x.table[:0]
	x.used = 0
}

// shrink frees the buffers that an unusual text has grown.
func (x *nameIndex) shrink() {
	x.stack = bounded(x.stack)
	x.table = bounded(x.table)
	x.spare = bounded(x.spare)
	x.scratch = bounded(x.scratch)
	x.other = bounded(x.other)
	x.decoded = bounded(x.decoded)
}

func bounded[T any](s []T) []T {
	if cap(s) > keepEntries {
		return nil
	}
	return s
}

// add notes the name at the given node, with its text and flags, as one of the
// innermost open object. It returns the code of the refusal if the object has that
// name already.
func (x *nameIndex) add(s *scanner, name uint32, text []byte, flags uint8) ErrorCode {
	object := &s.nodes[s.open]
	if object.flags&flagIndexed != 0 {
		return x.insert(s, name)
	}
	tag := x.tag(text, flags, s.Fold)
	mine := x.stack[object.end:]
	for _, t := range mine {
		if uint32(t>>32) == tag {
			if code := x.compare(s, uint32(t), name); code != 0 {
				return code
			}
		}
	}
	if len(mine) < linearNames {
		x.stack = append(x.stack, nameTag(tag)<<32|nameTag(name))
		return 0
	}
	object.flags |= flagIndexed
	for _, t := range mine {
		x.insert(s, uint32(t))
	}
	x.truncate(object.end)
	return x.insert(s, name)
}

// tag makes a tag of a name's text.
func (x *nameIndex) tag(text []byte, flags uint8, fold bool) uint32 {
	if len(text) > shortName || flags&flagEscaped != 0 || fold && flags&flagHigh != 0 {
		x.scratch = x.appendKey(x.scratch[:0], text, flags, fold)
		text = x.scratch
	}
	if len(text) > shortName {
		return uint32(maphash.Bytes(x.seed, text))
	}
	return wordTag(text)
}

// wordTag mixes all bytes of a text of at most shortName bytes, ASCII case ignored.
func wordTag(b []byte) uint32 {
	const lower = 0x2020202020202020
	const prime = 0x9e3779b97f4a7c15
	h := uint64(len(b))
	for len(b) > 8 {
		h = (h ^ (binary.LittleEndian.Uint64(b) | lower)) * prime
		h ^= h >> 32
		b = b[8:]
	}
	var w uint64
	switch n := len(b); {
	case n == 8:
		w = binary.LittleEndian.Uint64(b)
	case n >= 4:
		w = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	case n > 0:
		w = uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16
	}
	h = (h ^ (w | lower)) * prime
	return uint32(h >> 32)
}

// compare returns the refusal of name b beside name a, or 0 if they differ.
func (x *nameIndex) compare(s *scanner, a, b uint32) ErrorCode {
	x.scratch = x.appendName(x.scratch[:0], s, a, false)
	x.other = x.appendName(x.other[:0], s, b, false)
	switch {
	case bytes.Equal(x.scratch, x.other):
		return CodeDuplicateName
	case s.Fold && bytes.EqualFold(x.scratch, x.other):
		return CodeFoldedName
	}
	return 0
}

func (x *nameIndex) appendName(dst []byte, s *scanner, name uint32, fold bool) []byte {
	n := &s.nodes[name]
	return x.appendKey(dst, s.src[n.start+1:n.end-1], n.flags, fold)
}

// appendKey appends the decoded text of a name, folded if fold.
func (x *nameIndex) appendKey(dst, text []byte, flags uint8, fold bool) []byte {
	if flags&flagEscaped != 0 {
		x.decoded = appendDecoded(x.decoded[:0], text)
		text = x.decoded
	}
	if fold {
		return appendFolded(dst, text)
	}
	return append(dst, text...)
}

// appendFolded appends text with each character replaced by the one that stands for
// all that are fold-equal to it.
func appendFolded(dst, text []byte) []byte {
	for i, c := range text {
		if c >= utf8.RuneSelf {
			return appendFoldedRunes(dst, text[i:])
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func appendFoldedRunes(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, foldRune(r))
		text = text[n:]
	}
	return dst
}

// foldRune returns the least character that r is fold-equal to; a lower-case one
// among the ASCII letters.
func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least >= 'A' && least <= 'Z' {
		return least + 'a' - 'A'
	}
	return least
}

// insert adds a name of the innermost open object to the table, unless it is there.
func (x *nameIndex) insert(s *scanner, name uint32) ErrorCode {
	if 2*(x.used+1) > len(x.table) {
		x.grow()
	}
	x.scratch = binary.LittleEndian.AppendUint32(x.scratch[:0], s.open)
	x.scratch = x.appendName(x.scratch, s, name, s.Fold)
	hash := uint32(maphash.Bytes(x.seed, x.scratch))
	mask := uint32(len(x.table) - 1)
	at := hash & mask
	for ; x.table[at].name != 0; at = (at + 1) & mask {
		e := x.table[at]
		if e.hash != hash || e.object != s.open {
			continue
		}
		if code := x.compare(s, e.name, name); code != 0 {
			return code
		}
	}
	x.table[at] = nameEntry{hash, s.open, name}
	x.used++
	return 0
}

// grow doubles the table, between two buffers that later texts use again.
func (x *nameIndex) grow() {
	old, size := x.table, max(64, 2*len(x.table))
	if cap(x.spare) < size {
		x.spare = make([]nameEntry, size)
	}
	x.table, x.spare = x.spare[:size], old[:0]
	clear(x.table)
	mask := uint32(size - 1)
	for _, e := range old {
		if e.name == 0 {
			continue
		}
		at := e.hash & mask
		for x.table[at].name != 0 {
			at = (at + 1) & mask
		}
		x.table[at] = e
	}
}
