package audit

import (
	"bytes"
	"fmt"
	"io"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/seal"
)

// What was in a message (the values that rules could read, and what rules and plugins made of them: texts, causes, what plugins said) may be
// sealed. It then stands as the last member of its line, sealed beside all that stands in the line from the time on, so that neither is
// changed or moved to another record unnoticed by whoever holds the key. Number and hash of the line before are not known yet when it is
// sealed; they are what the chain is for.

var (
	sealedBegin = []byte(`,"sealed":"`)
	sealedEnd   = []byte(`"}`)
	timeBegin   = []byte(`"time":"`)
	sealingMark = []byte(`"event":"` + Sealing + `"`)
)

// seal appends the sealed member to a line that is complete but for it.
func (r *Record) seal(e *encoder, key *seal.Key) {
	body := len(e.b)
	e.b = append(e.b, sealedBegin...)
	e.b = append(key.Seal(&r.box, e.b, e.hidden, e.b[:body]), '"')
}

// wrapped writes a key as it is: it is base64, and bounded by its recipients.
func (e *encoder) wrapped(text string) {
	if text != "" {
		e.raw(`,"wrapped":"`, text)
	}
}

// sealed notes that a record is not open.
func (r *Record) sealed(v jsonscan.Value) {
	if r.Sealed = v.Exists(); r.Sealed && r.NotReplayable == "" {
		r.NotReplayable = InputsSealed
	}
}

// keyRecord is the record that the key stands in.
func (l *Log) keyRecord() *Record {
	return &Record{Kind: Lifecycle, Event: Sealing, Time: l.now(), Key: l.seal.ID, Wrapped: l.seal.Wrapped}
}

// noteKey records the key before anything is sealed with it.
func (l *Log) noteKey() error {
	if l.seal == nil {
		return nil
	}
	return l.Note(l.keyRecord())
}

// placeKey records the key in a file that has just been begun, so that it can be read without the one before. Called with the lock held.
func (l *Log) placeKey() {
	if l.seal == nil {
		return
	}
	r := l.keyRecord()
	r.encode(l.mask)
	l.place(r.line)
	l.arm(l.flush)
}

// IsSealed says whether a part of a line is sealed.
func IsSealed(line []byte) bool {
	rest, ok := bytes.CutSuffix(line, sealedEnd) // which begins with the quote that sealedBegin ends with
	return ok && bytes.Contains(rest, sealedBegin)
}

// An Unsealer opens lines, one after another. It is for one goroutine; the zero Unsealer is ready.
type Unsealer struct {
	box  seal.Box
	line []byte
}

// Unseal gives a line as it would be if nothing had been sealed, but for the order of its members; one in which nothing is sealed as it is.
// With an error, which is one of package seal, it gives the line as it is. What it gives is valid until the next call.
func (u *Unsealer) Unseal(o *seal.Opener, line []byte) ([]byte, error) {
	if !IsSealed(line) {
		return line, nil
	}
	rest := line[:len(line)-len(sealedEnd)]
	at, from := bytes.LastIndex(rest, sealedBegin), bytes.Index(line, timeBegin)
	if from < 0 || from > at {
		return line, seal.ErrForm
	}
	text := rest[at+len(sealedBegin):]
	out, err := o.Open(&u.box, append(u.line[:0], line[:at]...), text, line[from:at])
	if u.line = out; err != nil {
		return line, err
	}
	u.line = append(u.line, '}')
	return u.line, nil
}

// Learn tells o of all keys that stand in r, and says how many there are, and how many of them it can open.
func Learn(o *seal.Opener, r io.Reader) (found, opened int, err error) {
	lines := newLines(r)
	for n := 1; ; n++ {
		line, err := lines.next()
		if err != nil {
			return found, opened, noEnd(err)
		}
		if !bytes.Contains(line, sealingMark) {
			continue
		}
		e, err := Read(line)
		if err != nil || e.Record.Kind != Lifecycle || e.Record.Event != Sealing {
			continue // it is no record, or the mark stands in another's text
		}
		open, err := o.Learn(e.Record.Key, e.Record.Wrapped)
		if err != nil {
			return found, opened, fmt.Errorf("line %d: %w", n, err)
		}
		if found++; open {
			opened++
		}
	}
}
