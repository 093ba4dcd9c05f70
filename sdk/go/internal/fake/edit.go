package fake

import (
	"slices"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/manifest"
)

// str is a string that is enumerated.
type str struct {
	path manifest.Path
	node *manifest.Node
}

// edit is a change that a plugin asks for; a nil value removes.
type edit struct {
	path  manifest.Path // as the plugin wrote it
	place string
	value *manifest.Node
}

// enumerate lists the strings of the hook.
func (h *Host) enumerate() []str {
	var out []str
	for _, text := range h.Manifest.Strings[manifest.Hooks[h.Hook]] {
		p, err := manifest.ParsePath(text)
		if err == nil && h.Message.judged(p.Name, h.Hook) {
			walk(h.Message.value(p.Name.Name, h.Hook), p.Segments, p.Name.Name, &out)
		}
	}
	if h.Grant.Strings == nil {
		return out
	}
	return slices.DeleteFunc(out, func(s str) bool {
		return !slices.ContainsFunc(h.Grant.Strings, func(g manifest.Path) bool { return g.Holds(s.path) })
	})
}

// walk collects the strings at and below the places that segments name.
func walk(n *manifest.Node, segments []manifest.Segment, at string, out *[]str) {
	switch {
	case n == nil:
	case len(segments) > 0 && segments[0].Kind != manifest.Any:
		walk(n.Step(segments[0]), segments[1:], at+segments[0].String(), out)
	case len(segments) > 0 && n.Kind != abi.KindArray:
	case n.Kind == abi.KindString:
		if p, err := manifest.ParsePath(at); err == nil {
			*out = append(*out, str{p, n})
		}
	default:
		for i, e := range n.Elems {
			s := manifest.Segment{Kind: manifest.Index, Index: i}
			if n.Kind == abi.KindObject {
				s = manifest.Segment{Key: n.Names[i]}
			}
			walk(e, segments[min(1, len(segments)):], at+s.String(), out)
		}
	}
}

func (h *Host) string(index int32) *str {
	if index < 0 || int(index) >= len(h.strings) {
		return nil
	}
	return &h.strings[index]
}

// StrCount is the ABI's.
func (h *Host) StrCount() int32 {
	h.when("str_count", true, abi.FeatureStrings)
	return int32(len(h.strings))
}

// Str is the ABI's.
func (h *Host) Str(index int32, buf []byte) int32 {
	h.when("str", true, abi.FeatureStrings)
	if s := h.string(index); s != nil {
		return give(s.node.Text, buf)
	}
	return abi.CodeAbsent
}

// StrPath is the ABI's.
func (h *Host) StrPath(index int32, buf []byte) int32 {
	h.when("str_path", true, abi.FeatureStrings)
	if s := h.string(index); s != nil {
		return give(s.path.Text, buf)
	}
	return abi.CodeAbsent
}

// StrReplace is the ABI's.
func (h *Host) StrReplace(index int32, text string) int32 {
	h.when("str_replace", true, abi.FeatureStrings)
	s := h.string(index)
	if s == nil {
		return abi.CodeAbsent
	}
	if !utf8.ValidString(text) {
		fail(abi.FailureABI, "str_replace: the text is not UTF-8")
	}
	h.writable(s.path)
	h.edit(s.path, manifest.String(text))
	return abi.CodeOk
}

// writable fails unless a place may be edited.
func (h *Host) writable(p manifest.Path) {
	granted := h.Grant.Writes
	if granted == nil {
		for _, text := range h.Manifest.Writes {
			if w, err := manifest.ParsePath(text); err == nil {
				granted = append(granted, w)
			}
		}
	}
	switch {
	case !slices.ContainsFunc(granted, func(w manifest.Path) bool { return w.Holds(p) }):
		fail(abi.FailureCapability, "%s is not within the granted writes", p.Text)
	case !p.Editable():
		fail(abi.FailureCapability, "%s is protected", p.Text)
	case !h.Message.judged(p.Place().Name, h.Hook) && !h.Message.judged(p.Name, h.Hook):
		fail(abi.FailureCapability, "%s is not a part of the message that the hook judges", p.Text)
	}
}

