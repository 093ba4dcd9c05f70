package cow_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/wasm/cow"
)

const page = cow.PageSize

// content returns pages of bytes that are not all zero, with a stretch of zeros in each.
func content(pages int) []byte {
	b := make([]byte, pages*page)
	for i := range b {
		if at := i % page; at < 5000 || at >= 21000 {
			b[i] = byte(i%251) + 1
		}
	}
	return b
}

func image(t testing.TB, pages int, o cow.Options) *cow.Image {
	t.Helper()
	i, err := cow.NewImage(content(pages), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

func memory(t testing.TB, i *cow.Image) *cow.Memory {
	t.Helper()
	m, err := i.NewMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m
}

// kinds are the two ways in which memories are made.
var kinds = map[string]cow.Options{
	"mapped": {Limit: 8 * page},
	"plain":  {Limit: 8 * page, Plain: true},
}

func TestMemoryBeginsAsTheImageWhateverTheVMAsksFor(t *testing.T) {
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			m := memory(t, image(t, 3, o))
			if got := m.Reallocate(page); !bytes.Equal(got, content(3)) {
				t.Errorf("%d bytes that are not the image's %d", len(got), 3*page)
			}
		})
	}
}

func TestMemoryGrowsInPlaceToItsLimitAndNoFurther(t *testing.T) {
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			m := memory(t, image(t, 1, o))
			small := m.Reallocate(page)
			big := m.Reallocate(8 * page)
			if len(big) != 8*page || &small[0] != &big[0] {
				t.Fatalf("grew to %d bytes, moved: %v", len(big), &small[0] != &big[0])
			}
			big[8*page-1] = 1
			if got := m.Reallocate(9 * page); got != nil {
				t.Errorf("grew past the limit to %d bytes", len(got))
			}
			if m.Size() != 8*page {
				t.Errorf("size is %d", m.Size())
			}
		})
	}
}

func TestMemoriesOfAnImageDoNotSeeEachOther(t *testing.T) {
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			i := image(t, 1, o)
			a, b := memory(t, i).Reallocate(2*page), memory(t, i).Reallocate(2*page)
			clear(a)
			a[page] = 7
			if !bytes.Equal(b[:page], content(1)) || b[page] != 0 {
				t.Error("a memory sees what another wrote")
			}
			if c := memory(t, i).Reallocate(page); !bytes.Equal(c, content(1)) {
				t.Error("a new memory sees what another wrote")
			}
		})
	}
}

func TestImageIsNotTheCallersBytes(t *testing.T) {
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			b := content(1)
			i, err := cow.NewImage(b, o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { i.Close() })
			clear(b)
			m := memory(t, i)
			if !bytes.Equal(m.Reallocate(page), content(1)) {
				t.Error("the image changed with the slice it was made of")
			}
		})
	}
}

// A mapped memory behaves as a copied one, whatever is done to it and however it is reset.
func TestMappedAndPlainMemoriesBehaveAlike(t *testing.T) {
	var images []*cow.Image
	for _, o := range kinds {
		images = append(images, image(t, 2, o))
	}
	for _, w := range []cow.Way{cow.Find, cow.Drop} {
		if i := resetBy(t, 2, kinds["mapped"], w); i != nil {
			images = append(images, i)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var all []*cow.Memory
		var views [][]byte
		for _, i := range images {
			m, err := i.NewMemory()
			if err != nil {
				t.Fatal(err)
			}
			defer m.Free()
			all, views = append(all, m), append(views, m.Reallocate(0))
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			step(t, all, views)
			for k := range all[1:] {
				if !bytes.Equal(views[0], views[k+1]) || all[0].Size() != all[k+1].Size() || all[0].Dirty() != all[k+1].Dirty() {
					t.Fatal("memories differ")
				}
			}
		}
	})
}

// step does the same to all memories.
func step(t *rapid.T, all []*cow.Memory, views [][]byte) {
	op := rapid.IntRange(0, 3).Draw(t, "op")
	at := rapid.IntRange(0, len(views[0])-1).Draw(t, "at")
	size := rapid.IntRange(0, 9).Draw(t, "pages") * page
	for k, m := range all {
		switch op {
		case 0:
			views[k][at] ^= 0x55
		case 1:
			if b := m.Reallocate(uint64(max(size, len(views[k])))); b != nil {
				views[k] = b
			}
		case 2:
			if err := m.Reset(); err != nil {
				t.Fatal(err)
			}
		case 3:
			if err := m.Reset(); err != nil {
				t.Fatal(err)
			}
			m.Shrink(func() { views[k] = m.Reallocate(uint64(len(views[k]) + page)) })
		}
	}
}

// resetBy returns an image whose memories are reset in a way, nil where that can't be had.
func resetBy(t testing.TB, pages int, o cow.Options, w cow.Way) *cow.Image {
	t.Helper()
	i := image(t, pages, o)
	if err := i.Calibrate(1, costs(w, pages)); err != nil {
		t.Fatal(err)
	}
	if i.Way() != w {
		t.Logf("SKIPPED: this system does not reset by %v", w)
		return nil
	}
	return i
}

func TestResetLeavesNothingOfACall(t *testing.T) {
	for name, o := range kinds {
		for _, w := range []cow.Way{cow.Copy, cow.Find, cow.Drop} {
			if i := resetBy(t, 2, o, w); i != nil {
				t.Run(name+" "+w.String(), func(t *testing.T) { checkReset(t, memory(t, i)) })
			}
		}
	}
}

