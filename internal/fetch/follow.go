package fetch

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Follower asks a source again and again, and keeps what it gave last.
type Follower struct {
	source     Source
	poll, wait time.Duration
	now        func() time.Time
	sooner     chan struct{}

	mu    sync.Mutex
	last  *Content
	state State
}

// State is how the last question went.
type State struct {
	Err       error     // why there was no answer
	Confirmed time.Time // when the source said last that it has what the follower has; zero: never
	Copy      bool      // it said so to somebody else, and has not answered the follower yet
}

// Longest is for how long a source is asked to wait for a change: less than proxies wait for an answer.
const longest = 50 * time.Second

// Pauses between questions.
const (
	gap      = 100 * time.Millisecond // after a change that came at once
	leastOff = time.Second            // after a failure
	mostOff  = time.Minute
	patient  = 5 * time.Second // a source that takes so long has waited for a change
)

// Follow makes a follower. poll is the time between two questions to a source that doesn't tell of changes; no question takes longer than
// within, 0 for no bound.
func Follow(s Source, poll, within time.Duration, now func() time.Time) *Follower {
	f := &Follower{source: s, poll: poll, wait: longest, now: now, sooner: make(chan struct{}, 1)}
	if within > 0 {
		f.wait = min(longest, within)
	}
	return f
}

// Poll makes a follower of a source that tells of no changes, however long its answers take.
func Poll(s Source, poll time.Duration, now func() time.Time) *Follower {
	return &Follower{source: s, poll: poll, now: now, sooner: make(chan struct{}, 1)}
}

// Resume has f, which nobody runs yet, begin with what another one has fetched from the same place.
func (f *Follower) Resume(other *Follower) {
	other.mu.Lock()
	defer other.mu.Unlock()
	f.last, f.state = other.last, other.state
}

// Begin has f, which nobody runs yet, begin with what its source gave somebody else, who was told at that time that it is the last.
func (f *Follower) Begin(c *Content, confirmed time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last, f.state = c, State{Confirmed: confirmed, Copy: true}
}

// Content is what the source gave last; nil if it has given nothing yet.
func (f *Follower) Content() *Content {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// State is how the last question went.
func (f *Follower) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// Sooner ends a pause between two questions.
func (f *Follower) Sooner() {
	select {
	case f.sooner <- struct{}{}:
	default:
	}
}

// Ask asks once, without waiting for a change, and says whether the source has something else than before.
func (f *Follower) Ask(ctx context.Context) (changed bool, err error) { return f.ask(ctx, 0) }

func (f *Follower) ask(ctx context.Context, wait time.Duration) (changed bool, err error) {
	have := ""
	if c := f.Content(); c != nil {
		have = c.Tag
	}
	c, err := f.source.Fetch(ctx, have, wait)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state.Err = err; err != nil {
		return false, err
	}
	f.state.Confirmed, f.state.Copy = f.now(), false
	if c == nil {
		return false, nil
	}
	changed = f.last == nil || c.Set != nil || !bytes.Equal(c.Packed, f.last.Packed) // a new name of the same is no change
	f.last = c
	return changed, nil
}

// Run asks until ctx ends, and calls told after each answer, and each failure.
func (f *Follower) Run(ctx context.Context, told func()) {
	var failed, hasty int
	for {
		wait, begun := f.wait, f.now()
		if failed > 0 {
			wait = 0 // that it is back is not to wait for a change
		}
		changed, err := f.ask(ctx, wait)
		if ctx.Err() != nil {
			return
		}
		told()
		took, pause := f.now().Sub(begun), f.poll
		switch {
		case err != nil:
			pause = backoff(min(leastOff, f.poll), max(mostOff, f.poll), failed)
			failed++
		case f.wait == 0:
		case changed && took >= leastOff:
			pause, hasty = 0, 0
		case changed: // a source that always has something else must not keep the gateway busy
			pause = backoff(min(gap, f.poll), f.poll, hasty)
			hasty++
		case failed > 0 || took >= min(wait/2, patient) && wait > 0: // it tells of changes, or takes long to say that there is none
			pause = 0
		default:
			hasty = 0
		}
		if err == nil {
			failed = 0
		}
		if !f.sleep(ctx, pause) {
			return
		}
	}
}

func (f *Follower) sleep(ctx context.Context, pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-f.sooner:
	case <-t.C:
	}
	return true
}

// backoff doubles with each time; its upper half is random, so that gateways that failed together don't ask together.
func backoff(least, most time.Duration, times int) time.Duration {
	pause := most
	if times < 30 {
		pause = min(most, least<<times)
	}
	return pause/2 + rand.N(pause/2+1) //nolint:gosec // spreading, not secrecy
}
