package rego

import (
	"bytes"
	"encoding/binary"
)

// Same says whether a value in a memory is kept as Heap lays out its own. Where their blocks are, and
// who frees a text, makes no difference. What Heap has laid out is looked at where it was made: whoever
// wrote the memory may have written over it, and made it a value that contains itself.
func (h *Heap) Same(ours uint32, memory []byte, other uint32) bool {
	s := same{h, memory}
	return s.value(ours, other)
}

// same compares as many values as its heap has, whatever the memory is made of.
type same struct {
	heap   *Heap
	memory []byte
}

// ours returns n bytes of the heap.
func (s same) ours(at, n uint32) []byte {
	i := s.heap.index(at)
	return s.heap.b[i : i+int(n)]
}

// other returns n bytes of the memory, nil if they are not all inside.
func (s same) other(at, n uint32) []byte {
	if uint64(at)+uint64(n) > uint64(len(s.memory)) {
		return nil
	}
	return s.memory[at : at+n : at+n]
}

// words returns a word of the heap and one of the memory, 0 if that is outside.
func (s same) words(a, b uint32) (x, y uint32) {
	if word := s.other(b, 4); word != nil {
		y = binary.LittleEndian.Uint32(word)
	}
	return binary.LittleEndian.Uint32(s.ours(a, 4)), y
}

// bytesAlike compares n bytes.
func (s same) bytesAlike(a, b, n uint32) bool {
	y := s.other(b, n)
	return y != nil && bytes.Equal(s.ours(a, n), y)
}

func (s same) value(a, b uint32) bool {
	x, y := s.ours(a, 2), s.other(b, 2)
	if b == 0 || y == nil || x[0] != y[0] && (x[0] != typeBool || y[0] != typeShared) {
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
	n, _ := s.words(lenA, lenB)
	x, y := s.words(atA, atB)
	return s.bytesAlike(lenA, lenB, 4) && s.bytesAlike(x, y, n)
}

func (s same) number(a, b uint32) bool {
	switch {
	case !s.bytesAlike(a+1, b+1, 1):
		return false
	case s.ours(a+1, 1)[0] == numberInt:
		return s.bytesAlike(a+8, b+8, 8)
	}
	return s.text(a+12, b+12, a+8, b+8)
}

// array compares arrays. There may be room for more elements.
func (s same) array(a, b uint32) bool {
	if !s.bytesAlike(a+8, b+8, 4) {
		return false
	}
	n, _ := s.words(a+8, b+8)
	x, y := s.words(a+4, b+4)
	for i := range n {
		if !s.pair(x+i*sizeElem, y+i*sizeElem) {
			return false
		}
	}
	return true
}

// pair compares the two values whose addresses elements and members begin with.
func (s same) pair(a, b uint32) bool {
	x, y := s.words(a, b)
	v, w := s.words(a+4, b+4)
	return s.value(x, y) && s.value(v, w)
}

// object compares objects: how long their tables are, and each list of members whose hashes meet.
func (s same) object(a, b uint32) bool {
	if !s.bytesAlike(a+8, b+8, 8) {
		return false
	}
	n, _ := s.words(a+8, b+8)
	tableA, tableB := s.words(a+4, b+4)
	for i := range n {
		x, y := s.words(tableA+4*i, tableB+4*i)
		for x != 0 {
			if y == 0 || !s.pair(x, y) {
				return false
			}
			x, y = s.words(x+8, y+8)
		}
		if y != 0 {
			return false
		}
	}
	return true
}
