package jsonscan

import "unicode/utf8"

// Overwrite writes text, in quotes, in the place of the string v and says whether it could: text must fit into the span of v, be
// UTF-8 and need no escapes. What is left of the span becomes white space before it. It changes the scanned bytes, which must be the caller's
// own to change, and nothing may read the Doc meanwhile. text may be a part of v's own text.
//
// Afterwards the Doc is what a Scan of the changed bytes would have made, but that what was not in our own form around v is written
// anew even where v alone was the reason.
func (v Value) Overwrite(text string) bool {
	n := v.node()
	if n.kind != String || n.flags&flagName != 0 || int(n.end-n.start) < len(text)+2 {
		return false
	}
	if !utf8.ValidString(text) {
		return false
	}
	high := false
	for i := range len(text) {
		if needsEscape(text[i]) {
			return false
		}
		high = high || text[i] > 0x7f
	}
	src := v.doc.src
	start := n.end - uint32(len(text)) - 2
	copy(src[start+1:n.end-1], text)
	for i := n.start; i < start; i++ {
		src[i] = ' '
	}
	src[start], src[n.end-1] = '"', '"'
	moved := start != n.start
	n.start = start
	n.flags = n.flags&^(flagEscaped|flagHigh) | flagPlain
	if high {
		n.flags |= flagHigh
	}
	if moved {
		v.doc.roughen(v.index)
	}
	return true
}

// roughen says of all that a node lies in that it has white space.
func (d *Doc) roughen(index uint32) {
	for i := uint32(0); i < index; {
		n := &d.nodes[i]
		if n.next <= index {
			i = n.next
			continue
		}
		n.flags &^= flagPlain
		i++
	}
}
