package detect

import (
	"io"
	"regexp"
	"unicode/utf8"
)

// This file runs expressions over long texts so that it can be asked on the way whether to end. Package regexp asks nobody, but it reads a text
// that can say that it is over.

// reader reads a text until the search is to end.
type reader struct {
	x    *search
	text []byte
}

// ReadRune implements io.RuneReader.
func (r *reader) ReadRune() (c rune, size int, err error) {
	if len(r.text) == 0 || r.x.stopped {
		return 0, 0, io.EOF
	}
	c, size = utf8.DecodeRune(r.text)
	r.text = r.text[size:]
	r.x.ends(size)
	return c, size, nil
}

// short says that a text can be given to package regexp as it is.
func (x *search) short(text []byte) bool { return x.stop == nil || len(text) <= patience }

func (x *search) match(re *regexp.Regexp, text []byte) bool {
	if x.short(text) {
		return re.Match(text)
	}
	return re.MatchReader(&reader{x: x, text: text})
}

func (x *search) submatch(re *regexp.Regexp, text []byte) []int {
	if x.short(text) {
		return re.FindSubmatchIndex(text)
	}
	return re.FindReaderSubmatchIndex(&reader{x: x, text: text})
}

// slowly does for a long part of the text what in does for others.
func (x *search) slowly(i int, r *rule, from, to int) {
	loc := x.submatch(r.re, x.text[from:to])
	for base := from; loc != nil && !x.stopped; {
		for j := range loc {
			if loc[j] >= 0 {
				loc[j] += base
			}
		}
		x.take(i, r, loc)
		// The character before tells \b and ^ where they are.
		end := loc[1]
		_, size := utf8.DecodeLastRune(x.text[from:end])
		base = end - size
		if loc = x.submatch(r.behind, x.text[base:to]); loc != nil {
			loc = loc[2:]
		}
	}
}
