package cow_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/wasm/cow"
)

// A reset by notes leaves nothing of what was written, wherever that was, as long as it was noted.
func TestAResetByNotesLeavesNothing(t *testing.T) {
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			i := image(t, 3, o)
			rapid.Check(t, func(t *rapid.T) {
				m, err := i.NewMemory()
				if err != nil {
					t.Fatal(err)
				}
				defer m.Free()
				block := rapid.SampledFrom([]int{1 << 10, 1 << 12, 1 << 16}).Draw(t, "block")
				for range rapid.IntRange(1, 3).Draw(t, "resets") {
					notes := scribble(t, m, block)
					if err := m.ResetBlocks(notes, block); err != nil {
						t.Fatal(err)
					}
					if m.Dirty() != 0 || !bytes.Equal(m.Bytes()[:3*page], content(3)) {
						t.Fatalf("something is left of what %#x notes", notes)
					}
				}
			})
		})
	}
}

// scribble writes to a memory, and returns the notes.
func scribble(t *rapid.T, m *cow.Memory, block int) (notes uint64) {
	if rapid.Bool().Draw(t, "grow") {
		m.Reallocate(4 * page)
	}
	b := m.Bytes()
	for range rapid.IntRange(0, 8).Draw(t, "writes") {
		// A store of 16 bytes is noted by its first.
		n, noted := 16, 1
		if rapid.Bool().Draw(t, "range") {
			n = rapid.IntRange(1, len(b)).Draw(t, "n")
			noted = n
		}
		at := rapid.OneOf(rapid.IntRange(0, len(b)-n), rapid.Just(max(min(block, len(b)-n)-1, 0))).Draw(t, "at")
		for k := range b[at : at+n] {
			b[at+k] ^= 0x55
		}
		notes |= cow.BlocksOf(at, noted, block)
	}
	return notes
}

// Only what is noted is written again: that is what notes are for.
func TestAResetByNotesWritesWhatIsNoted(t *testing.T) {
	m := memory(t, image(t, 1, cow.Options{}))
	b := m.Bytes()
	for i := range b {
		b[i] ^= 0x55
	}
	if err := m.ResetBlocks(1<<3|1<<4|1<<63, 1<<10); err != nil {
		t.Fatal(err)
	}
	was := content(1)
	for at := range b {
		back := at >= 3<<10 && at < 5<<10+16 || at >= 63<<10
		if (b[at] == was[at]) != back {
			t.Fatalf("the byte at %d is %#x, the image's %#x", at, b[at], was[at])
		}
	}
}

func TestBlocksOfARange(t *testing.T) {
	for _, c := range []struct {
		at, n int
		want  uint64
	}{
		{0, 1, 1},
		{1023, 1, 1},
		{1023, 2, 3},
		{1024, 1024, 2},
		{0, 64 << 10, ^uint64(0)},
		{1, 63 << 10, ^uint64(0)},
		{0, 63 << 10, ^uint64(0) >> 1},
		{63 << 10, 2048, 1<<63 | 1},
		{70 << 10, 100, 1 << 6},
		{5, 1 << 20, ^uint64(0)},
	} {
		if got := cow.BlocksOf(c.at, c.n, 1<<10); got != c.want {
			t.Errorf("%d bytes at %d are %#x, want %#x", c.n, c.at, got, c.want)
		}
	}
}
