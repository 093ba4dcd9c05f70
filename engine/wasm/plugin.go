package wasm

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// Plugin is a plugin that is loaded and ready to judge. It is safe for concurrent use. Close
// it when no call will come any more.
type Plugin struct {
	program *program
	pool    *pool
	info    Info
	counts  counts
	breaker breaker
	closed  atomic.Bool
}

// Call is one question to a plugin.
type Call struct {
	Hook    hostapi.Hook
	Message *Message
	// Tables are those that the call looks things up in; nil takes the plugin's Config.Tables.
	Tables Tables
	// Timeout is the time that is left for the call, if that is less than what the plugin
	// has; 0 leaves it that.
	Timeout time.Duration
}

// Call has the plugin judge a message. Whatever goes wrong denies: r then has a Failure. ctx
// ends the wait for an instance, and the guest.
func (p *Plugin) Call(ctx context.Context, c *Call, r *Result) {
	r.reset()
	begin := p.program.host.now()
	p.ask(ctx, c, r, begin)
	end := p.program.host.now()
	r.Time = end - begin
	p.counts.add(r)
	if r.Failure.Type != "" && !r.Failure.hosts && !r.Ejected {
		p.breaker.failed(end, r.Failure)
	}
}

func (p *Plugin) ask(ctx context.Context, c *Call, r *Result, begin time.Duration) {
	if c.Hook < 0 || int(c.Hook) >= len(p.program.hooks) || !p.program.hooks[c.Hook].declared {
		r.fail(Failure{Type: hostapi.FailureABI, Text: fmt.Sprintf("the plugin has no hook %v", c.Hook), hosts: true})
		return
	}
	if last := p.breaker.ejected.Load(); last != nil {
		r.fail(*last)
		r.Ejected = true
		return
	}
	limit := p.program.limits.Deadline
	if c.Timeout > 0 {
		limit = min(limit, c.Timeout)
	}
	in, waited, err := p.pool.get(ctx, limit)
	if err != nil {
		r.fail(noInstance(err))
		return
	}
	done := false
	defer func() {
		if !done {
			p.discard(in)
		}
	}()
	in.judge(ctx, c, r, begin+limit)
	if r.Failure.Type == hostapi.FailureDeadline && (waited || p.program.host.now()-begin < p.program.limits.Deadline) {
		r.Failure.hosts = true // it had less time than is its due
	}
	if r.Failure.Type != "" {
		return
	}
	if err := in.restore(); err != nil {
		p.distrust(err)
		return
	}
	done = true
	p.pool.put(in)
}

// distrust ejects the plugin if the memory of an instance was not what the notes of its writes said, whatever the host's limit of failures is.
func (p *Plugin) distrust(err error) {
	if errors.Is(err, errNotes) {
		p.breaker.ejected.Store(&Failure{Type: hostapi.FailureTrap, Text: "ejected: " + err.Error(), hosts: true})
	}
}

func (p *Plugin) discard(in *instance) {
	p.counts.discarded.Add(1)
	p.pool.discard(in)
}

// noInstance is the failure of a call that got no instance. None is the guest's.
func noInstance(err error) Failure {
	f := Failure{Type: hostapi.FailureTrap, Text: "no instance: " + err.Error(), hosts: true}
	if errors.Is(err, errBusy) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		f.Type = hostapi.FailureDeadline
	}
	return f
}

// Info returns what the plugin is.
func (p *Plugin) Info() Info {
	info := p.info
	if last := p.breaker.ejected.Load(); last != nil {
		info.Ejected = last.Text
	}
	return info
}

// Close frees the plugin, when the calls in flight have ended. Calls that come later are
// denied. A second Close waits as well.
func (p *Plugin) Close() {
	p.pool.close()
	if p.closed.Swap(true) {
		return
	}
	p.program.close(context.Background())
	p.program.host.forget(p)
}
