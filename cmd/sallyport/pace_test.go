package main

import (
	"math"
	"runtime"
	"testing"
	"time"
)

// What is made beside what serves rests longer than it has worked, in pieces, until a second after it began.
func TestPacerRests(t *testing.T) {
	rests := func(rest time.Duration) int { return int((restless + rest - 1) / (piece + rest)) } // a rest may begin just before the end
	for _, tt := range []struct {
		name   string
		pieces int
		worked time.Duration // each
		late   time.Duration // that each rest takes longer than asked
		want   int           // rests
		each   time.Duration // rest, at most
	}{
		{"too little work for a rest", 1, piece - 1, 0, 0, 0},
		{"two that are too little", 2, piece - 1, 0, 1, shortRest},
		{"one piece", 1, piece, 0, 1, shortRest},
		{"a piece that is long", 1, shortRest, 0, 1, restful * shortRest},
		{"one that is longer than any should be", 1, restless / 2, 0, 1, oneRest},
		{"one that takes all of the time", 2, restless, 0, 0, 0},
		{"much work", 100_000, piece, 0, rests(shortRest), shortRest},
		{"rests that take longer", 100_000, piece, 9 * shortRest, rests(10 * shortRest), shortRest},
	} {
		begin := time.Now()
		now := begin
		var rests int
		var longest, last time.Duration
		p := &pacer{began: now, until: now.Add(restless), now: func() time.Time { return now }, sleep: func(d time.Duration) {
			rests++
			longest, last = max(longest, d), now.Sub(begin)
			now = now.Add(d + tt.late)
		}}
		for range tt.pieces {
			now = now.Add(tt.worked)
			p.pause()
		}
		if rests != tt.want || longest != tt.each || last >= restless {
			t.Errorf("%s: %d rests, the longest %v, the last %v after the beginning", tt.name, rests, longest, last)
		}
	}
}

func TestOnlyWhatIsMadeBesideServingRests(t *testing.T) {
	b := new(builder)
	if b.pause(nil) != nil || b.pause(new(build)) == nil {
		t.Error("the start rests, or a reload doesn't")
	}
}

// More garbage is a bounded number of bytes, however much is live, and little where memory is.
func TestWasteful(t *testing.T) {
	for _, tt := range []struct {
		name         string
		was          int
		live, memory int64
		want         int
	}{
		{"little is live", 100, 32 << 20, math.MaxInt64, 300},
		{"much is live", 100, 6400 << 20, math.MaxInt64, 101},
		{"memory is bounded", 100, 32 << 20, 256 << 20, 150},
		{"the operator wants less", 25, 32 << 20, math.MaxInt64, 225},
		{"the operator wants none collected", -1, 32 << 20, math.MaxInt64, -1},
		{"nothing has been collected yet", 100, 0, math.MaxInt64, 100},
	} {
		if got := wasteful(tt.was, tt.live, tt.memory); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// What was set is set again, and one collection is all that it takes: heap to collect is left to that one.
func TestUntidyEnds(t *testing.T) {
	runtime.GC() // something is live
	was, live := collecting()
	if was <= 0 || live <= 0 {
		t.Skip("nothing is collected")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tidy := untidy()
	meanwhile, _ := collecting()
	for range 48 { // MiB, of which nothing stays
		garbage = make([]byte, 1<<20)
	}
	garbage = nil
	tidy()
	runtime.ReadMemStats(&after)
	if now, _ := collecting(); now != was || meanwhile <= was {
		t.Errorf("%d before, %d meanwhile, %d after", was, meanwhile, now)
	}
	if n := after.NumGC - before.NumGC; n != 1 {
		t.Errorf("%d collections, want 1", n)
	}
}

var garbage []byte
