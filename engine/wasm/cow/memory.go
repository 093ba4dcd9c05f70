package cow

import (
	"bytes"
	"fmt"
)

// Memory is one linear memory. It is what wazero calls a LinearMemory: Reallocate and Free are
// for the VM to call. It is not safe for concurrent use.
type Memory struct {
	image *Image
	all   []byte // all that the memory may grow to
	size  int    // what the VM believes its length to be
	// usable is how much of all may be touched; nothing is taken back before Free.
	usable    int
	pages     []byte // what the system says of the image's pages; only for Find
	shrinking bool
	freed     bool
}

// NewMemory makes a memory that holds the image.
func (i *Image) NewMemory() (*Memory, error) {
	if !i.retain() {
		return nil, ErrClosed
	}
	m := &Memory{image: i, size: len(i.content), usable: len(i.content)}
	if i.file == nil {
		m.all = make([]byte, i.limit)
		copy(m.all, i.content)
		m.usable = i.limit
		return m, nil
	}
	all, err := i.file.reserve(i.limit, len(i.content))
	if err != nil {
		i.users.Add(-1)
		return nil, fmt.Errorf("map a memory: %w", err)
	}
	m.all = all
	return m, nil
}

// Reallocate makes the memory size bytes long and returns it, or nil if it may not grow so
// far. It is never shorter than the image, and never moves.
func (m *Memory) Reallocate(size uint64) []byte {
	if m.freed || size > uint64(m.image.limit) && !m.shrinking {
		return nil
	}
	want := max(int(size), len(m.image.content))
	if m.shrinking {
		want = len(m.image.content)
	}
	if want > m.usable {
		if err := m.image.file.open(m.all[m.usable:want]); err != nil {
			return nil // no memory to be had: what memory.grow answers with -1
		}
		m.usable = want
	}
	m.size = want
	return m.all[:want]
}

// Size returns the length of the memory, as the VM has it.
func (m *Memory) Size() int { return m.size }

// Bytes returns the memory. It is valid until the VM asks for another length.
func (m *Memory) Bytes() []byte { return m.all[:m.size] }

// Shrink gives the memory the image's length again; reset it before. A WebAssembly memory can
// only grow, but the VM takes the length of what Reallocate returns: grow must have it ask for
// one page more, of which it gets the image instead. A memory that has not grown is left
// alone.
func (m *Memory) Shrink(grow func()) {
	if m.size == len(m.image.content) {
		return
	}
	m.shrinking = true
	grow()
	m.shrinking = false
}

// Dirty returns how many pages of the system differ from what the memory began as.
func (m *Memory) Dirty() int {
	n, page := 0, m.image.page
	for at := 0; at < m.size; at += page {
		was := zeros[:page]
		if at < len(m.image.content) {
			was = m.image.content[at : at+page]
		}
		if !bytes.Equal(m.all[at:at+page], was) {
			n++
		}
	}
	return n
}

// Free gives the memory back. Nothing may use it any more: the address space is unmapped, and
// whoever reads it ends the process. A second call does nothing.
func (m *Memory) Free() {
	if m.freed {
		return
	}
	m.freed = true
	m.image.file.release(m.all)
	m.all = nil
	m.image.users.Add(-1)
}
