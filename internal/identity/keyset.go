package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// Bounds of fetching keys.
const (
	fetchTimeout = 5 * time.Second
	maxWaiting   = 64 // requests that wait for one fetch; more are refused at once
	missingFor   = 2 * time.Minute
)

// keySet is an issuer's public keys. However many tokens name keys that are not there, it asks the issuer at most once in
// MinRefresh, and keys that it has are used while it asks.
type keySet struct {
	url        string // "" = a file, read once
	issuer     string
	minRefresh time.Duration
	maxAge     time.Duration
	maxStale   time.Duration
	read       func(ctx context.Context, url string) ([]byte, error)
	log        *slog.Logger
	ctx        func() (context.Context, context.CancelFunc)
	running    *sync.WaitGroup
	now        func() time.Time

	mu         sync.RWMutex
	keys       []publicKey
	generation uint64        // changes when a key goes or changes
	fetched    time.Time     // when the keys came
	asked      time.Time     // when they were last asked for
	asking     chan struct{} // closed when the fetch under way ends; nil = none is
	waiting    int
	missing    map[string]time.Time // kids that the last fetch did not bring; at most one for each request that waited for it
	err        error                // of the last fetch
}

func newKeySet(ctx context.Context, c Issuer, o Options, running *sync.WaitGroup) (*keySet, error) {
	k := &keySet{
		issuer: c.Issuer, read: o.Fetch, log: o.Log, running: running, now: o.Now,
		minRefresh: orDefault(c.MinRefresh, 30*time.Second), maxAge: orDefault(c.MaxAge, 15*time.Minute), maxStale: orDefault(c.MaxStale, 24*time.Hour),
		ctx: func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, fetchTimeout) },
	}
	if strings.Contains(c.JWKS, "://") {
		k.url = c.JWKS
		return k, checkURL(c.JWKS)
	}
	data, err := os.ReadFile(c.JWKS)
	if err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	if k.keys, err = k.parse(data); err != nil {
		return nil, fmt.Errorf("jwks %s: %w", c.JWKS, err)
	}
	return k, nil
}

// current says whether what the keys of the given generation verified still holds. It does not for keys that should be
// fetched again: find is what does that.
func (k *keySet) current(generation uint64, now time.Time) bool {
	if k.url == "" {
		return true
	}
	k.mu.RLock()
	age := now.Sub(k.fetched)
	asked := k.asking != nil || now.Sub(k.asked) < k.minRefresh
	ok := k.generation == generation && age < k.maxStale && (age < k.maxAge || asked)
	k.mu.RUnlock()
	return ok
}

// find returns the key for a token's header, and the generation that it is of.
func (k *keySet) find(h header, now time.Time) (any, uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.url != "" {
		if err := k.refresh(h, now); err != nil {
			return nil, 0, err
		}
	}
	key, err := choose(k.keys, h)
	return key, k.generation, err
}

// refresh asks for the keys where they are needed: when there are none, when they are old, and when none is the token's.
// Only in the second case does the token not wait for the answer.
func (k *keySet) refresh(h header, now time.Time) error {
	have := !k.fetched.IsZero() && now.Sub(k.fetched) < k.maxStale
	known := !isUnknown(k.keys, h)
	switch {
	case have && known:
		if now.Sub(k.fetched) >= k.maxAge && k.mayAsk(now) {
			k.ask(now)
		}
		return nil
	case have && k.isMissing(h.kid, now):
		return nil
	case k.asking == nil && !k.mayAsk(now):
		if have {
			return nil
		}
		return refuse(Unavailable, k.err)
	}
	if k.asking == nil {
		k.ask(now)
	}
	if err := k.await(); err != nil {
		return err
	}
	return k.answered(h, now)
}

func (k *keySet) mayAsk(now time.Time) bool {
	return k.asking == nil && (k.asked.IsZero() || now.Sub(k.asked) >= k.minRefresh || now.Before(k.asked))
}

func (k *keySet) isMissing(kid string, now time.Time) bool {
	at, ok := k.missing[kid]
	return ok && now.Sub(at) < missingFor && !now.Before(at)
}

// await waits for the fetch under way with the lock free.
func (k *keySet) await() error {
	if k.waiting >= maxWaiting {
		return refuse(Unavailable, errors.New("too many requests wait for the issuer's keys"))
	}
	k.waiting++
	asking := k.asking
	k.mu.Unlock()
	<-asking
	k.mu.Lock()
	k.waiting--
	return nil
}

// answered notes a kid that the issuer does not have, so that it is not asked for it again soon.
func (k *keySet) answered(h header, now time.Time) error {
	if k.fetched.IsZero() || now.Sub(k.fetched) >= k.maxStale {
		return refuse(Unavailable, k.err)
	}
	if k.err == nil && isUnknown(k.keys, h) {
		if k.missing == nil {
			k.missing = map[string]time.Time{}
		}
		k.missing[h.kid] = now
	}
	return nil
}

// ask starts a fetch, which ends within fetchTimeout.
func (k *keySet) ask(now time.Time) {
	done := make(chan struct{})
	k.asked, k.asking = now, done
	k.running.Go(func() {
		keys, err := k.load()
		k.mu.Lock()
		k.take(keys, err)
		k.asking = nil
		k.mu.Unlock()
		close(done)
	})
}

// load reads the keys from their URL.
func (k *keySet) load() ([]publicKey, error) {
	ctx, cancel := k.ctx()
	defer cancel()
	data, err := k.fetch(ctx)
	if err != nil {
		return nil, err
	}
	return k.parse(data)
}

// fetch reads the keys; a panic of the reader is an error like any other.
func (k *keySet) fetch(ctx context.Context) (data []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return k.read(ctx, k.url)
}

// take puts fetched keys in the place of the old ones, which stay if there is an error.
func (k *keySet) take(keys []publicKey, err error) {
	k.err = err
	if err != nil {
		k.log.Warn("the keys of an issuer can't be had", slog.String("issuer", k.issuer), slog.String("error", err.Error()))
		return
	}
	if !contains(keys, k.keys) {
		k.generation++
	}
	k.keys, k.fetched, k.missing = keys, k.now(), nil
}

// isUnknown says whether other keys might have the one that the header names.
func isUnknown(keys []publicKey, h header) bool {
	_, err := choose(keys, h)
	e, ok := errors.AsType[*Error](err)
	return ok && e.Reason == UnknownKey
}

// choose returns the one key that a token's header names. Without a kid it must be the only one of its kind.
func choose(keys []publicKey, h header) (any, error) {
	var found any
	named := 0
	for i := range keys {
		if h.kid != "" && keys[i].kid != h.kid {
			continue
		}
		named++
		if !keys[i].fits(h.algorithm) {
			continue
		}
		if found != nil {
			return nil, refuse(UnknownKey, errors.New("more than one key fits"))
		}
		found = keys[i].key
	}
	switch {
	case found != nil:
		return found, nil
	case named > 0 && h.kid != "":
		return nil, refuse(Algorithm, errors.New("the key is for another algorithm"))
	}
	return nil, refuse(UnknownKey, nil)
}
