package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/fetch"
)

// This file is what operators change through the admin API.

// changes is what they may change.
func (g *program) changes() *admin.Changes {
	return &admin.Changes{
		Actions: []string{"activate", "rollback", "promote", "withdraw", admin.Try},
		Do:      g.change, Notified: g.notified,
		Tokens: func() []admin.Token {
			var all []admin.Token
			for _, t := range g.state.build().config.Admin.Tokens {
				all = append(all, admin.Token{ID: t.ID, Hash: t.Hash})
			}
			return all
		},
		Refused: func(c admin.Change, why string) {
			g.log.Warn("a change was refused", "change", c.Action, "by", c.By, "from", c.From, "why", why)
			g.noteBy(c, audit.Refused, g.state.build().policy.Revision(), c.Action+": "+why)
		},
	}
}

// noteBy records what somebody has changed, or wanted to.
func (g *program) noteBy(c admin.Change, event, revision, cause string) {
	if err := g.audit.Note(recordOf(c, event, revision, cause)); err != nil {
		g.log.Error("a record could not be written", "event", event, "error", err)
	}
}

// operatorKind is the kind of principal that operators are in records.
const operatorKind = "operator"

func recordOf(c admin.Change, event, revision, cause string) *audit.Record {
	r := &audit.Record{Event: event, Revision: revision, Cause: cause, SourceAddress: c.From}
	if c.By != "" {
		r.PrincipalKind, r.PrincipalID = operatorKind, c.By
	}
	return r
}

var errChangeWhileStopping = errors.New("the gateway is stopping: nothing is changed")

// change does what an operator asks for, whole or not at all.
func (g *program) change(ctx context.Context, c admin.Change) error {
	g.state.changing.Lock()
	defer g.state.changing.Unlock()
	defer untidy()()
	err := errChangeWhileStopping
	if !g.state.stopping.Load() {
		err = g.do(ctx, c)
	}
	if err == nil {
		return nil
	}
	cause := err.Error()
	if ds, ok := errors.AsType[source.Diagnostics](err); ok {
		cause = why(ds)
		g.logMistakes(ds)
	}
	g.log.Error("a change failed: what decides stays", "change", c.Action, "by", c.By, "error", cause, "revision", g.state.build().policy.Revision())
	g.noteBy(c, audit.Refused, g.state.build().policy.Revision(), c.Action+": "+cause)
	return err
}

func (g *program) do(ctx context.Context, c admin.Change) error {
	switch c.Action {
	case "withdraw":
		return g.withdraw(ctx, c, "by an operator")
	case admin.Try:
		return g.try(ctx, c)
	}
	return g.exchangeBundle(ctx, c)
}

// exchangeBundle makes another bundle decide. It is recorded before it is kept, and kept before it decides.
func (g *program) exchangeBundle(ctx context.Context, c admin.Change) error {
	prev := g.state.build()
	pause, start := g.builder.pause(prev), g.now()
	r, err := g.builder.changeable(prev, pause)
	if err != nil {
		return err
	}
	given, err := r.asked(c, prev)
	if err != nil {
		return err
	}
	given.took.read = g.now().Sub(start)
	archive := given.archive
	given.last = nil                                             // not before it is recorded
	given.tag, given.confirmed = prev.given.tag, g.confirmedAt() // the source has what it had
	shared, err := g.builder.ready(ctx, prev.config, prev, given, pause)
	if err != nil {
		return err
	}
	next, err := g.builder.around(ctx, prev.but(given), prev, shared)
	if err != nil {
		return err
	}
	event := audit.Activated
	switch {
	case c.Action == "promote":
		event = audit.Promoted
	case given.choice.Revision != given.choice.Of:
		event = audit.RolledBack
	}
	cause := given.called() + ", was " + prev.given.called()
	err = g.audit.Note(recordOf(c, event, archive.Revision, cause))
	if err == nil {
		err = r.keepChosen(archive, given.choice)
	}
	if err != nil {
		next.snapshot.Release()
		return err
	}
	g.swap(next) //nolint:contextcheck // a trial outlives what begins it
	said := []any{"change", c.Action, "by", c.By, "bundle", given.called(), "revision", archive.Revision, "was", prev.policy.Revision()}
	g.log.Info("an operator has changed which bundle decides", append(said, given.said()...)...)
	return nil
}

