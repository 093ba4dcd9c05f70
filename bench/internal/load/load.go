// Package load drives one MCP endpoint over keep-alive connections and believes
// nothing: every answer is compared with the one expected, byte for byte, and
// whatever isn't it is counted by kind. There are no retries.
package load

import (
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/hist"
	"github.com/sallyport-dev/sallyport/bench/internal/workload"
)

// Options says what to send where.
type Options struct {
	URL     string        // http://host:port/path
	Era     workload.Era  // legacy has a session for each connection
	Size    int           // bytes of a request's body
	Tool    string        // what workload.Tool is called there; "" = that
	Lists   int           // tools/list is asked for and has so many tools, in the modern era; 0 = tools/call is
	Conns   int           // connections, each with one request at a time
	Timeout time.Duration // how long an answer may take; 0 = 10 s
	// Rewritten lets the first answer on a connection be written otherwise than
	// the one expected, if it says the same JSON, but for isError: false, which is
	// the default and may be left out. Every later one must be written as the first.
	Rewritten bool
}

// Pool is a set of open connections to one endpoint. Its methods must not be
// called at the same time.
type Pool struct {
	workers []*worker
}

// Result is what one interval gave.
type Result struct {
	Latency hist.Histogram // of right answers only
	Errors  Errors
	Wall    time.Duration // from the first request to the last answer
}

// Rate is how many right answers there were in a second.
func (r *Result) Rate() float64 { return float64(r.Latency.Count()) / r.Wall.Seconds() }

// Open connects, with a handshake on each connection in the legacy era.
func Open(o Options) (*Pool, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("%s: want http://host:port/path", o.URL)
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	p := &Pool{}
	for i := range o.Conns {
		w := newWorker(u, o, i)
		p.workers = append(p.workers, w)
		if err := w.connect(); err != nil {
			p.Close()
			return nil, fmt.Errorf("%s: connection %d: %w", o.URL, i, err)
		}
	}
	return p, nil
}

// Close ends the connections.
func (p *Pool) Close() {
	for _, w := range p.workers {
		w.hangUp()
	}
}

// Run drives all connections for d. With rate 0 each sends as soon as it was
// answered (closed loop). Otherwise rate requests are due in each second, spread
// evenly, and latency counts from the time a request was due, also when the
// answer before came too late to send it then (open loop). Requests due within d
// are all sent.
func (p *Pool) Run(d time.Duration, rate float64) *Result {
	start := time.Now()
	paces := p.paces(start, rate)
	var wg sync.WaitGroup
	for i, w := range p.workers {
		w.latency.Reset()
		w.errors = Errors{}
		pace := paces[i]
		pace.end = start.Add(d)
		wg.Go(func() { w.run(pace) })
	}
	wg.Wait()
	r := &Result{Wall: time.Since(start)}
	for _, w := range p.workers {
		r.Latency.Merge(&w.latency)
		r.Errors.Merge(w.errors)
	}
	return r
}

// Call is one call that got the right answer: when it was due, and how long the answer took from then.
type Call struct {
	Due  time.Time
	Took time.Duration
}

// End is when the answer was there.
func (c Call) End() time.Time { return c.Due.Add(c.Took) }

// Record drives all connections as Run does, until stop is closed, and returns every call. Requests are sent when they are due: Run's may be up
// to a millisecond late, which counts as latency.
func (p *Pool) Record(stop <-chan struct{}, rate float64) ([]Call, Errors) {
	var over atomic.Bool
	paces := p.paces(time.Now(), rate)
	var wg sync.WaitGroup
	for i, w := range p.workers {
		w.errors, w.calls = Errors{}, []Call{}
		pace := paces[i]
		pace.over = &over
		wg.Go(func() {
			alarm := newAlarm()
			defer alarm.close()
			pace.sleep = alarm.sleep
			w.run(pace)
		})
	}
	<-stop
	over.Store(true)
	wg.Wait()
	var calls []Call
	var errors Errors
	for _, w := range p.workers {
		calls = append(calls, w.calls...)
		errors.Merge(w.errors)
		w.calls = nil
	}
	return calls, errors
}

// paces spreads the requests that are due over the connections.
func (p *Pool) paces(start time.Time, rate float64) []pace {
	all := make([]pace, len(p.workers))
	for i := range all {
		all[i].sleep = time.Sleep
		if rate > 0 {
			all[i].gap = time.Duration(float64(len(all)) / rate * float64(time.Second))
			all[i].due = start.Add(all[i].gap * time.Duration(i) / time.Duration(len(all)))
		}
	}
	return all
}

// pace says when a connection's requests are due. The zero gap is a closed loop.
type pace struct {
	due, end time.Time
	gap      time.Duration
	over     *atomic.Bool // in the place of end; nil: end says it
	sleep    func(time.Duration)
}

// next waits until a request is due and returns the time that its latency counts
// from; false when the interval is over.
func (p *pace) next() (time.Time, bool) {
	if p.gap == 0 {
		now := time.Now()
		return now, p.within(now)
	}
	due := p.due
	if !p.within(due) {
		return due, false
	}
	p.due = due.Add(p.gap)
	p.sleep(time.Until(due))
	return due, true
}

func (p *pace) within(due time.Time) bool {
	if p.over != nil {
		return !p.over.Load()
	}
	return due.Before(p.end)
}
