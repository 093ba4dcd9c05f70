package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// A Report is what Verify found out.
type Report struct {
	Lines     int    // whole lines that hold
	FirstSeq  uint64 // number of the first record; above 1 the file goes on from an older one
	FirstPrev string // hash of the last line of that older file
	LastSeq   uint64
	Head      string // hash of the last line: what a later file, or Log.Head, must say

	Decisions, Outcomes, Refusals, Lifecycles int
	Open                                      int    // decisions without an outcome: calls under way, or cut short by a crash
	FirstOpen                                 string // decision id of the oldest of them, "" if there are none
	Recovered                                 int    // starts that found an unfinished last line
	Stopped                                   bool   // the last record says that the gateway stopped in order
}

// A ChainError says which line breaks the chain first, and how.
type ChainError struct {
	Line   int // 1-based
	Reason string
}

func (e *ChainError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// Verify reads records from r and checks that each follows the one before: none edited, removed, put in or moved. Rotated
// files are verified as one by reading them in order, oldest first. The error is a *ChainError, or r's.
//
// A chain can't say what was cut off its end, or whether its very last line was edited: compare Report.Head to what the
// gateway told, or to the next file's FirstPrev.
func Verify(r io.Reader) (Report, error) {
	v := verifier{open: map[ID]int{}}
	lines := newLines(r)
	for n := 1; ; n++ {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return v.finish(), nil
		}
		if errors.Is(err, errUnfinished) || errors.Is(err, errTooLong) {
			return v.finish(), &ChainError{Line: n, Reason: err.Error()}
		}
		if err != nil {
			return v.finish(), err
		}
		if err := v.line(n, line); err != nil {
			return v.finish(), err
		}
	}
}

type verifier struct {
	report Report
	doc    jsonscan.Doc
	hash   [32]byte
	open   map[ID]int
}

func (v *verifier) line(n int, line []byte) error {
	e, err := read(&v.doc, line)
	if err != nil {
		return &ChainError{Line: n, Reason: "is no decision record: " + err.Error()}
	}
	if err := v.link(n, &e, line); err != nil {
		return err
	}
	v.hash = sha256.Sum256(line)
	v.report.Lines++
	v.report.LastSeq = e.Seq
	v.count(n, &e.Record)
	return nil
}

func (v *verifier) link(n int, e *Entry, line []byte) error {
	if !bytes.HasPrefix(line, fmt.Appendf(nil, `{"seq":%d,"prev":"%s","time":`, e.Seq, e.Prev)) {
		return &ChainError{Line: n, Reason: "is not as the gateway writes it: it was edited"}
	}
	last := v.report.LastSeq
	switch {
	case n == 1:
		v.report.FirstSeq, v.report.FirstPrev = e.Seq, e.Prev
		if zero := hex.EncodeToString(make([]byte, 32)); (e.Seq == 1) != (e.Prev == zero) {
			return &ChainError{Line: n, Reason: "is not the beginning of a chain"}
		}
		return nil
	case e.Seq == last+2:
		return &ChainError{Line: n, Reason: fmt.Sprintf("record %d is missing before record %d", last+1, e.Seq)}
	case e.Seq > last+1:
		return &ChainError{Line: n, Reason: fmt.Sprintf("records %d to %d are missing before record %d", last+1, e.Seq-1, e.Seq)}
	case e.Seq <= last:
		return &ChainError{Line: n, Reason: fmt.Sprintf("record %d stands after record %d", e.Seq, last)}
	case e.Prev != hex.EncodeToString(v.hash[:]):
		return &ChainError{Line: n - 1, Reason: fmt.Sprintf("record %d is not what record %d says it was: it was edited", last, e.Seq)}
	}
	return nil
}

func (v *verifier) count(n int, r *Record) {
	v.report.Stopped = false
	switch r.Kind {
	case Decision:
		v.report.Decisions++
		v.open[r.DecisionID] = n
	case Outcome:
		v.report.Outcomes++
		delete(v.open, r.DecisionID)
	case Refusal:
		v.report.Refusals++
		delete(v.open, r.DecisionID)
	case Lifecycle:
		v.report.Lifecycles++
		v.report.Stopped = r.Event == Stopped
		if r.Event == "recovered" {
			v.report.Recovered++
		}
	}
}

func (v *verifier) finish() Report {
	r := v.report
	r.Open = len(v.open)
	first := 0
	for id, n := range v.open {
		if first == 0 || n < first {
			first, r.FirstOpen = n, id.String()
		}
	}
	if r.Lines > 0 {
		r.Head = hex.EncodeToString(v.hash[:])
	}
	return r
}
