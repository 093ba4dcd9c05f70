package wasm

import (
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// Codes of reasons that the host gives.
const (
	CodeDenied = "denied_by_plugin" // the guest denied, and said no code
	CodeFailed = "plugin_failed"
)

// Failure is why a call failed. The zero Failure is none.
type Failure struct {
	Type hostapi.Failure
	Text string // for the operator; the caller is not told
	// Trace are the functions that a guest was in when it trapped, the innermost first, for
	// its author.
	Trace []string
	// hosts says that it is none of the plugin's.
	hosts bool
}

// Result is what a call came to. The zero Result denies. A Result can be used again: a call
// resets it, and what it held is no longer valid then.
type Result struct {
	judged  bool
	verdict hostapi.Verdict

	// Code and Message are the reason of a denial.
	Code, Message string
	// Approval is what a human is asked.
	Approval string
	Notes    []Note
	Labels   []string
	// Edits are those of a mutate, in the order in which they were made.
	Edits []Edit
	// Logs are lines for the operator's log, LogsDropped those that were too many.
	Logs        []Line
	LogsDropped int

	// Used has a bit for each of the manifest's capabilities, by its index, that the call made use of.
	Used uint64

	Failure Failure // a result with one denies
	Ejected bool    // the guest was not asked: it had failed too often
	Fuel    int64   // units used
	Time    time.Duration
	Memory  int // bytes that the instance had at the end

	text []byte // of the edits
}

// Note is a text for the decision's record.
type Note struct{ Key, Text string }

// Line is a line of a guest's log.
type Line struct {
	Level hostapi.Level
	Text  string
}

// Verdict is what the plugin says; deny if it failed or was not asked.
func (r *Result) Verdict() hostapi.Verdict {
	if !r.judged || r.Failure.Type != "" {
		return hostapi.VerdictDeny
	}
	return r.verdict
}

// reset forgets all but memory.
func (r *Result) reset() {
	clear(r.Notes)
	clear(r.Labels)
	clear(r.Edits)
	clear(r.Logs)
	*r = Result{Notes: r.Notes[:0], Labels: r.Labels[:0], Edits: r.Edits[:0], Logs: r.Logs[:0], text: r.text[:0]}
}

// fail makes the result one of a call that failed.
func (r *Result) fail(f Failure) {
	r.Failure, r.Code = f, CodeFailed
}

// take copies what the guest has said. Of a call that failed only notes and log lines stay.
func (r *Result) take(s *said, v hostapi.Verdict, failed bool) {
	text := string(s.text)
	get := func(x span) string { return text[x.from:x.to] }
	for _, n := range s.notes {
		r.Notes = append(r.Notes, Note{get(n.key), get(n.text)})
	}
	for _, l := range s.lines {
		r.Logs = append(r.Logs, Line{l.level, get(l.text)})
	}
	r.LogsDropped = s.dropped
	if failed {
		return
	}
	for _, l := range s.labels {
		r.Labels = append(r.Labels, get(l))
	}
	switch v {
	case hostapi.VerdictDeny:
		r.Code = CodeDenied
		if s.reasoned {
			r.Code, r.Message = get(s.code), get(s.message)
		}
	case hostapi.VerdictApprove:
		r.Approval = get(s.approval)
	default:
	}
}

// EditKind says what an edit does.
type EditKind uint8

// The kinds of edit.
const (
	EditReplace EditKind = iota + 1 // gives Value another value
	EditAdd                         // adds the member Name to the object Value
	EditRemove                      // takes Value out
)

// Edit is a change to the message that a plugin wants.
type Edit struct {
	Kind  EditKind
	Value jsonscan.Value
	Name  string
	// JSON is the new value, and Path the field path of the place, as the guest gave it or
	// as it would be asked for; empty for an item that is left out. Both are valid until the
	// Result is used again.
	JSON, Path []byte
	// Item is the index of an item of a list that is left out as a whole, -1 for other edits.
	Item int
}

// Apply adds the result's edits to e, which may hold others of the same message. It returns
// false if one doesn't fit, which is so only for another message than that of the call.
func (r *Result) Apply(e *jsonscan.Edits) bool {
	for i := range r.Edits {
		ok := false
		switch x := &r.Edits[i]; x.Kind {
		case EditReplace:
			ok = e.Replace(x.Value, x.JSON)
		case EditAdd:
			ok = e.Set(x.Value, x.Name, x.JSON)
		case EditRemove:
			ok = e.Remove(x.Value)
		}
		if !ok {
			return false
		}
	}
	return true
}
