package trial

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// load is calls that come at one rate and take a time to compare.
type load struct {
	s     *sample
	now   time.Time
	taken uint64
	n     int     // of all calls
	about float64 // what those that were taken stand for
}

func newLoad(budget float64) *load {
	l := &load{s: new(sample), now: time.Unix(1795330800, 0)}
	l.s.begin(budget, l.now, new(atomic.Uint64))
	return l
}

// run has calls come for a time, and gives the processors' time that they have taken.
func (l *load) run(seconds, rate float64, each time.Duration) (spent time.Duration) {
	before := l.s.spent.Load()
	for range int(seconds / interval.Seconds()) {
		for range int(rate * interval.Seconds()) {
			l.n++
			if w := l.s.weight(numbered(l.n)); w > 0 {
				l.taken++
				l.s.done++
				l.about += w
				l.s.spent.Add(int64(each))
			}
		}
		l.now = l.now.Add(interval)
		if l.s.due(l.now) {
			l.s.adjust(l.now, l.taken)
		}
	}
	return time.Duration(l.s.spent.Load() - before)
}

// numbered is an id.
func numbered(n int) []byte { return binary.BigEndian.AppendUint64([]byte("01JD8ZR7"), uint64(n)) }

func TestSampleKeepsToItsBudget(t *testing.T) {
	for _, c := range []struct {
		rate float64
		each time.Duration
	}{{10_000, 60 * time.Microsecond}, {2000, time.Millisecond}, {100, 5 * time.Millisecond}} {
		l := newLoad(0.04)
		l.run(30, c.rate, c.each) // what may be used up at first is gone by then
		spent := l.run(30, c.rate, c.each)
		if most, least := 1300*time.Millisecond, 1000*time.Millisecond; spent > most || spent < least {
			t.Errorf("%g calls a second of %s took %s of half a minute, want between %s and %s", c.rate, c.each, spent, least, most)
		}
		if off := l.about/float64(l.n) - 1; math.Abs(off) > 0.15 {
			t.Errorf("%g calls a second of %s: the sample stands for %.0f of %d calls", c.rate, c.each, l.about, l.n)
		}
	}
}

func TestFewCallsAreAllCompared(t *testing.T) {
	l := newLoad(0.02)
	l.run(60, 400, 40*time.Microsecond)
	if int(l.taken) != l.n || !l.s.whole() {
		t.Errorf("%d of %d calls were compared", l.taken, l.n)
	}
	// A single bad moment, such as a machine that did something else, is none of the calls' cost.
	l.run(0.05, 20, 200*time.Millisecond)
	l.run(5, 20, 40*time.Microsecond)
	if int(l.taken) != l.n || !l.s.whole() {
		t.Errorf("%d of %d calls were compared, with a bad moment among them", l.taken, l.n)
	}
}

// What was handed over in a moment can take seconds to compare. The share follows meanwhile.
func TestSampleFollowsWithinABatch(t *testing.T) {
	l := newLoad(0.04)
	l.taken = 4000
	for range 8 {
		l.s.passed.Add(50)
		l.s.done += 5
		l.s.spent.Add(int64(interval))
		l.now = l.now.Add(interval)
		l.s.adjust(l.now, l.taken)
	}
	if share := l.s.ratio(); share > 0.01 {
		t.Errorf("%g of the calls are compared, of 1000 a second that take 10 ms each", share)
	}
}

func TestSampleGrowsAgain(t *testing.T) {
	l := newLoad(0.04)
	l.run(10, 10_000, 60*time.Microsecond)
	if share := l.s.ratio(); share > 0.15 {
		t.Fatalf("%g of the calls are compared under load", share)
	}
	l.run(0.1, 100, 3*time.Microsecond)
	if !l.s.whole() {
		t.Errorf("%g of the calls are compared after it", l.s.ratio())
	}
	l.run(0.05, 10_000, 10*time.Millisecond) // far more than there is room for
	l.run(2, 10_000, 60*time.Microsecond)
	if l.s.below.Load() < fewest {
		t.Error("some calls could never be compared")
	}
	l = newLoad(0.04)
	l.run(0.05, 20, 500*time.Millisecond) // one call
	l.run(2, 1000, time.Microsecond)
	if !l.s.whole() {
		t.Errorf("%g of the calls are compared two seconds after a bad moment", l.s.ratio())
	}
	l.run(30, 10_000, time.Millisecond)
	l.run(60, 0, 0)
	if !l.s.whole() {
		t.Errorf("%g of the calls are compared when none has come for a minute", l.s.ratio())
	}
}

func TestSampleIsOfCalls(t *testing.T) {
	l := newLoad(0.04)
	l.run(1, 10_000, 60*time.Microsecond)
	taken := 0
	for i := range 10_000 {
		id := numbered(i)
		request, answer := l.s.weight(id), l.s.weight(id)
		if request != answer {
			t.Fatalf("of call %s the request has weight %g, and the answer %g", id, request, answer)
		}
		if request > 0 {
			taken++
		}
	}
	if want := l.s.ratio() * 10_000; math.Abs(float64(taken)-want) > want/5 {
		t.Errorf("%d of 10000 ids in a row are compared, want about %.0f", taken, want)
	}
}

// What the budget has no room for is counted, and what is found is reckoned up to all calls.
func TestSampledTrial(t *testing.T) {
	var clock atomic.Int64 // each look at it takes a millisecond
	o := Options{
		Active: compile(t, allows), Candidate: compile(t, "  - { name: no, effect: deny }\n"), Metrics: telemetry.New(telemetry.Options{}),
		Budget: 0.01, Now: func() time.Time { return time.Unix(0, clock.Add(int64(time.Millisecond))) },
	}
	tr := begin(t, o)
	var m message
	q := m.call(t, "read_file", `{}`)
	d := o.Active.Decide(t.Context(), q)
	offered := uint64(0)
	for deadline := time.Now().Add(20 * time.Second); tr.Report().NotSampled < 100; offered++ {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", tr.Report())
		}
		tr.Offer(q, &d, &Offered{ID: fmt.Appendf(nil, "%026d", offered)})
	}
	var r Report
	for deadline := time.Now().Add(20 * time.Second); r.Calls+r.Skipped+r.NotSampled != offered; time.Sleep(time.Millisecond) {
		if r = tr.Report(); time.Now().After(deadline) {
			t.Fatalf("%d were offered, and %+v was found", offered, r)
		}
	}
	if r.Estimate == nil || r.Estimate.Different < r.Different || r.Estimate.Same+r.Estimate.Errors > 0 || len(r.Groups) != 1 || r.Groups[0].Estimate != r.Estimate.Different {
		t.Errorf("%+v %+v", r, r.Estimate)
	}
	if r.Calls == 0 || r.Calls != r.Groups[0].Count {
		t.Errorf("%+v", r)
	}
}
