package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/fetch"
	"github.com/sallyport-dev/sallyport/internal/gateway"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// followed gives what follows the source of the policies; nil if they are at hand. One that does already goes on.
func (b *builder) followed(c *config.Config, prev *build) (*fetch.Follower, error) {
	if !fetch.Remote(c.Policies) {
		return nil, nil //nolint:nilnil // there is nothing to follow
	}
	same := prev != nil && prev.follower != nil && prev.config.Policies == c.Policies
	if same && way(prev.config.Bundle) == way(c.Bundle) {
		return prev.follower, nil
	}
	f, err := b.follow(c.Policies, c.Bundle)
	if err != nil {
		return nil, failf(exitInvalid, "policies: %w", err)
	}
	if same && untimed(prev.config.Bundle) == untimed(c.Bundle) {
		f.Resume(prev.follower)
	}
	return f, nil
}

// candidateSource gives what follows the source of a candidate; nil if it is at hand. One that does already goes on; one that asks in
// another way has what was fetched before, unless it trusts other servers.
func (b *builder) candidateSource(c *config.Config, prev *build) (*fetch.Follower, error) {
	from := c.Bundle.Candidate.From
	if !fetch.Remote(from) {
		return nil, nil //nolint:nilnil // there is nothing to follow
	}
	to := candidateWay(c)
	var was *fetch.Follower
	if prev != nil && prev.trying != nil && prev.config.Bundle.Candidate.From == from && prev.config.Bundle.CA == c.Bundle.CA {
		was = prev.trying
	}
	if was != nil && candidateWay(prev.config) == to {
		return was, nil
	}
	f, err := b.follow(from, to)
	if err == nil && was != nil {
		f.Resume(was)
	}
	return f, err
}

// candidateWay is what of a config makes a difference to how a candidate's source is asked.
func candidateWay(c *config.Config) config.Bundle {
	to := c.Bundle
	if fetch.Remote(c.Policies) && !fetch.SameServer(c.Policies, c.Bundle.Candidate.From) {
		to.Token, to.TokenFile = "", "" // they are for the server of the policies
	}
	to.MaxAge = 0 // a candidate may be of any age
	return way(to)
}

// follow makes what follows a location.
func (b *builder) follow(location string, c config.Bundle) (*fetch.Follower, error) {
	s, err := fetch.New(location, fetch.Options{Token: c.Token, TokenFile: c.TokenFile, CAFile: c.CA, DockerConfig: dockerConfig(b.getenv)})
	if err != nil {
		return nil, err
	}
	return fetch.Follow(s, time.Duration(c.Poll), time.Duration(c.MaxAge)/3, b.now), nil
}

// way is what of a config makes a difference to how a source is asked.
func way(c config.Bundle) config.Bundle {
	c.Trust, c.State, c.Audience, c.Unsigned, c.Candidate = "", "", "", false, nil
	return c
}

// untimed is what of a config makes a difference to what a source is asked, and by whom; not when.
func untimed(c config.Bundle) config.Bundle {
	c.Poll, c.MaxAge = 0, 0
	return way(c)
}

// dockerConfig is where docker keeps the credentials of registries; "" if nobody can say.
func dockerConfig(getenv func(string) (string, bool)) string {
	if dir, ok := getenv("DOCKER_CONFIG"); ok && dir != "" {
		return filepath.Join(dir, "config.json")
	}
	if home, ok := getenv("HOME"); ok && home != "" {
		return filepath.Join(home, ".docker", "config.json")
	}
	return ""
}

// read reads the policies that a config names, and asks for those that are fetched, unless somebody does already.
func (b *builder) read(ctx context.Context, c *config.Config, prev *build, f *fetch.Follower, pause func()) (*given, error) {
	if f == nil {
		return b.origin.paced(pause).givenBy(ctx, c, b.now)
	}
	if f.Content() == nil {
		if prev != nil && prev.follower == f {
			return nil, f.State().Err
		}
		if _, err := f.Ask(ctx); err != nil {
			return nil, err
		}
	}
	content, confirmed := f.Content(), f.State().Confirmed
	g, err := b.origin.paced(pause).trusted(c, fetch.Shown(c.Policies), content.Packed, b.now())
	if err == nil {
		g.tag, g.confirmed = content.Tag, confirmed
	}
	return g, err
}

