package gateway

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

// turnsAway waits until n connections from this machine are on record as turned away.
func (w *world) turnsAway(n int64) {
	w.t.Helper()
	var got audit.Record
	if !comesTrue(func() bool {
		total := int64(0)
		for _, r := range w.refusals() {
			if r.Reason == tooManyConnections {
				total, got = total+r.Connections, r
			}
		}
		return total >= n
	}) {
		w.t.Fatalf("no record of %d connections; the last is %+v", n, got)
	}
	if got.SourceAddress != "127.0.0.1" || got.Effect != "deny" || got.Time.IsZero() || got.DecisionID.IsZero() || got.Status != 0 {
		w.t.Errorf("recorded %+v", got)
	}
}

// An address has one record for all of its connections; past the bound on addresses the others share one.
func TestTurnedAwayAreCountedByAddress(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	var all turned
	want := map[netip.Addr]away{{}: {at(maxTurned), 6}}
	for i := range maxTurned + 2 {
		for range 3 {
			all.add(addr(i), at(i))
		}
		if i < maxTurned {
			want[addr(i)] = away{at(i), 3}
		}
	}
	full := errors.New("full")
	got := map[netip.Addr]away{}
	err := all.flush(func(from netip.Addr, a away) error {
		if len(got) == 5 {
			return full
		}
		got[from] = a
		return nil
	})
	if !errors.Is(err, full) || len(got) != 5 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for range 2 { // what was not taken comes again, and nothing twice
		if err := all.flush(func(from netip.Addr, a away) error {
			if _, twice := got[from]; twice {
				t.Errorf("%v is recorded twice", from)
			}
			got[from] = a
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(away{}), cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Error(d)
	}
}

// Whatever was turned away before the end is on record after it.
func TestTurnedAwayAreRecordedAtTheEnd(t *testing.T) {
	var w *world
	t.Cleanup(func() { w.turnsAway(1) }) // it runs after newWorld's own, which shuts down
	w = newWorld(t, testPolicy)
	w.turned.add(netip.MustParseAddr("127.0.0.1"), time.Now())
}
