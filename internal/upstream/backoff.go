package upstream

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// backoff spaces out attempts to start a peer that keeps failing.
type backoff struct {
	min, max time.Duration
	failures int
	until    time.Time
}

// failed notes a failure: the wait doubles, and of it the upper half is
// random, so that servers that fell together do not rise together.
func (b *backoff) failed(now time.Time) {
	wait := b.max
	if b.failures < 30 {
		wait = min(b.max, b.min<<b.failures)
	}
	b.failures++
	wait = wait/2 + rand.N(wait/2+1) //nolint:gosec // spreading, not secrecy
	b.until = now.Add(wait)
}

func (b *backoff) reset() { b.failures, b.until = 0, time.Time{} }

// check returns an error while it is too early for another attempt.
func (b *backoff) check(now time.Time) error {
	if left := b.until.Sub(now); left > 0 {
		return fmt.Errorf("it failed %d times in a row; next attempt in %s", b.failures, left.Round(time.Millisecond))
	}
	return nil
}
