package bridge

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// stream is a request at a server of before 2026-07-28, and its answer. If the server ends the stream of events before the answer, or
// the stream is lost, the rest is fetched (Last-Event-ID), as a client of that time would do; the request is not sent again.
type stream struct {
	*upstream.Call // what was sent, and the beginning of the answer
	a              *Adapter
	s              *session

	mu   sync.Mutex
	more *upstream.Call // what is read now; nil: Call
	over bool
	due  time.Time
	quit chan struct{}

	last  []byte        // the id of the last event; nil if none had one
	retry time.Duration // how long the server wants to be left alone
	tries int           // since there was a message
}

// maxFetches bounds the streams that are fetched for one message.
const maxFetches = 1000

var (
	errNoAnswer = errors.New("the stream ended without an answer")
	errNotThere = errors.New("the rest of the stream could not be fetched")
)

func (a *Adapter) newStream(s *session) *stream {
	return &stream{Call: new(upstream.Call), a: a, s: s, quit: make(chan struct{}), retry: reopen}
}

// Cancel ends Next under way, and every later one. It may be called from any goroutine, and more than once.
func (x *stream) Cancel() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return
	}
	x.over = true
	close(x.quit)
	x.Call.Cancel()
	if x.more != nil {
		x.more.Cancel()
	}
}

// Extend moves the deadline of Next; zero removes it. It may be called from any goroutine.
func (x *stream) Extend(t time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.due = t
	x.current().Extend(t)
}

func (x *stream) current() *upstream.Call {
	if x.more != nil {
		return x.more
	}
	return x.Call
}

// Close frees what the request holds.
func (x *stream) Close() {
	x.Call.Close()
	if x.more != nil {
		x.more.Close()
	}
}

// Next gives the next event, of whichever stream it comes.
func (x *stream) Next() (upstream.Event, error) {
	for {
		e, err := x.current().Next()
		if err == nil {
			x.note(e)
			return e, nil
		}
		if x.last == nil || !lostStream(err) {
			if errors.Is(err, io.EOF) {
				err = x.a.fail(upstream.Protocol, errNoAnswer)
			}
			return e, err
		}
		if err := x.fetch(); err != nil {
			return e, err
		}
	}
}

// lostStream says whether a stream has ended in a way after which the rest of it may be there.
func lostStream(err error) bool {
	var e *upstream.Error
	return errors.Is(err, io.EOF) || errors.As(err, &e) && e.Code == upstream.Closed
}

func (x *stream) note(e upstream.Event) {
	if len(e.ID) > 0 {
		x.last = append(x.last[:0], e.ID...)
	}
	if ms, ok := number(e.Retry); ok {
		x.retry = min(time.Duration(ms)*time.Millisecond, time.Minute)
	}
	if len(e.Data) > 0 {
		x.tries = 0
	}
}

// fetch waits as long as the server wants, and opens the rest of the stream.
func (x *stream) fetch() error {
	if x.tries++; x.tries > maxFetches {
		return x.a.fail(upstream.Protocol, errNoAnswer)
	}
	if err := x.pause(); err != nil {
		return err
	}
	c := &upstream.Call{Verb: upstream.Get, Session: x.s.id, Version: x.s.version, Start: x.a.o.Now()}
	c.Header = []upstream.Field{{Name: "Last-Event-ID", Value: string(x.last)}}
	c.Deadline = c.Start.Add(x.a.o.Timeout)
	x.mu.Lock()
	over, before := x.over, x.more
	if !over {
		x.more = c
	}
	x.mu.Unlock()
	if over {
		return x.a.fail(upstream.Canceled, upstream.ErrCanceled)
	}
	if before != nil {
		before.Close()
	}
	if err := x.a.inner.Do(c); err != nil {
		return err
	}
	if c.Reply != upstream.Stream {
		return x.a.fail(upstream.Protocol, fmt.Errorf("%w: http status %d", errNotThere, c.Status))
	}
	x.mu.Lock()
	c.Extend(x.due)
	x.mu.Unlock()
	return nil
}

// pause waits until the server may be asked again.
func (x *stream) pause() error {
	x.mu.Lock()
	due := x.due
	x.mu.Unlock()
	again := x.a.o.Now().Add(x.retry)
	if !due.IsZero() && due.Before(again) {
		again = due
	}
	t := time.NewTimer(again.Sub(x.a.o.Now()))
	defer t.Stop()
	select {
	case <-x.quit:
		return x.a.fail(upstream.Canceled, upstream.ErrCanceled)
	case <-t.C:
	}
	if !due.IsZero() && !x.a.o.Now().Before(due) {
		return x.a.fail(upstream.Timeout, errSilent)
	}
	return nil
}
