package fake

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

type match struct{ start, end, rule int }

// Match is the ABI's.
func (h *Host) Match(id, what int32, buf []byte) int32 {
	h.when("match", true, abi.FeatureMatch)
	set := h.Sets[h.capability(id, abi.CapabilityKindMatch)]
	text, code := h.matched(what)
	if code != abi.CodeOk {
		return code
	}
	var out []byte
	for _, m := range find(set, text) {
		for _, n := range []int{m.start, m.end, m.rule} {
			out = binary.LittleEndian.AppendUint32(out, uint32(n))
		}
	}
	return give(string(out), buf)
}

// matched returns the text that match is asked about.
func (h *Host) matched(what int32) (text string, code int32) {
	if what < 0 {
		if i := int(-1 - what); i < len(h.strings) {
			return h.strings[i].node.Text, abi.CodeOk
		}
		return "", abi.CodeAbsent
	}
	n := h.value(h.read(what))
	switch {
	case n == nil:
		return "", abi.CodeAbsent
	case n.Kind != abi.KindString:
		return "", abi.CodeWrongType
	}
	return n.Text, abi.CodeOk
}

// find returns the matches of a text in order. Of those that overlap the one stays that begins
// first, then the longer, then that of the lower rule.
func find(set []Detector, text string) []match {
	var all, out []match
	for rule, d := range set {
		for _, at := range d.Pattern.FindAllStringIndex(text, -1) {
			if at[0] < at[1] {
				all = append(all, match{at[0], at[1], rule})
			}
		}
	}
	slices.SortFunc(all, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(a.rule, b.rule))
	})
	for _, m := range all {
		if len(out) == 0 || m.start >= out[len(out)-1].end {
			out = append(out, m)
		}
	}
	return out
}

// MatchRule is the ABI's.
func (h *Host) MatchRule(id, rule int32, buf []byte) int32 {
	h.when("match_rule", false, abi.FeatureMatch)
	set := h.Sets[h.capability(id, abi.CapabilityKindMatch)]
	if rule < 0 || int(rule) >= len(set) {
		return abi.CodeAbsent
	}
	return give(set[rule].Name, buf)
}