// awaits says whether what serves stands in for something that was never fetched.
func (b *build) awaits(f *fetch.Follower) bool {
	return f != nil && b.follower == f && f.Content() == nil
}

// following asks the source of what serves, in the background.
type following struct {
	follower *fetch.Follower
	tried    *fetch.Content // that there was a reload for
	failed   string         // what was said last of the source
	news     chan struct{}
	end      context.CancelFunc
	ended    sync.WaitGroup
}

// to follows a source from now on, and gives what says that it has answered.
func (s *following) to(ctx context.Context, f *fetch.Follower) <-chan struct{} {
	if s.follower == f {
		return s.news
	}
	s.stop()
	if s.follower = f; f == nil {
		s.news = nil
		return nil
	}
	s.tried, s.failed = f.Content(), ""
	ctx, s.end = context.WithCancel(ctx)
	news := make(chan struct{}, 1)
	s.news = news
	s.ended.Go(func() {
		f.Run(ctx, func() {
			select {
			case news <- struct{}{}:
			default: // it will look at the last answer
			}
		})
	})
	return news
}

func (s *following) stop() {
	if s.end != nil {
		s.end()
		s.ended.Wait()
		s.end = nil
	}
}

func (s *following) sooner() {
	if s.follower != nil {
		s.follower.Sooner()
	}
}

// hear does what the last answer of the source asks for.
func (g *program) hear(s *following) {
	err := s.follower.State().Err
	switch {
	case err == nil && s.failed != "":
		s.failed = ""
		g.log.Info("the source of the bundle answers again", "source", fetch.Shown(g.state.build().config.Policies))
	case err != nil && err.Error() != s.failed:
		s.failed = err.Error()
		g.log.Warn("the source of the bundle doesn't answer: what was fetched last decides on", "error", s.failed)
	}
	if c := s.follower.Content(); c != s.tried {
		if s.tried == nil || string(c.Packed) != string(s.tried.Packed) {
			g.reload("fetched")
		}
		s.tried = c
	}
	g.freshen()
}

// freshness is how sure one can be that the bundle that decides is the one that is meant.
type freshness struct {
	confirmed time.Time // when its source said last that there is no other
	stale     bool      // that is too long ago
}

// begin notes that b is to decide from now on, in the place of prev, unless it is too old already.
func (g *program) begin(b, prev *build) {
	f := freshness{}
	g.state.mu.Lock()
	was := g.state.fresh.stale
	switch {
	case b.given == nil:
	case prev != nil && prev.given == b.given: // its source may have confirmed it since it was fetched, and have something else by now
		f.confirmed = g.state.fresh.confirmed
	default:
		f.confirmed = b.given.confirmed
	}
	g.state.fresh = f
	g.state.mu.Unlock()
	if b.follower == nil {
		return
	}
	switch stale := g.tooOld(b); {
	case stale:
		g.deny(b, b.snapshot)
	case was:
		g.note(audit.Confirmed, "")
	}
}

// age is how long ago the source of what is fetched said that there is no other; ok is false if nothing is fetched.
func (g *program) age() (age time.Duration, ok bool) {
	b := g.state.build()
	g.state.mu.Lock()
	defer g.state.mu.Unlock()
	return g.now().Round(0).Sub(g.state.fresh.confirmed.Round(0)), b.follower != nil // on the clock of the wall, which goes on while a machine sleeps
}

// stale says whether everything is denied because of that.
func (g *program) stale() bool {
	g.state.mu.Lock()
	defer g.state.mu.Unlock()
	return g.state.fresh.stale
}

// freshen denies everything once the bundle that decides is too old, and nothing more when it is not any more.
func (g *program) freshen() {
	g.state.changing.Lock()
	defer g.state.changing.Unlock()
	b := g.state.build()
	if b.follower == nil {
		return
	}
	was := g.stale()
	switch stale := g.tooOld(b); {
	case stale && !was:
		s := g.builder.snapshot(b, b.snapshot.Views)
		g.deny(b, s)
		g.gateway.Swap(s)
	case was && !stale:
		g.log.Info("the bundle decides again: its source has said that there is no other", "revision", b.policy.Revision())
		g.gateway.Swap(g.builder.snapshot(b, b.snapshot.Views))
		g.note(audit.Confirmed, "")
	}
}

