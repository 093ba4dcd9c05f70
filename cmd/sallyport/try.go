package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// handed is a candidate that an operator has handed over. It lives as long as the process: what is to be tried for longer stands in the
// config.
type handed struct {
	config  config.Candidate
	archive []byte // as it is stored
	by      string // the operator
}

// try has a bundle tried that an operator hands over, whole or not at all. It is recorded before it is tried.
func (g *program) try(ctx context.Context, c admin.Change) error {
	prev := g.state.build()
	h, err := g.builder.handOver(c, prev)
	if err != nil {
		return err
	}
	was := g.builder.handed
	g.builder.handed = h
	next, err := g.builder.around(ctx, prev.but(prev.given), prev, prev.shared)
	if err != nil {
		g.builder.handed = was
		return err
	}
	k := next.candidate
	if err = k.untried(prev.config); err == nil {
		err = g.audit.Note(recordOf(c, audit.Tried, k.policy.Revision(), k.called()))
	}
	if err != nil {
		g.builder.handed = was
		next.snapshot.Release()
		return err
	}
	k.noted = true
	g.swap(next) //nolint:contextcheck // a trial outlives what begins it
	return nil
}

// handOver reads what is to be tried, and how. A config that names a candidate is obeyed.
func (b *builder) handOver(c admin.Change, prev *build) (*handed, error) {
	if prev.config.Bundle.Candidate != nil {
		return nil, source.Diagnostics{prev.config.At("bundle", "candidate").Diagnose("SP8207", "the config names a candidate, and so no other is tried",
			"change it there; or remove `candidate` from `bundle`, and hand this one over again")}
	}
	if len(c.Archive) == 0 {
		r, err := b.changeable(prev, b.pause(prev))
		if err != nil {
			return nil, err
		}
		a, err := r.kept(c.Revision, prev.config)
		if err != nil {
			return nil, err
		}
		c.Name, c.Archive = a.File, a.Data()
	}
	k, ds := config.ParseCandidate(c.Name, []byte(c.Trial))
	if ds.HasErrors() {
		return nil, ds
	}
	return &handed{config: k, archive: c.Archive, by: c.By}, nil
}

// untried says why a candidate that was handed over is not tried; nil if it is.
func (k *candidate) untried(c *config.Config) error {
	at := source.Pos{File: k.config.From}
	switch w := k.withdrawn; {
	case k.tried():
		return nil
	case k.state == stateActive:
		return source.Diagnostics{at.Diagnose("SP8208", "the bundle decides already: there is nothing to compare", "hand over another one")}
	case k.state == stateWithdrawn:
		who := "by itself"
		if w.By != "" {
			who = "by `" + source.Brief(w.By) + "`"
		}
		return source.Diagnostics{at.Diagnose("SP8208", fmt.Sprintf("the bundle was tried and withdrawn %s at %s: %s", who, w.Time.UTC().Format(time.RFC3339), source.Brief(w.Why)),
			"mend it, and build it under a higher version")}
	case k.err != nil:
		return k.err
	}
	return source.Diagnostics{noCandidate(c)}
}

// letGo forgets a candidate that was handed over once it decides, or the config names one.
func (g *program) letGo(b *build) {
	h := g.builder.handed
	if h == nil {
		return
	}
	switch {
	case b.config.Bundle.Candidate != nil:
		g.log.Warn("the candidate that an operator has handed over is tried no more: the config names one", "by", h.by)
	case b.candidate != nil && b.candidate.state == stateActive:
		g.log.Info("the candidate that an operator has handed over decides now", "by", h.by)
		b.candidate = nil
	default:
		return
	}
	g.builder.handed = nil
}
