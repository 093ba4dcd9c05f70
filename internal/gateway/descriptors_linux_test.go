package gateway

import (
	"os"
	"testing"
)

// Files that are opened show in the number of descriptors in use, whichever way that is found out, and it is of those that there may be.
func TestDescriptorsInUse(t *testing.T) {
	const more = 40
	used := func() int64 { n, _ := newDescriptorCount().used(); return n }
	for name, count := range map[string]func() int64{"asked": used, "counted": countDescriptors} {
		var before, after int64
		if !comesTrue(func() bool { // connections of other tests may still be closing
			before = count()
			var files [more]*os.File
			for i := range files {
				var err error
				if files[i], err = os.Open(os.DevNull); err != nil {
					t.Fatal(err)
				}
			}
			after = count()
			for _, f := range files {
				f.Close()
			}
			return before >= 3 && after == before+more
		}) {
			t.Errorf("%s: %d are in use before %d more are opened, and then %d", name, before, more, after)
		}
	}
	if _, of := newDescriptorCount().used(); of != int64(descriptors()) {
		t.Errorf("of %d, not %d", of, descriptors())
	}
	if used, of := (&descriptorCount{}).used(); used != 0 || of != 0 {
		t.Errorf("%d of %d, where the bound is not known", used, of)
	}
}

// Where they have to be counted, that isn't done each time.
func TestDescriptorsAreCountedNowAndThen(t *testing.T) {
	d := &descriptorCount{most: 100, last: -1, wait: 2}
	for range 2 {
		if got := d.recount(); got != -1 {
			t.Errorf("counted anew too soon: %d", got)
		}
	}
	if got := d.recount(); got < 0 || d.wait < int64(recordTicks) {
		t.Errorf("%d, and the next time in %d", got, d.wait)
	}
}