// keepChosen has a choice outlive the process.
func (r *reception) keepChosen(a *bundle.Archive, by *bundle.Choice) error {
	if by.Revision == by.Of && (r.terms.Last == nil || !slices.Equal(r.terms.Last.Data(), a.Data())) {
		if err := r.store.Keep(a); err != nil {
			return err
		}
	}
	return r.store.Choose(*by)
}

// changeable says whether the policies that decide can be changed by command.
func (b *builder) changeable(prev *build, pause func()) (*reception, error) {
	c := prev.config
	if prev.given == nil || prev.given.manifest == nil || c.Bundle.State == "" {
		return nil, source.Diagnostics{policiesAt(c).Diagnose("SP8204", "the policies that decide can't be changed by command: they are no bundle, or `bundle.state` is missing, and a restart would forget the change",
			"name a bundle in `policies`, and a directory in `bundle: { state: DIR }`")}
	}
	return b.origin.paced(pause).reception(c, b.now(), policiesAt(c), fetch.Shown(c.Policies))
}

func policiesAt(c *config.Config) source.Pos { return c.At("policies") }

// asked is the bundle that a change is about, verified, with the choice that makes it the one.
func (r *reception) asked(c admin.Change, prev *build) (*given, error) {
	by := bundle.Choice{By: c.By, Time: r.terms.Now.UTC()}
	last := r.terms.Last
	switch c.Action {
	case "promote":
		a, err := prev.candidate.promotable(prev.config)
		if err != nil {
			return nil, err
		}
		c.Name, c.Archive = a.File, a.Data()
	case "rollback":
		if c.Revision != "" || len(c.Archive) > 0 {
			return nil, failf(exitUsage, "a rollback goes to the bundle that was active before, and to no other: name none")
		}
		return r.back(by, prev)
	}
	switch {
	case len(c.Archive) > 0:
		g, err := r.read(c.Name, c.Archive)
		if err != nil {
			return nil, err
		}
		by.Revision, by.Of = g.archive.Revision, g.archive.Revision
		g.choice = &by
		return r.admit(g)
	}
	a, err := r.kept(c.Revision, prev.config)
	if err != nil {
		return nil, err
	}
	by.Revision, by.Of = a.Revision, last.Revision
	return r.chosen(&by)
}

// kept is the bundle of a revision among the two that are kept.
func (r *reception) kept(revision string, c *config.Config) (*bundle.Archive, error) {
	last := r.terms.Last
	if last != nil && revision == last.Revision {
		return last, nil
	}
	if a, err := r.store.Previous(); err == nil && a != nil && a.Revision == revision && last != nil {
		return a, nil
	}
	return nil, source.Diagnostics{policiesAt(c).Diagnose("SP8203", fmt.Sprintf("no bundle `%s` is kept", source.Brief(revision)), "give the file of the bundle")}
}

// back goes to the bundle that was active before.
func (r *reception) back(by bundle.Choice, prev *build) (*given, error) {
	before, err := r.store.Previous()
	if err != nil {
		return nil, unread(err)
	}
	nothing := func(message string) (*given, error) {
		return nil, source.Diagnostics{policiesAt(prev.config).Diagnose("SP8202", message, "build the old files under a higher version, and activate that")}
	}
	if before == nil || r.terms.Last == nil {
		return nothing("no bundle was active before this one")
	}
	if before.Revision == prev.policy.Revision() {
		return nothing("the bundle that was active before decides already, and no older one is kept")
	}
	by.Revision, by.Of = before.Revision, r.terms.Last.Revision
	return r.chosen(&by)
}
