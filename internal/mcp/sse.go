package mcp

import (
	"bytes"
	"errors"
	"io"
)

// Event is one server-sent event (WHATWG HTML section 9.2). A nil field was not
// there; an empty one was there and empty. An event with an ID and empty Data
// primes a stream for resumption and must reach the client as it is.
//
// What EventReader returns aliases its memory and is valid until the next call.
type Event struct {
	ID      []byte
	Name    []byte // the field "event"; absent means "message"
	Data    []byte // lines joined by "\n"
	Retry   []byte // digits: milliseconds
	Comment []byte // a comment between events; all else is nil then
}

// ErrNotYet is what a reader returns that doesn't wait for what has not come yet. It is the one error of an EventReader that is not
// final: Next goes on where it was.
var ErrNotYet = errors.New("nothing has come yet")

// ErrEventTooLarge is returned for an event, or a line of one, beyond the limit.
var ErrEventTooLarge = errors.New("event too large")

const (
	// DefaultMaxEvent bounds an event when no limit is given.
	DefaultMaxEvent = 16 << 20

	maxField   = 64 << 10 // bytes of an id, a name or a comment
	minBuffer  = 4 << 10
	fewBuffer  = 512      // minBuffer of a Small reader
	keepBuffer = 64 << 10 // what Reset keeps of a buffer that a large event has grown
)

// EventReader reads a stream of events. It starts no goroutine, returns an event
// as soon as its last byte has arrived, and holds at most one event, in a buffer
// of at most twice the limit. It is not safe for concurrent use.
type EventReader struct {
	// Comments makes Next return comments that stand between events; without it
	// they are skipped. Comments inside an event are always dropped.
	Comments bool
	// Small is for streams that are silent for long: while nothing of an event has come, half a kilobyte is held.
	Small bool

	r   io.Reader
	max int

	buf   []byte // what was read and isn't yet consumed
	start int    // where the current event begins in buf
	line  int    // where the current line begins
	pos   int    // the next byte to look at

	begun  bool // the byte order mark was looked for
	midway bool // the last Next had to stop
	skipLF bool // the last byte was the CR of a line ending: an LF belongs to it
	err    error

	cur          Event
	hasData      bool
	dataB, dataE int // the data so far, in buf
	id, name     []byte
	retry, note  []byte
}

// NewEventReader gives a reader of the events in r, none larger than maxEvent
// bytes on the wire; 0 means DefaultMaxEvent.
func NewEventReader(r io.Reader, maxEvent int) *EventReader {
	e := new(EventReader)
	e.Reset(r, maxEvent)
	return e
}

// Reset begins with another stream and keeps memory of ordinary size.
func (e *EventReader) Reset(r io.Reader, maxEvent int) {
	if maxEvent <= 0 {
		maxEvent = DefaultMaxEvent
	}
	buf := e.buf[:0]
	if cap(buf) > keepBuffer {
		buf = nil
	}
	*e = EventReader{
		Comments: e.Comments, Small: e.Small, r: r, max: maxEvent, buf: buf,
		id: e.id[:0], name: e.name[:0], retry: e.retry[:0], note: e.note[:0],
	}
}

// Next returns the next event. The error is io.EOF when the stream ended between
// events, io.ErrUnexpectedEOF when it ended inside one (which is dropped, as the
// standard asks), ErrEventTooLarge, or the reader's own. Errors are final.
func (e *EventReader) Next() (Event, error) {
	if e.err != nil {
		return Event{}, e.err
	}
	if !e.midway {
		e.newEvent()
	}
	e.midway = false
	for {
		for e.pos < len(e.buf) {
			done, err := e.scan()
			if err != nil {
				e.err = err
				return Event{}, err
			}
			if done {
				return e.cur, nil
			}
		}
		if err := e.fill(); errors.Is(err, ErrNotYet) {
			e.midway = true
			return Event{}, err
		} else if err != nil {
			e.err = err
			return Event{}, err
		}
	}
}

// Buffered is how many bytes have been read that Next has not looked at.
func (e *EventReader) Buffered() int { return len(e.buf) - e.pos }

// EventsAt is where between two events a reader has stopped.
type EventsAt struct{ begun, skipLF bool }

// At says where the reader has stopped, if nothing has been read that Next has not returned: another one can Continue there.
func (e *EventReader) At() (EventsAt, bool) {
	return EventsAt{e.begun, e.skipLF}, e.midway && !e.pending() && e.line == len(e.buf)
}

// Continue is Reset, where the rest of a stream is read that another reader has begun.
func (e *EventReader) Continue(r io.Reader, maxEvent int, at EventsAt) {
	e.Reset(r, maxEvent)
	e.begun, e.skipLF = at.begun, at.skipLF
}

// newEvent forgets the event that was returned.
func (e *EventReader) newEvent() {
	e.cur = Event{}
	e.hasData = false
	e.start, e.line = e.pos, e.pos
}

// scan goes to the end of the current line or of what was read, and says whether
// e.cur is an event now.
func (e *EventReader) scan() (bool, error) {
	if e.skipLF {
		e.skipLF = false
		if e.buf[e.pos] == '\n' {
			e.pos++
			e.line = e.pos
			if !e.pending() {
				e.start = e.pos
			}
			return false, nil
		}
	}
	i := lineEnd(e.buf[e.pos:])
	if i < 0 {
		e.pos = len(e.buf)
		return false, e.bound()
	}
	end := e.pos + i
	e.pos = end + 1
	e.skipLF = e.buf[end] == '\r'
	if err := e.bound(); err != nil {
		return false, err
	}
	from := e.line
	e.line = e.pos
	if !e.begun {
		e.begun = true
		from += len(e.buf[from:end]) - len(bytes.TrimPrefix(e.buf[from:end], []byte("\xef\xbb\xbf")))
	}
	return e.take(from, end)
}

