// Package limit bounds how often calls may be made: rate limits and quotas by any key, kept in this process or in Valkey or Redis.
package limit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
)

// The reasons of refusals.
const (
	ReasonLimited     = "rate_limited"           // the key has used up its limit
	ReasonNotComputed = "rate_limit_key"         // the key or the cost of the call can't be computed
	ReasonStore       = "rate_limit_unavailable" // the store doesn't answer, and the limit denies then
)

// Limit is one rate limit, compiled.
type Limit struct {
	name     string
	servers  []policy.Glob // nil globs match everything
	methods  []policy.Glob
	tools    []policy.Glob
	who      []policy.Glob
	key      *condition.Condition // nil: all calls count as one
	cost     *condition.Condition // nil: 1
	needs    condition.Subjects   // of key and cost
	bucket   bucket
	lenient  bool // calls pass while the store doesn't answer
	requests bool // no methods are given: what is no request is not counted
	state    *state
}

// state is what a limit has seen. It outlives reloads.
type state struct {
	table                             *table // nil: the state is in a store
	admitted, refused, failed, errors atomic.Uint64
}

// Set is the limits of a config. A nil Set has none. It is safe for concurrent use.
type Set struct {
	env    *condition.Env
	limits []*Limit
	store  store
	pool   sync.Pool
}

// Refusal says why a call may not be made now.
type Refusal struct {
	Limit     string
	Reason    string        // one of the reasons above
	Remaining int64         // units that are left of the limit; fewer than the call costs
	Wait      time.Duration // until the call would be admitted; 0: never
	Cause     error         // for the operator; nil if the limit did what it is for
}

// taking is the memory for one call.
type taking struct {
	takes []take
	keys  []byte
	input condition.Input
	frame *condition.Frame // nil until an expression needs one
}

// open gives the frame that expressions about the call are evaluated in.
func (t *taking) open(ctx context.Context, env *condition.Env) *condition.Frame {
	if t.frame == nil {
		t.frame = env.NewFrame()
		t.frame.Input = t.input
		t.frame.Open(ctx)
	}
	return t.frame
}

// end forgets the call.
func (t *taking) end() {
	if t.frame != nil {
		t.frame.Close()
	}
	t.frame, t.input = nil, condition.Input{}
}

// Take counts a call against every limit that it falls under, if all admit it; if not it counts against none, and the Refusal is of the
// one that it must wait for the longest. It is nil for a call that may be made. request says that the message is a request, not a
// notification.
func (s *Set) Take(ctx context.Context, r *engine.Request, request bool, now time.Time) *Refusal {
	if !slices.ContainsFunc(s.limits, func(l *Limit) bool { return l.matches(r, request) }) {
		return nil
	}
	t := s.pool.Get().(*taking) //nolint:forcetypeassert // the pool's New makes nothing else
	defer s.pool.Put(t)
	t.takes, t.keys = t.takes[:0], t.keys[:0]
	if refused := s.collect(ctx, t, r, request); refused != nil {
		return refused
	}
	if len(t.takes) == 0 {
		return nil
	}
	for i := range t.takes {
		to := len(t.keys)
		if i+1 < len(t.takes) {
			to = t.takes[i+1].from
		}
		t.takes[i].key = t.keys[t.takes[i].from:to]
	}
	return s.settle(ctx, t.takes, now)
}

// settle asks the store, and counts what it says.
func (s *Set) settle(ctx context.Context, takes []take, now time.Time) *Refusal {
	a, err := s.store.take(ctx, takes, now)
	if err != nil {
		return unavailable(takes, err)
	}
	if a.refused >= 0 {
		l := takes[a.refused].limit
		l.state.refused.Add(1)
		return &Refusal{Limit: l.name, Reason: ReasonLimited, Remaining: a.left, Wait: a.wait}
	}
	for i := range takes {
		takes[i].limit.state.admitted.Add(1)
	}
	return nil
}

// unavailable is what becomes of a call whose limits can't be asked: one that denies then denies.
func unavailable(takes []take, err error) (out *Refusal) {
	for i := range takes {
		l := takes[i].limit
		l.state.errors.Add(1)
		if !l.lenient && out == nil {
			out = &Refusal{Limit: l.name, Reason: ReasonStore, Wait: time.Second, Cause: err}
		}
	}
	return out
}

// collect computes the keys and costs of the limits that the call falls under.
func (s *Set) collect(ctx context.Context, t *taking, r *engine.Request, request bool) *Refusal {
	defer t.end()
	input(r, &t.input)
	about := t.input.About()
	for _, l := range s.limits {
		if !l.matches(r, request) || l.needs&^about != 0 {
			continue
		}
		from := len(t.keys)
		keys, cost, err := s.compute(ctx, l, t)
		switch {
		case isAbsent(err): // it counts other messages
		case err != nil:
			l.state.failed.Add(1)
			return &Refusal{Limit: l.name, Reason: ReasonNotComputed, Cause: fmt.Errorf("rate limit %s: %w", l.name, err)}
		case cost > l.bucket.burst:
			l.state.refused.Add(1)
			return &Refusal{Limit: l.name, Reason: ReasonLimited, Cause: fmt.Errorf("the call costs %d, and no more than %d can be had at once", cost, l.bucket.burst)}
		case cost > 0:
			t.keys, t.takes = keys, append(t.takes, take{limit: l, from: from, cost: cost})
		}
	}
	return nil
}

// compute gives what the keys are with that of the call under l appended, and what the call costs.
func (s *Set) compute(ctx context.Context, l *Limit, t *taking) (keys []byte, cost int64, err error) {
	keys, cost = t.keys, 1
	if l.key != nil {
		var plain bool
		if keys, plain = l.key.AppendPlainKey(t.keys, &t.input); !plain {
			if keys, err = l.key.AppendKey(t.keys, t.open(ctx, s.env)); err != nil {
				return t.keys, 0, fmt.Errorf("key: %w", err)
			}
		}
	}
	if l.cost != nil {
		if cost, err = l.cost.Count(t.open(ctx, s.env)); err != nil {
			return t.keys, 0, fmt.Errorf("cost: %w", err)
		}
	}
	if cost < 0 {
		return t.keys, 0, fmt.Errorf("cost: %d is less than nothing", cost)
	}
	return keys, cost, nil
}

func isAbsent(err error) bool {
	_, ok := errors.AsType[*condition.AbsentError](err)
	return ok
}

// input fills what conditions see. It is the request phase only.
func input(r *engine.Request, in *condition.Input) {
	in.Method, in.Server, in.Tool, in.Prompt, in.Resource = r.Method, r.Server, r.Tool, r.Prompt, r.Resource
	in.Arguments, in.Params, in.Annotations = r.Arguments, r.Params, r.Annotations
	in.Principal, in.Source, in.Header, in.Time = r.Principal, r.Source, r.Header, r.Time
}

// matches says whether a message is one that the limit counts, as far as names tell.
func (l *Limit) matches(r *engine.Request, request bool) bool {
	if l.requests && !request {
		return false
	}
	return match(l.methods, r.Method) && match(l.servers, r.Server) &&
		match(l.tools, r.Tool) && // what is not about a tool is left out by needs
		(l.who == nil || r.Principal != nil && match(l.who, r.Principal.ID))
}

func match(globs []policy.Glob, name string) bool {
	if globs == nil {
		return true
	}
	for i := range globs {
		if globs[i].Match(name) {
			return true
		}
	}
	return false
}
