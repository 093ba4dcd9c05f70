package gateway

import (
	"strconv"
	"testing"
	"time"
)

func TestLedgerGivesOnce(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLedger[string](10, time.Minute)
	l.put("a", "1", now)
	l.put("a", "2", now.Add(time.Second))
	if v, ok := l.take("a", now.Add(2*time.Second)); !ok || v != "2" {
		t.Errorf("take = %q, %v; want the later value", v, ok)
	}
	if v, ok := l.take("a", now); ok {
		t.Errorf("taken twice: %q", v)
	}
}

func TestLedgerForgets(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLedger[int](3, time.Minute)
	for i := range 5 {
		l.put(strconv.Itoa(i), i, now.Add(time.Duration(i)*time.Second))
	}
	for i := range 5 {
		_, ok := l.take(strconv.Itoa(i), now.Add(5*time.Second))
		if want := i >= 2; ok != want {
			t.Errorf("entry %d of 5 in a ledger of 3: present %v, want %v", i, ok, want)
		}
	}
	l.put("old", 1, now)
	if _, ok := l.take("old", now.Add(time.Minute)); ok {
		t.Error("an entry outlived its time")
	}
	if l.len() != 0 {
		t.Errorf("left over: %d entries, %d slots", l.len(), len(l.order))
	}
}

// A ledger that is written and read for days keeps no slot of what has gone.
func TestLedgerStaysSmall(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLedger[int](8, time.Minute)
	l.put("waiting", 0, now)
	for i := range 10000 {
		k := strconv.Itoa(i)
		now = now.Add(time.Second)
		l.put(k, i, now)
		l.take(k, now)
	}
	if len(l.order) > 16 {
		t.Errorf("%d slots for %d entries", len(l.order), l.len())
	}
}