func (e *EventReader) bound() error {
	if e.pos-e.start > e.max {
		return ErrEventTooLarge
	}
	return nil
}

// pending reports whether the current event has a field.
func (e *EventReader) pending() bool {
	return e.hasData || e.cur.ID != nil || e.cur.Name != nil || e.cur.Retry != nil
}

// take reads the line buf[from:end].
func (e *EventReader) take(from, end int) (bool, error) {
	if from == end {
		if !e.pending() {
			e.start = e.pos
			return false, nil
		}
		if e.hasData {
			e.cur.Data = e.buf[e.dataB:e.dataE:e.dataE]
		}
		return true, nil
	}
	line := e.buf[from:end]
	field, value, _ := bytes.Cut(line, []byte{':'})
	value = bytes.TrimPrefix(value, []byte{' '})
	if len(field) == 0 {
		return e.comment(value)
	}
	var err error
	switch string(field) {
	case "data":
		e.addData(end-len(value), end)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			e.cur.ID, err = keep(&e.id, value)
		}
	case "event":
		e.cur.Name, err = keep(&e.name, value)
	case "retry":
		if len(value) > 0 && isDigits(value) {
			e.cur.Retry, err = keep(&e.retry, value)
		}
	}
	return false, err
}

func (e *EventReader) comment(text []byte) (bool, error) {
	if e.pending() {
		return false, nil
	}
	if !e.Comments {
		e.start = e.pos
		return false, nil
	}
	var err error
	e.cur.Comment, err = keep(&e.note, text)
	return err == nil, err
}

// addData joins a data line to those before it, in place: what is written is
// always shorter than the lines it comes from, all of which have been read.
func (e *EventReader) addData(from, end int) {
	if !e.hasData {
		e.hasData, e.dataB, e.dataE = true, from, end
		return
	}
	e.buf[e.dataE] = '\n'
	e.dataE += 1 + copy(e.buf[e.dataE+1:], e.buf[from:end])
}

// keep copies a field out of the buffer, where data lines may overwrite it. The
// result is never nil.
func keep(mem *[]byte, value []byte) ([]byte, error) {
	if len(value) > maxField {
		return nil, ErrEventTooLarge
	}
	if *mem == nil {
		*mem = make([]byte, 0, 64)
	}
	*mem = append((*mem)[:0], value...)
	return *mem, nil
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// fill reads more, after making room for it.
func (e *EventReader) fill() error {
	e.makeRoom()
	for range 100 {
		n, err := e.r.Read(e.buf[len(e.buf):cap(e.buf)])
		e.buf = e.buf[:len(e.buf)+n]
		switch {
		case n > 0:
			return nil
		case err == io.EOF:
			return e.atEOF()
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// atEOF tells the end of the stream between events from one inside an event.
func (e *EventReader) atEOF() error {
	if e.pending() || e.line < len(e.buf) {
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// makeRoom drops what was consumed, and grows the buffer when an event fills it.
func (e *EventReader) makeRoom() {
	if n := e.start; n > 0 && (n == len(e.buf) || len(e.buf) == cap(e.buf)) {
		e.buf = e.buf[:copy(e.buf, e.buf[n:])]
		e.start, e.line, e.pos = 0, e.line-n, e.pos-n
		e.dataB, e.dataE = e.dataB-n, e.dataE-n
	}
	least, most := minBuffer, keepBuffer
	if e.Small {
		least, most = fewBuffer, fewBuffer
	}
	if len(e.buf) == 0 && cap(e.buf) > most { // a large event has passed: the next may be long in coming
		e.buf = nil
	}
	if len(e.buf) < cap(e.buf) {
		return
	}
	size := min(max(2*cap(e.buf), least), e.max+minBuffer)
	e.buf = append(make([]byte, 0, size), e.buf...)
}

// AppendEvent appends an event as EventReader reads it. A line break in Data
// begins a new data line; a field that can't be written (a line break in an ID,
// a Name or a Comment, a NUL in an ID, a Retry that isn't digits) is left out.
func AppendEvent(dst []byte, e Event) []byte {
	if e.Comment != nil && !hasBreak(e.Comment) {
		dst = appendField(dst, "", e.Comment)
	}
	if e.Name != nil && !hasBreak(e.Name) {
		dst = appendField(dst, "event", e.Name)
	}
	if e.ID != nil && !hasBreak(e.ID) && bytes.IndexByte(e.ID, 0) < 0 {
		dst = appendField(dst, "id", e.ID)
	}
	if len(e.Retry) > 0 && isDigits(e.Retry) {
		dst = appendField(dst, "retry", e.Retry)
	}
	if e.Data != nil {
		dst = appendData(dst, e.Data)
	}
	return append(dst, '\n')
}

func appendData(dst, data []byte) []byte {
	for {
		i := lineEnd(data)
		if i < 0 {
			return appendField(dst, "data", data)
		}
		dst = appendField(dst, "data", data[:i])
		if data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			i++
		}
		data = data[i+1:]
	}
}

func appendField(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, '\n')
}

// lineEnd gives the index of the first CR or LF, -1 without one.
func lineEnd(b []byte) int {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return bytes.IndexByte(b, '\r')
	}
	if j := bytes.IndexByte(b[:i], '\r'); j >= 0 {
		return j
	}
	return i
}

func hasBreak(b []byte) bool { return lineEnd(b) >= 0 }
