package replay

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/hostapi"
	"github.com/sallyport-dev/sallyport/internal/audit"
)

// This file makes cases of two sets of policies: messages that are just what their conditions compare fields with, and messages that just
// are not.

// Bounds of the cases. What is beyond them is not tried: cases show differences, they don't prove that there is none.
const (
	maxMessages = 2000
	maxProduct  = 500 // up to it every combination of values is a case
	maxCases    = 200_000
)

// Boundary decides cases made from the constants in the conditions of two snapshots on both. Plugins are taken to let everything pass.
func Boundary(ctx context.Context, old, now *engine.Snapshot) (*Report, error) {
	return boundaryOf(ctx, old, now, maxCases)
}

func boundaryOf(ctx context.Context, old, now *engine.Snapshot, most int) (*Report, error) {
	b := &boundary{old: old, now: now, flips: flips{}, outlines: map[*engine.Rule]*engine.Outline{}}
	b.report = Report{Revision: now.Revision(), Against: old.Revision(), NotReplayable: map[string]int{}}
	var messages []message
	for _, s := range []*engine.Snapshot{old, now} {
		for _, o := range s.Outlines() {
			b.outlines[o.Rule] = &o
			messages = append(messages, messagesOf(&o)...)
		}
	}
	messages = unique(messages, -1)
	b.report.Untried = len(messages) > maxMessages
	messages = messages[:min(len(messages), maxMessages)]
	b.each = most / max(len(messages), 1)
	for _, m := range messages {
		b.message(ctx, m)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	b.report.Flips = b.flips.sorted()
	b.report.count()
	return &b.report, nil
}

// boundary compares two snapshots.
type boundary struct {
	old, now *engine.Snapshot
	outlines map[*engine.Rule]*engine.Outline
	builder  Builder
	each     int // cases of a message, at most
	flips    flips
	report   Report
}

// message is what rules are found by.
type message struct {
	phase                                  engine.Phase
	method, server, tool, prompt, resource string
	failed                                 bool // the answer is an error
}

// kinds are messages that a rule without methods is tried with.
var kinds = []struct {
	method string
	about  engine.Subjects
}{
	{"tools/call", condition.Tool | condition.Success | condition.Failure},
	{"prompts/get", condition.Prompt | condition.Success | condition.Failure},
	{"resources/read", condition.Resource | condition.Success | condition.Failure},
}

// messagesOf are messages that a rule is about, and some that it just is not about.
func messagesOf(o *engine.Outline) (out []message) {
	for _, k := range kinds {
		methods := names(o, o.Methods, "mcp.method")
		if o.Methods == nil && o.About&^k.about == 0 {
			methods = append(methods, k.method)
		}
		for _, method := range methods {
			if about := condition.SubjectsOf(method); about != 0 && about&k.about == 0 || about == 0 && k.method != "tools/call" {
				continue // with the others of its kind
			}
			out = append(out, ofMethod(o, method)...)
		}
	}
	return out
}

// ofMethod are the messages of a method.
func ofMethod(o *engine.Outline, method string) (out []message) {
	m := message{phase: o.Phase, method: method}
	at, globs, field := &m.tool, o.Tools, "mcp.tool.name"
	switch condition.SubjectsOf(method) {
	case condition.Prompt:
		at, globs, field = &m.prompt, o.Prompts, "mcp.prompt.name"
	case condition.Resource:
		at, globs, field = &m.resource, o.Resources, "mcp.resource.uri"
	case condition.Tool:
	default:
		at = new(string)
	}
	for _, m.server = range orX(names(o, o.Servers, "mcp.tool.target", "request.mcp.backend")) {
		for _, *at = range orX(names(o, globs, field)) {
			m.failed = false
			out = append(out, m)
			if m.phase == engine.PhaseResponse {
				m.failed = true
				out = append(out, m)
			}
		}
	}
	return out
}

func orX(all []string) []string {
	if len(all) == 0 {
		return []string{"x"}
	}
	return all
}

// names are those that globs match, one each, and those that conditions compare fields with.
func names(o *engine.Outline, globs []string, fields ...string) (out []string) {
	for _, g := range globs {
		out = append(out, strings.NewReplacer("*", "x", "?", "x").Replace(g))
	}
	for i := range o.Constants {
		c := &o.Constants[i]
		if s, ok := c.Value.(string); ok && slices.ContainsFunc(c.Fields, func(f string) bool { return slices.Contains(fields, f) }) {
			out = append(out, aroundText(c.Of, s)...)
		}
	}
	out = slices.DeleteFunc(out, func(s string) bool { return s == "" })
	return unique(out, maxValues)
}

// message tries a message with all that the rules of both snapshots that apply to it compare.
func (b *boundary) message(ctx context.Context, m message) {
	r := m.record()
	constants := map[string][]engine.Constant{}
	for _, s := range []*engine.Snapshot{b.old, b.now} {
		q, err := b.builder.Request(r)
		if err != nil {
			return
		}
		d := s.DecideWith(ctx, q, passing)
		for _, rule := range d.Rules() {
			o := b.outlines[rule]
			b.gather(o, constants)
		}
	}
	b.try(ctx, m, constants)
}

// gather adds what a rule reads, and the constants that it compares that with.
func (b *boundary) gather(o *engine.Outline, constants map[string][]engine.Constant) {
	for _, f := range o.Fields {
		if within(f, "apiKey") {
			constants["principal.type"] = append(constants["principal.type"], engine.Constant{Value: engine.KindAPIKey})
		}
		if f = b.builder.fields.of(f).name; constants[f] == nil {
			constants[f] = []engine.Constant{}
		}
	}
	for _, c := range o.Constants {
		for _, f := range c.Fields {
			f = b.builder.fields.of(f).name
			constants[f] = append(constants[f], c)
		}
	}
}

// passing has every plugin let everything pass.
var passing = &engine.StandIns{Plugin: func(*engine.Rule, string, hostapi.Hook) *engine.Answer {
	return &engine.Answer{Verdict: hostapi.VerdictPass.String()}
}}

// record is a record of the message, about nothing that rules could read beside it.
func (m message) record() *audit.Record {
	r := &audit.Record{
		Kind: audit.Decision, Time: monday, PrincipalKind: engine.KindJWT, PrincipalID: "ann", Phase: m.phase.String(),
		Method: m.method, Server: m.server, Tool: m.tool, Prompt: m.prompt, Resource: m.resource,
	}
	if m.failed {
		r.Inputs = []audit.Input{{Name: "mcp.error.code", JSON: []byte("-32000")}}
	}
	return r
}

// try decides a message with the values of its fields, in all combinations or in all of any two.
func (b *boundary) try(ctx context.Context, m message, constants map[string][]engine.Constant) {
	var fields []string
	var values [][]string
	for _, f := range slices.Sorted(maps.Keys(constants)) {
		if v := b.values(f, constants[f], constants); len(v) > 0 {
			fields, values = append(fields, f), append(values, v)
		}
	}
	sizes := make([]int, len(values))
	for i, v := range values {
		sizes[i] = len(v)
	}
	before := b.report.Decisions
	for pick := range combinations(sizes) {
		if b.report.Decisions-before >= b.each || ctx.Err() != nil {
			b.report.Untried = true
			return
		}
		r := m.record()
		var text []string
		for i, f := range fields {
			if v := values[i][pick[i]]; v != absent {
				set(r, f, v)
				text = append(text, f+"="+brief(v))
			}
		}
		b.decide(ctx, r, strings.Join(text, " "))
	}
}

// values are those that a field is tried with; none if it has one with the message.
func (b *boundary) values(field string, all []engine.Constant, others map[string][]engine.Constant) []string {
	switch field {
	case "mcp.method", "mcp.tool.name", "mcp.tool.target", "mcp.resource.uri", "mcp.prompt.name", "request.mcp.backend":
		return nil
	case "now":
		return times(all)
	case "principal.type":
		return append(textsOf(all), engine.KindJWT, engine.KindAPIKey, engine.KindAnonymous)
	case "principal.id", "principal.issuer", "apiKey.id", "source.address":
		return append(textsOf(all), "other")
	case "mcp.error.code":
		return nil
	}
	if f := b.builder.fields.of(field); f.root == noRoot || len(f.steps) == 0 && !isList(field) {
		return nil // which of its members matter nobody knows
	}
	for other := range others {
		if other != field && within(other, field) && len(all) == 0 {
			return nil // its members are tried
		}
	}
	return around(field, all)
}

// textsOf are texts around what a name is compared with.
func textsOf(all []engine.Constant) (out []string) {
	for i := range all {
		if s, ok := all[i].Value.(string); ok {
			out = append(out, aroundText(all[i].Of, s)...)
		}
	}
	return unique(slices.DeleteFunc(out, func(s string) bool { return s == "" }), maxValues)
}

// set gives a field of a record a value: JSON, or text for what stands in it by itself.
func set(r *audit.Record, field, value string) {
	switch field {
	case "now":
		r.Time, _ = time.Parse(time.RFC3339Nano, value) // times wrote it
	case "principal.type":
		r.PrincipalKind = value
	case "principal.id":
		r.PrincipalID = value
	case "apiKey.id":
		r.PrincipalKind, r.PrincipalID = engine.KindAPIKey, value
	case "principal.issuer":
		r.Issuer = value
	case "source.address":
		r.SourceAddress = value
	default:
		r.Inputs = append(r.Inputs, audit.Input{Name: field, JSON: []byte(value)})
	}
}

// combinations are picks of one of each, with the first of each first: all of them if they are few; else, with the others at the first, the
// second or the third, all of any two.
func combinations(sizes []int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		product := 1
		for _, n := range sizes {
			if product *= n; product > maxProduct {
				break
			}
		}
		pick := make([]int, len(sizes))
		if product <= maxProduct {
			every(sizes, pick, 0, yield)
			return
		}
		for base := range 3 {
			for i := range sizes {
				for j := range i {
					for k, n := range sizes {
						pick[k] = min(base, n-1)
					}
					for pick[i] = range sizes[i] {
						for pick[j] = range sizes[j] {
							if !yield(pick) {
								return
							}
						}
					}
				}
			}
		}
	}
}

