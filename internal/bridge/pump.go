package bridge

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// pump reads the answer of a call that no single request of a client lasts as long as.
type pump struct {
	in   source
	out  chan message
	quit chan struct{} // closed when nobody reads any more, and the call is over
	left chan struct{} // closed when nobody reads any more, but the call goes on
}

// source is what a pump reads: a call, or one that may have to be fetched in several parts.
type source interface {
	Next() (upstream.Event, error)
	Cancel()
	Close()
}

// message is one of a server, the head of its answer, or its end.
type message struct {
	data []byte
	err  error
	head *answerHead
}

// answerHead says in which form an answer comes. One that is no stream has its data with it.
type answerHead struct {
	status int
	reply  upstream.Reply
}

// maxPumped bounds what waits; beyond it the server does.
const maxPumped = 32

var errSilent = errors.New("no answer in time")

func newPump(in source) *pump {
	return &pump{in: in, out: make(chan message, maxPumped), quit: make(chan struct{}), left: make(chan struct{})}
}

// startPump has w's stream read by a goroutine of its own from here on. It reports false if the server has been closed.
func (w *work) startPump() bool {
	if !w.a.pool.begin() {
		return false
	}
	w.in.Extend(time.Time{})
	w.pump = newPump(w.in)
	go func() {
		defer w.a.pool.work.Done()
		defer w.in.Close()
		w.pump.run(w.a)
	}()
	return true
}

// startCall sends in and reads its answer. It gives nil if the server has been closed.
func (a *Adapter) startCall(in *upstream.Call) *pump {
	if !a.pool.begin() {
		return nil
	}
	p := newPump(in)
	go func() {
		defer a.pool.work.Done()
		defer in.Close()
		if err := a.doModern(in); err != nil {
			p.give(message{err: err})
			return
		}
		m := message{head: &answerHead{in.Status, in.Reply}}
		if in.Reply == upstream.JSON {
			m.data = bytes.Clone(in.ReplyBody)
		}
		if p.give(m) && in.Reply == upstream.Stream {
			in.Extend(time.Time{})
			p.run(a)
		}
	}()
	return p
}

// startReading reads the stream that has answered in. It gives nil if the server has been closed.
func (a *Adapter) startReading(in *upstream.Call) *pump {
	if !a.pool.begin() {
		return nil
	}
	in.Extend(time.Time{})
	p := newPump(in)
	go func() {
		defer a.pool.work.Done()
		defer in.Close()
		p.run(a)
	}()
	return p
}

func (p *pump) run(a *Adapter) {
	for {
		e, err := p.in.Next()
		if errors.Is(err, io.EOF) {
			err = a.fail(upstream.Protocol, errNoAnswer)
		}
		if err == nil && len(e.Data) == 0 {
			continue
		}
		if !p.give(message{data: bytes.Clone(e.Data), err: err}) || err != nil {
			return
		}
	}
}

// give passes on a message, and says whether more are wanted.
func (p *pump) give(m message) bool {
	select {
	case p.out <- m:
		return true
	case <-p.left:
		return true
	case <-p.quit:
		return false
	}
}

// take waits for a message until wake is signalled or it is due.
func (p *pump) take(wake <-chan struct{}, due time.Time, now func() time.Time) (message, bool) {
	var over <-chan time.Time
	if !due.IsZero() {
		t := time.NewTimer(due.Sub(now()))
		defer t.Stop()
		over = t.C
	}
	select {
	case m := <-p.out:
		return m, true
	case <-wake:
	case <-over:
	}
	return message{}, false
}

// poll gives a message that is there already.
func (p *pump) poll() (message, bool) {
	select {
	case m := <-p.out:
		return m, true
	default:
		return message{}, false
	}
}

// stop ends the call, and frees it. Either it or leave is called, once.
func (p *pump) stop() {
	p.in.Cancel()
	close(p.quit)
}

// leave lets the call go on for a while, though nobody waits for its answer.
func (p *pump) leave(grace time.Duration) {
	close(p.left)
	time.AfterFunc(grace, p.in.Cancel)
}

// pumped gives the next message of a pump, until the leg is stopped or its time is over.
func (l *leg) pumped(p *pump) ([]byte, error) {
	for {
		due := l.due()
		if m, ok := p.take(l.wake, due, l.a.o.Now); ok {
			return m.data, m.err
		}
		switch {
		case l.isStopped():
			return nil, l.a.fail(upstream.Canceled, upstream.ErrCanceled)
		case !due.IsZero() && !l.a.o.Now().Before(due):
			return nil, l.a.fail(upstream.Timeout, errSilent)
		}
	}
}
