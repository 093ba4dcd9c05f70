package wasm

import (
	"encoding/binary"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// The strings of a message.

// stringsOf returns the strings of the hook.
func (in *instance) stringsOf() *stringIndex {
	if in.index == nil {
		in.index = in.message.strings(in.hook.strings, in.judging)
	}
	return in.index
}

// stringAt finds a string by its index.
func (in *instance) stringAt(index uint64) (stringAt, bool) {
	x, k := in.stringsOf(), int32(index)
	if k < 0 || int(k) >= len(x.strings) {
		return stringAt{}, false
	}
	return x.strings[k], true
}

func strCount(in *instance, s []uint64) { s[0] = uint64(len(in.stringsOf().strings)) }

func str(in *instance, s []uint64) {
	at, ok := in.stringAt(s[0])
	if !ok {
		s[0] = code(hostapi.CodeAbsent)
		return
	}
	in.giveValue(s, s[1], s[2], in.only(value{json: at.value}))
}

func strPath(in *instance, s []uint64) {
	if _, ok := in.stringAt(s[0]); !ok {
		s[0] = code(hostapi.CodeAbsent)
		return
	}
	in.scratch = in.index.appendPath(in.scratch[:0], in.hook.strings, int(int32(s[0])))
	in.charge(costBytes(len(in.scratch)))
	in.give(s, s[1], s[2], in.scratch)
}

// Many values at once.

func view(in *instance, s []uint64) {
	what := hostapi.View(int32(s[0]))
	in.scratch = in.scratch[:0]
	switch what {
	case hostapi.ViewFields:
		in.viewFields()
	case hostapi.ViewStrings:
		in.viewStrings()
	default:
		in.stop(hostapi.FailureABI, "there is no view %d", int32(what))
	}
	binary.LittleEndian.PutUint32(in.scratch[4:], uint32(len(in.scratch)))
	in.give(s, s[1], s[2], in.scratch)
}

// layOut makes room for the entries of a view.
func (in *instance) layOut(n int) {
	size := hostapi.ViewHeaderBytes + n*hostapi.ViewEntryBytes
	in.charge(costBytes(size))
	for len(in.scratch) < size {
		in.scratch = append(in.scratch, 0)
	}
	binary.LittleEndian.PutUint32(in.scratch, uint32(n))
}

// entry adds the i-th value of a view.
func (in *instance) entry(i int, v *value, path int) {
	from := len(in.scratch)
	in.scratch = v.appendTo(in.scratch)
	e := in.scratch[hostapi.ViewHeaderBytes+i*hostapi.ViewEntryBytes:]
	binary.LittleEndian.PutUint32(e, uint32(v.kindOf()))
	binary.LittleEndian.PutUint32(e[4:], uint32(from))
	binary.LittleEndian.PutUint32(e[8:], uint32(len(in.scratch)-from))
	binary.LittleEndian.PutUint32(e[12:], uint32(path))
	in.charge(v.cost(len(in.scratch) - from))
}

func (in *instance) viewFields() {
	in.layOut(len(in.hook.reads))
	for i := range in.hook.reads {
		r := in.read(uint64(i))
		v := in.only(value{})
		if !r.perItem {
			v = in.value(r, uint64(i))
		}
		in.entry(i, v, i)
	}
}

func (in *instance) viewStrings() {
	x := in.stringsOf()
	in.layOut(len(x.strings))
	for i := range x.strings {
		at := &x.strings[i]
		in.entry(i, in.only(value{json: at.value}), in.hook.strings.places[at.place].declared)
	}
}

// What a guest says of a decision.

func reason(in *instance, s []uint64) {
	c, text := in.take(s[0], s[1]), in.take(s[2], s[3])
	if in.stage == stageStart {
		return
	}
	if !isCode(c) {
		in.stop(hostapi.FailureABI, "%q is not a code of a reason", head(c))
	}
	in.said.reasoned = true
	in.said.code, in.said.message = in.said.add(c), in.said.addText(text)
	in.bound()
}

func approve(in *instance, s []uint64) {
	in.said.approval = in.said.addText(in.take(s[0], s[1]))
	in.bound()
}

func note(in *instance, s []uint64) {
	key, text := in.take(s[0], s[1]), in.take(s[2], s[3])
	if in.stage == stageStart {
		return
	}
	if !isKey(key) {
		in.stop(hostapi.FailureABI, "%q is not a key of a note", head(key))
	}
	if !in.said.note(key, text) {
		in.stop(hostapi.FailureABI, "more than %d notes", hostapi.LimitNotes)
	}
	in.bound()
}

func label(in *instance, s []uint64) {
	name := in.take(s[0], s[1])
	if !isKey(name) {
		in.stop(hostapi.FailureABI, "%q is not a label", head(name))
	}
	if !in.said.label(name) {
		in.stop(hostapi.FailureABI, "more than %d labels", hostapi.LimitLabels)
	}
}

// bound ends a guest that says the same again and again: every text is kept until the end.
func (in *instance) bound() {
	if len(in.said.text) > hostapi.LimitSaidBytes {
		in.stop(hostapi.FailureABI, "more than %d bytes of texts", hostapi.LimitSaidBytes)
	}
}

func logText(in *instance, s []uint64) {
	level := hostapi.Level(int32(s[0]))
	if level < hostapi.LevelDebug || level > hostapi.LevelError {
		level = hostapi.LevelError
	}
	in.logLine(level, in.take(s[1], s[2]))
}

func (in *instance) logLine(level hostapi.Level, text []byte) { in.said.log(level, text) }

func fail(in *instance, s []uint64) {
	text := appendText(nil, in.take(s[0], s[1]), hostapi.LimitTextBytes)
	in.stop(hostapi.FailureTrap, "the guest gave up: %s", text)
}

// head returns the beginning of what a guest gave, to be shown.
func head(b []byte) []byte { return b[:min(len(b), 100)] }

// The rest.

func nowMS(in *instance, s []uint64) {
	if in.program.manifest.Deterministic {
		in.stop(hostapi.FailureCapability, "now_ms is not for a plugin that says it is deterministic")
	}
	s[0] = uint64(in.nowMS)
}

func feature(_ *instance, s []uint64) {
	_, known := hostapi.ParseFeature(hostapi.Feature(int32(s[0])).String())
	s[0] = flag(known)
}
