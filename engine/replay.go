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
	before := &hearsay{said: said, taken: make([]bool, len(said))}
	d := s.DecideWith(ctx, r, &StandIns{before: before})
	d.Plugins = nil
	return d, before.err
}

// hearsay is what plugins said, as evaluation goes through it.
type hearsay struct {
	said  []Said
	taken []bool // of each, once a plugin has said it again
	next  []int  // of said, for the plugin that is asked now
	err   error
}

var hookOf = map[string]hostapi.Hook{
	hostapi.HookRequest.String(): hostapi.HookRequest, hostapi.HookResponse.String(): hostapi.HookResponse, hostapi.HookList.String(): hostapi.HookList,
}

// hooks are those by which the plugin of a rule was asked. One that has let a list pass is asked about the answer around it, too, if it
// has a hook for that.
func (b *hearsay) hooks(r *rule) (hooks []hostapi.Hook) {
	if r.shadow || b.err != nil {
		return nil
	}
	b.next, b.err = b.of(r)
	for _, i := range b.next {
		hooks = append(hooks, hookOf[b.said[i].Hook])
	}
	if slices.Contains(hooks, hostapi.HookList) && r.plugin.has(hostapi.HookResponse) && !slices.Contains(hooks, hostapi.HookResponse) {
		hooks = append(hooks, hostapi.HookResponse)
	}
	return hooks
}

// answer is what the plugin of a rule said. Of a change nothing more is known than that there was one.
func (b *hearsay) answer(e *evaluation, r *rule) *Answer {
	pass := &Answer{Verdict: hostapi.VerdictPass.String()}
	if b.err == nil && len(b.next) == 0 {
		b.err = ErrPluginNotAsked
	}
	if b.err != nil {
		return pass
	}
	i := b.next[0]
	b.next = b.next[1:]
	changed := b.said[i].Verdict == hostapi.VerdictMutate.String()
	if !b.sameMessage(i) || changed && e.isJudgedBehind(r) {
		b.err = ErrPluginRewrote
	}
	b.taken[i] = true
	if changed || b.err != nil {
		return pass
	}
	return &Answer{Verdict: b.said[i].Verdict, Code: b.said[i].Code}
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
