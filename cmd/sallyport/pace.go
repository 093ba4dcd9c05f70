package main

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/sallyport-dev/sallyport/internal/budget"
)

// This file has what is made beside what serves give way to calls.

const (
	piece     = 200 * time.Microsecond  // of work between two rests
	restful   = 2                       // times as long as it has worked it rests
	shortRest = time.Millisecond        // at least: a poller that is idle counts in these
	oneRest   = 5 * time.Millisecond    // at most
	restless  = 1200 * time.Millisecond // after it began it rests no more: what is compiled decides soon, whatever else the machine does
	moreWaste = 64 << 20                // bytes of garbage beyond what there may be else
)

// pacer rests between the pieces of a work that calls are not to wait for.
type pacer struct {
	now   func() time.Time
	sleep func(time.Duration)
	began time.Time // of the piece
	until time.Time // then it rests no more
}

// pause rests if the piece was long enough.
func (p *pacer) pause() {
	now := p.now()
	worked := now.Sub(p.began)
	if worked < piece || !now.Before(p.until) {
		return
	}
	p.sleep(min(max(restful*worked, shortRest), oneRest))
	p.began = p.now()
}

// pause gives way to calls, if there is something that serves them; else nil.
func (b *builder) pause(prev *build) func() {
	if prev == nil {
		return nil
	}
	now := time.Now()
	p := &pacer{now: time.Now, sleep: time.Sleep, began: now, until: now.Add(restless)}
	return p.pause
}

// untidy has garbage collected less often, until tidy is called. The collector takes the processors that calls need, and a compile leaves
// garbage of many times its result. Tidy gives the memory back to the system: it collects once, where to set back first would collect, too.
// What was replaced should be out of reach by then, for what is looked at is what takes the time.
func untidy() (tidy func()) {
	was, live := collecting()
	percent := wasteful(was, live, budget.Memory())
	if percent != was {
		debug.SetGCPercent(percent)
	}
	return func() {
		debug.FreeOSMemory()
		if percent != was {
			debug.SetGCPercent(was)
		}
	}
}

// wasteful is the percentage of live bytes that may be garbage, as in debug.SetGCPercent, for moreWaste more than was; or less, where
// memory is bounded.
func wasteful(was int, live, memory int64) int {
	if was < 0 || live <= 0 {
		return was
	}
	return was + int(100*min(moreWaste, memory/16)/live)
}

// collecting is how much of what is live may be garbage, as in debug.SetGCPercent, and what the last collection has left. It is -1 if
// nothing is collected but at the limit of memory.
func collecting() (percent int, live int64) {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 || s[1].Value.Kind() != metrics.KindUint64 || s[0].Value.Uint64() > math.MaxInt32 {
		return -1, 0
	}
	return int(s[0].Value.Uint64()), int64(s[1].Value.Uint64())
}
