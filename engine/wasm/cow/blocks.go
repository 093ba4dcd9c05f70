package cow

import "math/bits"

// Blocks is how many blocks a memory is divided into by who notes where it writes. Of a larger memory than so many blocks several count as one,
// each as many blocks behind the one before.
const Blocks = 64

// spill is how far a write that was noted for the block of its first byte reaches into the next: the widest store there is has 16 bytes.
const spill = 16

// BlocksOf returns what to note for a write: a bit for each block, of so many bytes, a power of two.
func BlocksOf(at, n, block int) uint64 {
	first, last := at/block, (at+n-1)/block
	if last-first >= Blocks-1 {
		return ^uint64(0)
	}
	return bits.RotateLeft64(^uint64(0)>>(Blocks-1-(last-first)), first)
}

// ResetBlocks is Reset for a memory of which it is known where it was written: blocks has a bit for each block, of so many bytes, in which a write
// began, as BlocksOf has them; a write may end up to 15 bytes behind its block.
func (m *Memory) ResetBlocks(blocks uint64, block int) error {
	content := m.image.content
	if m.size > len(content) {
		if err := m.resetGrown(); err != nil {
			return err
		}
	}
	for blocks != 0 {
		first := bits.TrailingZeros64(blocks)
		n := bits.TrailingZeros64(^(blocks >> first))
		for at := first * block; at < len(content); at += Blocks * block {
			end := min(at+n*block+spill, len(content))
			copy(m.all[at:end], content[at:])
		}
		if first+n == Blocks {
			break
		}
		blocks &= ^uint64(0) << (first + n)
	}
	return nil
}

// resetGrown makes zeros of what the memory has beyond the image.
func (m *Memory) resetGrown() error {
	grown := m.all[len(m.image.content):m.size]
	if m.image.file == nil {
		clear(grown)
		return nil
	}
	return m.image.file.drop(grown)
}
