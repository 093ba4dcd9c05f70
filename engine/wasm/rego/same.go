package rego

import (
	"bytes"
	"encoding/binary"
)

// Same says whether two values in a memory are kept alike: the first as Heap lays it out, the second
// by whoever wrote the memory. Where their blocks are, and who frees a text, makes no difference.
func Same(memory []byte, ours, other uint32) bool {
	s := same{memory}
	return s.value(ours, other)
}

type same struct{ memory []byte }

// bytes returns n bytes at an address, nil if they are not all inside.
func (s same) bytes(at, n uint32) []byte {
	if uint64(at)+uint64(n) > uint64(len(s.memory)) {
		return nil
	}
	return s.memory[at : at+n : at+n]
}

// word returns a word at an address, 0 if it is outside.
func (s same) word(at uint32) uint32 {
	if b := s.bytes(at, 4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// bytesAlike compares n bytes.
func (s same) bytesAlike(a, b, n uint32) bool {
	x, y := s.bytes(a, n), s.bytes(b, n)
	return x != nil && y != nil && bytes.Equal(x, y)
}

func (s same) value(a, b uint32) bool {
	x, y := s.bytes(a, 2), s.bytes(b, 2)
	if b == 0 || x == nil || y == nil || x[0] != y[0] && (x[0] != typeBool || y[0] != typeShared) {
		return false
	}
	switch x[0] {
	case typeNull:
		return true
	case typeBool:
		return x[1] == y[1]
	case typeNumber:
		return s.number(a, b)
	case typeString:
		return s.text(a+4, b+4, a+8, b+8)
	case typeArray:
		return s.array(a, b)
	}
	return s.object(a, b)
}

// text compares texts whose lengths and addresses are at these addresses.
func (s same) text(lenA, lenB, atA, atB uint32) bool {
	return s.bytesAlike(lenA, lenB, 4) && s.bytesAlike(s.word(atA), s.word(atB), s.word(lenA))
}

func (s same) number(a, b uint32) bool {
	switch {
	case !s.bytesAlike(a+1, b+1, 1):
		return false
	case s.memory[a+1] == numberInt:
		return s.bytesAlike(a+8, b+8, 8)
	}
	return s.text(a+12, b+12, a+8, b+8)
}

// array compares arrays. There may be room for more elements.
func (s same) array(a, b uint32) bool {
	if !s.bytesAlike(a+8, b+8, 4) {
		return false
	}
	for i := range s.word(a + 8) {
		x, y := s.word(a+4)+i*sizeElem, s.word(b+4)+i*sizeElem
		if !s.value(s.word(x), s.word(y)) || !s.value(s.word(x+4), s.word(y+4)) {
			return false
		}
	}
	return true
}

// object compares objects: how long their tables are, and each list of members whose hashes meet.
func (s same) object(a, b uint32) bool {
	if !s.bytesAlike(a+8, b+8, 8) {
		return false
	}
	for i := range s.word(a + 8) {
		x, y := s.word(s.word(a+4)+4*i), s.word(s.word(b+4)+4*i)
		for x != 0 {
			if y == 0 || !s.value(s.word(x), s.word(y)) || !s.value(s.word(x+4), s.word(y+4)) {
				return false
			}
			x, y = s.word(x+8), s.word(y+8)
		}
		if y != 0 {
			return false
		}
	}
	return true
}
