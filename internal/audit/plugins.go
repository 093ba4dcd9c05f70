package audit

import (
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// A Plugin is what a plugin said of a message.
type Plugin struct {
	Name, Version, Module string // Module is the digest of its code
	Setup                 string // digest of all that its verdict rests on but the message
	Policy, Rule          string // that called it
	Hook, Verdict         string
	Shadow                bool   // nothing came of it
	Reason, Message       string // of a denial; what a human is asked
	Failure               string // how the call failed; "" if it did not
	Notes                 []PluginNote
	Labels                []string
	Used                  []string // sets of detectors and tables that it looked things up in
	Patch                 []PluginEdit
	Fuel                  int64
	Time                  time.Duration
}

// A PluginNote is what a plugin wants to be known.
type PluginNote struct{ Key, Text string }

// A PluginEdit is a change to the message: an operation, a field, and the new value as JSON.
type PluginEdit struct {
	Op, Path string
	JSON     []byte
}

// Bounds of what is written of a record's plugins. What is beyond them is left out.
const (
	MaxPlugins     = 16
	maxPluginItems = 32 // notes, labels or edits of one
)

func (e *encoder) plugins(all []Plugin) {
	if len(all) == 0 {
		return
	}
	left := MaxInputs // for the values of all patches together
	e.b = append(e.b, `,"plugins":[`...)
	for i := range all[:min(len(all), MaxPlugins)] {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.pluginOf(&all[i], &left)
	}
	e.b = append(e.b, ']')
}

func (e *encoder) pluginOf(p *Plugin, left *int) {
	e.b = append(e.b, `{"plugin":"`...)
	e.b = append(appendCut(e.b, p.Name, MaxText), '"')
	e.plain(`,"version":"`, p.Version)
	e.plain(`,"module":"`, p.Module)
	e.plain(`,"setup":"`, p.Setup)
	e.plain(`,"policy":"`, p.Policy)
	e.plain(`,"rule":"`, p.Rule)
	e.plain(`,"hook":"`, p.Hook)
	if p.Shadow {
		e.b = append(e.b, `,"shadow":true`...)
	}
	e.plain(`,"verdict":"`, p.Verdict)
	e.text(`,"reason":`, p.Reason, MaxText)
	e.text(`,"message":`, p.Message, MaxLong)
	e.plain(`,"failure":"`, p.Failure)
	e.notes(p.Notes)
	e.texts(`,"labels":[`, p.Labels)
	e.texts(`,"used":[`, p.Used)
	e.patch(p.Patch, left)
	e.number(`,"fuel":`, p.Fuel)
	e.micros(`,"us":`, p.Time)
	e.b = append(e.b, '}')
}

// notes are written as a list, for a guest may give a key twice.
func (e *encoder) notes(all []PluginNote) {
	for i, n := range all[:min(len(all), maxPluginItems)] {
		e.b = append(e.b, []string{`,"notes":[{`, `,{`}[min(i, 1)]...)
		e.b = append(e.b, `"key":`...)
		e.b, _ = e.mask.appendString(e.b, n.Key, MaxText)
		text := n.Text
		if e.mask.Secret(n.Key) {
			text = Redacted
		}
		e.b = append(e.b, `,"text":`...)
		e.b, _ = e.mask.appendString(e.b, text, MaxLong)
		e.b = append(e.b, '}')
	}
	if len(all) > 0 {
		e.b = append(e.b, ']')
	}
}

func (e *encoder) texts(begin string, all []string) {
	for i, l := range all[:min(len(all), maxPluginItems)] {
		e.b = append(e.b, []string{begin, `,`}[min(i, 1)]...)
		e.b, _ = e.mask.appendString(e.b, l, MaxText)
	}
	if len(all) > 0 {
		e.b = append(e.b, ']')
	}
}

// patch writes the new values as inputs are written: masked, and left out when they don't fit.
func (e *encoder) patch(all []PluginEdit, left *int) {
	for i := range all[:min(len(all), maxPluginItems)] {
		x := &all[i]
		e.b = append(e.b, []string{`,"patch":[{"op":"`, `,{"op":"`}[min(i, 1)]...)
		e.b = append(appendCut(e.b, x.Op, MaxText), '"')
		e.text(`,"path":`, x.Path, MaxText)
		e.patchValue(x, left)
		e.b = append(e.b, '}')
	}
	if len(all) > 0 {
		e.b = append(e.b, ']')
	}
}

func (e *encoder) patchValue(x *PluginEdit, left *int) {
	if len(x.JSON) == 0 || len(x.JSON) > maxSource {
		return
	}
	start := len(e.b)
	e.b = append(e.b, `,"value":`...)
	if e.mask.secretField(x.Path) {
		e.b = append(e.b, `"`+Redacted+`"`...)
		return
	}
	w := rewrite{mask: e.mask, dst: e.b, scratch: e.scratch, end: len(e.b) + *left}
	ok := w.run(x.JSON)
	e.scratch = w.scratch
	if e.b = w.dst; !ok {
		e.b = e.b[:start]
		return
	}
	*left -= len(e.b) - start
}

func (r *Record) decodePlugins(v jsonscan.Value) {
	for p := range v.Get("plugins").Elems() {
		out := Plugin{
			Name: str(p, "plugin"), Version: str(p, "version"), Module: str(p, "module"), Setup: str(p, "setup"), Policy: str(p, "policy"), Rule: str(p, "rule"),
			Hook: str(p, "hook"), Verdict: str(p, "verdict"), Reason: str(p, "reason"), Message: str(p, "message"), Failure: str(p, "failure"),
			Fuel: number(p, "fuel"), Time: micros(p, "us"),
		}
		out.Shadow, _ = p.Get("shadow").Bool()
		for n := range p.Get("notes").Elems() {
			out.Notes = append(out.Notes, PluginNote{str(n, "key"), str(n, "text")})
		}
		for l := range p.Get("labels").Elems() {
			out.Labels = append(out.Labels, l.Text())
		}
		for u := range p.Get("used").Elems() {
			out.Used = append(out.Used, u.Text())
		}
		for x := range p.Get("patch").Elems() {
			out.Patch = append(out.Patch, PluginEdit{str(x, "op"), str(x, "path"), append([]byte(nil), x.Get("value").Raw()...)})
		}
		r.Plugins = append(r.Plugins, out)
	}
}
