package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// Directions in which the candidate can differ beside its effect, which is `allow_to_deny` and the like.
const (
	otherReason = "other_reason" // it denies or wants approval as well, for another reason
	otherPatch  = "other_patch"  // it allows as well, and its plugins make something else of the message
	failure     = "error"        // a rule or plugin of it fails
)

// background is what evaluation runs under: the engine bounds its cost.
var background = context.Background()

// key is what divergences are counted by.
type key struct{ Direction, Rule, Server, Tool string }

// Group is divergences of one kind.
type Group struct {
	Direction string    `json:"direction"`
	Rule      string    `json:"rule,omitempty"` // of the candidate; where it has none, that by which the active policies allow
	Server    string    `json:"server,omitempty"`
	Tool      string    `json:"tool,omitempty"` // as its server lists it; other tools, and those beyond a bound, are "other"
	Count     uint64    `json:"count"`
	Estimate  uint64    `json:"estimate,omitempty"` // among all calls, if those that were compared are a sample
	Examples  []Example `json:"examples,omitempty"` // the first
}

// Example is a message of which the two decide differently.
type Example struct {
	Active Verdict         `json:"active"`
	Record json.RawMessage `json:"record"` // as it would stand in the log if the candidate had decided
}

// Verdict is what a decision comes to.
type Verdict struct {
	Effect string `json:"effect"`
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// counts are what a trial has found, or several, one after the other. Its lock is the workers' and the reader's; callers never take it.
type counts struct {
	passed     atomic.Bool   // a bound
	skipped    atomic.Uint64 // calls, for want of room
	notSampled atomic.Uint64 // calls, for want of time

	mu                      sync.Mutex
	calls, same             uint64
	different, errors       uint64
	about                   estimate
	enforced, denies, fails uint64 // of those that the candidate has decided
	groups                  map[key]*tally
	told                    uint64 // calls that were not sampled, as far as metrics know of them
}

// tally is a group that grows.
type tally struct {
	Group
	about float64 // how many there are of it among all calls
}

// estimate counts all calls, by those that are compared.
type estimate struct{ same, different, errors float64 }

func (e estimate) show() *Estimate {
	return &Estimate{Same: uint64(math.Round(e.same)), Different: uint64(math.Round(e.different)), Errors: uint64(math.Round(e.errors))}
}

// compare decides a message by the other policies, and counts what differs.
func (t *Trial) compare(j *job) {
	q, err := t.worker.request(j, &t.Options, t.heads)
	if err != nil { // it was read before
		t.skip()
		return
	}
	enforced := j.verdict
	enforced.changed = j.bytes(j.rewritten)
	other := t.Candidate
	if j.candidate {
		other = t.Active
	}
	d := other.Decide(background, q)
	again := verdictOf(&d)
	active, candidate := &enforced, &again
	if j.candidate {
		active, candidate = &again, &enforced
		d = engine.Decision{Effect: enforced.effect, Rule: enforced.rule, Reason: enforced.reason, Revision: t.Candidate.Revision()}
	}
	t.count(j, q, active, candidate, &d)
}

func verdictOf(d *engine.Decision) verdict {
	v := verdict{effect: d.Effect, rule: d.Rule, reason: d.Reason, failed: d.Effect != engine.Allow && (d.Cause != nil || failures[d.Reason])}
	if d.Rewritten.Exists() {
		v.changed = d.Rewritten.Raw()
	}
	return v
}

var failures = map[string]bool{
	engine.ReasonEvaluationError: true, engine.ReasonCostExceeded: true, engine.ReasonInputTooLarge: true, engine.ReasonInterrupted: true,
	engine.ReasonPluginFailed: true, engine.ReasonNotRewritable: true,
}

// direction says how the candidate differs; "" if it doesn't.
func direction(active, candidate *verdict) string {
	switch {
	case candidate.failed && (!active.failed || active.reason != candidate.reason):
		return failure
	case active.effect != candidate.effect:
		return active.effect.String() + "_to_" + candidate.effect.String()
	case active.effect != engine.Allow && active.reason != candidate.reason:
		return otherReason
	case active.effect == engine.Allow && !bytes.Equal(active.changed, candidate.changed):
		return otherPatch
	}
	return ""
}

func (t *Trial) count(j *job, q *engine.Request, active, candidate *verdict, d *engine.Decision) {
	how := direction(active, candidate)
	t.counts.mu.Lock()
	defer t.counts.mu.Unlock()
	c := t.counts
	c.calls++
	if j.candidate {
		c.enforced++
		t.Metrics.CandidateEnforced(candidate.effect.String())
		if candidate.failed {
			c.fails++
		} else if active.effect == engine.Allow && candidate.effect != engine.Allow {
			c.denies++
		}
		t.judge()
	}
	switch how {
	case "":
		c.same++
		c.about.same += j.weight
		t.Metrics.Tried("same")
		return
	case failure:
		c.errors++
		c.about.errors += j.weight
		t.Metrics.Tried("error")
		t.Metrics.CandidateFailed(ruleOf(candidate, active), candidate.reason)
	default:
		c.different++
		c.about.different += j.weight
		t.Metrics.Tried("different")
	}
	k := key{how, ruleOf(candidate, active), q.Server, toolOf(q)}
	if how != failure {
		t.Metrics.Diverged(k.Direction, k.Rule, k.Server, k.Tool)
	}
	g := c.group(k)
	g.Count++
	g.about += j.weight
	if t.Show == nil || len(g.Examples) >= examples {
		return
	}
	if text := t.Show(q, d, string(j.bytes(j.id))); len(text) > 0 {
		g.Examples = append(g.Examples, Example{Active: active.show(), Record: text})
	}
}

// group finds a group, or makes it if there is room: what comes beyond is counted by direction alone.
func (c *counts) group(k key) *tally {
	if c.groups[k] == nil && len(c.groups) >= maxGroups {
		k = key{k.Direction, telemetry.Other, telemetry.Other, telemetry.Other}
	}
	g := c.groups[k]
	if g == nil {
		g = &tally{Group: Group{Direction: k.Direction, Rule: k.Rule, Server: k.Server, Tool: k.Tool}}
		c.groups[k] = g
	}
	return g
}

func (v *verdict) show() Verdict {
	out := Verdict{Effect: v.effect.String(), Reason: v.reason}
	if v.rule != nil {
		out.Rule = v.rule.ID()
	}
	return out
}

// ruleOf is the rule that a divergence is put down to.
func ruleOf(candidate, active *verdict) string {
	switch {
	case candidate.rule != nil:
		return candidate.rule.ID()
	case active.rule != nil:
		return active.rule.ID()
	}
	return ""
}

// toolOf names a tool that its server has listed: any other name is a caller's.
func toolOf(q *engine.Request) string {
	if q.Tool == "" || q.Annotations.Exists() {
		return q.Tool
	}
	return telemetry.Other
}

// judge ends the trial when a bound is passed.
func (t *Trial) judge() {
	c, b := t.counts, t.Bounds
	if c.enforced < uint64(max(b.After, 1)) || c.passed.Load() {
		return
	}
	for _, bound := range []struct {
		what  string
		n     uint64
		share float64
	}{{"new denials", c.denies, b.Denials}, {"errors", c.fails, b.Errors}} {
		if bound.share == 0 || float64(bound.n)*100 <= bound.share*float64(c.enforced) {
			continue
		}
		c.passed.Store(true)
		if t.Passed != nil {
			go t.Passed(fmt.Sprintf("%s: %d of %d calls, more than %g %%", bound.what, bound.n, c.enforced, bound.share))
		}
		return
	}
}

// Report is what a trial has found so far.
type Report struct {
	Calls      uint64    `json:"calls"` // that both have decided
	Same       uint64    `json:"same"`
	Different  uint64    `json:"different"`
	Errors     uint64    `json:"errors"`     // of the candidate
	Skipped    uint64    `json:"skipped"`    // for want of room
	NotSampled uint64    `json:"notSampled"` // for want of time
	Sampled    float64   `json:"sampled"`    // the share of the calls that is compared now
	Estimate   *Estimate `json:"estimate,omitempty"`
	Enforced   uint64    `json:"enforced,omitempty"`
	Denied     uint64    `json:"newlyDenied,omitempty"` // of those
	Failed     uint64    `json:"failed,omitempty"`      // likewise
	Groups     []Group   `json:"divergences,omitempty"`
}

// Estimate is what all calls come to, as far as a sample can say. There is none where all were compared.
type Estimate struct {
	Same      uint64 `json:"same"`
	Different uint64 `json:"different"`
	Errors    uint64 `json:"errors"`
}

// Report gives the counts, the most frequent divergences first.
func (t *Trial) Report() Report {
	t.counts.mu.Lock()
	defer t.counts.mu.Unlock()
	c := t.counts
	r := Report{
		Calls: c.calls, Same: c.same, Different: c.different, Errors: c.errors, Skipped: c.skipped.Load(),
		NotSampled: c.notSampled.Load(), Sampled: t.sample.ratio(),
		Enforced: c.enforced, Denied: c.denies, Failed: c.fails,
	}
	if r.NotSampled > 0 {
		r.Estimate = c.about.show()
	}
	for _, g := range c.groups {
		shown := g.Group
		shown.Examples = slices.Clone(g.Examples)
		if r.Estimate != nil {
			shown.Estimate = uint64(math.Round(g.about))
		}
		r.Groups = append(r.Groups, shown)
	}
	slices.SortFunc(r.Groups, func(a, b Group) int {
		switch {
		case a.Count > b.Count:
			return -1
		case a.Count < b.Count:
			return 1
		}
		return strings.Compare(a.Direction+"\x00"+a.Rule+"\x00"+a.Server+"\x00"+a.Tool, b.Direction+"\x00"+b.Rule+"\x00"+b.Server+"\x00"+b.Tool)
	})
	return r
}
