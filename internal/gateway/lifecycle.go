package gateway

import (
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// This file is tools that come to an end: from one day on lists and results say so, from another on they are neither listed nor called.

// ToolEnd says how long a tool is to be used.
type ToolEnd struct {
	Deprecated time.Time // since when it is to be used no more; zero: it isn't deprecated
	Message    string    // why, for its users
	Blocked    time.Time // from when on it can't be used; zero: never
	ReplacedBy string    // the server's tool to use in its place; "": none
}

// deprecationMetaKey is where results and entries of lists say that their tool is deprecated.
const deprecationMetaKey = "dev.sallyport/deprecated"

// reasonBlocked says that a tool has come to its end.
const reasonBlocked = "tool_blocked"

func (t *ToolEnd) blocked(now time.Time) bool {
	return t != nil && !t.Blocked.IsZero() && !now.Before(t.Blocked)
}

func (t *ToolEnd) deprecated(now time.Time) bool {
	return t != nil && !t.Deprecated.IsZero() && !now.Before(t.Deprecated)
}

// endOf gives what is known of the end of the server's tool; nil if it has none.
func (x *exchange) endOf(tool string) *ToolEnd { return x.snap.Tools[x.serverName][tool] }

// usable refuses what policy allows, if the tool has come to its end. Who could not use it anyway has been told that it is unknown.
func (x *exchange) usable() *refusal {
	if x.snap.Tools == nil || x.msg.Target != mcp.TargetTool {
		return nil
	}
	end := x.endOf(x.msg.Name)
	if !end.blocked(x.start) {
		return nil
	}
	return x.bar(reasonBlocked, x.endText(end, "`"+x.clientName()+"` can't be used since "+dateOf(end.Blocked)+"."), nil)
}

// endText tells people and models what to do about it.
func (x *exchange) endText(end *ToolEnd, fact string) string {
	var b strings.Builder
	b.WriteString(fact)
	if end.Message != "" {
		b.WriteString(" " + end.Message)
	}
	if other := x.replacement(end); other != "" {
		b.WriteString(" Use `" + other + "` instead.")
	}
	return b.String()
}

// replacement is what the client calls the tool that replaces another; "" if it has no name for one.
func (x *exchange) replacement(end *ToolEnd) string {
	if x.view == nil || end.ReplacedBy == "" {
		return end.ReplacedBy
	}
	name, ok := x.view.Public(mcp.TargetTool, x.serverName, end.ReplacedBy)
	if !ok {
		return ""
	}
	return name
}

// noteItem says in an entry of a list that its tool is deprecated: where programs find it, and before its description, which models read.
func (x *exchange) noteItem(tool string, item jsonscan.Value, e *jsonscan.Edits) {
	end := x.endOf(tool)
	if !end.deprecated(x.start) {
		return
	}
	text := x.endText(end, "Deprecated since "+dateOf(end.Deprecated)+".")
	if !end.Blocked.IsZero() {
		text += " It can't be used from " + dateOf(end.Blocked) + " on."
	}
	if d := item.Get("description"); d.Kind() == jsonscan.String {
		text += "\n\n" + d.Text()
	}
	e.Set(item, "description", jsonscan.AppendQuote(nil, text))
	x.noteMeta(end, item, e)
}

// noteResult says in a result that the tool that gave it is deprecated.
func (x *exchange) noteResult(result jsonscan.Value) {
	if x.snap.Tools == nil || x.msg.Target != mcp.TargetTool {
		return
	}
	if end := x.endOf(x.msg.Name); end.deprecated(x.start) {
		x.noteMeta(end, result, &x.edits)
	}
}

// noteMeta adds what programs can read of the end of a tool to the _meta of an object.
func (x *exchange) noteMeta(end *ToolEnd, object jsonscan.Value, e *jsonscan.Edits) {
	note := append(append([]byte(`{"since":"`), dateOf(end.Deprecated)...), '"')
	for _, field := range [...][2]string{{`,"message":`, end.Message}, {`,"replacedBy":`, x.replacement(end)}, {`,"blockedFrom":`, dateOf(end.Blocked)}} {
		if field[1] != "" {
			note = jsonscan.AppendQuote(append(note, field[0]...), field[1])
		}
	}
	note = append(note, '}')
	switch meta := object.Get("_meta"); meta.Kind() {
	case jsonscan.Object:
		e.Set(meta, deprecationMetaKey, note)
	case jsonscan.Invalid:
		e.Set(object, "_meta", append(append([]byte(`{"`+deprecationMetaKey+`":`), note...), '}'))
	default: // what is no object is left as the server gave it
	}
}

// entry is an entry of a list of several servers, as its client gets it.
func (x *exchange) entry(e *federation.Entry) []byte {
	if x.msg.Spec.List == "tasks" {
		return x.taskEntry(e)
	}
	if x.snap.Tools == nil || x.msg.Spec.List != "tools" || !x.endOf(e.Name).deprecated(x.start) {
		return e.JSON
	}
	var doc jsonscan.Doc
	var edits jsonscan.Edits
	if doc.Scan(e.JSON, x.scanOptions()) != nil {
		return e.JSON
	}
	x.noteItem(e.Name, doc.Root(), &edits)
	return doc.Root().AppendEdited(nil, &edits)
}

// dateOf writes a date as the config does; "" is none.
func dateOf(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.Equal(t.Truncate(24 * time.Hour)):
		return t.UTC().Format(time.DateOnly)
	}
	return t.UTC().Format(time.RFC3339)
}
