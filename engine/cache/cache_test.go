package cache

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCache(t testing.TB, size int64) *Cache[int] {
	t.Helper()
	c, err := New[int](size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCache_remembersByKey(t *testing.T) {
	c := newCache(t, 4<<20)
	keys := [][]byte{
		{},
		[]byte("a"), []byte("b"), bytes.Repeat([]byte("a"), whole), bytes.Repeat([]byte("a"), whole+1), bytes.Repeat([]byte("b"), whole+1),
		append(bytes.Repeat([]byte("a"), whole), 'b'),
	}
	for i, key := range keys {
		c.Put(key, i+1, 0)
	}
	c.Settle()
	for i, key := range keys {
		if got := c.Get(key); got == nil || *got != i+1 {
			t.Errorf("%.20q of %d bytes: %v", key, len(key), got)
		}
	}
	if got := c.Get([]byte("c")); got != nil {
		t.Errorf("c is %d", *got)
	}
	keys[1][0] = 'c' // the caller's buffer is his own
	if got := c.Get([]byte("a")); got == nil || *got != 2 {
		t.Errorf("a is %v after its buffer was used again", got)
	}
}

// A key whose hash is another's is not taken for it: the entry is put where the other would be found.
func TestCache_comparesKeysBeyondTheirHash(t *testing.T) {
	c := newCache(t, 1<<20)
	long := bytes.Repeat([]byte("x"), whole+1)
	for _, tt := range []struct{ there, asked []byte }{
		{[]byte("a"), []byte("b")}, {[]byte("a"), long}, {long, []byte("a")}, {long, append(bytes.Clone(long), 'x')},
	} {
		c.Put(tt.there, 7, 0)
		c.Settle()
		e, ok := c.items.Get(c.hash(tt.there))
		if !ok {
			t.Fatal("not remembered")
		}
		c.items.Set(c.hash(tt.asked), e, 0)
		c.Settle()
		if _, ok := c.items.Get(c.hash(tt.asked)); !ok {
			t.Fatal("the hashes don't collide")
		}
		front := &entry[int]{key: e.key, long: e.long, hash: c.hash(tt.asked), value: 8}
		for range 2 {
			if got := c.Get(tt.asked); got != nil {
				t.Errorf("asked for %.5q, got the value of %.5q", tt.asked, tt.there)
			}
			c.place(front.hash).Store(front)
		}
	}
}

// The digest of a long key is no key: whoever makes a short one of its bytes doesn't find it.
func TestCache_tellsDigestsFromKeys(t *testing.T) {
	c := newCache(t, 1<<20)
	long := bytes.Repeat([]byte("x"), whole+1)
	c.Put(long, 7, 0)
	c.Settle()
	e, _ := c.items.Get(c.hash(long))
	if !e.is(long) || e.is(e.key) {
		t.Error("a digest is taken for a key")
	}
}

// What the cache says that it takes is about what it takes: its limit holds for the heap, buffers and maps included.
func TestCache_isBoundedInBytes(t *testing.T) {
	for _, tt := range []struct {
		size int64
		key  int
	}{{1 << 20, 40}, {2 << 20, 900}, {4 << 20, 200}} {
		before := heap()
		c := newCache(t, tt.size)
		for i := range 3 * int(tt.size) / (tt.key + overhead) {
			c.Put(fmt.Appendf(nil, "%0*d", tt.key, i), i, 0)
			if i%100 == 0 {
				c.Settle()
			}
		}
		c.Settle()
		s := c.Stats()
		took := heap() - before
		if s.Bytes < s.Limit*9/10 || s.Bytes > s.Limit {
			t.Errorf("%d bytes, keys of %d: holds %d of %d", tt.size, tt.key, s.Bytes, s.Limit)
		}
		if took > tt.size {
			t.Errorf("%d bytes, keys of %d: takes %d", tt.size, tt.key, took)
		}
		if s.Evicted+s.Rejected == 0 {
			t.Errorf("%+v", s)
		}
		runtime.KeepAlive(c)
	}
}

// What was found is found in front as long as it is remembered, and no longer: what had to make room is not held there.
func TestCache_frontHoldsWhatIsRemembered(t *testing.T) {
	c := newCache(t, 1<<20)
	const batch = 100
	for i := 0; c.Stats().Evicted < 10*batch; i += batch {
		for j := range batch {
			c.Put(fmt.Appendf(nil, "%0200d", i+j), i+j, 0)
		}
		c.Settle()
		for range 2 {
			for j := range batch {
				if got := c.Get(fmt.Appendf(nil, "%0200d", i+j)); got != nil && *got != i+j {
					t.Fatalf("%d is %d", i+j, *got)
				}
			}
		}
	}
	held := 0
	for i := range c.front {
		e := c.front[i].Load()
		if e == nil {
			continue
		}
		held++
		if there, ok := c.items.Get(e.hash); !ok || there != e {
			t.Errorf("%d is in front, and not remembered", e.value)
		}
	}
	if held == 0 {
		t.Error("nothing is in front")
	}
}

// What leaves while it is being put in front doesn't stay there.
func TestCache_frontLetsGoOfWhatLeaves(t *testing.T) {
	c := newCache(t, 1<<20)
	c.Put([]byte("a"), 1, 0)
	c.Settle()
	hash := c.hash([]byte("a"))
	e, _ := c.items.Get(hash)
	e.gone.Store(true) // as left does first
	if got := c.Get([]byte("a")); got == nil || c.place(hash).Load() != nil {
		t.Error("it is held in front")
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What comes faster than it is taken in is dropped, and counted: the queue takes a bounded part of the bytes.
func TestCache_dropsWhatComesTooFast(t *testing.T) {
	c := newCache(t, 1<<20)
	c.queuedBytes.Add(c.most / queuedPart) // as if that waited already
	c.Put([]byte("a"), 1, 0)
	if s := c.Stats(); s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
	c.queuedBytes.Add(-c.most / queuedPart)
	c.queued.Add(maxQueued)
	c.Put([]byte("a"), 1, 0)
	if s := c.Stats(); s.Dropped != 2 {
		t.Errorf("%+v", s)
	}
	c.queued.Add(-maxQueued)
	c.Put([]byte("a"), 1, 0)
	c.Settle()
	if c.Get([]byte("a")) == nil || c.queued.Load() != 0 || c.queuedBytes.Load() != 0 {
		t.Errorf("%d entries of %d bytes wait", c.queued.Load(), c.queuedBytes.Load())
	}
}

func TestCache_nilRemembersNothing(t *testing.T) {
	var c *Cache[int]
	c.Put([]byte("a"), 1, 0)
	if c.Get([]byte("a")) != nil || c.Stats() != (Stats{}) {
		t.Error("it remembers")
	}
	c.Close()
}

// Readers and writers at once find the value of their key or none.
func TestCache_isSafeForConcurrentUse(t *testing.T) {
	c := newCache(t, 1<<20)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 5000 {
				n := (i*7 + w) % 3000
				key := fmt.Appendf(nil, "%0300d", n)
				if got := c.Get(key); got != nil && *got != n {
					t.Errorf("%d is %d", n, *got)
				} else if got == nil {
					c.Put(key, n, 0)
				}
			}
		})
	}
	wg.Wait()
	c.Settle()
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{50, 1000, 4000, 16000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := newCache(b, 4<<20)
			key := bytes.Repeat([]byte("k"), n)
			c.Put(key, 1, 0)
			c.Settle()
			b.ReportAllocs()
			for b.Loop() {
				if c.Get(key) == nil {
					b.Fatal("not remembered")
				}
			}
		})
	}
}
