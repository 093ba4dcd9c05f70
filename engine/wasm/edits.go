package wasm

import (
	"cmp"
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// edits are what a guest wants to be changed. Their texts lie one behind the other.
type edits struct {
	list  []edit
	text  []byte
	doc   jsonscan.Doc // of values that the guest gives
	bytes int          // of texts and values
	// nested says that an edit may lie in the place of another: there is one of something
	// that is not a string of the message.
	nested bool
}

type edit struct {
	kind       EditKind
	value      jsonscan.Value
	item       int32 // that is left out, -1 of other edits
	string     int32 // whose text is replaced, -1 of other edits
	name       string
	json, path span // the path of an edit of a string is written at the end
}

func (e *edits) reset() {
	if len(e.list) == 0 && len(e.text) == 0 { // most calls edit nothing
		return
	}
	clear(e.list)
	e.list, e.text, e.bytes, e.nested = e.list[:0], kept(e.text), 0, false
}

// keep is the largest buffer that stays with an instance between calls.
const keep = 256 << 10

// kept returns a buffer to be used again.
func kept(b []byte) []byte {
	if cap(b) > keep {
		return nil
	}
	return b[:0]
}

// edit adds an edit, or stops a guest that makes too many.
func (in *instance) edit(x edit) {
	e := &in.edits
	if len(e.list) == hostapi.LimitEdits {
		in.stop(hostapi.FailureABI, "more than %d edits", hostapi.LimitEdits)
	}
	e.list = append(e.list, x)
	e.nested = e.nested || x.string < 0
}

// maxWritten bounds edits as they are written: as JSON, with their paths.
const maxWritten = hostapi.LimitEditBytes + hostapi.LimitEditBytes/4

// room counts the bytes of a text or value, which takes more when it is written as JSON, and
// stops a guest that has too many.
func (in *instance) room(n, written int) {
	e := &in.edits
	e.bytes += n
	all := len(e.text) + written
	if e.bytes > hostapi.LimitEditBytes || all > maxWritten {
		in.stop(hostapi.FailureABI, "more than %d bytes of edits", hostapi.LimitEditBytes)
	}
	if all > cap(e.text) { // by doubling: what is left behind is no more than what there is
		e.text = append(make([]byte, 0, max(all, 2*cap(e.text))), e.text...)
	}
}

// brief is a text that is written before its length as JSON is known: at most six times as much.
const brief = 64 << 10

// quote keeps a text as JSON.
func (in *instance) quote(text []byte) span {
	e := &in.edits
	length := len(text) + len(`""`)
	if len(text) > brief {
		length = quoted(text)
	}
	in.room(len(text), length)
	from := len(e.text)
	e.text = jsonscan.AppendQuote(e.text, alias(text))
	in.room(0, 0)
	return span{from, len(e.text)}
}

// quoted returns about how long a text is as JSON, and not less.
func quoted(text []byte) int {
	n := len(text) + len(`""`)
	for _, c := range text {
		switch {
		case c < ' ':
			n += len(`\u0000`) - 1
		case c == '"' || c == '\\':
			n++
		}
	}
	return n
}

func strReplace(in *instance, s []uint64) {
	at, ok := in.stringAt(s[0])
	if !ok {
		s[0] = code(hostapi.CodeAbsent)
		return
	}
	text := in.take(s[1], s[2])
	if !utf8.Valid(text) {
		in.stop(hostapi.FailureABI, "the new text of string %d is not UTF-8", int32(s[0]))
	}
	if !in.mayReplace(int(int32(s[0])), at) {
		in.stop(hostapi.FailureCapability, "%s is not within the granted writes", in.index.appendPath(nil, in.hook.strings, int(int32(s[0]))))
	}
	in.edit(edit{kind: EditReplace, value: at.value, item: -1, string: int32(s[0]), json: in.quote(text)})
	s[0] = code(hostapi.CodeOk)
}

// mayReplace says whether a string lies within the granted writes.
func (in *instance) mayReplace(index int, at stringAt) bool {
	if in.hook.strings.places[at.place].writable {
		return true
	}
	in.scratch = in.index.appendPath(in.scratch[:0], in.hook.strings, index)
	in.charge(int64(len(in.scratch)) * costOfParse)
	p, err := hostapi.ParsePath(string(in.scratch))
	return err == nil && in.program.mayWrite(p)
}

func patch(in *instance, s []uint64) {
	path, json := in.take(s[1], s[2]), in.take(s[3], s[4])
	s[0] = code(in.patch(hostapi.Patch(int32(s[0])), path, json))
}

// patch sets or removes a value.
func (in *instance) patch(op hostapi.Patch, path, json []byte) hostapi.Code {
	in.charge(int64(len(path)+len(json)) * costOfParse)
	p, err := hostapi.ParsePath(string(path))
	switch {
	case err != nil:
		in.stop(hostapi.FailureABI, "patch: %v", err)
	case p.Wild():
		in.stop(hostapi.FailureABI, "patch: %s is more than one place", path)
	case op != hostapi.PatchSet && op != hostapi.PatchRemove:
		in.stop(hostapi.FailureABI, "patch: there is no op %d", int32(op))
	}
	x := edit{item: -1, string: -1, json: in.newValue(op, json)}
	name := p.Name()
	if !in.message.part(&name, in.judging) || !in.program.mayWrite(p) {
		in.stop(hostapi.FailureCapability, "patch: %s is not within the granted writes", path)
	}
	in.room(0, len(path))
	from := len(in.edits.text)
	in.edits.text = append(in.edits.text, path...)
	x.path = span{from, len(in.edits.text)}
	c := x.locate(in.message, p, op)
	if c == hostapi.CodeOk {
		in.edit(x)
	}
	return c
}

// newValue checks the value of a patch and keeps it as it will be written.
func (in *instance) newValue(op hostapi.Patch, json []byte) span {
	e := &in.edits
	from := len(e.text)
	if op == hostapi.PatchRemove {
		if len(json) > 0 {
			in.stop(hostapi.FailureABI, "patch: a place that is removed takes no value")
		}
		return span{from, from}
	}
	in.room(len(json), len(json))
	if err := e.doc.Scan(json, jsonscan.Options{Fold: in.judging == hostapi.HookRequest}); err != nil {
		in.stop(hostapi.FailureABI, "patch: the value: %v", err)
	}
	e.text = e.doc.Root().AppendTo(e.text)
	e.doc.Reset()
	return span{from, len(e.text)}
}

// locate finds the place of a patch.
func (x *edit) locate(m *Message, p hostapi.Path, op hostapi.Patch) hostapi.Code {
	path := p.Segments()
	v := roots[p.Name().Name](m).json
	if p.Name().Name == "args" { // a member, though it is a name
		v, path = m.Params, append([]hostapi.Segment{{Key: "arguments"}}, path...)
	}
	if len(path) == 0 {
		return x.whole(v, op)
	}
	last := &path[len(path)-1]
	around := walk(v, path[:len(path)-1])
	there := walk(around, path[len(path)-1:])
	switch k := around.Kind(); {
	case !around.Exists():
		return hostapi.CodeAbsent
	case last.Kind == hostapi.SegmentKey && k != jsonscan.Object, last.Kind == hostapi.SegmentIndex && k != jsonscan.Array:
		return hostapi.CodeWrongType
	case there.Exists():
		x.kind, x.value = EditReplace, there
		if op == hostapi.PatchRemove {
			x.kind = EditRemove
		}
		return hostapi.CodeOk
	case op == hostapi.PatchRemove || last.Kind == hostapi.SegmentIndex:
		return hostapi.CodeAbsent
	}
	x.kind, x.value, x.name = EditAdd, around, last.Key
	return hostapi.CodeOk
}

// whole is an edit of all that a name stands for. It can be replaced; what would be left of a
// message without it is no message.
func (x *edit) whole(v jsonscan.Value, op hostapi.Patch) hostapi.Code {
	switch {
	case !v.Exists():
		return hostapi.CodeAbsent
	case op == hostapi.PatchRemove:
		return hostapi.CodeWrongType
	}
	x.kind, x.value = EditReplace, v
	return hostapi.CodeOk
}

func itemDrop(in *instance, s []uint64) {
	if !in.drop(int32(s[0])) {
		s[0] = code(hostapi.CodeAbsent)
		return
	}
	s[0] = code(hostapi.CodeOk)
}

// drop leaves an item out, if there is one of that index.
func (in *instance) drop(index int32) bool {
	v := in.message.item(int(index))
	if !v.Exists() {
		return false
	}
	in.edit(edit{kind: EditRemove, value: v, item: index, string: -1})
	return true
}

// extent is where a value stands in the text.
type extent struct{ from, to uintptr }

func extentOf(v jsonscan.Value) extent {
	raw := v.Raw()
	from := uintptr(unsafe.Pointer(unsafe.SliceData(raw))) //nolint:gosec // compared with others of the same text, never followed
	return extent{from, from + uintptr(len(raw))}
}

// conflict says whether an edit lies in the place of another.
func (e *edits) conflict() bool {
	if !e.nested || len(e.list) < 2 {
		return false
	}
	var places []extent
	for i := range e.list {
		if x := &e.list[i]; x.kind != EditAdd {
			places = append(places, extentOf(x.value))
		}
	}
	slices.SortFunc(places, func(a, b extent) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	places = slices.Compact(places)
	for i := 1; i < len(places); i++ {
		if places[i].from < places[i-1].to {
			return true
		}
	}
	for i := range e.list {
		if x := &e.list[i]; x.kind == EditAdd && inside(places, extentOf(x.value)) {
			return true
		}
	}
	return false
}

// inside says whether x lies in one of the places, which are sorted and apart.
func inside(places []extent, x extent) bool {
	i, _ := slices.BinarySearchFunc(places, x.from, func(p extent, from uintptr) int {
		if p.to <= from {
			return -1
		}
		return 1
	})
	return i < len(places) && places[i].from <= x.from && x.to <= places[i].to
}

// takeEdits copies the edits to a result.
func (in *instance) takeEdits(r *Result) {
	e := &in.edits
	for i := range e.list {
		if x := &e.list[i]; x.string >= 0 {
			x.path.from = len(e.text)
			e.text = in.index.appendPath(e.text, in.hook.strings, int(x.string))
			x.path.to = len(e.text)
		}
	}
	r.text = append(r.text[:0], e.text...)
	for i := range e.list {
		x := &e.list[i]
		r.Edits = append(r.Edits, Edit{
			Kind: x.kind, Value: x.value, Name: x.name, Item: int(x.item),
			JSON: r.text[x.json.from:x.json.to:x.json.to], Path: r.text[x.path.from:x.path.to:x.path.to],
		})
	}
}
