package identity

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxTokens bounds the verified tokens that are remembered.
const maxTokens = 4096

// tokenCache remembers verified tokens by their SHA-256. Only tokens that hold get in, so nobody fills it with garbage.
type tokenCache struct {
	mu     sync.RWMutex
	tokens map[[32]byte]*cached
}

type cached struct {
	*verified
	used atomic.Bool // since the last time room was made
}

func (c *tokenCache) get(digest [32]byte) *verified {
	c.mu.RLock()
	t := c.tokens[digest]
	c.mu.RUnlock()
	if t == nil {
		return nil
	}
	if !t.used.Load() {
		t.used.Store(true)
	}
	return t.verified
}

func (c *tokenCache) put(digest [32]byte, t *verified, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens == nil {
		c.tokens = map[[32]byte]*cached{}
	}
	if len(c.tokens) >= maxTokens {
		c.makeRoom(now)
	}
	c.tokens[digest] = &cached{verified: t}
}

// makeRoom looks at a few tokens, in the random order of a map, and drops those that are over or were not used lately;
// at the worst the last of them.
func (c *tokenCache) makeRoom(now time.Time) {
	seen, dropped := 0, false
	for digest, t := range c.tokens {
		seen++
		if t.valid(now) != nil || !t.used.Swap(false) || seen == 16 && !dropped {
			delete(c.tokens, digest)
			dropped = true
		}
		if seen == 16 {
			return
		}
	}
}
