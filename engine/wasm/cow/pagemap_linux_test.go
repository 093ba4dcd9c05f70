package cow

import (
	"encoding/binary"
	"testing"
)

func TestPagesOfItsOwnAreThoseThatWereWritten(t *testing.T) {
	const present, swapped, ofFile, exclusive, softDirty, guarded = 1 << 63, 1 << 62, 1 << 61, 1 << 56, 1 << 55, 1 << 57
	for name, c := range map[string]struct {
		entry uint64
		own   bool
	}{
		"never touched":                 {0, false},
		"never touched, in a new area":  {softDirty, false},
		"never touched, under a guard":  {guarded | softDirty, false},
		"read":                          {present | ofFile | exclusive | softDirty, false},
		"written":                       {present | exclusive | softDirty, true},
		"written, and shared by a fork": {present, true},
		"swapped out":                   {swapped | 12345, true},
		"being moved, of the file":      {swapped | ofFile | 12345, false},
	} {
		if got := ownPage(binary.NativeEndian.AppendUint64(nil, c.entry)); got != c.own {
			t.Errorf("a page that was %s is its own: %v", name, got)
		}
	}
}
