package limit

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func nth(i uint64) []byte { return binary.BigEndian.AppendUint64(nil, i) }

// model is GCRA as it is written in books: what a key may use, exactly.
type model struct{ at map[uint64]int64 }

func (m *model) admits(key uint64, b bucket, cost, now int64) bool {
	return max(m.at[key], now)+cost*b.interval <= now+b.depth()
}

func (m *model) take(key uint64, b bucket, cost, now int64) bool {
	ok := m.admits(key, b, cost, now)
	if ok {
		m.at[key] = max(m.at[key], now) + cost*b.interval
	}
	return ok
}

func TestTable_decidesAsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := bucket{interval: rapid.Int64Range(1, 50).Draw(t, "interval"), burst: rapid.Int64Range(1, 8).Draw(t, "burst")}
		table, m, now := newTable(maxSlots), model{map[uint64]int64{}}, int64(1)
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now += rapid.Int64Range(0, 60).Draw(t, "pause")
			key, cost := rapid.Uint64Range(0, 40).Draw(t, "key"), rapid.Int64Range(1, b.burst).Draw(t, "cost")
			h := table.hash(nth(key))
			if rapid.Bool().Draw(t, "undone") {
				if ok, _, _ := table.take(h, b, cost, now, false); ok {
					table.giveBack(h, b, cost, now)
				}
			}
			ok, left, wait := table.take(h, b, cost, now, false)
			if want := m.take(key, b, cost, now); ok != want {
				t.Fatalf("key %d, cost %d at %d: %v, want %v", key, cost, now, ok, want)
			}
			if ok != (wait == 0) || left < 0 || left > b.burst || !ok && left >= cost {
				t.Fatalf("%v, %d left, %v to wait for %d", ok, left, wait, cost)
			}
			if until := now + int64(wait); !ok && (m.admits(key, b, cost, until-1) || !m.admits(key, b, cost, until)) {
				t.Fatalf("a wait of %v is not how long it takes", wait)
			}
		}
	})
}

func TestTable_forgetsNothingWhileItCanGrow(t *testing.T) {
	// Of maxSlots a group may, once in many runs, get more keys than it holds, after the last growth. Of more, none does.
	table, b := newTable(16*maxSlots), bucket{interval: int64(time.Hour), burst: 1}
	const keys = 100_000
	for pass, want := range []bool{true, false} {
		for i := range uint64(keys) {
			if ok, _, _ := table.take(table.hash(nth(i)), b, 1, 1, false); ok != want {
				t.Fatalf("pass %d: key %d: %v", pass, i, ok)
			}
		}
	}
	if n := table.keys(1); n != keys || table.evicted.Load() != 0 {
		t.Errorf("%d keys, %d forgotten", n, table.evicted.Load())
	}
}

func TestTable_isBounded(t *testing.T) {
	const slots = 4096
	table, b := newTable(slots), bucket{interval: int64(time.Hour), burst: 10}
	spent := table.hash([]byte("spent"))
	if ok, _, _ := table.take(spent, b, 10, 1, false); !ok {
		t.Fatal("a new key was refused")
	}
	for i := range uint64(20 * slots) {
		table.take(table.hash(nth(i)), b, 1, 1, false)
	}
	if n := table.keys(1); n > slots || n < slots/2 || table.evicted.Load() < 19*slots {
		t.Errorf("%d keys of %d, %d forgotten", n, slots, table.evicted.Load())
	}
	if ok, _, _ := table.take(spent, b, 1, 1, false); ok {
		t.Error("making up keys has reset one that was used up")
	}
}

func TestTable_takesTheRoomOfWhatIsFullAgain(t *testing.T) {
	const slots = 4096
	table, b := newTable(slots), bucket{interval: 100, burst: 1}
	now := int64(1)
	for range 50 {
		for i := range uint64(64) {
			if ok, _, _ := table.take(table.hash(nth(uint64(now)<<8|i)), b, 1, now, false); !ok {
				t.Fatal("a new key was refused")
			}
		}
		now += 100
	}
	if n := table.keys(now); n != 0 || table.evicted.Load() != 0 {
		t.Errorf("%d keys, %d forgotten", n, table.evicted.Load())
	}
}

// BenchmarkTable takes from 100,000 keys in turn.
func BenchmarkTable(b *testing.B) {
	table, bound := newTable(maxSlots), bucket{interval: int64(time.Millisecond), burst: 1 << 30}
	keys := make([][]byte, 100_000)
	for i := range keys {
		keys[i] = append([]byte("https://idp.example|user-"), nth(uint64(i)*0x9e3779b97f4a7c15)...)
	}
	l := &Limit{bucket: bound, state: &state{table: table}}
	s, now := &local{epoch: time.Now()}, time.Now()
	for _, k := range keys {
		_, _ = s.take(b.Context(), []take{{limit: l, key: k, cost: 1}}, now)
	}
	one := make([]take, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		one[0] = take{limit: l, key: keys[i%len(keys)], cost: 1}
		if a, _ := s.take(b.Context(), one, now); a.refused >= 0 {
			b.Fatal("refused")
		}
	}
}
