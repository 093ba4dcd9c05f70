package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/fetch"
	"github.com/sallyport-dev/sallyport/internal/gateway"
	"github.com/sallyport-dev/sallyport/internal/httphead"
	"github.com/sallyport-dev/sallyport/internal/trial"
)

// candidate is policies that a config names, or an operator has handed over, to be tried beside those that decide. Several snapshots may use it; the last one to let go ends
// the trial.
type candidate struct {
	config config.Candidate
	given  *given           // nil: it could not be read, or was not fetched yet
	policy *engine.Snapshot // nil: it is not tried, and state says why
	active *sharedPolicy    // that it is compared with
	trial  *trial.Trial     // begun when it is first served
	after  *trial.Trial     // that it is to go on from; nil: it begins anew
	since  time.Time
	source *fetch.Follower // of what is fetched; nil: it is at hand
	handed *handed         // by an operator; nil: the config names it
	noted  bool            // that it is tried is recorded already
	users  atomic.Int32

	state     string // one of the states
	err       error  // why it is refused
	withdrawn *bundle.Withdrawal
}

// The states of a candidate.
const (
	stateTried     = "tried"
	stateActive    = "active" // it decides already
	stateWithdrawn = "withdrawn"
	stateRefused   = "refused"
	stateAwaited   = "awaited" // its source has not answered yet
)

func (k *candidate) tried() bool { return k != nil && k.policy != nil }

// release lets go of the candidate. Its policies are closed when the trial uses them no more.
func (k *candidate) release(trials *sync.WaitGroup) {
	if k.users.Add(-1) > 0 {
		return
	}
	trials.Go(func() {
		if k.trial != nil {
			k.trial.Close()
			<-k.trial.Done()
		}
		k.policy.Close()
		k.active.release()
	})
}

// canary says for whom the candidate decides.
func (k *candidate) canary() *gateway.Canary {
	c := k.config
	if !c.Canary() {
		return nil
	}
	return &gateway.Canary{
		Salt: gateway.SaltOf(k.policy.Revision()), Share: int(c.Share*100 + 0.5), Principals: c.Principals, Groups: c.Groups, Claims: c.Claims,
	}
}

// candidate reads the candidate of a config, or else the one that was handed over, and makes it ready to be tried. One that can't be tried
// changes nothing for those that decide; one that is fetched is not waited for.
func (b *builder) candidate(ctx context.Context, out, prev *build) (*fetch.Follower, *candidate) {
	k := &candidate{since: out.at}
	switch c := out.config.Bundle.Candidate; {
	case c != nil:
		k.config = *c
		k.source, k.err = b.candidateSource(out.config, prev)
	case b.handed != nil:
		k.config, k.handed = b.handed.config, b.handed
	default:
		return nil, nil
	}
	if k.source != nil && k.source.Content() == nil {
		k.state = stateAwaited
		return k.source, k
	}
	return k.source, b.candidateOf(ctx, k, out, prev)
}

// candidateOf makes a candidate ready that is there to be read.
func (b *builder) candidateOf(ctx context.Context, k *candidate, out, prev *build) *candidate {
	pause := b.pause(prev)
	if k.err == nil {
		k.given, k.err = b.origin.paced(pause).candidateBy(out.config, k, b.now())
	}
	if k.err == nil {
		k.state = stateActive
		if k.given.set.Revision == out.policy.Revision() {
			return k
		}
		k.withdrawn, k.err = b.withdrawal(out.config, k.given.set.Revision)
	}
	if k.err == nil && k.withdrawn != nil {
		k.state = stateWithdrawn
		return k
	}
	same := k.err == nil && prev != nil && prev.candidate.sameAs(k, out)
	if same && prev.candidate.active == out.shared && prev.config.Limits == out.config.Limits {
		return prev.candidate
	}
	if k.err == nil {
		k.policy, k.err = b.compileCandidate(ctx, out, k.given, pause)
	}
	if k.state = stateTried; k.err != nil {
		k.state = stateRefused
		return k
	}
	k.active = out.shared
	k.active.users.Add(1)
	if same {
		k.goesOn(prev.candidate)
	}
	return k
}

// attach has a snapshot use a candidate that is tried.
func (b *builder) attach(k *candidate, s *gateway.Snapshot) {
	if !k.tried() {
		return
	}
	k.users.Add(1)
	s.Candidate = &gateway.Candidate{Policy: k.policy, Canary: k.canary(), Trial: k.trial}
	release := s.Release
	s.Release = func() {
		k.release(&b.trials)
		release()
	}
}

