// Package trial decides by a candidate what the active policies decide, beside the path of calls, and says where the two differ.
//
// Whoever has decided a call offers it: what the decision could read is copied, the call goes on, and a worker decides it once more by
// the other policies of the two. The queue is bounded. What finds no room in it is counted and passed over, never waited for. So is the
// time that all this takes: past it, a sample of the calls is compared.
package trial

import (
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/httphead"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// Options are what a Trial is made of. Active, Candidate and Metrics are required.
type Options struct {
	// Active decides, and Candidate is tried. Both must be open until Done is closed.
	Active, Candidate *engine.Snapshot
	Metrics           *telemetry.Metrics
	Scan              jsonscan.Options // the bounds of messages
	Head              httphead.Limits  // the bounds of heads
	// Budget is how much of the processors' time handing over and comparing may take, over half a minute: 0.04 is 4 % of one of them.
	// Time passes while a machine does other things: what is measured is at least what is taken. 0 is no bound.
	Budget float64
	// Now is the clock that the budget is measured by. It may be nil without one.
	Now func() time.Time
	// Bounds end a trial that goes wrong.
	Bounds Bounds
	// Passed is told once, in a goroutine of its own, that a bound was passed, and which. nil tells nobody.
	Passed func(why string)
	// Show gives an example as JSON, bounded and without secrets: the message, what the candidate decides of it, and the id of the
	// decision that was enforced. It must keep nothing. nil keeps no examples.
	Show func(q *engine.Request, d *engine.Decision, id string) []byte
	// After is a trial of the same policies under the same bounds, which are compiled anew: its counts go on, and what it still decides
	// counts with them. nil begins anew.
	After *Trial
}

// Bounds are shares of the calls that a candidate has decided, in percent, past which its trial ends. They count from After calls on. Zero is no bound.
type Bounds struct {
	After   int
	Denials float64 // of calls that the active policies allow
	Errors  float64 // rules or plugins of the candidate that fail
}

// Bounds of what waits, and of what is kept.
const (
	maxWaiting = 4096     // messages
	maxBytes   = 16 << 20 // of them together
	maxMessage = 256 << 10
	maxGroups  = 256
	examples   = 3 // of each group
)

// pause is how long a worker lets messages gather: waking it for each would cost callers more than copying does.
const pause = 5 * time.Millisecond

// Trial compares two policies on what it is offered. It is safe for concurrent use.
type Trial struct {
	Options
	heads bool // a rule of either reads headers

	mu      sync.Mutex
	waiting []*job
	bytes   int
	taken   uint64 // all that were ever handed over
	closed  bool
	free    []*job

	wake chan struct{}
	stop chan struct{}
	done chan struct{}

	sample sample
	counts *counts
	worker worker
}

// New begins a trial: a worker runs until Close.
func New(o Options) *Trial {
	t := &Trial{
		Options: o, heads: readsHeaders(o.Active) || readsHeaders(o.Candidate),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if o.After != nil {
		t.counts, t.After = o.After.counts, nil
	} else {
		t.counts = &counts{groups: map[key]*tally{}}
	}
	if o.Budget == 0 {
		t.Now = func() time.Time { return time.Time{} }
	}
	t.sample.begin(o.Budget, t.Now(), &t.counts.notSampled)
	t.Metrics.SetSampled(1)
	go t.run()
	return t
}

// Close ends the trial. What waits is dropped; a decision under way ends first, and then Done is closed. It must be called once.
func (t *Trial) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	close(t.stop)
}

// Done is closed when the worker has ended, and the policies are used no more.
func (t *Trial) Done() <-chan struct{} { return t.done }

// HasPassed says that a bound was passed: the candidate must not decide any more.
func (t *Trial) HasPassed() bool { return t.counts.passed.Load() }

// Offered is what was decided, beside the message and the decision.
type Offered struct {
	ID        []byte // of the decision; messages with the same are compared together
	Candidate bool   // it was the candidate that decided
	// The head of the request, as httphead reads it. It is copied only if a rule reads headers.
	Method, Target, Proto, Fields []byte
}

// Offer copies a message and its decision for the worker, if it is to be compared. It doesn't wait.
func (t *Trial) Offer(q *engine.Request, d *engine.Decision, o *Offered) {
	weight := t.sample.weight(o.ID)
	if weight == 0 {
		return
	}
	began := t.Now()
	t.handOver(q, d, o, weight)
	t.sample.spent.Add(int64(t.Now().Sub(began)))
}

func (t *Trial) handOver(q *engine.Request, d *engine.Decision, o *Offered, weight float64) {
	size := sizeOf(q)
	if size > maxMessage {
		t.skip()
		return
	}
	j := t.take(size)
	if j == nil {
		t.skip()
		return
	}
	j.fill(q, d, o, t.heads)
	j.weight = weight
	t.put(j)
}

func (t *Trial) skip() {
	t.counts.skipped.Add(1)
	t.Metrics.Tried("skipped")
}

// take gives memory for a message, nil if there is no room.
func (t *Trial) take(size int) *job {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.waiting) >= maxWaiting || t.bytes+size > maxBytes {
		return nil
	}
	t.bytes += size
	if n := len(t.free); n > 0 {
		j := t.free[n-1]
		t.free = t.free[:n-1]
		j.size = size
		return j
	}
	return &job{size: size}
}

