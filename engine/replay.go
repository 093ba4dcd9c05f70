package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// Said is what a plugin said of a message when it was decided, as a record has it.
type Said struct {
	Policy, Rule string // that called the plugin
	Setup        string // as of PluginOutcome
	Hook         string
	Verdict      string
	Code         string
	Shadow       bool
}

// Why a decision can't be made again from what plugins said.
var (
	// ErrPluginChanged means that a plugin would be asked which is not, or not set up as, one of those that were.
	ErrPluginChanged = errors.New("a plugin is another than the one that was asked")
	// ErrPluginNotAsked means that a plugin would be asked which was there, but was not asked.
	ErrPluginNotAsked = errors.New("a plugin would be asked that was not asked then")
	// ErrPluginRewrote means that the answer rests on the message as a plugin has changed it.
	ErrPluginRewrote = errors.New("a plugin changed the message")
)

// Replay decides a message again that was decided before. It asks no plugin: each says what it said then, if it is the same, with the
// same settings, grants, detectors and tables. The Decision is that of Decide on a message on which the plugins say so; the error, one of the
// above, means that nobody can know. Shadow rules with plugins are passed over.
func (s *Snapshot) Replay(ctx context.Context, r *Request, said []Said) (Decision, error) {
	before := &hearsay{said: said}
	d := s.decideIn(ctx, r, again, nil, &StandIns{before: before})
	return d, before.err
}

// hearsay is what plugins said, as evaluation goes through it.
type hearsay struct {
	said  []Said
	taken []bool // of each, once a plugin has said it again
	err   error
}

func (w *StandIns) repeats() bool { return w != nil && w.before != nil }

// repeat has the plugin of a rule say what it said before.
func (e *evaluation) repeat(rule *rule) {
	if rule.shadow || e.with.before.err != nil {
		return
	}
	e.with.before.err = e.recite(rule)
}

func (e *evaluation) recite(rule *rule) error {
	b := e.with.before
	all, err := b.of(rule)
	if err != nil {
		return err
	}
	if b.taken == nil {
		b.taken = make([]bool, len(b.said))
	}
	for _, i := range all {
		if !b.sameMessage(i) {
			return ErrPluginRewrote
		}
		b.taken[i] = true
		x := &b.said[i]
		switch x.Verdict {
		case hostapi.VerdictPass.String(), hostapi.VerdictAbstain.String():
		case hostapi.VerdictApprove.String():
			e.approve, e.said = rule, &PluginOutcome{}
			return nil
		case hostapi.VerdictMutate.String():
			if e.isJudgedBehind(rule) {
				return ErrPluginRewrote
			}
		default:
			e.deny, e.said = rule, &PluginOutcome{Code: x.Code}
			return nil
		}
	}
	return b.whole(rule, all)
}

// isJudgedBehind says whether a rule behind another one could stand against what its plugin makes of the message.
func (e *evaluation) isJudgedBehind(by *rule) bool {
	return slices.ContainsFunc(e.rules, func(r *rule) bool { return r.plugin == nil && !r.shadow && r.effect != Allow && r.order > by.order })
}

// of finds what the plugin of a rule said: by that rule if it is there, else by the first that called the same.
func (b *hearsay) of(r *rule) (all []int, err error) {
	err = ErrPluginNotAsked
	var by *Said
	for i := range b.said {
		x := &b.said[i]
		own := x.Policy == r.Policy && x.Rule == r.Name
		switch {
		case x.Setup != r.setup || x.Setup == "":
			if own {
				err = ErrPluginChanged
			}
			continue
		case by == nil, own && (by.Policy != x.Policy || by.Rule != x.Rule):
			by, all = x, nil
		case by.Policy != x.Policy || by.Rule != x.Rule:
			continue
		}
		all = append(all, i)
	}
	if by == nil {
		return nil, err
	}
	return all, nil
}

// sameMessage says that the changes which were made to the message before a plugin spoke are those that have been made now.
func (b *hearsay) sameMessage(i int) bool {
	for j := range b.said {
		x := &b.said[j]
		if x.Verdict == hostapi.VerdictMutate.String() && !x.Shadow && j != i && b.taken[j] != (j < i) {
			return false
		}
	}
	return true
}

// whole says whether a plugin that has let a list pass was also asked about the answer around it, if it has a hook for that.
func (b *hearsay) whole(r *rule, all []int) error {
	of := func(h hostapi.Hook) bool {
		return slices.ContainsFunc(all, func(i int) bool { return b.said[i].Hook == h.String() })
	}
	if of(hostapi.HookList) && r.plugin.has(hostapi.HookResponse) && !of(hostapi.HookResponse) {
		return ErrPluginNotAsked
	}
	return nil
}
