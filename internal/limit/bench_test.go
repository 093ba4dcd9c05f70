package limit

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
)

// manyKeys is how many callers the benchmarks know, each with a key of its own.
const manyKeys = 100_000

// callers make calls in turn, under a limit for each of them that refuses none.
type callers struct {
	set *Set
	ids []string
	now time.Time
}

func newCallers(b *testing.B) *callers {
	b.Helper()
	l, err := New(time.Now)
	if err != nil {
		b.Fatal(err)
	}
	spec := slow("all", 3_000_000, "principal.id")
	spec.Per = 10 * time.Second
	c := &callers{compile(b, l, spec), make([]string, manyKeys), time.Now()}
	for i := range c.ids {
		c.ids[i] = fmt.Sprintf("https://idp.example|user-%06d", i)
	}
	r := newCall()
	for i := range c.ids {
		c.admit(b, r, i)
	}
	if n := l.Stats()[0].Keys; n != manyKeys {
		b.Fatalf("%d keys", n)
	}
	return c
}

// newCall is a call that was just read, as one is that is about to be counted.
func newCall() *engine.Request {
	return &engine.Request{Method: "tools/call", Server: "files", Tool: "read_file", Principal: &engine.Principal{Kind: "jwt"}}
}

func (c *callers) admit(b *testing.B, r *engine.Request, i int) {
	r.Principal.ID = c.ids[i%manyKeys]
	if refused := c.set.Take(b.Context(), r, true, c.now); refused != nil {
		b.Errorf("%+v", refused)
	}
}

// BenchmarkTake computes the key of a call, finds its bucket among those of 100,000 callers, and takes from it.
func BenchmarkTake(b *testing.B) {
	c, r := newCallers(b), newCall()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.admit(b, r, i)
	}
}

// BenchmarkTake_parallel does so on all processors, each of which begins with another caller.
func BenchmarkTake_parallel(b *testing.B) {
	c := newCallers(b)
	var begun atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r := newCall()
		for i := int(begun.Add(1)) * 31_337; pb.Next(); i++ {
			c.admit(b, r, i)
		}
	})
}