// sameAs says whether the candidate that is tried is the one of a new config, beside the same policies: what it has found holds then, also
// if it is compiled anew, because there are other servers.
func (k *candidate) sameAs(next *candidate, out *build) bool {
	return k.tried() && k.policy.Revision() == next.given.set.Revision && k.active.Revision() == out.policy.Revision() && reflect.DeepEqual(k.config, next.config)
}

// goesOn has the trial of a candidate that is not served yet go on from where that of another one is.
func (k *candidate) goesOn(from *candidate) { k.after, k.since, k.noted = from.trial, from.since, true }

// candidateBy reads a candidate. A bundle is verified as that of policies is.
func (o origin) candidateBy(c *config.Config, k *candidate, now time.Time) (*given, error) {
	name := k.config.From
	at := c.At("bundle", "candidate", "from")
	if k.handed != nil {
		at = policiesAt(c)
	}
	if !signable(name) {
		if c.Bundle.Trust != "" {
			return nil, source.Diagnostics{at.Diagnose("SP8109", fmt.Sprintf("the config says whose signatures are trusted, and nobody can have signed `%s`", name),
				"name a bundle, FILE.tar.gz; or remove `trust` from `bundle`")}
		}
		set, err := readNamed("policies", name, o.pause)
		return &given{set: set}, err
	}
	r, err := o.reception(c, now, at, fetch.Shown(name))
	if err != nil {
		return nil, err
	}
	var data []byte
	switch {
	case k.handed != nil:
		data = k.handed.archive
	case k.source != nil:
		data = k.source.Content().Packed
	default:
		if data, err = bundle.ReadPacked(name); err != nil {
			return nil, unread(err)
		}
	}
	g, err := r.read(fetch.Shown(name), data)
	if err != nil {
		return nil, err
	}
	return r.admit(g)
}

// withdrawal says whether a candidate was withdrawn.
func (b *builder) withdrawal(c *config.Config, revision string) (*bundle.Withdrawal, error) {
	if b.withdrawn.Revision == revision {
		w := b.withdrawn
		return &w, nil
	}
	if c.Bundle.State == "" {
		return nil, nil //nolint:nilnil // none is not an error
	}
	w, err := bundle.StoreIn(c.Bundle.State).Withdrawn()
	if err != nil {
		return nil, unread(err)
	}
	if w == nil || w.Revision != revision {
		return nil, nil //nolint:nilnil // likewise
	}
	return w, nil
}

func (b *builder) compileCandidate(ctx context.Context, out *build, g *given, pause func()) (*engine.Snapshot, error) {
	o := b.options(out.config) //nolint:contextcheck // what plugins log is of no request that ends
	o.Previous, o.Pause = out.policy, pause
	var err error
	if o.Plugins, err = b.pluginHost(g.set, out.config.Plugins.Cache); err != nil { //nolint:contextcheck // it outlives what it is made for
		return nil, err
	}
	s, err := engine.Compile(ctx, g.set, o)
	if err != nil || g.archive == nil {
		return s, err
	}
	if g.cases, err = prove(ctx, g.set, proving, beside(s, g.set, out.config, pause)); err != nil {
		s.Close() //nolint:contextcheck // closing is not to be cancelled
		return nil, err
	}
	return s, nil
}

// tryOut begins the trial of a candidate that is new, and says so of one that can't be tried.
func (g *program) tryOut(b, prev *build) {
	g.letGo(b)
	k := b.candidate
	switch {
	case k == nil || prev != nil && prev.candidate == k:
	case k.tried():
		k.trial, k.after = trial.New(g.trialOptions(k, b.config.Limits)), nil
		g.log.Info("a candidate is tried", "mode", k.config.Mode, "revision", k.policy.Revision(), "beside", b.policy.Revision())
		if !k.noted {
			g.noteBy(admin.Change{}, audit.Tried, k.policy.Revision(), k.called())
		}
	case k.state == stateRefused:
		if ds, ok := errors.AsType[source.Diagnostics](k.err); ok {
			g.logMistakes(ds)
		}
		g.log.Error("the candidate is not tried", "from", fetch.Shown(k.config.From), "error", k.err)
	default:
		g.log.Info("the candidate is not tried", "from", fetch.Shown(k.config.From), "state", k.state)
	}
	if b.snapshot.Candidate != nil {
		b.snapshot.Candidate.Trial = k.trial
		g.metrics.SetCandidate(k.policy.Revision(), k.config.Mode)
	} else {
		g.metrics.SetCandidate("", "")
	}
}

// called is what a candidate is called in records.
func (k *candidate) called() string {
	what := k.config.Mode
	if k.config.Canary() {
		what = fmt.Sprintf("canary: %g %%", k.config.Share)
	}
	if name := k.given.called(); name != "" {
		what += ": " + name
	}
	return what
}

