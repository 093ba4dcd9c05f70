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
	// keepEntries is the largest table that is kept (192 KiB).
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
	scratch []byte
	other   []byte
}

// nameTag is a name on the stack. Names that are equal, or fold-equal, have the
// same tag.
type nameTag struct{ tag, name uint32 }

// nameEntry is a name in the table; name is 0 in a free entry (node 0 is the root).
type nameEntry struct{ hash, object, name uint32 }

func (x *nameIndex) height() uint32 { return uint32(len(x.stack)) }

func (x *nameIndex) truncate(height uint32) { x.stack = x.stack[:height] }

func (x *nameIndex) clear() {
	x.stack = x.stack[:0]
	x.table = x.table[:0]
	x.used = 0
}

func (x *nameIndex) shrink() {
	if cap(x.table) > keepEntries {
		x.table = nil
	}
	if cap(x.stack) > keepEntries {
		x.stack = nil
	}
	if cap(x.scratch) > keepEntries {
		x.scratch = nil
	}
	if cap(x.other) > keepEntries {
		x.other = nil
	}
}

// add notes the name at the given node as one of the innermost open object. It
// returns the code of the refusal if the object has that name already.
func (x *nameIndex) add(s *scanner, name uint32) ErrorCode {
	object := &s.doc.nodes[s.open]
	if object.flags&flagIndexed != 0 {
		return x.insert(s, name)
	}
	n := &s.doc.nodes[name]
	tag := x.tag(s.src[n.start+1:n.end-1], n.flags, s.Fold)
	mine := x.stack[object.end:]
	for _, t := range mine {
		if t.tag == tag {
			if code := x.compare(s, t.name, name); code != 0 {
				return code
			}
		}
	}
	if len(mine) < linearNames {
		x.stack = append(x.stack, nameTag{tag, name})
		return 0
	}
	object.flags |= flagIndexed
	for _, t := range mine {
		x.insert(s, t.name)
	}
	x.truncate(object.end)
	return x.insert(s, name)
}

// tag makes a tag of a name's text.
func (x *nameIndex) tag(text []byte, flags uint8, fold bool) uint32 {
	if len(text) > shortName || flags&flagEscaped != 0 || fold && flags&flagHigh != 0 {
		x.scratch = appendKey(x.scratch[:0], text, flags, fold)
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
	x.scratch = s.appendName(x.scratch[:0], a)
	x.other = s.appendName(x.other[:0], b)
	switch {
	case bytes.Equal(x.scratch, x.other):
		return CodeDuplicateName
	case s.Fold && bytes.EqualFold(x.scratch, x.other):
		return CodeFoldedName
	}
	return 0
}

func (s *scanner) appendName(dst []byte, name uint32) []byte {
	n := &s.doc.nodes[name]
	return appendKey(dst, s.src[n.start+1:n.end-1], n.flags, false)
}

// appendKey appends the decoded text of a name, folded if fold.
func appendKey(dst, text []byte, flags uint8, fold bool) []byte {
	from := len(dst)
	if flags&flagEscaped != 0 {
		dst = appendDecoded(dst, text)
	} else {
		dst = append(dst, text...)
	}
	if fold {
		dst = foldTail(dst, from)
	}
	return dst
}

// foldTail replaces each character of dst[from:] by the representative of those it
// is fold-equal to, which may be shorter (the Kelvin sign) or longer.
func foldTail(dst []byte, from int) []byte {
	for i := from; i < len(dst); i++ {
		c := dst[i]
		if c >= utf8.RuneSelf {
			return foldRunes(dst, i)
		}
		if c >= 'A' && c <= 'Z' {
			dst[i] = c + 0x20
		}
	}
	return dst
}

func foldRunes(dst []byte, from int) []byte {
	text := string(dst[from:])
	dst = dst[:from]
	for _, r := range text {
		dst = utf8.AppendRune(dst, foldRune(r))
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
		return least + 0x20
	}
	return least
}

// insert adds a name of the innermost open object to the table, unless it is there.
func (x *nameIndex) insert(s *scanner, name uint32) ErrorCode {
	if 2*(x.used+1) > len(x.table) {
		x.grow()
	}
	n := &s.doc.nodes[name]
	x.scratch = binary.LittleEndian.AppendUint32(x.scratch[:0], s.open)
	x.scratch = appendKey(x.scratch, s.src[n.start+1:n.end-1], n.flags, s.Fold)
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

// grow doubles the table, in place when the memory of an earlier text suffices.
func (x *nameIndex) grow() {
	old := x.table
	size := max(64, 2*len(old))
	x.table = make([]nameEntry, size)
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