func checkReset(t *testing.T, m *cow.Memory) {
	for range 3 {
		b := m.Reallocate(4 * page)
		for i := range b {
			b[i] = 0xff
		}
		if got, want := m.Dirty(), 4*page/os.Getpagesize(); got != want {
			t.Errorf("%d pages are dirty, want %d", got, want)
		}
		if err := m.Reset(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b[:2*page], content(2)) || !bytes.Equal(b[2*page:], make([]byte, 2*page)) || m.Dirty() != 0 {
			t.Error("something of what was written is still there")
		}
		grows := 0
		m.Shrink(func() { grows++; b = m.Reallocate(9 * page) })
		if grows != 1 || len(b) != 2*page || m.Size() != 2*page {
			t.Errorf("after %d growths the VM has %d bytes, the memory %d", grows, len(b), m.Size())
		}
		m.Shrink(func() { t.Error("what has not grown is shrunk") })
		if b = m.Reallocate(8 * page); !bytes.Equal(b[2*page:], make([]byte, 6*page)) {
			t.Error("what it grows into is not zero")
		}
	}
}

func TestImageIsClosedAfterItsMemories(t *testing.T) {
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			i, err := cow.NewImage(content(1), o)
			if err != nil {
				t.Fatal(err)
			}
			m, err := i.NewMemory()
			if err != nil {
				t.Fatal(err)
			}
			if err := i.Close(); !errors.Is(err, cow.ErrInUse) {
				t.Errorf("closed under a memory: %v", err)
			}
			if b := m.Reallocate(page); !bytes.Equal(b, content(1)) {
				t.Error("the memory lost its image")
			}
			m.Free()
			m.Free()
			if b := m.Reallocate(page); b != nil {
				t.Error("a freed memory grew")
			}
			for range 2 {
				if err := i.Close(); err != nil {
					t.Error(err)
				}
			}
			if _, err := i.NewMemory(); !errors.Is(err, cow.ErrClosed) {
				t.Errorf("a memory of a closed image: %v", err)
			}
		})
	}
}

func TestImageRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		bytes, limit int
		want         string
	}{
		"nothing":           {0, 0, "image of 0 bytes: not a positive number of pages"},
		"half a page":       {page / 2, page, "image of 32768 bytes: not a positive number of pages"},
		"limit below":       {2 * page, page, "limit of 65536 bytes: not a number of pages, or below the image's 131072 bytes"},
		"half a page of it": {page, page + 1, "limit of 65537 bytes: not a number of pages, or below the image's 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cow.NewImage(make([]byte, c.bytes), cow.Options{Limit: c.limit})
			if fmt.Sprint(err) != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// costs is a clock by which a reset in way w takes a microsecond, in any other a second.
func costs(w cow.Way, pages int) func() time.Duration {
	ways := []cow.Way{cow.Copy, cow.Find, cow.Drop}
	if pages > 8 {
		ways = ways[1:]
	}
	return clock(func(k int) time.Duration {
		if ways[k] == w {
			return time.Microsecond
		}
		return time.Second
	})
}

// clock returns one by which resets in the k-th way that is tried take what took says.
func clock(took func(k int) time.Duration) func() time.Duration {
	var at time.Duration
	calls := 0
	return func() time.Duration {
		if calls++; calls%2 == 0 {
			at += took((calls - 1) / 32)
		}
		return at
	}
}

func TestCalibrateChoosesWhatTakesLeast(t *testing.T) {
	still := clock(func(int) time.Duration { return 0 })
	for _, c := range []struct {
		name  string
		pages int
		o     cow.Options
		clock func() time.Duration
		want  cow.Way
	}{
		{"copying", 1, cow.Options{}, costs(cow.Copy, 1), cow.Copy},
		{"finding", 1, cow.Options{}, costs(cow.Find, 1), cow.Find},
		{"dropping", 1, cow.Options{}, costs(cow.Drop, 1), cow.Drop},
		{"a clock that stands still", 8, cow.Options{}, still, cow.Copy},
		{"too large to be resident in every instance", 9, cow.Options{}, still, cow.Find},
		{"plain", 1, cow.Options{Plain: true}, costs(cow.Drop, 1), cow.Copy},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := image(t, c.pages, c.o)
			if !i.Mapped() && !c.o.Plain {
				t.Skip("SKIPPED: this system has no mapped images")
			}
			if err := i.Calibrate(2, c.clock); err != nil {
				t.Fatal(err)
			}
			if i.Way() != c.want {
				t.Errorf("resets by %v, want %v", i.Way(), c.want)
			}
		})
	}
}

func TestMemoriesAreMadeUsedAndFreedAtOnce(t *testing.T) {
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			i := image(t, 2, o)
			want := content(2)
			var all sync.WaitGroup
			for g := range 8 {
				all.Go(func() {
					for range 50 {
						m, err := i.NewMemory()
						if err != nil {
							t.Error(err)
							return
						}
						b := m.Reallocate(3 * page)
						for at := 0; at < len(b); at += 512 {
							b[at] = byte(g)
						}
						if err := m.Reset(); err != nil {
							t.Error(err)
						}
						if !bytes.Equal(b[:2*page], want) {
							t.Error("not the image")
						}
						m.Free()
					}
				})
			}
			all.Wait()
		})
	}
}
