package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/discovery"
	"github.com/sallyport-dev/sallyport/internal/fetch"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// This file is the registries of servers that are asked over the network. Nothing waits for them: what they list is served once they have
// answered, and goes on being served while they don't.

// listings gives what follows the registries of a config, by what is asked of them. Those that are followed already are followed on.
func (b *builder) listings(c *config.Config, prev *build) (map[string]*fetch.Follower, error) {
	if c.Discovery == nil {
		return nil, nil //nolint:nilnil // there is nothing to follow
	}
	out := map[string]*fetch.Follower{}
	for i := range c.Discovery.Registries {
		r := &c.Discovery.Registries[i]
		if !r.Remote() {
			continue
		}
		key := registryKey(r)
		if prev != nil && prev.listings[key] != nil && prev.base.Discovery.State == c.Discovery.State { // beside which it is kept
			out[key] = prev.listings[key]
			continue
		}
		s, err := fetch.NewListing(r.From, r.Wants(), fetch.Options{Token: r.Token, TokenFile: r.TokenFile, CAFile: r.CA})
		if err != nil {
			return nil, failf(exitInvalid, "discovery.registries: %w", err)
		}
		out[key] = b.listing(s, c.Discovery.State, r)
	}
	return out, nil
}

// listing follows a registry, and has it begin with what is kept of it.
func (b *builder) listing(s fetch.Source, state string, r *config.Registry) *fetch.Follower {
	if b.dry {
		return fetch.Poll(s, time.Duration(r.Poll), b.now)
	}
	copied := discovery.Copy(s, state, r.From, b.now, func(err error) {
		b.log.Warn("what a registry of servers has listed is not kept: its servers are not known after a restart while it is down", "registry", fetch.Shown(r.From), "error", err)
	})
	f := fetch.Poll(copied, time.Duration(r.Poll), b.now)
	if last, at := copied.Last(); last != nil {
		f.Begin(last, at)
	}
	return f
}

// registryKey is what of a registry makes a difference to how it is asked. It may hold a secret.
func registryKey(r *config.Registry) string {
	var versions []string
	for _, w := range r.Wants() {
		versions = append(versions, w.Search, w.Version)
	}
	return fmt.Sprintf("%q %q %q %d %q %q %q", r.From, r.Names, versions, r.Poll, r.Token, r.TokenFile, r.CA)
}

// answered is what a registry has said last; nil: nothing yet.
func answered(listings map[string]*fetch.Follower) func(*config.Registry) ([]byte, bool) {
	return func(r *config.Registry) ([]byte, bool) {
		f := listings[registryKey(r)]
		if f == nil {
			return nil, false
		}
		isCopy := f.State().Copy
		if c := f.Content(); c != nil {
			return c.Packed, isCopy
		}
		return nil, false
	}
}

// askRegistries asks those that the config names. What is kept of others is removed once nobody asks them any more, who would keep it again.
func (g *program) askRegistries(ctx context.Context, s *registries) <-chan struct{} {
	b := g.state.build()
	news := s.to(ctx, b.listings)
	if of := b.base.Discovery; s.of != of {
		s.of = of
		if err := discovery.ForgetCopies(b.base); err != nil {
			g.log.Warn("what was kept of registries can't be removed", "error", err)
		}
	}
	return news
}

// registries asks what serves names, in the background.
type registries struct {
	all  map[string]*listened
	of   *config.Discovery // that has named them, and of which the copies are
	news chan struct{}
}

// listened is a registry that is asked.
type listened struct {
	*fetch.Follower
	taken  *fetch.Content // that there was a reload for
	failed string         // what was said last of it
	end    context.CancelFunc
	ended  sync.WaitGroup
}

// to asks these from now on, and no others, and gives what says that one of them has answered, or failed.
func (s *registries) to(ctx context.Context, all map[string]*fetch.Follower) <-chan struct{} {
	if s.news == nil {
		s.news, s.all = make(chan struct{}, 1), map[string]*listened{}
	}
	for key, l := range s.all {
		if all[key] != l.Follower {
			l.stop()
			delete(s.all, key)
		}
	}
	for key, f := range all {
		if s.all[key] != nil {
			continue
		}
		l := &listened{Follower: f, taken: f.Content()}
		ctx, end := context.WithCancel(ctx)
		l.end = end
		l.ended.Go(func() { f.Run(ctx, s.tell) })
		s.all[key] = l
	}
	return s.news
}

func (s *registries) tell() {
	select {
	case s.news <- struct{}{}:
	default: // it will look at all the last answers
	}
}

func (l *listened) stop() {
	l.end()
	l.ended.Wait()
}

func (s *registries) stop() {
	for _, l := range s.all {
		l.stop()
	}
}

func (s *registries) sooner() {
	for _, l := range s.all {
		l.Sooner()
	}
}

// hearRegistries does what the last answers of registries ask for.
func (g *program) hearRegistries(s *registries) {
	changed := false
	for _, l := range s.all {
		err := l.State().Err
		switch {
		case err == nil && l.failed != "":
			l.failed = ""
			g.log.Info("a registry of servers answers again")
		case err != nil && err.Error() != l.failed:
			l.failed = err.Error()
			g.log.Warn("a registry of servers doesn't answer: what it said last counts on", "error", l.failed)
		}
		if c := l.Content(); c != l.taken {
			l.taken, changed = c, true
		}
	}
	if changed {
		g.reload("registry")
	}
}

// registryStatus is what the admin API shows of the registries.
func (g *program) registryStatus() (out []admin.Registry) {
	b := g.state.build()
	if b.base.Discovery == nil {
		return nil
	}
	seen := map[string]int{}
	for i := range b.base.Discovery.Registries {
		r := &b.base.Discovery.Registries[i]
		f := b.listings[registryKey(r)]
		if f == nil {
			continue
		}
		from, st := fetch.Shown(r.From), f.State()
		if seen[from]++; seen[from] > 1 { // they differ in what isn't shown
			from += fmt.Sprintf(" (%d)", seen[from])
		}
		is := admin.Registry{From: from, Copy: st.Copy}
		if st.Err != nil {
			is.Error = st.Err.Error()
		}
		if at := st.Confirmed.UTC(); !at.IsZero() {
			is.Confirmed, is.AgeSeconds = &at, new(int64(g.now().Round(0).Sub(at.Round(0)).Seconds())) // on the clock of the wall, which goes on while a machine sleeps
		}
		is.Up = st.Err == nil && is.Confirmed != nil && !st.Copy
		out = append(out, is)
	}
	return out
}

// registryMetrics are what metrics show of the registries.
func (g *program) registryMetrics() (out []telemetry.Registry) {
	for _, r := range g.registryStatus() {
		is := telemetry.Registry{Name: r.From, Answers: r.Up}
		if r.AgeSeconds != nil {
			is.Age, is.Listed = time.Duration(*r.AgeSeconds)*time.Second, true
		}
		out = append(out, is)
	}
	return out
}
