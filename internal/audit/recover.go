package audit

import (
	"bytes"
	"strconv"
	"time"
)

// failed keeps what the kernel did not take. A line of which it took a part stays whole, with the part noted, so that
// the next write goes on in the middle of it and the file never holds half a line before another.
func (l *Log) failed(batch []byte, taken int, err error) {
	whole := bytes.LastIndexByte(batch[:taken], '\n') + 1
	l.written += uint64(bytes.Count(batch[:whole], newline))
	l.torn = taken - whole
	l.pending = append(batch[whole:], l.pending...)
	l.stats.WriteErrors++
	first := l.err == nil
	l.err = err
	l.arm(failedFlush)
	if first && l.onError != nil {
		l.onError(err)
	}
}

var newline = []byte{'\n'}

// failedFlush is how often writing is tried again while nobody calls.
const failedFlush = 100 * time.Millisecond

// works notes that writing works again, and leaves a record of what could not be taken meanwhile.
func (l *Log) works() {
	l.err = nil
	if l.onError != nil {
		l.onError(nil)
	}
	if l.lost == 0 {
		return
	}
	r := Record{Kind: Lifecycle, Event: "records_lost", Time: l.now(), Cause: strconv.FormatUint(l.lost, 10) + " records found the buffer full"}
	l.lost = 0
	r.encode(l.mask)
	l.place(r.line)
	l.arm(l.flush)
}

// look finds out, at most once a second, whether the file was removed or renamed, and makes a new one if so.
func (l *Log) look() {
	now := l.now()
	if now.Sub(l.checked) < time.Second && !now.Before(l.checked) {
		return
	}
	l.checked = now
	torn := l.torn
	l.begin()
	renewed := l.out.renew(torn)
	l.end()
	if renewed {
		l.torn = 0
	}
}

// Reopen goes on in a new file when the old one was renamed or removed, as log rotation does. The first record of the
// new file links to the last one of the old. It does nothing when the file is still in its place.
func (l *Log) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	for l.writing {
		if l.stalled {
			return ErrStalled
		}
		l.await()
	}
	torn := l.torn
	l.begin()
	renewed, err := l.out.reopen(torn)
	l.end()
	if renewed {
		l.torn = 0
	}
	return err
}
