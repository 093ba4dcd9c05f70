package audit

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// failed keeps what the kernel did not take. A line of which it took a part stays whole, with the part noted, so that
// the next write goes on in the middle of it and the file never holds half a line before another.
func (l *Log) failed(taken int, err error) {
	whole := bytes.LastIndexByte(l.batch[:taken], '\n') + 1
	l.written += uint64(bytes.Count(l.batch[:whole], newline))
	l.torn = taken - whole
	l.batch = append(l.batch[:0], l.batch[whole:]...)
	l.held = len(l.batch)
	l.stats.WriteErrors++
	l.broken = l.journal != nil
	first := l.err == nil
	l.err = err
	l.arm(failedFlush)
	if first && l.onError != nil {
		l.onError(err)
	}
}

var newline = []byte{'\n'}

// settle takes out of the journal what the file has now.
func (l *Log) settle(full int) {
	switch {
	case l.journal == nil:
	case l.broken:
		l.broken = !l.journal.restart(l.pending, l.end)
	default:
		l.journal.follow(l.end)
		l.journal.setUsed(full, 0)
	}
}

// recover puts into the file what a process that was killed has left in the journal, and notes a last line that had no end.
func (l *Log) recover(o Options, end tail) error {
	j, err := openJournal(o.Path)
	if err != nil {
		return err
	}
	if j != nil {
		if end, err = l.replay(j, end); err != nil {
			return fmt.Errorf("audit journal %s%s: %w", o.Path, journalSuffix, err)
		}
		if o.direct {
			err = j.close()
		} else {
			l.journal = j
		}
	}
	l.end, l.stats.Seq = end, end.seq
	if end.removed == 0 || err != nil {
		return err
	}
	return l.Lifecycle(Recovered, "", "removed an unfinished last line of "+strconv.Itoa(end.removed)+" bytes")
}

// replay gives the file what it lacks of the journal, and says where the chain ends then.
func (l *Log) replay(j *journal, end tail) (tail, error) {
	lines, from, err := j.left()
	if err != nil {
		return end, err
	}
	rest, now, err := missing(lines, from, end)
	if err != nil {
		return end, err
	}
	if len(rest) > 0 {
		if _, err := l.out.write(rest); err != nil {
			return end, err
		}
	}
	j.restart(nil, now)
	return now, nil
}

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
	r := Record{Kind: Lifecycle, Event: RecordsLost, Time: l.now(), Cause: strconv.FormatUint(l.lost, 10) + " records found the buffer full"}
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
	l.finish()
	if renewed {
		l.torn = 0
		l.placeKey()
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
	l.finish()
	if renewed {
		l.torn = 0
		l.placeKey()
	}
	return err
}