// edit notes a change. A later one of the same place counts.
func (h *Host) edit(p manifest.Path, value *manifest.Node) {
	place := p.Place().Text
	h.edits = slices.DeleteFunc(h.edits, func(e edit) bool { return e.place == place })
	h.edits = append(h.edits, edit{p, place, value})
	size := 0
	for _, e := range h.edits {
		if e.value != nil {
			size += len(e.value.JSON())
		}
	}
	if len(h.edits) > abi.LimitEdits || size > abi.LimitEditBytes {
		fail(abi.FailureABI, "too many edits, or too large")
	}
}

// Patch is the ABI's.
func (h *Host) Patch(op int32, path, json string) int32 {
	h.when("patch", true, abi.FeaturePatch)
	p, err := manifest.ParsePath(path)
	if err != nil || p.Wild() {
		fail(abi.FailureABI, "patch: %q is no path of one place", path)
	}
	var value *manifest.Node
	switch op {
	case abi.PatchSet:
		if value, err = manifest.ParseJSON(json); err != nil {
			fail(abi.FailureABI, "patch: %s: the value is no JSON: %v", path, err)
		}
	case abi.PatchRemove:
		if json != "" {
			fail(abi.FailureABI, "patch: remove takes no value")
		}
	default:
		fail(abi.FailureABI, "patch: there is no op %d", op)
	}
	h.writable(p)
	if code := h.target(p.Place(), value != nil); code != abi.CodeOk {
		return code
	}
	h.edit(p, value)
	return abi.CodeOk
}

// target reports whether there is a place to edit.
func (h *Host) target(p manifest.Path, set bool) int32 {
	n := h.Message.value(p.Name.Name, h.Hook)
	if n == nil {
		return abi.CodeAbsent
	}
	for i, s := range p.Segments {
		last := i == len(p.Segments)-1
		if s.Kind == manifest.Key && n.Kind != abi.KindObject || s.Kind == manifest.Index && n.Kind != abi.KindArray {
			return abi.CodeWrongType
		}
		if n = n.Step(s); n == nil {
			if last && set && s.Kind == manifest.Key {
				return abi.CodeOk
			}
			return abi.CodeAbsent
		}
	}
	if len(p.Segments) == 0 && !set {
		return abi.CodeWrongType
	}
	return abi.CodeOk
}

// ItemDrop is the ABI's.
func (h *Host) ItemDrop(index int32) int32 {
	h.when("item_drop", true, abi.FeatureList)
	if index < 0 || int(index) >= len(h.Message.items().Elems) {
		return abi.CodeAbsent
	}
	p, err := manifest.ParsePath("items" + manifest.Segment{Kind: manifest.Index, Index: int(index)}.String())
	if err != nil {
		fail(abi.FailureABI, "%v", err)
	}
	h.edit(p, nil)
	return abi.CodeOk
}

// Edit is a change as tests see it.
type Edit struct {
	Path, JSON string // no JSON: the place is removed
}

var verdicts = [...]string{
	abi.VerdictPass: "pass", abi.VerdictDeny: "deny", abi.VerdictMutate: "mutate", abi.VerdictApprove: "approve", abi.VerdictAbstain: "abstain",
}

// Finish checks the verdict of a hook and what goes with it, and returns what it comes to, the
// edits, and the message as edited.
func (h *Host) Finish(verdict int32) (int32, []Edit, *Message) {
	if verdict < 0 || int(verdict) >= len(verdicts) {
		fail(abi.FailureABI, "%d is no verdict", verdict)
	}
	name := verdicts[verdict]
	granted := h.Grant.Verdicts
	if granted == nil {
		granted = h.Manifest.Verdicts
	}
	if name != "pass" && name != "abstain" && !slices.Contains(granted, name) {
		fail(abi.FailureCapability, "the verdict %s is not granted", name)
	}
	if verdict == abi.VerdictDeny {
		return verdict, nil, h.Message
	}
	if len(h.edits) > 0 && verdict != abi.VerdictMutate {
		fail(abi.FailureABI, "there are edits, and the verdict is %s", name)
	}
	var out []Edit
	for _, e := range h.edits {
		for _, f := range h.edits {
			if e.place != f.place && e.path.Holds(f.path) {
				fail(abi.FailureABI, "the edit of %s is inside that of %s", f.path.Text, e.path.Text)
			}
		}
		x := Edit{Path: e.path.Text}
		if e.value != nil {
			x.JSON = e.value.JSON()
		}
		out = append(out, x)
	}
	if verdict == abi.VerdictMutate && len(out) == 0 {
		verdict = abi.VerdictPass
	}
	return verdict, out, h.edited()
}