func every(sizes, pick []int, at int, yield func([]int) bool) bool {
	if at == len(sizes) {
		return yield(pick)
	}
	for pick[at] = range sizes[at] {
		if !every(sizes, pick, at+1, yield) {
			return false
		}
	}
	return true
}

// brief is a value as a report shows it.
func brief(v string) string {
	const most = 60
	if len(v) > most {
		return strings.ToValidUTF8(v[:most], "") + "..."
	}
	return v
}

// decide decides a case on both snapshots.
func (b *boundary) decide(ctx context.Context, r *audit.Record, text string) {
	q, err := b.builder.Request(r)
	if err != nil {
		return // two values that can't be together
	}
	b.report.Decisions++
	b.report.Replayed++
	was, is := verdictOf(b.old.DecideWith(ctx, q, passing)), verdictOf(b.now.DecideWith(ctx, q, passing))
	switch {
	case was.effect != is.effect:
		g := groupOf(r, was, is)
		g.principal = ""
		var example []string
		if text != "" { // the message says it all
			example = []string{text}
		}
		b.flips.add(g, 1, example...)
	case was != is:
		b.report.OtherRule++
	}
}

func verdictOf(d engine.Decision) verdict {
	v := verdict{effect: d.Effect.String()}
	if d.Rule != nil {
		v.policy, v.rule = d.Rule.Policy, d.Rule.Name
	}
	return v
}
