package detect

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
)

// Runs of base64 of which a set says that it looks inside.
const (
	minRun = 32      // characters; fewer hold no secret
	maxRun = 8 << 20 // what is longer is decoded to here
)

// isBase64 has the characters of both alphabets.
var isBase64 = func() (of [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_") {
		of[c] = true
	}
	return of
}()

// decode searches what runs of base64 stand for. A find in one is the whole run, with what pads it, on however many lines.
func (x *search) decode() {
	text := x.text
	// Every run that is long enough has a character at one of these places.
	for at := minRun - 1; at < len(text) && !x.stopped; at += minRun {
		if !isBase64[text[at]] || at+half < len(text) && broken(text[at-half:at+half+1]) {
			continue
		}
		from, to := at, at+1
		for from > 0 && isBase64[text[from-1]] {
			from--
		}
		for to < len(text) && isBase64[text[to]] {
			to++
		}
		if to-from >= minRun {
			to = x.block(from, to)
		}
		at += (to - at) / minRun * minRun
	}
}

const half = minRun / 2

// broken says that no run that is long enough lies around the middle of some bytes, half of one to each side: there are blanks on both sides, or
// what else is below all of base64.
func broken(around []byte) bool {
	const ones, high, least = 0x0101010101010101, 0x8080808080808080, '+'
	_ = around[2*half]
	a, b := binary.LittleEndian.Uint64(around), binary.LittleEndian.Uint64(around[half/2:])
	c, d := binary.LittleEndian.Uint64(around[half+1:]), binary.LittleEndian.Uint64(around[half+1+half/2:])
	return ((a-ones*least)&^a|(b-ones*least)&^b)&high != 0 && ((c-ones*least)&^c|(d-ones*least)&^d)&high != 0
}

// block searches a run, and what goes on with it on the next lines: each line by itself, and all of them together. It returns where they end.
func (x *search) block(from, to int) int {
	first := from
	for {
		if to-from >= minRun {
			x.inside(from, to)
		}
		begin, end, ok := x.nextLine(to)
		if !ok {
			break
		}
		from, to = begin, end
	}
	if from > first {
		x.inside(first, to)
	}
	return to
}

// nextLine returns the line that goes on with a line of base64: the next, if it has nothing else on it.
func (x *search) nextLine(to int) (begin, end int, ok bool) {
	rest := bytes.TrimPrefix(x.text[to:], []byte("\r"))
	if len(rest) == 0 || rest[0] != '\n' {
		return 0, 0, false
	}
	rest = rest[1:]
	begin = len(x.text) - len(rest)
	for end = begin; end < len(x.text) && isBase64[x.text[end]]; end++ {
	}
	after := x.padded(end)
	return begin, end, end > begin && (after == len(x.text) || bytes.IndexByte([]byte("\r\n\""), x.text[after]) >= 0)
}

// padded returns where what pads a run ends.
func (x *search) padded(to int) int {
	for n := 0; n < 2 && to < len(x.text) && x.text[to] == '='; n++ {
		to++
	}
	return to
}

// inside searches what one run stands for. Lines may end in it: the decoder leaves that out.
func (x *search) inside(from, to int) {
	run := x.text[from:min(to, from+maxRun)]
	std, url := bytes.ContainsAny(run, "+/"), bytes.ContainsAny(run, "-_")
	encoding := base64.RawStdEncoding
	switch {
	case std && url:
		return
	case url:
		encoding = base64.RawURLEncoding
	}
	run = bytes.TrimRight(run, "\r\n") // where it is cut
	if characters := len(run) - bytes.Count(run, []byte("\n")) - bytes.Count(run, []byte("\r")); characters%4 == 1 {
		run = run[:len(run)-1]
	}
	to = x.padded(to)
	y := searches.Get().(*search) //nolint:forcetypeassert // the pool has nothing else
	if need := encoding.DecodedLen(len(run)); cap(y.decoded) < need {
		y.decoded = make([]byte, need)
	}
	y.stop, y.stopped, y.since = x.stop, false, x.since
	n, err := encoding.Decode(y.decoded[:cap(y.decoded)], run)
	if err == nil {
		for _, m := range y.plain(x.set, y.decoded[:n]) {
			x.found = append(x.found, Match{from, to, m.Rule})
		}
	}
	x.stopped, x.since = y.stopped, y.since
	y.done()
}
