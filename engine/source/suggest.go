package source

import "strings"

// Suggest returns the known word that its writer most likely meant by word: the nearest by Damerau-Levenshtein distance, if that is at most
// a third of the word's length. Case, `_` and `-` count for nothing.
func Suggest(word string, known []string) (string, bool) {
	limit := max(len([]rune(word)), 3) / 3
	best, found := "", false
	for _, candidate := range known {
		if candidate == word || candidate == "" {
			continue
		}
		if d := distance(plainWord(word), plainWord(candidate)); d <= limit {
			best, found, limit = candidate, true, d-1
		}
	}
	return best, found
}

func plainWord(s string) []rune {
	return []rune(strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s)))
}

// distance is the number of insertions, deletions, replacements and swaps of neighbors between a and b (optimal string alignment).
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
