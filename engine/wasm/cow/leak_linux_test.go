package cow_test

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm/cow"
)

// held counts the process's mappings and descriptors of images.
func held(t *testing.T) (mappings, descriptors int) {
	t.Helper()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	for s := bufio.NewScanner(maps); s.Scan(); {
		if strings.Contains(s.Text(), "memfd:sallyport-image") {
			mappings++
		}
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && (strings.Contains(to, "sallyport-image") || strings.HasSuffix(to, "/pagemap")) {
			descriptors++
		}
	}
	return mappings, descriptors
}

func TestNothingIsLeftOfClosedImagesAndFreedMemories(t *testing.T) {
	before, _ := held(t)
	for range 100 {
		i, err := cow.NewImage(content(2), cow.Options{Limit: 4 * page})
		if err != nil {
			t.Fatal(err)
		}
		if !i.Mapped() {
			t.Skip("SKIPPED: this system has no mapped images")
		}
		var all []*cow.Memory
		for range 5 {
			m, err := i.NewMemory()
			if err != nil {
				t.Fatal(err)
			}
			m.Reallocate(3 * page)
			all = append(all, m)
		}
		if mappings, descriptors := held(t); mappings != before+6 || descriptors != 2 {
			t.Fatalf("five memories and their image hold %d mappings and %d descriptors", mappings-before, descriptors)
		}
		for _, m := range all {
			m.Free()
		}
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if mappings, descriptors := held(t); mappings != before || descriptors != 0 {
		t.Errorf("%d mappings and %d descriptors are left", mappings-before, descriptors)
	}
}

// What no call has touched takes no memory, however much is reserved.
func TestReservedMemoryIsNotResident(t *testing.T) {
	i := image(t, 16, cow.Options{Limit: 1024 * page})
	if !i.Mapped() {
		t.Skip("SKIPPED: this system has no mapped images")
	}
	before := resident(t)
	for range 64 {
		memory(t, i).Reallocate(1024 * page) // 4 GiB in all
	}
	if grew := resident(t) - before; grew > 16<<20 {
		t.Errorf("64 untouched memories take %d KiB", grew>>10)
	}
}

// An instance that was once dirtied all over does not stay resident.
func TestWhatIsFoundDoesNotStayForEver(t *testing.T) {
	i := resetBy(t, 64, cow.Options{}, cow.Find)
	if i == nil {
		t.SkipNow()
	}
	before := resident(t)
	for range 16 {
		m := memory(t, i)
		b := m.Reallocate(0)
		for at := 0; at < len(b); at += 1024 {
			b[at]++
		}
		if err := m.Reset(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if m.Dirty() != 0 {
				t.Error("something of what was written is still there")
			}
		}()
	}
	if grew := resident(t) - before; grew > 32<<20 {
		t.Errorf("16 memories of 4 MiB that were written all over take %d KiB", grew>>10)
	}
}

func resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b))
	n := 0
	for _, c := range fields[1] {
		n = n*10 + int(c-'0')
	}
	return n * os.Getpagesize()
}
