package tck

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// Expect is the answer to a vector's question.
type Expect struct {
	// Load are texts that the refusal of the plugin has to have; nil: it is loaded.
	Load []string

	Verdict string // pass if empty; deny if it failed
	// Failure is a type of failure, or several with | between them.
	Failure  string
	Reason   []string // code and text
	Approval string
	Out      *string // the note out
	Notes    map[string]string
	Random   int // bytes of random_get that are the text of the note random
	Labels   []string
	Logs     [][2]string // level and text
	// Counts are how many notes, labels and log lines there are, where they are not given.
	Counts map[string]int
	// After is the message after the edits: the arguments if the vector has args, else the
	// params without _meta; the result; the items.
	After json.RawMessage
}

// unnamed returns a text that an error lacks.
func (e *Expect) unnamed(err error) string {
	for _, want := range e.Load {
		if !strings.Contains(err.Error(), want) {
			return want
		}
	}
	return ""
}

// check says all that is not as it must be.
func (e *Expect) check(v *Vector, o Outcome) error {
	var errs []error
	differ := func(what string, want, got any) {
		w, g := fmt.Sprintf("%q", want), fmt.Sprintf("%q", got)
		if w != g {
			errs = append(errs, fmt.Errorf("%s: want %s, got %s", what, w, g))
		}
	}
	if !e.failed(o.Failure) {
		differ("failure", e.Failure, string(o.Failure)+" ("+o.Explained+")")
	}
	verdict, reason := e.answer()
	differ("verdict", verdict, o.Verdict.String())
	differ("reason", reason, []string{o.Code, o.Text})
	differ("approval", e.Approval, o.Approval)
	e.checkSaid(v, o, differ)
	after, err := v.after(o.After)
	if err != nil {
		errs = append(errs, err)
	}
	want, err := canonical(e.After)
	differ("message after the edits", want, after)
	return errors.Join(append(errs, err)...)
}

func (e *Expect) failed(f hostapi.Failure) bool {
	return slices.Contains(strings.Split(e.Failure, "|"), string(f))
}

// answer fills in what every denial has.
func (e *Expect) answer() (verdict string, reason []string) {
	switch {
	case e.Failure != "":
		return "deny", []string{"plugin_failed", ""}
	case e.Verdict == "":
		return "pass", []string{"", ""}
	case e.Verdict == "deny" && e.Reason == nil:
		return "deny", []string{"denied_by_plugin", ""}
	case e.Reason == nil:
		return e.Verdict, []string{"", ""}
	}
	return e.Verdict, e.Reason
}

func (e *Expect) checkSaid(v *Vector, o Outcome, differ func(what string, want, got any)) {
	notes := map[string]string{}
	maps.Copy(notes, e.Notes)
	if e.Out != nil {
		notes["out"] = *e.Out
	}
	if e.Random > 0 {
		notes["random"] = random(v.digest, e.Random)
	}
	for what, n := range map[string]int{"notes": len(o.Notes), "labels": len(o.Labels), "logs": len(o.Logs)} {
		if want, ok := e.Counts[what]; ok {
			differ("number of "+what, fmt.Sprint(want), fmt.Sprint(n))
		}
	}
	if _, ok := e.Counts["notes"]; !ok {
		differ("notes", flat(notes), flat(o.Notes))
	}
	if _, ok := e.Counts["labels"]; !ok {
		differ("labels", slices.Clone(e.Labels), o.Labels)
	}
	if _, ok := e.Counts["logs"]; !ok {
		var want, got []string
		for _, l := range e.Logs {
			want = append(want, l[0]+": "+l[1])
		}
		for _, l := range o.Logs {
			got = append(got, l.Level.String()+": "+l.Text)
		}
		if dying := o.Failure == hostapi.FailureTrap || o.Failure == hostapi.FailureFuel; dying && v.Module == nil && len(got) > len(want) {
			got = got[:len(want)] // what a language's runtime says as it dies
		}
		differ("log", want, got)
	}
}

// random is what a guest's stream of random bytes begins with, as a text.
func random(digest [sha256.Size]byte, n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(digest).Read(b)
	return string([]rune(string(b)))
}

func flat(m map[string]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return out
}

// after is the part of an edited message that vectors tell of.
func (v *Vector) after(raw json.RawMessage) (string, error) {
	if raw == nil || v.Hook == "list" || v.Message != nil && v.Message.Result != nil && v.Hook == "response" {
		return canonical(raw)
	}
	ms, err := members(raw)
	if err != nil {
		return "", err
	}
	var rest []member
	for _, m := range ms {
		if v.Args != nil && m.name == "arguments" {
			return canonical(m.value)
		}
		if m.name != "_meta" {
			rest = append(rest, m)
		}
	}
	return canonical(object(rest))
}

// canonical writes JSON in one way, with members and digits as they are.
func canonical(raw json.RawMessage) (string, error) {
	if raw == nil {
		return "", nil
	}
	switch raw = bytes.TrimSpace(raw); raw[0] {
	case '{':
		ms, err := members(raw)
		if err != nil {
			return "", err
		}
		parts := make([]string, len(ms))
		for i, m := range ms {
			value, err := canonical(m.value)
			if err != nil {
				return "", err
			}
			parts[i] = fmt.Sprintf("%q:%s", m.name, value)
		}
		return "{" + strings.Join(parts, ",") + "}", nil
	case '[':
		var es []json.RawMessage
		if err := json.Unmarshal(raw, &es); err != nil {
			return "", err
		}
		parts := make([]string, len(es))
		for i, e := range es {
			var err error
			if parts[i], err = canonical(e); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(parts, ",") + "]", nil
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return fmt.Sprintf("%q", s), err
	default:
		return string(raw), nil
	}
}
