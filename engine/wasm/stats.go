package wasm

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// Stats are a plugin's counts since it was loaded.
type Stats struct {
	Calls     uint64
	Verdicts  map[hostapi.Verdict]uint64 // of calls that did not fail
	Failures  map[hostapi.Failure]uint64
	Refused   uint64 // calls that were denied because the plugin is ejected
	Time      time.Duration
	Fuel      int64
	Memory    int    // the most bytes that an instance has had
	Instances int    // there are now
	Discarded uint64 // instances that were thrown away
	Ejected   bool
}

// Stats returns the counts so far. They are read one after the other, while calls go on.
func (p *Plugin) Stats() Stats {
	c := &p.counts
	s := Stats{
		Calls: c.calls.Load(), Refused: c.refused.Load(), Discarded: c.discarded.Load(),
		Time: time.Duration(c.time.Load()), Fuel: c.fuel.Load(), Memory: int(c.memory.Load()),
		Instances: p.pool.size(), Ejected: p.breaker.ejected.Load() != nil,
		Verdicts: map[hostapi.Verdict]uint64{}, Failures: map[hostapi.Failure]uint64{},
	}
	for v := range c.verdicts {
		s.Verdicts[hostapi.Verdict(v)] = c.verdicts[v].Load()
	}
	for i, f := range failures {
		s.Failures[f] = c.failures[i].Load()
	}
	return s
}

// failures are the types of failure, in the order of counts.
var failures = [...]hostapi.Failure{
	hostapi.FailureTrap, hostapi.FailureFuel, hostapi.FailureDeadline, hostapi.FailureABI, hostapi.FailureCapability,
}

type counts struct {
	calls, refused, discarded atomic.Uint64
	verdicts                  [hostapi.VerdictAbstain + 1]atomic.Uint64
	failures                  [len(failures)]atomic.Uint64
	time, fuel, memory        atomic.Int64
}

func (c *counts) add(r *Result) {
	c.calls.Add(1)
	c.time.Add(int64(r.Time))
	if r.Ejected {
		c.refused.Add(1)
		return
	}
	c.fuel.Add(r.Fuel)
	for m := int64(r.Memory); ; {
		most := c.memory.Load()
		if m <= most || c.memory.CompareAndSwap(most, m) {
			break
		}
	}
	if r.Failure.Type == "" {
		c.verdicts[r.verdict].Add(1)
		return
	}
	for i, f := range failures {
		if f == r.Failure.Type {
			c.failures[i].Add(1)
		}
	}
}

// breaker ejects a plugin that fails too often.
type breaker struct {
	limit  int
	window time.Duration
	// ejected is the failure of every later call; nil while the plugin serves.
	ejected atomic.Pointer[Failure]

	mu    sync.Mutex
	times []time.Duration // of the last failures, as a ring
	next  int
}

// failed notes a failure of the guest.
func (b *breaker) failed(at time.Duration, f Failure) {
	if b.limit < 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.times) < b.limit {
		b.times = append(b.times, at)
	} else {
		b.times[b.next] = at
	}
	b.next = (b.next + 1) % b.limit
	if len(b.times) < b.limit || at-b.times[b.next] > b.window || b.ejected.Load() != nil {
		return
	}
	f.Text = fmt.Sprintf("ejected after %d failures within %v, the last: %s", b.limit, b.window, f.Text)
	b.ejected.Store(&f)
}
