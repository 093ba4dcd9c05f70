package sallyport

import (
	"iter"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

// SetText gives a place a text. The path is a field path with indexes, at or below one of the
// manifest's writes; the last member of it need not exist yet. A place that can't have a value,
// because what it would be a part of isn't there, fails the call, so that no message passes
// without an edit that was meant. Edits count if the hook returns [Mutate], all at once, of the
// message as it was.
func (c *Call) SetText(path, text string) { c.SetJSON(path, Quote(text)) }

// SetJSON is [Call.SetText] with any JSON value.
func (c *Call) SetJSON(path, json string) {
	switch c.host.Patch(abi.PatchSet, path, json) {
	case abi.CodeAbsent:
		c.Fail("no place to set: " + path)
	case abi.CodeWrongType:
		c.Fail("not a part of what is there: " + path)
	}
}

// Remove takes a member or an element out. It returns false if there is none.
func (c *Call) Remove(path string) bool { return c.host.Patch(abi.PatchRemove, path, "") == abi.CodeOk }

// Strings goes over the strings at and below the manifest's strings of the hook: path by path,
// below each in the order of the message.
func (c *Call) Strings() iter.Seq[Str] {
	return func(yield func(Str) bool) {
		for i := range c.host.StrCount() {
			if !yield(Str{c, i}) {
				return
			}
		}
	}
}

// Str is a string of the message.
type Str struct {
	call  *Call
	index int32
}

// Text returns the string's text.
func (s Str) Text() string {
	c := s.call
	n := c.host.Str(s.index, c.memory.Room())
	if c.memory.Grow(n) {
		n = c.host.Str(s.index, c.memory.Room())
	}
	text, _ := c.memory.Take(n)
	return text
}

// Path returns the string's field path, which edits take.
func (s Str) Path() string {
	c := s.call
	n := c.host.StrPath(s.index, c.memory.Room())
	if c.memory.Grow(n) {
		n = c.host.StrPath(s.index, c.memory.Room())
	}
	text, _ := c.memory.Take(n)
	return text
}

// Replace gives the string another text, if the hook returns [Mutate].
func (s Str) Replace(text string) { s.call.host.StrReplace(s.index, text) }
