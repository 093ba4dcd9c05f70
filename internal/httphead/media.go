package httphead

import "bytes"

// isJSON reports whether v is application/json, with no parameter but a charset
// of UTF-8.
func isJSON(v []byte) bool {
	kind, rest, more := bytes.Cut(v, []byte{';'})
	if !equalFold(trim(kind), "application/json") {
		return false
	}
	if !more {
		return true
	}
	name, value, ok := bytes.Cut(rest, []byte{'='})
	if !ok || !equalFold(trim(name), "charset") {
		return false
	}
	value = trim(value)
	return equalFold(value, "utf-8") || equalFold(value, `"utf-8"`)
}

// Accepts says which of the two content types of an MCP answer the client takes,
// by RFC 9110 section 12.5.1: the most specific range that matches decides, and
// a weight of zero refuses. A request without Accept takes anything.
func (h *Head) Accepts() (json, sse bool) {
	var j, s preference
	seen := false
	for i := range h.fields {
		if !equalFold(h.fields[i].Name, "accept") {
			continue
		}
		seen = true
		for rest := h.fields[i].Value; len(rest) > 0; {
			var element []byte
			element, rest = cutUnquoted(rest, ',')
			kind, params := cutUnquoted(element, ';')
			kind = trim(kind)
			ok := !zeroWeight(params)
			j.see(kind, "application/json", "application/*", ok)
			s.see(kind, "text/event-stream", "text/*", ok)
		}
	}
	if !seen {
		return true, true
	}
	return j.accepted, s.accepted
}

// preference is the verdict of the most specific range seen so far.
type preference struct {
	rank     uint8
	accepted bool
}

func (p *preference) see(kind []byte, full, group string, accepted bool) {
	var rank uint8
	switch {
	case equalFold(kind, full):
		rank = 3
	case equalFold(kind, group):
		rank = 2
	case string(kind) == "*/*":
		rank = 1
	default:
		return
	}
	if rank > p.rank {
		*p = preference{rank, accepted}
	} else if rank == p.rank {
		p.accepted = p.accepted || accepted
	}
}

// cutUnquoted splits b at the first sep outside a quoted string.
func cutUnquoted(b []byte, sep byte) (before, after []byte) {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case quoted && b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == sep && !quoted:
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// zeroWeight reports whether the parameters of a media range hold a q of zero,
// or one that is no weight at all.
func zeroWeight(params []byte) bool {
	for len(params) > 0 {
		var p []byte
		p, params = cutUnquoted(params, ';')
		name, value, ok := bytes.Cut(trim(p), []byte{'='})
		if ok && equalFold(trim(name), "q") {
			return !positive(trim(value))
		}
	}
	return false
}

// positive reports whether v is a weight (0 to 1, at most three decimals) above
// zero.
func positive(v []byte) bool {
	if len(v) == 0 || len(v) > 5 || v[0] != '0' && v[0] != '1' || len(v) > 1 && v[1] != '.' {
		return false
	}
	sum := v[0] - '0'
	for _, c := range v[min(2, len(v)):] {
		if c < '0' || c > '9' || v[0] == '1' && c != '0' {
			return false
		}
		sum |= c - '0'
	}
	return sum != 0
}
