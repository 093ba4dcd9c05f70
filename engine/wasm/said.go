package wasm

import (
	"bytes"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// span is a part of the text that a call has produced.
type span struct{ from, to int }

// said is what a guest has said about a decision. Its texts lie one behind the other, so that
// a result needs one allocation for all of them.
type said struct {
	text          []byte
	code, message span
	approval      span
	notes         []saidNote
	labels        []span
	lines         []saidLine
	dropped       int // lines
	reasoned      bool
}

type saidNote struct{ key, text span }

type saidLine struct {
	level hostapi.Level
	text  span
}

func (s *said) reset() {
	*s = said{text: s.text[:0], notes: s.notes[:0], labels: s.labels[:0], lines: s.lines[:0]}
}

// add keeps a text as it is.
func (s *said) add(b []byte) span {
	from := len(s.text)
	s.text = append(s.text, b...)
	return span{from, len(s.text)}
}

// addText keeps a text for people: what is not UTF-8 becomes U+FFFD, and what is too long is
// cut after the last whole character.
func (s *said) addText(b []byte) span {
	from := len(s.text)
	s.text = appendText(s.text, b, hostapi.LimitTextBytes)
	return span{from, len(s.text)}
}

func appendText(dst, b []byte, limit int) []byte {
	for limit > 0 && len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if size := utf8.RuneLen(r); size > limit {
			return dst
		}
		before := len(dst)
		dst = utf8.AppendRune(dst, r)
		limit -= len(dst) - before
		b = b[n:]
	}
	return dst
}

func (s *said) of(x span) []byte { return s.text[x.from:x.to] }

// note keeps a note; it returns false if there are too many.
func (s *said) note(key, text []byte) bool {
	for i := range s.notes {
		if bytes.Equal(s.of(s.notes[i].key), key) {
			s.notes[i].text = s.addText(text)
			return true
		}
	}
	if len(s.notes) == hostapi.LimitNotes {
		return false
	}
	s.notes = append(s.notes, saidNote{s.add(key), s.addText(text)})
	return true
}

// label keeps a label; it returns false if there are too many.
func (s *said) label(name []byte) bool {
	for _, l := range s.labels {
		if bytes.Equal(s.of(l), name) {
			return true
		}
	}
	if len(s.labels) == hostapi.LimitLabels {
		return false
	}
	s.labels = append(s.labels, s.add(name))
	return true
}

// log keeps a line, or counts it if there are enough.
func (s *said) log(level hostapi.Level, text []byte) {
	if len(s.lines) == hostapi.LimitLogLines {
		s.dropped++
		return
	}
	s.lines = append(s.lines, saidLine{level, s.addText(text)})
}

// isCode says whether b is spelled as the code of a reason.
func isCode(b []byte) bool {
	return len(b) > 0 && len(b) <= hostapi.LimitReasonCodeBytes && b[0] >= 'a' && b[0] <= 'z' && ofCode(b)
}

// isKey says whether b is spelled as the key of a note, or a label.
func isKey(b []byte) bool {
	return len(b) > 0 && len(b) <= hostapi.LimitKeyBytes && ofCode(b)
}

func ofCode(b []byte) bool {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// lines puts together what a guest writes to standard output and error, in pieces.
type lines struct {
	open  []byte
	level hostapi.Level
}

func (l *lines) reset() { l.open = l.open[:0] }

// write gives every line that ends in text to log. Of a line that is longer than any that is
// kept, the rest is left out.
func (l *lines) write(level hostapi.Level, text []byte, log func(hostapi.Level, []byte)) {
	if level != l.level {
		l.flush(log)
		l.level = level
	}
	for {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		room := hostapi.LimitTextBytes + utf8.UTFMax - len(l.open)
		l.open = append(l.open, line[:min(len(line), max(room, 0))]...)
		if !ended {
			return
		}
		l.flush(log)
		text = rest
	}
}

func (l *lines) flush(log func(hostapi.Level, []byte)) {
	if len(l.open) > 0 {
		log(l.level, l.open)
		l.open = l.open[:0]
	}
}
