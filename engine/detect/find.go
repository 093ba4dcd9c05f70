package detect

import (
	"bytes"
	"math/bits"
	"sync"
)

// Find appends what the rules of a set find in a text, rule by rule, in the order of the text. Finds of different rules may overlap. A text in
// which nothing is found costs no allocation.
func Find[M ~struct{ Start, End, Rule int }](s *Set, dst []M, text []byte) []M {
	dst, _ = FindUntil(s, dst, text, nil)
	return dst
}

// FindUntil is Find, unless stop says that it is to end: then it appends what it likes, and returns false. It asks once for some KiB that an
// expression is run over. A nil stop never says so.
func FindUntil[M ~struct{ Start, End, Rule int }](s *Set, dst []M, text []byte, stop func() bool) (all []M, done bool) {
	x := searches.Get().(*search) //nolint:forcetypeassert // the pool has nothing else
	x.stop, x.stopped, x.since = stop, false, 0
	for _, m := range x.find(s, text) {
		dst = append(dst, M(m))
	}
	done = !x.stopped
	x.done()
	return dst, done
}

// patience is how many bytes are looked at between two questions whether to stop.
const patience = 1 << 12

// ends counts bytes that are about to be looked at, and says whether the search is to end instead.
func (x *search) ends(bytes int) bool {
	if x.since += bytes; x.stop != nil && !x.stopped && x.since > patience {
		x.since, x.stopped = 0, x.stop()
	}
	return x.stopped
}

var searches = sync.Pool{New: func() any { return new(search) }}

// search is one search of a text.
type search struct {
	set     *Set
	text    []byte
	hits    []hit
	found   []Match
	begun   []int
	loc     []int // of a match that is looked at
	decoded []byte
	lines   []tried // by the lists of a rule that are about lines
	stop    func() bool
	stopped bool
	since   int  // bytes looked at since stop was asked
	odd     bool // the text has letters that are as good as ASCII's where case doesn't count
}

// The most elements of slices, and bytes, that the next search begins with.
const (
	kept      = 1 << 12
	keptBytes = 1 << 16
)

// done makes the search ready for another.
func (x *search) done() {
	x.set, x.text, x.stop = nil, nil, nil
	clear(x.lines)
	x.lines = x.lines[:0]
	if cap(x.hits)+cap(x.found)+cap(x.begun) > kept {
		x.hits, x.found, x.begun = nil, nil, nil
	}
	if cap(x.decoded) > keptBytes {
		x.decoded = nil
	}
	searches.Put(x)
}

func (x *search) find(s *Set, text []byte) []Match {
	x.plain(s, text)
	if s.decode {
		x.decode()
	}
	return x.found
}

// plain finds what is in the text as it stands.
func (x *search) plain(s *Set, text []byte) []Match {
	x.set, x.text, x.found = s, text, x.found[:0]
	x.hits = s.words.find(text, x.hits[:0])
	if len(x.hits) > 0 || len(s.always) > 0 {
		x.run()
	}
	return x.found
}

// run runs the rules that have a keyword in the text.
func (x *search) run() {
	s := x.set
	var touched [MaxRules / 64]uint64
	for _, r := range s.always {
		touched[r/64] |= 1 << (r % 64)
	}
	for _, h := range x.hits {
		for _, r := range s.of[h.word] {
			touched[r/64] |= 1 << (r % 64)
		}
	}
	x.odd = bytes.Contains(x.text, longS) || bytes.Contains(x.text, kelvin)
	for k, some := range touched[:(len(s.rules)+63)/64] {
		for ; some != 0 && !x.stopped; some &= some - 1 {
			i := 64*k + bits.TrailingZeros64(some)
			x.rule(i, &s.rules[i])
		}
	}
}

var longS, kelvin = []byte("\u017f"), []byte("\u212a")

func (x *search) rule(i int, r *rule) {
	x.lines = x.lines[:0]
	switch {
	case r.mode == whole, r.folds && x.odd:
		x.whole(i, r)
	case r.mode == anchor:
		x.anchored(i, r)
	default:
		x.windows(i, r)
	}
}

func (x *search) whole(i int, r *rule) { x.in(i, r, 0, len(x.text)) }

// in runs an expression over a part of the text.
func (x *search) in(i int, r *rule, from, to int) {
	if x.stop != nil && to-from > patience {
		x.slowly(i, r, from, to)
		return
	}
	if x.ends(to - from) {
		return
	}
	for _, loc := range r.re.FindAllSubmatchIndex(x.text[from:to], -1) {
		for j := range loc {
			if loc[j] >= 0 {
				loc[j] += from
			}
		}
		x.take(i, r, loc)
	}
}

func (x *search) take(i int, r *rule, loc []int) {
	if begin, end, ok := r.secretIn(x, loc); ok {
		x.found = append(x.found, Match{begin, end, i})
	}
}

// begins lists, in order, the places that are at the rule's distances before its keywords.
func (x *search) begins(r *rule) []int {
	x.begun = x.begun[:0]
	sorted := true
	for _, h := range x.hits {
		for _, u := range r.uses {
			if at := int(h.at) - u.offset; u.word == h.word && at >= 0 {
				sorted = sorted && (len(x.begun) == 0 || x.begun[len(x.begun)-1] < at)
				x.begun = append(x.begun, at)
			}
		}
	}
	if !sorted {
		x.begun = sortedOnce(x.begun)
	}
	return x.begun
}

// anchored tries an expression at every place where a match could begin. A text that has very many of them is searched as a whole: what
// trying each may cost is bounded by a multiple of the text.
func (x *search) anchored(i int, r *rule) {
	before, work, next := len(x.found), 0, 0
	for _, at := range x.begins(r) {
		if at < next {
			continue
		}
		if work > tries*len(x.text)+triesMore {
			x.found = x.found[:before]
			x.whole(i, r)
			return
		}
		loc, looked := x.at(r, at)
		if loc != nil {
			x.take(i, r, loc)
			next = loc[1]
		}
		if work += looked; x.ends(looked) {
			return
		}
	}
}

// What trying an expression at single places may cost, in bytes looked at: so many times the text, and some.
const (
	tries     = 16
	triesMore = 1 << 14
)

// windows runs an expression over the parts of the text that are near enough to a keyword to hold a match.
func (x *search) windows(i int, r *rule) {
	from, to := 0, -1 // no window yet
	for _, at := range x.begins(r) {
		begin, end := max(at-r.most-margin, 0), min(at+r.most+maxWord(r)+margin, len(x.text))
		if to < 0 {
			from, to = begin, end
			continue
		}
		if begin > to {
			x.in(i, r, from, to)
			from = begin
		}
		to = max(to, end)
	}
	if to >= 0 {
		x.in(i, r, from, to)
	}
}

func maxWord(r *rule) int {
	n := 0
	for _, w := range r.keywords {
		n = max(n, len(w))
	}
	return n
}
