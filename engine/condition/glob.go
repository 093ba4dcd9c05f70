package condition

import (
	"strings"
	"unicode/utf8"
)

// Glob says whether a pattern matches all of a text: * is any text, the empty one included,
// ? is any one character, everything else is itself. It takes time in the product of the two
// lengths at worst.
func Glob(pattern, text string) bool {
	return glob(pattern, text, false)
}

// glob is Glob; with elements, * and ? do not match a slash.
func glob(pattern, text string, elements bool) bool {
	p, t := 0, 0
	star, mark := -1, 0 // the last star, and how far it reaches
	for t < len(text) || p < len(pattern) {
		if p < len(pattern) {
			switch c := pattern[p]; {
			case c == '*':
				star, mark = p, t
				p++
				continue
			case t < len(text) && c == '?' && (!elements || text[t] != '/'):
				_, n := utf8.DecodeRuneInString(text[t:])
				p, t = p+1, t+n
				continue
			case t < len(text) && c == text[t] && c != '?':
				p, t = p+1, t+1
				continue
			}
		}
		if star < 0 || mark >= len(text) || elements && text[mark] == '/' {
			return false
		}
		mark++
		p, t = star+1, mark
	}
	return true
}

// matchPath matches a clean path, element by element; ** matches any number of elements.
func matchPath(pattern, p string) bool {
	return matchElements(strings.Split(pattern, "/"), strings.Split(p, "/"))
}

func matchElements(pattern, elements []string) bool {
	i, e := 0, 0
	star, mark := -1, 0
	for e < len(elements) || i < len(pattern) {
		if i < len(pattern) {
			if pattern[i] == "**" {
				star, mark = i, e
				i++
				continue
			}
			if e < len(elements) && glob(pattern[i], elements[e], true) {
				i, e = i+1, e+1
				continue
			}
		}
		if star < 0 || mark >= len(elements) {
			return false
		}
		mark++
		i, e = star+1, mark
	}
	return true
}
