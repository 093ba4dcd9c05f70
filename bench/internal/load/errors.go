package load

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/bench/internal/rawhttp"
)

// Errors counts what went wrong, by kind, with one example of each kind. The zero
// value is none.
type Errors struct {
	counts   map[string]uint64
	examples map[string]string
}

// failure is one thing that went wrong; without a kind, nothing did.
type failure struct{ kind, detail string }

// Count is how many there were.
func (e Errors) Count() uint64 {
	var n uint64
	for _, c := range e.counts {
		n += c
	}
	return n
}

// Merge adds o's.
func (e *Errors) Merge(o Errors) {
	for kind, n := range o.counts {
		e.put(failure{kind, o.examples[kind]}, n)
	}
}

// String lists the kinds with their counts and examples, in order of kind.
func (e Errors) String() string {
	var b strings.Builder
	for i, kind := range slices.Sorted(maps.Keys(e.counts)) {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%d x %s", e.counts[kind], kind)
		if d := e.examples[kind]; d != "" {
			fmt.Fprintf(&b, " (%.160s)", d)
		}
	}
	return b.String()
}

func (e *Errors) add(f failure) { e.put(f, 1) }

func (e *Errors) put(f failure, n uint64) {
	if e.counts == nil {
		e.counts, e.examples = map[string]uint64{}, map[string]string{}
	}
	if e.counts[f.kind] == 0 {
		e.examples[f.kind] = f.detail
	}
	e.counts[f.kind] += n
}

// failureOf names what a failed exchange was about.
func failureOf(stage string, err error) failure {
	var timeout net.Error
	switch {
	case stage == "connect":
		return failure{"connect", err.Error()}
	case errors.As(err, &timeout) && timeout.Timeout():
		return failure{"timeout", ""}
	case errors.Is(err, rawhttp.ErrMalformed):
		return failure{"malformed", err.Error()}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return failure{"hung up", err.Error()}
	}
	return failure{"broken", err.Error()}
}
