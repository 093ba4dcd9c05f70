package cow_test

import (
	"fmt"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm/cow"
)

// BenchmarkReset is a reset after a call that wrote to a number of pages of the system, and
// what the page faults of writing to them again cost.
func BenchmarkReset(b *testing.B) {
	for _, pages := range []int{1, 2, 3, 8, 38} {
		for _, dirty := range []int{1, 4, 16, 64} {
			for _, way := range []cow.Way{cow.Copy, cow.Find, cow.Drop} {
				b.Run(fmt.Sprintf("pages=%d/dirty=%d/%v", pages, dirty, way), func(b *testing.B) {
					i := resetBy(b, pages, cow.Options{}, way)
					if i == nil {
						b.SkipNow()
					}
					m := memory(b, i)
					all := m.Reallocate(0)
					for b.Loop() {
						for k := range dirty {
							all[k*4096%len(all)]++
						}
						if err := m.Reset(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

func BenchmarkNewMemory(b *testing.B) {
	for _, pages := range []int{1, 38} {
		for name, o := range map[string]cow.Options{"mapped": {Limit: 256 * page}, "plain": {Limit: 256 * page, Plain: true}} {
			b.Run(fmt.Sprintf("pages=%d/%s", pages, name), func(b *testing.B) {
				i := image(b, pages, o)
				for b.Loop() {
					m, err := i.NewMemory()
					if err != nil {
						b.Fatal(err)
					}
					m.Free()
				}
			})
		}
	}
}
