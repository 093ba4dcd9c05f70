//go:build !race

package limit

import (
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

func TestTakeOfALocalTableDoesNotAllocate(t *testing.T) {
	l := &Limit{bucket: bucket{interval: int64(time.Millisecond), burst: 1 << 30}, state: &state{table: newTable(maxSlots)}}
	s, now, one := &local{epoch: time.Now()}, time.Now(), []take{{limit: l, key: []byte("alice"), cost: 1}}
	if n := testing.AllocsPerRun(200, func() { _, _ = s.take(t.Context(), one, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTakeByNamesDoesNotAllocate(t *testing.T) {
	for _, key := range []string{"", "principal.id", "[principal.id, mcp.tool.name]"} {
		spec := slow("all", plenty, key)
		spec.Key, spec.Per = source.NewText(key), time.Second
		s, r := compile(t, stores[0].open(t), spec), call(t, "alice", `{}`)
		now := time.Now()
		if n := testing.AllocsPerRun(200, func() {
			if refused := s.Take(t.Context(), r, true, now); refused != nil {
				t.Fatalf("%+v", refused)
			}
		}); n != 0 {
			t.Errorf("%q: %v allocations", key, n)
		}
	}
}
