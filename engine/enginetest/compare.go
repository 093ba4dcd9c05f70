package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// run decides a case and says what differs.
func (c *single) run(ctx context.Context, s *engine.Snapshot) Result {
	if c.list != nil {
		return c.runList(ctx, s)
	}
	with := c.mocks.begin()
	d := s.DecideWith(ctx, c.request, &with.StandIns)
	r := Result{Differences: append(c.want.differences(&d, c.request), with.differences(&d, &c.want)...)}
	if len(r.Differences) > 0 {
		x := s.Explain(ctx, c.request, nil)
		x.Decision = d // which plugins were asked for
		r.Explanation = x.Text() + plugins(&d)
	}
	return r
}

// plugins says what plugins have said.
func plugins(d *engine.Decision) string {
	var b strings.Builder
	for i := range d.Plugins {
		p := &d.Plugins[i]
		fmt.Fprintf(&b, "\nplugin %s, by %s: %s", strings.TrimSpace(p.Name+" "+p.Version), p.Rule.ID(), p.Verdict)
		for _, part := range []string{p.Code, p.Message} {
			if part != "" {
				b.WriteString(": " + part)
			}
		}
		if p.Cause != nil {
			b.WriteString(" (" + p.Cause.Error() + ")")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (c *single) runList(ctx context.Context, s *engine.Snapshot) Result {
	got := []string{}
	for _, r := range c.list {
		if d := s.Visible(ctx, r); d.Allowed() {
			got = append(got, r.Server+"/"+r.Tool)
		}
	}
	var r Result
	if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(c.want.visible))) {
		r.Differences = []Difference{{"visible", listed(c.want.visible), listed(got)}}
	}
	return r
}

func listed(names []string) string { return "[" + strings.Join(names, ", ") + "]" }

// differences compares a decision with what is wanted.
func (w *want) differences(d *engine.Decision, r *engine.Request) []Difference {
	var out []Difference
	add := func(what, want, got string) { out = append(out, Difference{what, want, got}) }
	if got := d.Effect.String(); got != w.effect {
		if d.Cause != nil {
			got += " (" + d.Cause.Error() + ")"
		}
		add("effect", w.effect, got)
	}
	rule := ""
	if d.Rule != nil {
		rule = d.Rule.ID()
	}
	if w.rule != nil && *w.rule != rule {
		add("rule", orNone(*w.rule), orNone(rule))
	}
	if w.reason != nil && *w.reason != d.Reason {
		add("reason", orNone(*w.reason), orNone(d.Reason))
	}
	if want, ok := w.message.holds(d.Message); !ok {
		add("message", want, strconv.Quote(d.Message))
	}
	out = append(out, w.changes(d, r)...)
	out = append(out, w.said(d)...)
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// holds says whether a text is as wanted, and what is.
func (l *like) holds(text string) (want string, ok bool) {
	switch {
	case l == nil:
	case l.equals != nil && *l.equals != text:
		return strconv.Quote(*l.equals), false
	case l.contains != nil && !strings.Contains(text, *l.contains):
		return "one that contains " + strconv.Quote(*l.contains), false
	case l.matches != nil && !l.matches.MatchString(text):
		return "one that matches " + l.matches.String(), false
	}
	return "", true
}

// changes compares what plugins have made of the message.
func (w *want) changes(d *engine.Decision, r *engine.Request) []Difference {
	var out []Difference
	changed, unchanged := d.Rewritten, "no change"
	compare := func(what string, want, got jsonscan.Value) {
		if !want.Exists() {
			return
		}
		switch {
		case !changed.Exists():
			out = append(out, Difference{what, string(want.AppendTo(nil)), unchanged})
		case !same(want, got):
			out = append(out, Difference{what, string(want.AppendTo(nil)), string(got.AppendTo(nil))})
		}
	}
	compare("args", w.args, changed.Get("arguments"))
	compare("patched", w.patched, changed)
	if changed.Exists() && !w.args.Exists() && !w.patched.Exists() && w.effect == engine.Allow.String() {
		got := changed
		if r.Phase != engine.PhaseResponse && r.Tool != "" {
			got = changed.Get("arguments")
		}
		out = append(out, Difference{"change", unchanged, string(got.AppendTo(nil))})
	}
	return out
}

// said compares labels and notes.
func (w *want) said(d *engine.Decision) []Difference {
	var out []Difference
	var labels []string
	notes := map[string]string{}
	for i := range d.Plugins {
		labels = append(labels, d.Plugins[i].Labels...)
		for _, n := range d.Plugins[i].Notes {
			notes[n.Key] = n.Text
		}
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	if w.saysLabels && !slices.Equal(labels, w.labels) {
		out = append(out, Difference{"labels", listed(w.labels), listed(labels)})
	}
	if w.notes == nil {
		return out
	}
	for _, key := range slices.Sorted(maps.Keys(w.notes)) {
		got, ok := notes[key]
		want, holds := w.notes[key].holds(got)
		switch {
		case !ok:
			out = append(out, Difference{"note " + key, orNone(want), "none"})
		case !holds:
			out = append(out, Difference{"note " + key, want, strconv.Quote(got)})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(notes)) {
		if w.notes[key] == nil {
			out = append(out, Difference{"note " + key, "none", strconv.Quote(notes[key])})
		}
	}
	return out
}

// same says whether two values are the same JSON: the order of members and the spelling of strings and numbers count for nothing.
func same(a, b jsonscan.Value) bool {
	if a.Kind() != b.Kind() || a.Len() != b.Len() {
		return false
	}
	switch a.Kind() {
	case jsonscan.Object:
		for name, v := range a.Members() {
			if w := b.Get(name.Text()); !w.Exists() || !same(v, w) {
				return false
			}
		}
	case jsonscan.Array:
		i := 0
		for v := range a.Elems() {
			if !same(v, b.Index(i)) {
				return false
			}
			i++
		}
	case jsonscan.String:
		return a.Text() == b.Text()
	case jsonscan.Number:
		return sameNumber(a, b)
	case jsonscan.Invalid, jsonscan.Null, jsonscan.False, jsonscan.True:
	}
	return true
}

// sameNumber compares numbers by their digits, however many and however they are written: 1e2 is 100.0, and 9007199254740993 is no double's.
func sameNumber(a, b jsonscan.Value) bool {
	if bytes.Equal(a.Raw(), b.Raw()) {
		return true
	}
	x, ok := decimalOf(a.Raw())
	y, also := decimalOf(b.Raw())
	return ok && also && x == y
}

// decimal is a number: 0.digits times ten to the power of point. Its digits neither begin nor end with a zero; zero has none.
type decimal struct {
	negative bool
	digits   string
	point    int
}

// decimalOf fails for an exponent that no int holds.
func decimalOf(raw []byte) (decimal, bool) {
	text, negative := strings.CutPrefix(strings.ToLower(string(raw)), "-")
	mantissa, power, _ := strings.Cut(text, "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	d := decimal{negative, strings.TrimRight(digits, "0"), len(digits) - len(fraction)}
	if d.digits == "" {
		return decimal{}, true
	}
	if power != "" {
		n, err := strconv.Atoi(power)
		if err != nil || n < math.MinInt32 { // the scanner has refused those that are too large
			return decimal{}, false
		}
		d.point += n
	}
	return d, true
}

// String says what differs in a line.
func (d Difference) String() string { return fmt.Sprintf("%s: got %s, want %s", d.What, d.Got, d.Want) }
