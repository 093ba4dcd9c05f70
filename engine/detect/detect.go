// Package detect finds secrets in texts: sets of rules in gitleaks' form, behind one search for all of their keywords.
//
// A rule is a regular expression with RE2's semantics, words of which one must be in a text for the expression to be tried, and what its
// finds must pass: a least entropy, lists of what is no secret. What a set finds is what running every expression whose keyword is in the text
// over the whole text would find; most expressions are tried only where a match could begin or lie. A set may say that what stands in base64 is searched
// as well.
package detect

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"slices"
)

// Bounds on a set.
const (
	MaxRules    = 1024
	MaxKeywords = 8192 // of all rules together
)

// Match is a find: where it lies in the text, in bytes, and the rule's index in Rules.
type Match struct{ Start, End, Rule int }

// Set is a set of rules. It is immutable and safe for concurrent use. The zero Set finds nothing.
type Set struct {
	rules  []rule
	words  finder
	of     [][]uint16 // the rules of a word
	always []uint16   // the rules without a word
	decode bool       // look inside base64, too
	digest string
}

// Rules returns the ids of the rules. A match names a rule by its index here.
func (s *Set) Rules() []string {
	ids := make([]string, len(s.rules))
	for i := range s.rules {
		ids[i] = s.rules[i].id
	}
	return ids
}

// Digest is of all that the finds depend on beside the text, as "sha256:...".
func (s *Set) Digest() string { return s.digest }

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		one := sha256.Sum256(p)
		h.Write(one[:])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// newSet prepares the search for the rules' keywords.
func newSet(rules []rule) *Set {
	s := &Set{rules: rules}
	index := map[string]uint16{}
	var words []string
	for i := range rules {
		r := &rules[i]
		if len(r.keywords) == 0 {
			s.always = append(s.always, uint16(i))
		}
		for _, w := range r.keywords {
			k, known := index[w]
			if !known {
				k = uint16(len(words))
				index[w] = k
				words, s.of = append(words, w), append(s.of, nil)
			}
			s.of[k] = append(s.of[k], uint16(i))
		}
		for u := range r.uses {
			r.uses[u].word = index[r.keywords[r.uses[u].keyword]]
		}
	}
	s.words = newFinder(words)
	return s
}

// The set that comes with this package.
const (
	BuiltinName = "secrets"
	builtinFile = "detectors/secrets.toml"
)

//go:embed secrets.toml
var builtin []byte

// Builtin returns the text of the set that comes with this package, and what it is called in diagnostics.
func Builtin() (file string, data []byte) { return builtinFile, slices.Clone(builtin) }
