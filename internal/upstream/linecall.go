package upstream

import (
	"io"
	"time"
)

// Messages that wait for a client to read them: beyond either bound the
// oldest notifications go, so that one slow client costs the others nothing.
const (
	maxWaiting      = 256
	maxWaitingBytes = 4 // times MaxLine
)

// lineCall is an exchange with a peer: a request, or a session's GET stream.
type lineCall struct {
	p     *peer
	s     *session // nil on the shared peer
	key   int64    // our id and progress token for it; 0 if it is not a request
	id    []byte   // the client's id
	token []byte   // the client's progress token; nil if it gave none

	wake chan struct{} // something below has changed

	reading int64 // of the budget, for the message that was taken last; the reader's own

	// Under p.mu:
	silent   bool // must not be canceled on the wire: it is initialize, or its client has left without a word
	waiting  []message
	size     int  // bytes in waiting
	answered bool // the last message of waiting is the answer
	queued   bool // handed to the writer
	sent     bool // the writer has begun with it
	over     bool // nothing comes any more, and that is in order
	err      *Error
	deadline time.Time
}

// message is one line of a peer, rewritten for its client.
type message struct {
	data    []byte
	request []byte // raw id, if it is a request; else nil
	held    int64  // of the budget, until it has been read
}

func (x *lineCall) signal() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// interrupt implements exchange.
func (x *lineCall) interrupt(tell bool) {
	if !tell {
		x.p.mu.Lock()
		x.silent = true
		x.p.mu.Unlock()
	}
	x.abandon(Canceled, ErrCanceled, "canceled")
}

// extend implements exchange.
func (x *lineCall) extend(t time.Time) {
	x.p.mu.Lock()
	x.deadline = t
	x.p.mu.Unlock()
	x.signal()
}

// abandon fails the call and tells the peer, unless it is over already.
func (x *lineCall) abandon(code ErrorCode, err error, reason string) {
	p := x.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if x.err != nil {
		return
	}
	x.err = p.l.error(code, err)
	if p.calls[x.key] == x && x.queued && !x.silent {
		p.tryWrite(cancelLine(x.key, reason))
	}
	p.removeLocked(x)
	x.signal()
}

// enqueue hands line to the peer's writer.
func (x *lineCall) enqueue(line []byte) error {
	for {
		x.p.mu.Lock()
		err, deadline := x.err, x.deadline
		x.p.mu.Unlock()
		if err != nil {
			return err
		}
		expired, stop := x.timer(deadline)
		select {
		case x.p.out <- outLine{line, x}:
			stop()
			x.wasQueued()
			return nil
		case <-x.wake:
		case <-x.p.gone:
			x.p.mu.Lock()
			x.p.failLocked(x)
			x.p.mu.Unlock()
		case <-expired:
			x.abandon(Unavailable, errBusyPeer, "")
		}
		stop()
	}
}

// wasQueued notes that the line is on its way. If the call was abandoned just
// before, the peer must be told now.
func (x *lineCall) wasQueued() {
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	x.queued = true
	if x.err != nil && x.key != 0 && !x.silent {
		x.p.tryWrite(cancelLine(x.key, "canceled"))
	}
}

// take waits for the next message. io.EOF means that there will be none.
func (x *lineCall) take() (m message, last bool, err error) {
	x.letGo()
	for {
		m, last, deadline, ok, err := x.poll()
		if ok || err != nil {
			x.reading = m.held
			return m, last, err
		}
		expired, stop := x.timer(deadline)
		select {
		case <-x.wake:
		case <-expired:
			x.abandon(Timeout, errNoReply, "timeout")
		}
		stop()
	}
}

// letGo gives back what was held for the message that was taken last.
func (x *lineCall) letGo() {
	x.p.l.o.Memory.Give(x.reading)
	x.reading = 0
}

func (x *lineCall) poll() (m message, last bool, deadline time.Time, ok bool, err error) {
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	switch {
	case x.err != nil && x.err.Code == Canceled:
		return m, false, x.deadline, false, x.err
	case len(x.waiting) > 0:
		m = x.waiting[0]
		x.waiting[0] = message{}
		x.waiting = x.waiting[1:]
		x.size -= len(m.data)
		return m, x.answered && len(x.waiting) == 0, x.deadline, true, nil
	case x.err != nil:
		return m, false, x.deadline, false, x.err
	case x.over || x.answered:
		return m, false, x.deadline, false, io.EOF
	}
	return m, false, x.deadline, false, nil
}

// putBack makes m, just taken, the next message again, and ends the deadline:
// how long a stream may take is its reader's business.
func (x *lineCall) putBack(m message) {
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	x.waiting = append([]message{m}, x.waiting...)
	x.size += len(m.data)
	x.reading = 0
	x.deadline = time.Time{}
}

func (x *lineCall) timer(deadline time.Time) (<-chan time.Time, func() bool) {
	if deadline.IsZero() {
		return nil, func() bool { return true }
	}
	t := time.NewTimer(deadline.Sub(x.p.l.o.Now()))
	return t.C, t.Stop
}

// next implements flow.
func (x *lineCall) next(*Call) (Event, error) {
	m, _, err := x.take()
	if err != nil {
		return Event{}, err
	}
	return Event{Data: m.data}, nil
}

// end implements flow. A request that has no answer yet goes on at the peer:
// that its client went away is not a wish to cancel it, Cancel is.
func (x *lineCall) end(*Call) {
	x.letGo()
	x.p.remove(x)
	x.p.l.release(x.s)
	x.p.l.inFlight.Add(-1)
}
