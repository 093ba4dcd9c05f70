package bridge

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// pump reads a call's stream while no request of a client does.
type pump struct {
	in   *upstream.Call
	out  chan message
	quit chan struct{}
}

// message is one of a server, or the end of its stream.
type message struct {
	data []byte
	err  error
}

// maxPumped bounds what waits; beyond it the server does.
const maxPumped = 32

var errSilent = errors.New("no answer in time")

// startPump has w's stream read by a goroutine of its own from here on. It reports false if the server has been closed.
func (w *work) startPump() bool {
	if !w.a.pool.begin() {
		return false
	}
	w.in.Extend(time.Time{})
	w.pump = &pump{in: w.in, out: make(chan message, maxPumped), quit: make(chan struct{})}
	go func() {
		defer w.a.pool.work.Done()
		defer w.in.Close()
		w.pump.run(w.a)
	}()
	return true
}

func (p *pump) run(a *Adapter) {
	for {
		e, err := p.in.Next()
		if errors.Is(err, io.EOF) {
			err = a.fail(upstream.Protocol, errors.New("the stream ended without an answer"))
		}
		if err == nil && len(e.Data) == 0 {
			continue
		}
		select {
		case p.out <- message{bytes.Clone(e.Data), err}:
		case <-p.quit:
			return
		}
		if err != nil {
			return
		}
	}
}

// stop ends the pump, once; it frees the call.
func (p *pump) stop() {
	p.in.Cancel()
	close(p.quit)
}

// pumped gives the next message of a pump, until the leg is stopped or its time is over.
func (l *leg) pumped(p *pump) ([]byte, error) {
	for {
		var over <-chan time.Time
		stop := func() bool { return true }
		if due := l.due(); !due.IsZero() {
			t := time.NewTimer(due.Sub(l.a.o.Now()))
			over, stop = t.C, t.Stop
		}
		select {
		case m := <-p.out:
			stop()
			return m.data, m.err
		case <-over:
			return nil, l.a.fail(upstream.Timeout, errSilent)
		case <-l.wake:
		}
		stop()
		if l.isStopped() {
			return nil, l.a.fail(upstream.Canceled, upstream.ErrCanceled)
		}
	}
}
