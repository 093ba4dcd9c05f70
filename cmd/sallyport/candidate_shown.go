package main

import (
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/fetch"
	"github.com/sallyport-dev/sallyport/internal/trial"
)

// shownCandidate is what the admin API shows.
type shownCandidate struct {
	Source      string             `json:"source"`
	Mode        string             `json:"mode"`
	State       string             `json:"state"`
	Name        string             `json:"name,omitempty"`
	Version     int64              `json:"version,omitempty"`
	Revision    string             `json:"revision,omitempty"`
	By          string             `json:"by,omitempty"` // the operator who has handed it over
	Since       time.Time          `json:"since"`
	Withdrawn   *bundle.Withdrawal `json:"withdrawn,omitempty"`
	SourceError string             `json:"sourceError,omitempty"`
	Error       string             `json:"error,omitempty"`
	Diagnostics source.Diagnostics `json:"diagnostics,omitempty"`
	Text        string             `json:"text,omitempty"`
	Found       *trial.Report      `json:"found,omitempty"`
}

// candidate is what the admin API shows of the candidate; null if there is none.
func (g *program) candidate() any {
	k := g.state.build().candidate
	if k == nil {
		return nil
	}
	out := shownCandidate{Source: fetch.Shown(k.config.From), Mode: k.config.Mode, State: k.state, Since: k.since.UTC(), Withdrawn: k.withdrawn}
	if k.handed != nil {
		out.By = k.handed.by
	}
	if k.source != nil && k.source.State().Err != nil {
		out.SourceError = k.source.State().Err.Error()
	}
	switch {
	case k.state == stateAwaited:
	case k.err == nil:
		out.Revision = k.given.set.Revision
		if m := k.given.manifest; m != nil {
			out.Name, out.Version = m.Name, m.Version
		}
	default:
		out.Error = k.err.Error()
		if ds, ok := errors.AsType[source.Diagnostics](k.err); ok {
			out.Diagnostics, out.Error, out.Text = ds, why(ds), asPrinted(ds)
		}
	}
	if k.trial != nil {
		r := k.trial.Report()
		out.Found = &r
	}
	return out
}