func (g *program) trialOptions(k *candidate, l config.Limits) trial.Options {
	o := trial.Options{
		Active: k.active.Snapshot, Candidate: k.policy, Metrics: g.metrics, Show: g.gateway.ShowExample,
		Scan: jsonscan.Options{Depth: l.Depth, Values: l.Values}, Head: httphead.Limits{Bytes: int(l.Header), Headers: l.Headers, Body: int64(l.Body)},
		Budget: k.config.Budget / 100 * float64(runtime.GOMAXPROCS(0)), Now: g.now, After: k.after,
		Passed: g.withdrawPassed,
	}
	if w := k.config.Withdraw; w != nil {
		o.Bounds = trial.Bounds{After: w.After, Denials: w.Denials, Errors: w.Errors}
	}
	return o
}

// hearCandidate does what the last answer of the candidate's source asks for.
func (g *program) hearCandidate(s *following) {
	err := s.follower.State().Err
	switch {
	case err == nil && s.failed != "":
		s.failed = ""
		g.log.Info("the source of the candidate answers again")
	case err != nil && err.Error() != s.failed:
		s.failed = err.Error()
		g.log.Warn("the source of the candidate doesn't answer", "error", s.failed)
	}
	if c := s.follower.Content(); c != s.tried {
		s.tried = c
		g.tryAgain()
	}
}

// tryAgain reads the candidate anew, beside what decides.
func (g *program) tryAgain() {
	g.state.changing.Lock()
	defer g.state.changing.Unlock()
	defer untidy()()
	prev := g.state.build()
	next, err := g.builder.around(g.ctx, prev.but(prev.given), prev, prev.shared)
	if err != nil {
		g.log.Error("the candidate can't be tried: what is tried stays", "error", err)
		return
	}
	g.swap(next)
}

// withdrawPassed withdraws the candidate if it has passed a bound. It decides no more by then.
func (g *program) withdrawPassed(why string) {
	g.state.changing.Lock()
	defer g.state.changing.Unlock()
	if k := g.state.build().candidate; g.state.stopping.Load() || !k.tried() || !k.trial.HasPassed() {
		return
	}
	if err := g.withdraw(g.ctx, admin.Change{Action: "withdraw"}, why); err != nil {
		g.log.Error("the candidate could not be withdrawn for good: a restart would try it again", "error", err)
	}
}

// withdraw has the candidate tried no more. It is in memory before it is on the disk: what goes wrong must end here and now.
func (g *program) withdraw(ctx context.Context, c admin.Change, why string) error {
	prev := g.state.build()
	k := prev.candidate
	if !k.tried() {
		return source.Diagnostics{noCandidate(prev.config)}
	}
	w := bundle.Withdrawal{Revision: k.policy.Revision(), By: c.By, Why: why, Time: g.now().UTC()}
	if c.By != "" { // what an operator wants and can't be recorded or kept is not done
		if err := g.keepWithdrawal(prev.config, c, w); err != nil {
			return err
		}
	}
	g.builder.withdrawn = w
	next, err := g.builder.around(ctx, prev.but(prev.given), prev, prev.shared)
	if err != nil {
		return err
	}
	g.swap(next) //nolint:contextcheck // a trial outlives what begins it
	g.log.Warn("the candidate was withdrawn", "why", why, "by", c.By, "revision", w.Revision)
	if c.By != "" {
		g.metrics.Withdrawn("operator")
		return nil
	}
	g.metrics.Withdrawn("bounds")
	return g.keepWithdrawal(prev.config, c, w)
}

func (g *program) keepWithdrawal(c *config.Config, by admin.Change, w bundle.Withdrawal) error {
	err := g.audit.Note(recordOf(by, audit.Withdrawn, w.Revision, w.Why))
	if c.Bundle.State == "" {
		return err
	}
	return errors.Join(err, bundle.StoreIn(c.Bundle.State).Withdraw(w))
}

func noCandidate(c *config.Config) source.Diagnostic {
	return c.At("bundle", "candidate").Diagnose("SP8205", "no candidate is tried", "name one in the config, `bundle: { candidate: { from: PATH } }`, or hand one over: `sallyport bundle activate --shadow FILE`; `/admin/v1/candidate` says why one isn't tried")
}

// promotable is the archive of a candidate that is tried.
func (k *candidate) promotable(c *config.Config) (*bundle.Archive, error) {
	if !k.tried() {
		return nil, source.Diagnostics{noCandidate(c)}
	}
	if k.given.archive == nil {
		return nil, source.Diagnostics{c.At("bundle", "candidate", "from").Diagnose("SP8206", fmt.Sprintf("`%s` is no bundle: it can be tried, and not made to decide by command", k.config.From),
			"put its files in the place of those that decide; or build and sign a bundle of them")}
	}
	return k.given.archive, nil
}
