package audit

import (
	"bytes"
	"testing"
	"time"
)

func TestIDsGrowWhateverTheClockDoes(t *testing.T) {
	ids, err := NewIDs(bytes.NewReader(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	last := ID{}
	for i := range 100_000 {
		now := at
		switch i % 5 {
		case 1:
			now = now.Add(-time.Hour)
		case 2:
			now = now.Add(time.Duration(i) * time.Microsecond)
		}
		id := ids.Next(now)
		if id.String() <= last.String() {
			t.Fatalf("%s follows %s", id, last)
		}
		if back, ok := ParseID(id.String()); !ok || back != id {
			t.Fatalf("ParseID(%s) = %v, %v", id, back, ok)
		}
		last = id
	}
}

func TestIDIsAULID(t *testing.T) {
	if got := ulid(1469918176385, 0xffff, 0xffffffffffffffff).String(); got != "01ARYZ6S41ZZZZZZZZZZZZZZZZ" {
		t.Errorf("ulid = %s", got)
	}
	if got := ulid(1<<48-1, 0, 1).String(); got != "7ZZZZZZZZZ0000000000000001" {
		t.Errorf("ulid = %s", got)
	}
	if got := ulid(0, 0x8000, 1<<63).String(); got != "0000000000G008000000000000" {
		t.Errorf("ulid = %s", got)
	}
}

func TestStepCarries(t *testing.T) {
	ids := &IDs{milli: 7, high: 0xffff, low: 1<<64 - 2}
	ids.step(3)
	if ids.milli != 8 || ids.high != 0 || ids.low != 1 {
		t.Errorf("after the carry: %d %x %x", ids.milli, ids.high, ids.low)
	}
}

func TestParseIDRefuses(t *testing.T) {
	for _, s := range []string{"", "01KAN3Q8Z3ABCDEFGHJKMNPQR", "01KAN3Q8Z3ABCDEFGHJKMNPQRSS", "01KAN3Q8Z3ABCDEFGHJKMNPQRI", "01kan3q8z3abcdefghjkmnpqrs", "81KAN3Q8Z3ABCDEFGHJKMNPQRS"} {
		if id, ok := ParseID(s); ok || !id.IsZero() || id.String() != "" {
			t.Errorf("ParseID(%q) = %q, %v", s, id, ok)
		}
	}
}
