package duel

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/bench/internal/load"
)

// A call counts as one that met a compile if any of its time was the compile's.
func TestCallsAreToldApart(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	call := func(due, took int) load.Call {
		return load.Call{Due: at(due), Took: time.Duration(took) * time.Millisecond}
	}
	var s swaps
	s.add([]load.Call{call(0, 10), call(90, 11), call(100, 12), call(150, 200), call(200, 13), call(201, 14)}, load.Errors{}, at(100), at(200))
	want := [parts][]time.Duration{{10 * time.Millisecond}, {11 * time.Millisecond, 12 * time.Millisecond, 200 * time.Millisecond, 13 * time.Millisecond}, {14 * time.Millisecond}}
	if diff := cmp.Diff(want, s.calls); diff != "" {
		t.Error(diff)
	}
	if len(s.all) != 1 || s.all[0].took != 100*time.Millisecond || s.all[0].p99[quiet] != 10_000 || s.all[0].p99[fresh] != 14_000 {
		t.Errorf("%+v", s.all)
	}
}

func TestMissedGoalsOfActivations(t *testing.T) {
	slow := &swaps{all: []swap{{took: 2 * time.Second, p99: [parts]float64{100, 130, 100}}}}
	good := &swaps{all: []swap{{took: time.Second, p99: [parts]float64{100, 110, 100}}}}
	a := &Activations{
		loads: []Load{{Name: "open", Rate: 1}, {Name: "closed"}}, targets: []string{"slow", "good"},
		series: map[cell]*swaps{{"open", "slow"}: slow, {"open", "good"}: good, {"closed", "slow"}: slow, {"closed", "good"}: good},
		still:  map[cell]*swaps{{"open", "slow"}: good, {"open", "good"}: good, {"closed", "slow"}: good, {"closed", "good"}: good},
	}
	want := []string{
		"open, slow: an activation takes 2000 ms, the goal is 1500", "open, slow: p99 meanwhile is 1.30 times that before, the goal is 1.2",
		"closed, slow: an activation takes 2000 ms, the goal is 1500",
	}
	if diff := cmp.Diff(want, a.Missed()); diff != "" {
		t.Error(diff)
	}
	var table strings.Builder
	if err := a.WriteTable(&table); err != nil || strings.Count(table.String(), "\n") != 6 || !strings.Contains(table.String(), "| open | slow | 1 | 2000 [2000-2000] | 0 | 0 | 0 | 0 | 1.30 [1.30-1.30] | 1.10 [1.10-1.10] |") {
		t.Errorf("%v\n%s", err, &table)
	}
}

// A time in which nothing is replaced is as long as the last one in which something was.
func TestStillIsAsLong(t *testing.T) {
	if d := new(swaps).last(); d != time.Second {
		t.Error(d)
	}
	s := &swaps{all: []swap{{took: time.Minute}, {took: 3 * time.Second}}}
	if d := s.last(); d != 3*time.Second {
		t.Error(d)
	}
}
