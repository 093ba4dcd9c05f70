// Package replay decides recorded calls again: it says which would be decided otherwise, and of which nobody can know.
package replay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/seal"
)

// Options say what is replayed, and against what.
type Options struct {
	Since, Until time.Time        // of the records, the first included; zero is no bound
	Against      *engine.Snapshot // what decided before; nil is what was recorded
	Open         *seal.Opener     // opens what is sealed; nil: it stays so
}

// Why a decision can't be made again, beside what the record itself says.
const (
	PluginChanged  = "plugin_changed"
	PluginNotAsked = "plugin_not_asked"
	PluginRewrote  = "plugin_rewrote"
	InputsInvalid  = "inputs_invalid"
	ToolNotKnown   = "tool_not_known"
	SealOthers     = "sealed_for_others" // than the identity
	SealNoKey      = "sealing_key_missing"
	SealEdited     = "sealed_edited"
)

// Run decides what is recorded in files again on a snapshot, on all cores, in memory that does not grow with the files. An error is one of
// reading them.
func Run(ctx context.Context, s *engine.Snapshot, files []io.Reader, o Options) (*Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	n := runtime.GOMAXPROCS(0)
	free, full := make(chan []byte, 2*n), make(chan []byte, 2*n)
	for range 2 * n {
		free <- make([]byte, 0, blockSize)
	}
	go func() {
		defer close(full)
		for _, f := range files {
			if err := blocks(ctx, f, free, full); err != nil {
				cancel(err)
				return
			}
		}
	}()
	workers := make([]*worker, n)
	var all sync.WaitGroup
	for i := range workers {
		w := &worker{now: s, options: o, flips: flips{}, report: Report{NotReplayable: map[string]int{}}}
		workers[i] = w
		all.Go(func() {
			for b := range full {
				w.block(ctx, b)
				free <- b
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return merged(s, o, workers), nil
}

// merged puts together what each has found.
func merged(s *engine.Snapshot, o Options, workers []*worker) *Report {
	out := &Report{Revision: s.Revision(), Against: o.Against.Revision(), NotReplayable: map[string]int{}}
	found := flips{}
	for _, w := range workers {
		r := &w.report
		out.Decisions += r.Decisions
		out.Replayed += r.Replayed
		out.OtherRule += r.OtherRule
		out.NoPolicy += r.NoPolicy
		out.Unreadable += r.Unreadable
		for why, n := range r.NotReplayable {
			out.NotReplayable[why] += n
		}
		for g, f := range w.flips {
			found.add(g, f.Count, f.Examples...)
		}
	}
	out.Flips = found.sorted()
	out.count()
	return out
}

// worker replays records, one after another.
type worker struct {
	now     *engine.Snapshot
	options Options
	viewer  audit.Viewer
	opened  audit.Unsealer
	builder Builder
	said    []engine.Said
	flips   flips
	report  Report
}

func (w *worker) block(ctx context.Context, b []byte) {
	for len(b) > 0 && ctx.Err() == nil {
		var l []byte
		if l, b, _ = bytes.Cut(b, []byte{'\n'}); !passed(l) {
			w.line(ctx, l)
		}
	}
}

// passed says that a line holds no decision: most outcomes don't. What it doesn't see is looked at in full.
func passed(l []byte) bool {
	const head = 200 // the number, the hash and the time, at most
	return len(l) == 0 || bytes.Contains(l[:min(len(l), head)], []byte(`,"kind":"outcome",`)) && !bytes.Contains(l, []byte(`,"phase":"response",`))
}

func (w *worker) line(ctx context.Context, l []byte) {
	var opening error
	if w.options.Open != nil {
		l, opening = w.opened.Unseal(w.options.Open, l)
	}
	r, err := w.viewer.View(l)
	switch {
	case err != nil, r.Effect != "" && rank(r.Effect) < 0:
		w.report.Unreadable++
		return
	case r.Kind == audit.Lifecycle, r.Kind == audit.Outcome && r.Phase != "response":
		return
	case r.Time.Before(w.options.Since), !w.options.Until.IsZero() && !r.Time.Before(w.options.Until):
		return
	}
	w.report.Decisions++
	if r.Revision == "" || r.Effect == "" {
		w.report.NoPolicy++
		return
	}
	if opening != nil && r.NotReplayable == audit.InputsSealed {
		r.NotReplayable = closed(opening)
	}
	if why := w.replay(ctx, r); why != "" {
		if _, ok := w.report.NotReplayable[why]; !ok {
			if len(w.report.NotReplayable) >= maxReasons {
				why = "others"
			}
			why = strings.Clone(why)
		}
		w.report.NotReplayable[why]++
		return
	}
	w.report.Replayed++
}

// closed says why what is sealed was not opened.
func closed(err error) string {
	switch {
	case errors.Is(err, seal.ErrOthers):
		return SealOthers
	case errors.Is(err, seal.ErrNoKey):
		return SealNoKey
	}
	return SealEdited
}

// maxReasons bounds the reasons that are told apart: a file may say anything.
const maxReasons = 100

// verdict is what a decision came to.
type verdict struct{ effect, policy, rule string }

func (v verdict) id() string {
	if v.rule == "" {
		return ""
	}
	return v.policy + "/" + v.rule
}

// replay makes one decision again, or says why it can't.
func (w *worker) replay(ctx context.Context, r *audit.Record) (why string) {
	switch {
	case r.NotReplayable != "":
		return r.NotReplayable
	case r.Kind == audit.Outcome && r.Now.IsZero():
		return audit.InputsNotRecorded
	case r.Reason == engine.ReasonNotRewritable:
		return PluginRewrote
	}
	q, err := w.builder.Request(r)
	if err != nil {
		return InputsInvalid
	}
	w.said = w.said[:0]
	for i := range r.Plugins {
		p := &r.Plugins[i]
		w.said = append(w.said, engine.Said{
			Policy: p.Policy, Rule: p.Rule, Setup: p.Setup, Hook: p.Hook, Verdict: p.Verdict, Code: p.Reason, Shadow: p.Shadow,
		})
	}
	is, why := w.decide(ctx, w.now, q, r)
	if why != "" {
		return why
	}
	was := verdict{r.Effect, r.Policy, r.Rule}
	if w.options.Against != nil {
		if was, why = w.decide(ctx, w.options.Against, q, r); why != "" {
			return why
		}
	}
	if was.effect == is.effect {
		if was != is {
			w.report.OtherRule++
		}
		return ""
	}
	w.flips.add(groupOf(r, was, is), 1, r.DecisionID.String())
	return ""
}

// decide decides on a snapshot what is recorded, if that is enough to.
func (w *worker) decide(ctx context.Context, s *engine.Snapshot, q *engine.Request, r *audit.Record) (v verdict, why string) {
	if r.ToolHash == "" && r.Revision != s.Revision() && pinned(ctx, s, q) {
		return verdict{}, ToolNotKnown
	}
	d, err := s.Replay(ctx, q, w.said)
	if why, ok := w.builder.Known(r, d.Reads()); !ok {
		return verdict{}, why
	}
	switch {
	case errors.Is(err, engine.ErrPluginChanged):
		return verdict{}, PluginChanged
	case errors.Is(err, engine.ErrPluginNotAsked):
		return verdict{}, PluginNotAsked
	case err != nil:
		return verdict{}, PluginRewrote
	}
	return verdictOf(d), ""
}

// pinned says that the lock of tools has something to say of a call that depends on what its server has said of the tool.
func pinned(ctx context.Context, s *engine.Snapshot, q *engine.Request) bool {
	if s.Lock() == nil {
		return false
	}
	other := *q
	other.ToolHash = "another"
	if s.PinReason(&other) != engine.ReasonToolChanged {
		return false
	}
	d, _ := s.Replay(ctx, &other, nil)
	return d.Reason == engine.ReasonToolChanged // else it is only a shadow
}

func groupOf(r *audit.Record, was, is verdict) group {
	g := group{
		was: was.effect, is: is.effect, wasRule: was.id(), isRule: is.id(),
		phase: r.Phase, method: r.Method, server: r.Server, principal: r.PrincipalID,
	}
	for _, name := range []string{r.Tool, r.Prompt, r.Resource} {
		if name != "" {
			g.name = name
		}
	}
	if g.principal == "" {
		g.principal = r.PrincipalKind
	}
	return g
}
