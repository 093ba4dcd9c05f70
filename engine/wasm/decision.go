package wasm

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// What a module of Rego answers is a document. docs/rego.md says what it means: nothing passes
// unless the document says so, and a document that says something else besides is refused.

// codeUndefined is the reason of a denial by a module that decided nothing.
const codeUndefined = "undefined_decision"

// decision makes a verdict of a document, or stops the call.
func (in *instance) decision(doc jsonscan.Value) hostapi.Verdict {
	switch doc.Kind() {
	case jsonscan.True:
		return hostapi.VerdictPass
	case jsonscan.False:
		return in.denied("", "")
	case jsonscan.Object:
	default:
		in.stop(hostapi.FailureABI, "the decision is neither true or false nor an object: %s", head(doc.Raw()))
	}
	d := document{in: in}
	for name, v := range doc.Members() {
		d.member(name.Text(), v)
	}
	return d.verdict()
}

// denied says why a message is denied; what is empty says nothing.
func (in *instance) denied(code, text string) hostapi.Verdict {
	if s := &in.said; code != "" || text != "" {
		if code == "" {
			code = CodeDenied
		}
		s.reasoned, s.code, s.message = true, s.add([]byte(code)), s.addText([]byte(text))
		in.bound()
	}
	return hostapi.VerdictDeny
}

// document is a decision as it is read.
type document struct {
	in           *instance
	named        hostapi.Verdict // by verdict
	isNamed      bool
	allow, isSet bool // by allow
	denials      []string
	isDeny       bool // deny is there
	code, text   string
	edited       bool
}

func (d *document) wrong(where, want string) {
	d.in.stop(hostapi.FailureABI, "the decision's %s is not %s", where, want)
}

func (d *document) member(name string, v jsonscan.Value) {
	switch name {
	case "verdict":
		if d.named, d.isNamed = hostapi.ParseVerdict(d.string(name, v)); !d.isNamed {
			d.wrong(name, "one of pass, deny, mutate, approve, abstain")
		}
	case "allow":
		if d.allow, d.isSet = v.Bool(); !d.isSet {
			d.wrong(name, "true or false")
		}
	case "deny":
		d.isDeny = true
		for e := range d.list(name, v) {
			d.denials = append(d.denials, d.string("deny", e))
		}
	case "reason":
		if d.code = d.string(name, v); !isCode([]byte(d.code)) {
			d.wrong(name, "a code: a lower-case letter, then lower-case letters, digits, _, . and -")
		}
	case "message":
		d.text = d.string(name, v)
	case "labels":
		for e := range d.list(name, v) {
			d.label(d.string(name, e))
		}
	case "notes":
		d.notes(name, v)
	case "patch":
		for e := range d.list(name, v) {
			d.patch(e)
		}
	case "drop":
		for e := range d.list(name, v) {
			d.drop(e)
		}
	default:
		d.in.stop(hostapi.FailureABI, "the decision has a member %q; there are allow, deny, drop, labels, message, notes, patch, reason, verdict", head([]byte(name)))
	}
}

func (d *document) string(where string, v jsonscan.Value) string {
	if v.Kind() != jsonscan.String {
		d.wrong(where, "a string, or has one that is none")
	}
	return v.Text()
}

func (d *document) list(where string, v jsonscan.Value) func(func(jsonscan.Value) bool) {
	if v.Kind() != jsonscan.Array {
		d.wrong(where, "a list or a set")
	}
	return v.Elems()
}

func (d *document) label(name string) {
	switch {
	case !isKey([]byte(name)):
		d.wrong("labels", "a list of labels")
	case !d.in.said.label([]byte(name)):
		d.in.stop(hostapi.FailureABI, "more than %d labels", hostapi.LimitLabels)
	}
}

func (d *document) notes(where string, v jsonscan.Value) {
	if v.Kind() != jsonscan.Object {
		d.wrong(where, "an object of strings")
	}
	for key, text := range v.Members() {
		switch k := []byte(key.Text()); {
		case !isKey(k):
			d.wrong(where, "an object whose names are keys of notes")
		case !d.in.said.note(k, []byte(d.string(where, text))):
			d.in.stop(hostapi.FailureABI, "more than %d notes", hostapi.LimitNotes)
		}
	}
	d.in.bound()
}

// patch is one edit: {"op": "set", "path": "args.path", "value": ...}, or "remove" without value.
func (d *document) patch(v jsonscan.Value) {
	if v.Kind() != jsonscan.Object {
		d.wrong("patch", "a list of objects")
	}
	var op, path string
	var value []byte
	for name, m := range v.Members() {
		switch name.Text() {
		case "op":
			op = d.string("patch: op", m)
		case "path":
			path = d.string("patch: path", m)
		case "value":
			value = m.Raw()
		default:
			d.wrong("patch", "of op, path and value")
		}
	}
	ops := map[string]hostapi.Patch{"set": hostapi.PatchSet, "remove": hostapi.PatchRemove}
	number, ok := ops[op]
	if !ok || (number == hostapi.PatchSet) != (value != nil) {
		d.wrong("patch", "set with a value, or remove without one")
	}
	if c := d.in.patch(number, []byte(path), value); c != hostapi.CodeOk {
		d.in.stop(hostapi.FailureABI, "patch: the message has no place %s, or what is around it is of another type", head([]byte(path)))
	}
	d.edited = true
}

func (d *document) drop(v jsonscan.Value) {
	k, ok := v.Int64()
	if d.in.judging != hostapi.HookList || !ok || k < 0 || k > 1<<31-1 || !d.in.drop(int32(k)) {
		d.wrong("drop", "a list of indexes of items")
	}
	d.edited = true
}

// verdict is what all of the document comes to.
func (d *document) verdict() hostapi.Verdict {
	if d.isNamed && (d.isSet || d.isDeny) {
		d.in.stop(hostapi.FailureABI, "the decision has a verdict, and allow or deny besides")
	}
	slices.Sort(d.denials)
	text := d.text
	if text == "" {
		text = strings.Join(slices.Compact(d.denials), "; ")
	}
	switch v := d.outcome(); v {
	case hostapi.VerdictDeny:
		code := d.code
		if code == "" && !d.isNamed && !d.isSet && len(d.denials) == 0 {
			code = codeUndefined
		}
		return d.in.denied(code, text)
	case hostapi.VerdictApprove:
		d.in.said.approval = d.in.said.addText([]byte(text))
		d.in.bound()
		return v
	default:
		return v
	}
}

func (d *document) outcome() hostapi.Verdict {
	switch {
	case d.isNamed:
		return d.named
	case !d.allow || len(d.denials) > 0:
		return hostapi.VerdictDeny
	case d.edited:
		return hostapi.VerdictMutate
	}
	return hostapi.VerdictPass
}
