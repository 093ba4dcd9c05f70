package policy

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxGlob is the most characters that a glob may have.
const MaxGlob = 255

// Glob is a pattern over names or URIs: `*` is any run of characters, `?` is any one character, everything else is itself. In a glob over
// URIs neither crosses a `/`; there `**` is any run, `/` included. The whole name must match, and case counts. `[`, `]`, `{`, `}`
// and `\` are refused: other globs give them meanings that this one doesn't have.
//
// The zero Glob matches nothing. A Glob is immutable and safe for concurrent use.
type Glob struct {
	pattern string
	prefix  string // what comes before the first wildcard
	shape   shape
	suffix  string  // of shapeSuffix
	tokens  []token // of shapeMixed, without the prefix
}

type shape uint8

const (
	shapeNone   shape = iota
	shapeExact        // prefix alone
	shapePrefix       // prefix, then any run
	shapeSuffix       // any run, then suffix
	shapeMixed
)

// token is one element of a pattern.
type token struct {
	kind tokenKind
	char rune // of a tokenChar
}

type tokenKind uint8

const (
	tokenChar    tokenKind = iota
	tokenOne               // any one character
	tokenInside            // any one character but '/'
	tokenRun               // any run
	tokenSegment           // any run without '/'
)

// NameGlob compiles a glob over the names of servers, methods, tools and prompts, where `/` is a character like any other.
func NameGlob(pattern string) (Glob, error) { return compile(pattern, false) }

// URIGlob compiles a glob over the URIs of resources, where `*` and `?` stop at `/`.
func URIGlob(pattern string) (Glob, error) { return compile(pattern, true) }

// String returns the pattern.
func (g Glob) String() string { return g.pattern }

// Literal returns the only name that g matches, if there is one.
func (g Glob) Literal() (name string, ok bool) { return g.prefix, g.shape == shapeExact }

// All says whether g matches every name.
func (g Glob) All() bool { return g.shape == shapePrefix && g.prefix == "" }

// Covers says that g matches whatever o matches. It may say no of two globs of which that is true; both are over names, or both over URIs.
func (g Glob) Covers(o Glob) bool {
	name, literal := o.Literal()
	return g.pattern == o.pattern || literal && g.Match(name) || g.shape == shapePrefix && o.shape != shapeNone && strings.HasPrefix(o.prefix, g.prefix)
}

func compile(pattern string, uri bool) (Glob, error) {
	if err := check(pattern, uri); err != nil {
		return Glob{}, err
	}
	prefix, rest := pattern, ""
	if i := strings.IndexAny(pattern, "*?"); i >= 0 {
		prefix, rest = pattern[:i], pattern[i:]
	}
	g := Glob{pattern: pattern, prefix: prefix, shape: shapeMixed}
	switch {
	case rest == "":
		g.shape = shapeExact
	case rest == "*" && !uri || rest == "**":
		g.shape = shapePrefix
	case prefix == "" && !uri && rest[0] == '*' && !strings.ContainsAny(rest[1:], "*?"):
		g.shape, g.suffix = shapeSuffix, rest[1:]
	default:
		g.tokens = tokens(rest, uri)
	}
	return g, nil
}

func check(pattern string, uri bool) error {
	switch {
	case pattern == "":
		return errors.New("a glob cannot be empty; to match everything write `*`, or leave the list out")
	case !utf8.ValidString(pattern):
		return errors.New("a glob must be UTF-8")
	case utf8.RuneCountInString(pattern) > MaxGlob:
		return fmt.Errorf("a glob has at most %d characters", MaxGlob)
	case strings.Contains(pattern, "***"), !uri && strings.Contains(pattern, "**"):
		return errors.New("`*` matches any run of characters already; `**` has a meaning in globs over resources only")
	}
	if i := strings.IndexAny(pattern, `[]{}\`); i >= 0 {
		return fmt.Errorf("`%c` has no meaning in a glob; write one glob for each alternative, and `?` for any one character", pattern[i])
	}
	if strings.IndexFunc(pattern, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) >= 0 {
		return errors.New("a glob cannot hold spaces or control characters; write `?` for any one character")
	}
	return nil
}

func tokens(pattern string, uri bool) []token {
	one, run := tokenOne, tokenRun
	if uri {
		one, run = tokenInside, tokenSegment
	}
	var all []token
	for len(pattern) > 0 {
		r, size := utf8.DecodeRuneInString(pattern)
		switch {
		case strings.HasPrefix(pattern, "**"):
			size = 2
			all = append(all, token{kind: tokenRun})
		case r == '*':
			all = append(all, token{kind: run})
		case r == '?':
			all = append(all, token{kind: one})
		default:
			all = append(all, token{char: r})
		}
		pattern = pattern[size:]
	}
	return all
}

// Match says whether g matches the whole of name. It takes time linear in the name and doesn't allocate.
func (g Glob) Match(name string) bool {
	switch g.shape {
	case shapeExact:
		return name == g.prefix
	case shapePrefix:
		return strings.HasPrefix(name, g.prefix)
	case shapeSuffix:
		return strings.HasSuffix(name, g.suffix)
	case shapeMixed:
		rest, ok := strings.CutPrefix(name, g.prefix)
		return ok && g.run(rest)
	case shapeNone:
	}
	return false
}

// positions is a set of places between tokens; a name is matched when it leaves the last one in.
type positions [(MaxGlob + 64) / 64]uint64

// run walks all ways to match at once, so that no pattern makes it go back.
func (g *Glob) run(name string) bool {
	var now positions
	words := len(g.tokens)/64 + 1
	g.enter(&now, 0)
	for _, r := range name {
		var next positions
		for word := range words {
			for set := now[word]; set != 0; set &= set - 1 {
				if at := word*64 + bits.TrailingZeros64(set); at < len(g.tokens) {
					g.step(&next, at, r)
				}
			}
		}
		if next == (positions{}) {
			return false
		}
		now = next
	}
	return now.has(len(g.tokens))
}

// enter adds a place, and those reached from it by runs that match nothing.
func (g *Glob) enter(set *positions, at int) {
	for {
		set[at/64] |= 1 << (at % 64)
		if at == len(g.tokens) || g.tokens[at].kind < tokenRun {
			return
		}
		at++
	}
}

// step adds the places that r leads to from one.
func (g *Glob) step(next *positions, at int, r rune) {
	slash := r == '/'
	switch t := &g.tokens[at]; t.kind {
	case tokenChar:
		if t.char == r {
			g.enter(next, at+1)
		}
	case tokenOne:
		g.enter(next, at+1)
	case tokenInside:
		if !slash {
			g.enter(next, at+1)
		}
	case tokenRun:
		g.enter(next, at)
	case tokenSegment:
		if !slash {
			g.enter(next, at)
		}
	}
}

func (set *positions) has(at int) bool { return set[at/64]&(1<<(at%64)) != 0 }
