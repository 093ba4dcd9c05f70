package source

import "unicode/utf8"

// blockPlaces reads a block scalar again (YAML 1.2 section 8.1). Its indentation, which a header may give relative to
// a parent that is not known here, is found by trying.
func (n *Node) blockPlaces(c cursor, value string) []place {
	for !c.end() && !c.lineBreak() { // the header
		c.next()
	}
	if c.end() {
		return nil
	}
	c.next()
	most := firstIndent(c)
	for indent := most; indent >= 0; indent-- {
		s := scalar{cursor: c, style: n.style, want: value, places: make([]place, 0, utf8.RuneCountInString(value))}
		if s.block(indent) && s.want == "" {
			return s.places
		}
	}
	return nil
}

// firstIndent returns the indentation of the first line that is not empty, or of the deepest empty one before it.
func firstIndent(c cursor) int {
	deepest := 0
	for {
		spaces := c.spaces(len(c.text))
		if deepest = max(deepest, spaces); !c.lineBreak() {
			return deepest
		}
		c.next()
	}
}

// spaces steps over at most limit spaces, and returns how many there were.
func (c *cursor) spaces(limit int) int {
	n := 0
	for n < limit && c.peek() == ' ' {
		c.next()
		n++
	}
	return n
}

// block reads the lines of a block scalar. It stops at the first line that is indented less, or when nothing is wanted any more.
func (s *scalar) block(indent int) bool {
	var pending []cursor // the line breaks not yet known to count, the first of them ending a line of text
	text, blankBefore := false, false
	for {
		for s.spaces(indent); s.lineBreak() && s.col <= indent+1; s.spaces(indent) {
			pending = append(pending, s.cursor)
			s.next()
		}
		if s.end() || s.col != indent+1 {
			return s.breakLines(pending) && s.closing()
		}
		blank := s.blank()
		if text && s.style == folded && !blankBefore && !blank {
			if len(pending) == 1 && !s.joinWith(' ', pending[0]) {
				return false
			}
			pending = pending[1:]
		}
		if !s.breakLines(pending) || !s.restOfLine() {
			return false
		}
		text, blankBefore, pending = true, blank, pending[:0]
		if s.end() {
			return s.closing()
		}
		pending = append(pending, s.cursor)
		s.next()
	}
}

// joinWith accepts r as what stands for the line break at from.
func (s *scalar) joinWith(r rune, from cursor) bool {
	now := s.cursor
	s.cursor = from
	s.col++
	ok := s.accept(r, from)
	s.cursor = now
	return ok
}

// breakLines accepts line breaks, as far as the value has them: the header may say to drop those at the end.
func (s *scalar) breakLines(pending []cursor) bool {
	for _, from := range pending {
		if s.want == "" {
			break
		}
		if !s.joinWith('\n', from) {
			return false
		}
	}
	return true
}

// closing accepts the line break that the parser adds to a last line without one.
func (s *scalar) closing() bool {
	return s.want == "" || s.end() && s.joinWith('\n', s.cursor)
}

// restOfLine accepts the rest of a line.
func (s *scalar) restOfLine() bool {
	for !s.end() && !s.lineBreak() && s.want != "" {
		from := s.cursor
		if !s.accept(s.next(), from) {
			return false
		}
	}
	for !s.end() && !s.lineBreak() {
		s.next()
	}
	return true
}
