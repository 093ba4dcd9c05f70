package jsonscan

import (
	"cmp"
	"slices"
)

// Edits are changes to one scanned text that AppendEdited writes. The zero Edits are
// empty and ready to use; they are not safe for concurrent use.
//
// The JSON given to Replace and Set must be one JSON text, as AppendTo and
// AppendQuote make them; it is written as it is, and must not change before
// AppendEdited has returned. Of two edits of the same place the later counts. Edits
// inside a value that is itself replaced or removed have no effect.
type Edits struct {
	doc        *Doc
	generation uint32
	list       []edit
	unsorted   bool
}

type edit struct {
	node uint32
	op   editOp
	name string // of the member to append
	json []byte
}

type editOp uint8

const (
	opReplace editOp = iota
	opRemove
	opAppend
)

// Reset forgets all edits and keeps their memory.
func (e *Edits) Reset() {
	clear(e.list)
	*e = Edits{list: e.list[:0]}
}

// Len returns the number of edits.
func (e *Edits) Len() int { return len(e.list) }

// Replace writes json in the place of v. It returns false, and does nothing, if v is
// absent, a member's name, or of another text than the edits before.
func (e *Edits) Replace(v Value, json []byte) bool {
	if v.node().flags&flagName != 0 || !e.adopt(v) {
		return false
	}
	e.add(edit{node: v.index, op: opReplace, json: json})
	return true
}

// Remove leaves out v, an element or a member (given by its value or its name). It
// returns false, and does nothing, if v is absent, the whole text, or of another
// text than the edits before.
func (e *Edits) Remove(v Value) bool {
	if v.index == 0 || !e.adopt(v) {
		return false
	}
	at := v.index
	if v.node().flags&flagName != 0 {
		at++
	}
	e.add(edit{node: at, op: opRemove})
	return true
}

// Set writes json as the member name of obj: in its place if obj has it, else after
// the others. It returns false, and does nothing, if obj is not an object or is of
// another text than the edits before.
func (e *Edits) Set(obj Value, name string, json []byte) bool {
	if obj.Kind() != Object || !e.adopt(obj) {
		return false
	}
	if member := obj.Get(name); member.Exists() {
		return e.Replace(member, json)
	}
	e.add(edit{node: obj.index, op: opAppend, name: name, json: json})
	return true
}

// adopt says whether v is of the edits' text, which the first edit decides.
func (e *Edits) adopt(v Value) bool {
	if !v.Exists() {
		return false
	}
	if len(e.list) == 0 {
		e.doc, e.generation = v.doc, v.generation
	}
	return e.fits(v)
}

func (e *Edits) fits(v Value) bool {
	return e.doc == v.doc && e.generation == v.generation
}

func (e *Edits) add(x edit) {
	if k := len(e.list); k > 0 && compareEdits(e.list[k-1], x) > 0 {
		e.unsorted = true
	}
	e.list = append(e.list, x)
}

// compareEdits orders by node, and those of the node itself before those that append
// to it.
func compareEdits(a, b edit) int {
	switch {
	case a.node != b.node:
		return cmp.Compare(a.node, b.node)
	case a.op == opAppend && b.op != opAppend:
		return 1
	case a.op != opAppend && b.op == opAppend:
		return -1
	}
	return 0
}

func (e *Edits) sort() {
	if e.unsorted {
		slices.SortStableFunc(e.list, compareEdits)
		e.unsorted = false
	}
}

// AppendEdited appends v as AppendTo does, with the edits. It appends nothing if v
// is absent, if it is removed, or if the edits are of another text or an earlier
// scan: what was to be changed must not get out unchanged.
func (v Value) AppendEdited(dst []byte, e *Edits) []byte {
	if e == nil || len(e.list) == 0 {
		return v.AppendTo(dst)
	}
	if !v.Exists() || !e.fits(v) {
		return dst
	}
	e.sort()
	w := editor{doc: v.doc, list: e.list}
	own := w.take(v.index)
	if own != nil && own.op == opRemove {
		return dst
	}
	return w.appendNode(dst, v.index, own)
}

// editor walks the tape and the sorted edits side by side.
type editor struct {
	doc  *Doc
	list []edit // those at or after the place of the walk
}

// take returns the edit that counts for node i itself, or nil, and leaves behind all
// edits of nodes before it.
func (w *editor) take(i uint32) *edit {
	for len(w.list) > 0 && w.list[0].node < i {
		w.list = w.list[1:]
	}
	var own *edit
	for len(w.list) > 0 && w.list[0].node == i && w.list[0].op != opAppend {
		own = &w.list[0]
		w.list = w.list[1:]
	}
	return own
}

// appendNode appends node i, for which take returned own.
func (w *editor) appendNode(dst []byte, i uint32, own *edit) []byte {
	if own != nil {
		return append(dst, own.json...)
	}
	n := &w.doc.nodes[i]
	if len(w.list) == 0 || w.list[0].node >= n.next {
		return w.doc.appendNode(dst, i)
	}
	if n.kind == Object {
		return w.appendObject(dst, i, n.next)
	}
	return w.appendArray(dst, i, n.next)
}

func (w *editor) appendObject(dst []byte, i, end uint32) []byte {
	added := w.takeAppends(i)
	dst = append(dst, '{')
	empty := len(dst)
	for at := i + 1; at < end; at = w.doc.nodes[at+1].next {
		own := w.take(at + 1)
		if own != nil && own.op == opRemove {
			continue
		}
		dst = comma(dst, empty)
		dst = w.doc.appendNode(dst, at)
		dst = append(dst, ':')
		dst = w.appendNode(dst, at+1, own)
	}
	for k, a := range added {
		if later(added[k+1:], a.name) {
			continue
		}
		dst = comma(dst, empty)
		dst = AppendQuote(dst, a.name)
		dst = append(dst, ':')
		dst = append(dst, a.json...)
	}
	return append(dst, '}')
}

func (w *editor) appendArray(dst []byte, i, end uint32) []byte {
	dst = append(dst, '[')
	empty := len(dst)
	for at := i + 1; at < end; at = w.doc.nodes[at].next {
		own := w.take(at)
		if own != nil && own.op == opRemove {
			continue
		}
		dst = comma(dst, empty)
		dst = w.appendNode(dst, at, own)
	}
	return append(dst, ']')
}

// takeAppends returns the edits that append to node i.
func (w *editor) takeAppends(i uint32) []edit {
	k := 0
	for k < len(w.list) && w.list[k].node == i {
		k++
	}
	added := w.list[:k]
	w.list = w.list[k:]
	return added
}

func later(added []edit, name string) bool {
	return slices.ContainsFunc(added, func(a edit) bool { return a.name == name })
}

// comma separates from what was written since the container's length was empty.
func comma(dst []byte, empty int) []byte {
	if len(dst) > empty {
		return append(dst, ',')
	}
	return dst
}