func (t *Trial) put(j *job) {
	t.mu.Lock()
	t.waiting = append(t.waiting, j)
	t.taken++
	first := len(t.waiting) == 1
	t.mu.Unlock()
	if first {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// run decides what waits, batch by batch.
func (t *Trial) run() {
	defer close(t.done)
	defer t.countPassed()
	pausing, again := time.NewTimer(0), time.NewTimer(0)
	defer pausing.Stop()
	defer again.Stop()
	var batch []*job
	for {
		var look <-chan time.Time
		if !t.sample.whole() { // what is offered may become less and wake nobody
			again.Reset(interval)
			look = again.C
		}
		select {
		case <-t.stop:
			return
		case <-look:
		case <-t.wake:
			pausing.Reset(pause)
			select {
			case <-t.stop:
				return
			case <-pausing.C:
			}
		}
		t.mu.Lock()
		batch, t.waiting = t.waiting, batch[:0]
		t.mu.Unlock()
		if !t.compareAll(batch) {
			return
		}
		t.giveBack(batch)
	}
}

// compareAll compares a batch, and looks at what that costs; false if the trial has ended.
func (t *Trial) compareAll(batch []*job) bool {
	t.look(0)
	for _, j := range batch {
		if t.ended() {
			return false
		}
		began := t.Now()
		t.compare(j)
		t.sample.done++
		t.look(t.Now().Sub(began))
	}
	return true
}

// look takes note of what was spent, and has the share follow when it is time.
func (t *Trial) look(spent time.Duration) {
	t.sample.spent.Add(int64(spent))
	now := t.Now()
	if !t.sample.due(now) {
		return
	}
	t.mu.Lock()
	taken := t.taken
	t.mu.Unlock()
	t.sample.adjust(now, taken)
	t.Metrics.SetSampled(t.sample.ratio())
	t.countPassed()
}

// countPassed has metrics know of the calls that were not compared.
func (t *Trial) countPassed() {
	c := t.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.notSampled.Load()
	t.Metrics.NotSampled(n - c.told)
	c.told = n
}

func (t *Trial) ended() bool {
	select {
	case <-t.stop:
		return true
	default:
		return false
	}
}

func (t *Trial) giveBack(batch []*job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, j := range batch {
		t.bytes -= j.size
		j.reset()
		if len(t.free) < maxWaiting {
			t.free = append(t.free, j)
		}
		batch[i] = nil
	}
}
