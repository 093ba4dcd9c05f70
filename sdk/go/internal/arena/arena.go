// Package arena keeps the bytes that a host gives during one call. A string that is taken from
// it stays as it is until Reset, so that a call allocates nothing unless its message is large.
package arena

import "unsafe"

// firstBytes are there from the beginning: what most calls read fits.
const firstBytes = 16 << 10

// Arena is memory that fills up. Its zero value is empty and ready.
type Arena struct {
	buf  []byte
	used int
}

// New returns an arena whose memory for a usual call is there already.
func New() Arena { return Arena{buf: make([]byte, firstBytes)} }

// Reset makes all memory free again. Strings that were taken are not valid any more.
func (a *Arena) Reset() { a.used = 0 }

// Room returns the memory that is free. The host writes there, or needs more.
func (a *Arena) Room() []byte { return a.buf[a.used:] }

// Grow makes room for n bytes, and reports whether there was too little.
func (a *Arena) Grow(n int32) bool {
	if int(n) <= len(a.buf)-a.used {
		return false
	}
	// What was taken lies in the old memory and stays there.
	a.buf = make([]byte, max(int(n), 2*len(a.buf), firstBytes))
	a.used = 0
	return true
}

// Take keeps the first n bytes of Room as a string. Less than 0 is none.
func (a *Arena) Take(n int32) (text string, ok bool) {
	if n <= 0 {
		return "", n == 0
	}
	text = unsafe.String(&a.buf[a.used], n) //nolint:gosec // nothing writes to it before Reset
	a.used += int(n)
	return text, true
}
