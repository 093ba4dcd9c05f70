package main

import (
	"math"
	"runtime"
	"testing"
	"time"
)

// What is made beside what serves rests twice as long as it has worked, in pieces, and not for long in all.
func TestPacerRests(t *testing.T) {
	for _, tt := range []struct {
		name    string
		pieces  int
		worked  time.Duration // each
		late    time.Duration // that each rest takes longer than asked
		rests   int
		longest time.Duration
		inAll   time.Duration
	}{
		{"too little work for a rest", 1000, piece - 1, 0, 500, restful * (2*piece - 2), allRests},
		{"one piece", 1, piece, 0, 1, restful * piece, restful * piece},
		{"a long piece", 1, time.Second, 0, 1, oneRest, oneRest},
		{"much work ends", 100_000, piece, 0, int(allRests / (restful * piece)), restful * piece, allRests},
		{"rests that take longer count as long", 100_000, piece, 9 * restful * piece, int(allRests / (10 * restful * piece)), restful * piece, allRests},
	} {
		var now time.Time
		var rests int
		var longest, all time.Duration
		p := &pacer{left: allRests, now: func() time.Time { return now }, sleep: func(d time.Duration) {
			rests++
			longest = max(longest, d)
			all += d + tt.late
			now = now.Add(d + tt.late)
		}}
		p.began = now
		for range tt.pieces {
			now = now.Add(tt.worked)
			p.pause()
		}
		if rests > tt.rests || rests == 0 || longest > tt.longest || all > tt.inAll+tt.late {
			t.Errorf("%s: %d rests, the longest %v, %v in all", tt.name, rests, longest, all)
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
