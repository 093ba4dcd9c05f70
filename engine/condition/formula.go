package condition

import (
	"slices"
	"strings"
)

// Formula says when something holds, in terms of what is not known yet. It holds if its text, as a CEL expression, is true: false and
// an error both mean that it doesn't. The zero Formula never holds. Formulas are immutable.
type Formula struct {
	op    formulaOp
	parts []Formula // of all and some: at least two, none of them of the same op
	text  string    // of an atom
	wrap  bool      // an atom that is to be put into parentheses among others
	not   string    // text that can't hold where the atom does
}

type formulaOp uint8

const (
	formulaNever formulaOp = iota
	formulaAlways
	formulaAtom
	formulaAll
	formulaSome
)

// Always is the Formula that holds whatever comes.
func Always() Formula { return Formula{op: formulaAlways} }

// Opposites are the Formulas of two CEL expressions of which exactly one is true of any message: neither fails.
func Opposites(one, other string) (Formula, Formula) {
	return Formula{op: formulaAtom, text: one, not: other}, Formula{op: formulaAtom, text: other, not: one}
}

// AsOne makes one condition each of two formulas of which exactly one holds of any message, so that either is taken for the other's opposite.
func AsOne(yes, no Formula) (Formula, Formula) {
	if len(yes.parts)+len(no.parts) == 0 {
		return yes, no
	}
	one, other := Opposites(yes.String(), no.String())
	one.wrap, other.wrap = yes.op == formulaSome, no.op == formulaSome
	return one, other
}

// IsAlways says that the formula holds whatever comes.
func (f Formula) IsAlways() bool { return f.op == formulaAlways }

// IsNever says that the formula holds for nothing.
func (f Formula) IsNever() bool { return f.op == formulaNever }

// Size is the number of conditions that the formula is made of.
func (f Formula) Size() int {
	n := 0
	for _, p := range f.parts {
		n += p.Size()
	}
	if f.op == formulaAtom {
		n = 1
	}
	return n
}

// All holds where each part does. All of nothing holds always.
func All(parts ...Formula) Formula { return join(formulaAll, parts) }

// Some holds where at least one part does. Some of nothing never holds.
func Some(parts ...Formula) Formula { return join(formulaSome, parts) }

// join joins formulas and leaves out what adds nothing: repetitions, what another part implies, what can't be.
func join(op formulaOp, parts []Formula) Formula {
	neutral, absorbing := Always(), Formula{}
	if op == formulaSome {
		neutral, absorbing = absorbing, neutral
	}
	kept := distinct(flat(op, parts), neutral)
	kept = distinct(flat(op, assume(op, kept)), neutral)
	for _, p := range kept {
		if p.op == absorbing.op {
			return absorbing
		}
	}
	kept = factor(op, absorb(kept))
	switch len(kept) {
	case 0:
		return neutral
	case 1:
		return kept[0]
	}
	return Formula{op: op, parts: kept}
}

// distinct leaves out repetitions and what is neutral.
func distinct(parts []Formula, neutral Formula) []Formula {
	var kept []Formula
	for _, p := range parts {
		if p.op != neutral.op && !slices.ContainsFunc(kept, p.same) {
			kept = append(kept, p)
		}
	}
	return kept
}

// flat takes the parts of parts that are joined alike.
func flat(op formulaOp, parts []Formula) []Formula {
	var out []Formula
	for _, p := range parts {
		if p.op == op {
			out = append(out, p.parts...)
		} else {
			out = append(out, p)
		}
	}
	return out
}

func (f Formula) same(other Formula) bool { return f.op == other.op && f.String() == other.String() }

// has says that f, or one of the parts that it is joined from, is p.
func (f Formula) has(p Formula) bool { return f.same(p) || slices.ContainsFunc(f.parts, p.same) }

// assume puts in what an atom says of the others: beside a in a && the others can count on it, beside a in a || they needn't say it.
func assume(op formulaOp, parts []Formula) []Formula {
	for i, a := range parts {
		if a.op != formulaAtom {
			continue
		}
		for j, p := range parts {
			if i != j {
				parts[j] = p.given(a, op == formulaAll)
			}
		}
	}
	return parts
}

// given is the formula where it is known that an atom holds, or that it doesn't.
func (f Formula) given(atom Formula, holds bool) Formula {
	switch {
	case f.op == formulaAtom && f.text == atom.text && holds:
		return Always()
	case f.op == formulaAtom && (f.text == atom.text || holds && f.text == atom.not):
		return Formula{}
	case f.op != formulaAll && f.op != formulaSome:
		return f
	}
	parts := make([]Formula, len(f.parts))
	for i, p := range f.parts {
		parts[i] = p.given(atom, holds)
	}
	return join(f.op, parts)
}

// absorb leaves out the parts that have another one for a part of their own: a && b || a && b && c is a && b.
func absorb(parts []Formula) []Formula {
	var kept []Formula
	for i, p := range parts {
		earlier := func(other Formula) bool { return covers(p, other) }
		later := func(other Formula) bool { return covers(p, other) && !covers(other, p) }
		if !slices.ContainsFunc(kept, earlier) && !slices.ContainsFunc(parts[i+1:], later) {
			kept = append(kept, p)
		}
	}
	return kept
}

// covers says that p is joined from everything that other is joined from, and more.
func covers(p, other Formula) bool {
	if len(p.parts) == 0 {
		return false
	}
	if other.op != p.op {
		return p.has(other)
	}
	return !slices.ContainsFunc(other.parts, func(x Formula) bool { return !p.has(x) })
}

// factor takes out what all parts have: a && b || a && c is a && (b || c). The dual is left as it is: it reads well.
func factor(op formulaOp, parts []Formula) []Formula {
	if op != formulaSome || len(parts) < 2 || parts[0].op != formulaAll {
		return parts
	}
	var common []Formula
	for _, c := range parts[0].parts {
		if !slices.ContainsFunc(parts, func(p Formula) bool { return p.op != formulaAll || !p.has(c) }) {
			common = append(common, c)
		}
	}
	if len(common) == 0 {
		return parts
	}
	var rests []Formula
	for _, p := range parts {
		rests = append(rests, All(slices.DeleteFunc(slices.Clone(p.parts), func(x Formula) bool { return slices.ContainsFunc(common, x.same) })...))
	}
	return []Formula{All(append(common, Some(rests...))...)}
}

// String is the formula as a CEL expression.
func (f Formula) String() string {
	switch f.op {
	case formulaAlways:
		return "true"
	case formulaAtom:
		return f.text
	case formulaAll, formulaSome:
	case formulaNever:
		return "false"
	}
	texts := make([]string, len(f.parts))
	for i, p := range f.parts {
		texts[i] = p.String()
		if p.wrap || p.op == formulaSome {
			texts[i] = "(" + texts[i] + ")"
		}
	}
	if f.op == formulaAll {
		return strings.Join(texts, " && ")
	}
	return strings.Join(texts, " || ")
}
