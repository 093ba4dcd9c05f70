package detect

import (
	"fmt"
	"regexp"
)

// Naive finds what Find finds, by running every expression whose keyword is in the text over the whole text.
func Naive(s *Set, text []byte) []Match {
	x := search{set: s, text: text}
	for i := range s.rules {
		if r := &s.rules[i]; r.hasKeyword(string(text)) {
			x.whole(i, r)
		}
	}
	return x.found
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
