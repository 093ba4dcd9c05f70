package jsonscan

// AppendTo appends the value as compact JSON: no insignificant whitespace, strings
// with minimal escapes in raw UTF-8, the text of numbers and the order of members as
// received. A part that was received so is copied. Nothing is appended for an absent
// value.
func (v Value) AppendTo(dst []byte) []byte {
	if !v.Exists() {
		return dst
	}
	return v.doc.appendNode(dst, v.index)
}

// appendNode recurses at most as deep as the scan allowed.
func (d *Doc) appendNode(dst []byte, i uint32) []byte {
	n := &d.nodes[i]
	if n.flags&flagPlain != 0 {
		return append(dst, d.src[n.start:n.end]...)
	}
	switch n.kind {
	case Object:
		return d.appendObject(dst, i, n.next)
	case Array:
		return d.appendArray(dst, i, n.next)
	default: // a string: every other leaf is plain
		dst = append(dst, '"')
		dst = appendMinimal(dst, d.src[n.start+1:n.end-1])
		return append(dst, '"')
	}
}

func (d *Doc) appendObject(dst []byte, i, end uint32) []byte {
	dst = append(dst, '{')
	for at := i + 1; at < end; at = d.nodes[at+1].next {
		if at > i+1 {
			dst = append(dst, ',')
		}
		dst = d.appendNode(dst, at)
		dst = append(dst, ':')
		dst = d.appendNode(dst, at+1)
	}
	return append(dst, '}')
}

func (d *Doc) appendArray(dst []byte, i, end uint32) []byte {
	dst = append(dst, '[')
	for at := i + 1; at < end; at = d.nodes[at].next {
		if at > i+1 {
			dst = append(dst, ',')
		}
		dst = d.appendNode(dst, at)
	}
	return append(dst, ']')
}
