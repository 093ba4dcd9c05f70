package rego

import "encoding/binary"

// Heap lays out values as OPA's modules have them in their memory, so that a module need not read
// the text of its input: every value in a block as the module's own allocator makes them, the members
// of an object by their hash in a table whose size follows from how many there are, and sorted where
// hashes meet. None of it is promised by OPA: Same says whether a module does the same.
//
// What the methods return, and take for values, are addresses in the module's memory. They are valid
// once Bytes is there at the address that Reset was given.
type Heap struct {
	// Charge spends fuel, and does not return when there is none left: at the end what is due, and
	// before that whenever much is. Full is called for what doesn't fit, and does not return.
	Charge func(units int64)
	Full   func()

	b    []byte // behind it are zeros
	base uint32
	most int
	due  int64 // of fuel
}

// What values are, as a byte that each begins with.
const (
	typeNull = 1 + iota
	typeBool
	typeNumber
	typeString
	typeArray
	typeObject

	typeShared = 9 // a boolean that the module has made beforehand: it is never freed
)

// How numbers are kept.
const (
	numberInt  = 1
	numberText = 2
)

const (
	blockHead  = 12 // bytes before what is allocated: its size, and links that are for free ones
	sizeNull   = 1
	sizeBool   = 2
	sizeNumber = 24
	sizeString = 12
	sizeList   = 16 // an array or an object
	sizeMember = 12
	sizeElem   = 8
	buckets    = 8  // of the smallest object
	costValue  = 32 // of making one
	costByte   = 4  // of a name, which is hashed
	bytesPer   = 8  // of a text, for a unit
	muchDue    = 20_000
)

// Reset begins a heap at an address, of at most so many bytes. It keeps its memory unless that has
// become large.
func (h *Heap) Reset(base uint32, most int) {
	const keep = 256 << 10
	if cap(h.b) > keep {
		h.b = nil
	}
	clear(h.b)
	h.b, h.base, h.most, h.due = h.b[:0], base, most, 0
}

// Bytes charges for what is due, and returns what is to be written where the heap begins. It is valid
// until the next call.
func (h *Heap) Bytes() []byte {
	h.Charge(h.due)
	h.due = 0
	return h.b
}

func (h *Heap) charge(units int64) {
	if h.due += units; h.due > muchDue {
		h.Charge(h.due)
		h.due = 0
	}
}

// Words allocates a block that begins with some words.
func (h *Heap) Words(words ...uint32) uint32 {
	at := h.block(4 * len(words))
	for i, w := range words {
		h.put(at+4*i, w)
	}
	return h.address(at)
}

// block allocates n bytes of zeros, and returns where they are in b. The size of a block says which
// of the allocator's lists it would go to when it is freed, so small ones have the sizes of these.
func (h *Heap) block(n int) int {
	switch {
	case n <= 4:
		n = 4
	case n <= 8:
		n = 8
	case n <= 16:
		n = 16
	case n <= 64:
		n = 64
	}
	from := len(h.b)
	if n > h.most-from-blockHead {
		h.Full()
	}
	if blockHead+n > cap(h.b)-from {
		h.grow(blockHead + n)
	}
	h.b = h.b[:from+blockHead+n]
	h.put(from, uint32(n))
	return from + blockHead
}

// grow makes room for n bytes more, with zeros behind them, and for no more than there may be.
func (h *Heap) grow(n int) {
	b := make([]byte, len(h.b), max(len(h.b)+n, min(2*cap(h.b)+n, h.most)))
	copy(b, h.b)
	h.b = b
}

func (h *Heap) put(at int, v uint32) { binary.LittleEndian.PutUint32(h.b[at:], v) }

func (h *Heap) get(at int) uint32 { return binary.LittleEndian.Uint32(h.b[at:]) }

func (h *Heap) address(at int) uint32 { return h.base + uint32(at) }

func (h *Heap) index(address uint32) int { return int(address - h.base) }

// value allocates a value of a type.
func (h *Heap) value(typ byte, size int) int {
	h.charge(costValue)
	at := h.block(size)
	h.b[at] = typ
	return at
}

// Null makes a null.
func (h *Heap) Null() uint32 { return h.address(h.value(typeNull, sizeNull)) }

// Bool makes a boolean.
func (h *Heap) Bool(v bool) uint32 {
	at := h.value(typeBool, sizeBool)
	if v {
		h.b[at+1] = 1
	}
	return h.address(at)
}

// Number makes a number of its text.
func (h *Heap) Number(s string) uint32 {
	text := h.text(s)
	at := h.value(typeNumber, sizeNumber)
	h.b[at+1] = numberText
	h.put(at+8, text)
	h.put(at+12, uint32(len(s)))
	h.b[at+16] = 1 // the text is its own
	return h.address(at)
}

// String makes a string.
func (h *Heap) String(s string) uint32 {
	text := h.text(s)
	at := h.value(typeString, sizeString)
	h.b[at+1] = 1 // the text is its own
	h.put(at+4, uint32(len(s)))
	h.put(at+8, text)
	return h.address(at)
}

// text allocates a text, without a zero at its end.
func (h *Heap) text(s string) uint32 {
	h.charge(int64(len(s) / bytesPer))
	at := h.block(len(s))
	copy(h.b[at:], s)
	return h.address(at)
}

// Array makes an array of so many elements, which Set then sets.
func (h *Heap) Array(n int) uint32 {
	at := h.value(typeArray, sizeList)
	if n > 0 {
		elems := h.block(n * sizeElem)
		h.put(at+4, h.address(elems))
	}
	h.put(at+8, uint32(n))
	h.put(at+12, uint32(n))
	return h.address(at)
}

// Set sets an element of an array, which has its index beside it.
func (h *Heap) Set(array uint32, i int, value uint32) {
	number := h.value(typeNumber, sizeNumber)
	h.b[number+1] = numberInt
	binary.LittleEndian.PutUint64(h.b[number+8:], uint64(i))
	at := h.index(h.get(h.index(array)+4)) + i*sizeElem
	h.put(at, h.address(number))
	h.put(at+4, value)
}

// Object makes an object of so many members, which Put then puts into it.
func (h *Heap) Object(n int) uint32 {
	slots := buckets
	for 10*n > 7*slots {
		slots *= 2
	}
	at := h.value(typeObject, sizeList)
	table := h.block(4 * slots)
	h.put(at+4, h.address(table))
	h.put(at+8, uint32(slots))
	h.put(at+12, uint32(n))
	return h.address(at)
}

// Put puts a member into an object that has none of the name.
func (h *Heap) Put(object uint32, name string, value uint32) {
	h.charge(int64(len(name)) * costByte)
	key := h.String(name)
	member := h.block(sizeMember)
	h.put(member, key)
	h.put(member+4, value)
	at := h.index(object)
	link := h.index(h.get(at+4)) + 4*int(fnv(name)&(h.get(at+8)-1))
	for next := h.get(link); next != 0 && string(h.name(next)) < name; next = h.get(link) {
		h.charge(costValue)
		link = h.index(next) + 8
	}
	h.put(member+8, h.get(link))
	h.put(link, h.address(member))
}

// name returns the name of a member.
func (h *Heap) name(member uint32) []byte {
	key := h.index(h.get(h.index(member)))
	text := h.index(h.get(key + 8))
	return h.b[text : text+int(h.get(key+4))]
}

// fnv is FNV-1 of 32 bits.
func fnv(s string) uint32 {
	const offset, prime = 0x811c9dc5, 0x01000193
	n := uint32(offset)
	for i := range len(s) {
		n = n*prime ^ uint32(s[i])
	}
	return n
}
