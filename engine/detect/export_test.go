package detect

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
)

// Naive finds what Find finds, by running every expression whose keyword is in the text over the whole text.
func Naive(s *Set, text []byte) []Match {
	x := search{set: s, text: text, odd: true} // odd: nothing is matched straight
	for i := range s.rules {
		if r := &s.rules[i]; r.hasKeyword(string(text)) {
			x.whole(i, r)
		}
	}
	for from := 0; ; {
		at := runs.FindIndex(text[from:])
		if at == nil {
			return x.found
		}
		first, line, to := from+at[0], from+at[0], from+at[1]
		inside := func(from int) {
			pad := len(padding.Find(text[to:]))
			for _, m := range naiveInside(s, text[from:to]) {
				x.found = append(x.found, Match{from, to + pad, m.Rule})
			}
		}
		for inside(first); ; {
			next := nextLine.FindSubmatchIndex(text[to:])
			if next == nil {
				break
			}
			line, to = to+next[2], to+next[3]
			if to-line >= minRun {
				inside(line)
			}
		}
		if line > first {
			inside(first)
		}
		from = to
	}
}

// Slowly runs every expression over the whole text as if that were long, and as it stands.
func Slowly(s *Set, text []byte) (slowly, whole []Match) {
	x, y := search{set: s, text: text, odd: true, stop: func() bool { return false }}, search{set: s, text: text, odd: true}
	for i := range s.rules {
		x.slowly(i, &s.rules[i], 0, len(text))
		y.whole(i, &s.rules[i])
	}
	return x.found, y.found
}

var (
	runs     = regexp.MustCompile(`[A-Za-z0-9+/_-]{32,}`)
	nextLine = regexp.MustCompile(`^\r?\n([A-Za-z0-9+/_-]+)={0,2}(?:$|[\r\n"])`)
	padding  = regexp.MustCompile(`^={0,2}`)
)

func naiveInside(s *Set, run []byte) []Match {
	if !s.decode || strings.ContainsAny(string(run), "+/") && strings.ContainsAny(string(run), "-_") {
		return nil
	}
	text := strings.NewReplacer("-", "+", "_", "/", "\r", "", "\n", "").Replace(string(run))
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	plain := *s
	plain.decode = false
	return Naive(&plain, b)
}

// All runs every expression over the whole text.
func All(s *Set, text []byte) []Match {
	x := search{set: s, text: text}
	for i := range s.rules {
		x.whole(i, &s.rules[i])
	}
	return x.found
}

// Modes returns how the rules are run.
func Modes(s *Set) map[string]string {
	modes := map[string]string{}
	for i := range s.rules {
		modes[s.rules[i].id] = [...]string{"whole", "window", "anchor"}[s.rules[i].mode]
	}
	return modes
}

// Of makes a set of one rule.
func Of(expr string, keywords ...string) (*Set, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	r := rule{id: "r", re: re}
	for _, w := range keywords {
		r.keywords = append(r.keywords, foldASCII(w))
	}
	if err := r.plan(); err != nil {
		return nil, err
	}
	return newSet([]rule{r}), nil
}

// Words returns the words that a search for them finds in a text, each as "word@place".
func Words(text string, words ...string) []string {
	f := newFinder(words)
	var out []string
	for _, h := range f.find([]byte(text), nil) {
		out = append(out, fmt.Sprintf("%s@%d", words[h.word], h.at))
	}
	return out
}

// MatchesEmpty says whether an expression can match nothing, which Parse refuses.
func MatchesEmpty(expr string) bool {
	tree, err := parse(expr)
	if err != nil {
		return true
	}
	least, _ := lengths(tree)
	return least == 0
}

// Entropy is what a secret is measured by.
func Entropy(text []byte) float64 { return entropy(text) }

// Straight returns a match of an expression at one place of a text, as regexp would; known is false of an expression that is not straight.
func Straight(expr, text string, at int) (loc []int, known bool) {
	tree, err := parse(expr)
	if err != nil {
		return nil, false
	}
	all := straightOf(tree)
	if all == nil {
		return nil, false
	}
	loc = make([]int, 2*(1+tree.MaxCap()))
	if ok, _ := all.at([]byte(text), at, loc); !ok {
		return nil, true
	}
	if ok, _ := all.at([]byte(text), at, nil); !ok {
		panic("another answer without groups")
	}
	return loc, true
}
