//go:build !race

package limit

import (
	"testing"
	"time"
)

func TestTakeOfALocalTableDoesNotAllocate(t *testing.T) {
	l := &Limit{bucket: bucket{interval: int64(time.Millisecond), burst: 1 << 30}, state: &state{table: newTable(maxSlots)}}
	s, now, one := &local{epoch: time.Now()}, time.Now(), []take{{limit: l, key: []byte("alice"), cost: 1}}
	if n := testing.AllocsPerRun(200, func() { _, _ = s.take(t.Context(), one, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