// tooOld says whether what decides is too old, and notes it.
func (g *program) tooOld(b *build) bool {
	g.confirm(b)
	age, _ := g.age()
	limit := time.Duration(b.config.Bundle.MaxAge)
	g.state.mu.Lock()
	defer g.state.mu.Unlock()
	g.state.fresh.stale = limit > 0 && (age > limit || age < 0) // a time to come says nothing
	return g.state.fresh.stale
}

// deny makes s, which nobody uses yet, deny everything.
func (g *program) deny(b *build, s *gateway.Snapshot) {
	why := fmt.Sprintf("the bundle is older than %s: its source has not said since %s that there is no other", b.config.Bundle.MaxAge, g.confirmedAt().UTC().Format(time.RFC3339))
	d := source.Pos{File: fetch.Shown(b.config.Policies)}.Diagnose("SP8305", why, "see why the source doesn't answer, or has a bundle that is refused")
	g.log.Error("everything is denied", "code", d.Code, "why", d.Message, "help", d.Help, "revision", b.policy.Revision())
	s.Policy, s.Open, s.Candidate = denying(g.ctx, b.policy.Revision()), true, nil
	g.note(audit.Stale, d.String())
}

// ages gives what tells when the bundle that decides will be too old; nil if it never will, or is already.
func (g *program) ages() <-chan time.Time {
	b := g.state.build()
	limit := time.Duration(b.config.Bundle.MaxAge)
	if b.follower == nil || limit == 0 || g.stale() {
		return nil
	}
	age, _ := g.age()
	return time.After(limit - age + time.Millisecond)
}

func (g *program) confirmedAt() time.Time {
	g.state.mu.Lock()
	defer g.state.mu.Unlock()
	return g.state.fresh.confirmed
}

// confirm takes over what the source has said, if it has what decides.
func (g *program) confirm(b *build) {
	content, at := b.follower.Content(), b.follower.State().Confirmed
	if content == nil || b.given == nil || content.Tag != b.given.tag || !at.After(g.confirmedAt()) {
		return
	}
	g.state.mu.Lock()
	g.state.fresh.confirmed = at
	g.state.mu.Unlock()
	if b.config.Bundle.State == "" || b.config.Bundle.MaxAge == 0 {
		return
	}
	if err := bundle.StoreIn(b.config.Bundle.State).Confirm(at); err != nil {
		g.log.Warn("that the bundle is up to date can't be noted: after a restart it will seem older", "error", err)
	}
}

// stalePolicy decides in the place of a bundle that is too old.
const stalePolicy = `apiVersion: sallyport/v1
kind: Policy
metadata: { name: bundle }
rules: [ { name: stale, effect: deny, reason: bundle_stale, message: '"the policies are too old to decide by"' } ]
`

// denying denies everything, in the name of a revision. If it could not be made it would be nil, which denies as well.
func denying(ctx context.Context, revision string) *engine.Snapshot {
	p, ds := policy.Parse("bundle.yaml", []byte(stalePolicy))
	s, err := engine.Compile(ctx, &bundle.Bundle{Policies: p, Diagnostics: ds, Revision: revision}, engine.Options{})
	if err != nil {
		return nil
	}
	return s
}

// sourceMetrics are what metrics show of the source of what is fetched.
func (g *program) sourceMetrics() (telemetry.Source, bool) {
	age, ok := g.age()
	if !ok {
		return telemetry.Source{}, false
	}
	return telemetry.Source{Age: age, Answers: g.state.build().follower.State().Err == nil, Stale: g.stale()}, true
}

// notified asks the source of the policies at once, if a notice is about it. Notices that come while it is asked are one.
func (g *program) notified(n admin.Notice) bool {
	b := g.state.build()
	ask := func(f *fetch.Follower, location string) bool {
		about := !n.Said || slices.ContainsFunc(n.Pushed, func(p admin.Pushed) bool { return fetch.Holds(location, p.Repository, p.Tag) })
		if f == nil || !about {
			return false
		}
		f.Sooner()
		return true
	}
	asked := ask(b.follower, b.config.Policies)
	return b.trying != nil && ask(b.trying, b.config.Bundle.Candidate.From) || asked
}
