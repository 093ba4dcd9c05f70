package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

var (
	errBusyPeer   = errors.New("the server does not read its input")
	errNoReply    = errors.New("no answer by the deadline")
	errLongLine   = errors.New("a line is too long")
	errOnlyNoise  = errors.New("it writes nothing but noise")
	errEndOfLines = errors.New("it has ended its output")
	errBadAnswer  = errors.New("the answer is not strict JSON")
)

const (
	maxQueued  = 64    // messages that wait for a session's GET stream
	maxNoise   = 10000 // lines in a row that are not JSON-RPC
	outQueue   = 16    // messages that wait for the writer
	keepBuffer = 1 << 20
)

// peer is one running counterpart on newline-delimited JSON: the shared one,
// or that of a session. Two goroutines serve it, a reader and a writer; both
// end when it does.
type peer struct {
	l       *Lines
	rwc     io.ReadWriteCloser
	s       *session // nil for the shared peer
	started time.Time
	out     chan outLine
	gone    chan struct{}
	scan    scan // the reader's

	mu      sync.Mutex
	dead    *Error // set once
	heard   bool   // it has sent something sensible
	last    int64
	calls   map[int64]*lineCall
	order   []*lineCall // requests under way, the latest last
	get     *lineCall
	pending []message // for the GET stream
}

type outLine struct {
	b []byte
	x *lineCall // nil for messages of our own
}

func newPeer(l *Lines, rwc io.ReadWriteCloser, s *session) *peer {
	return &peer{
		l: l, rwc: rwc, s: s, started: l.o.Now(),
		out: make(chan outLine, outQueue), gone: make(chan struct{}), calls: map[int64]*lineCall{},
	}
}

func (p *peer) run() {
	p.l.work.Add(1) // for end
	p.l.work.Go(p.read)
	p.l.work.Go(p.write)
}

// end stops the peer. Its calls fail with code and err, or Unavailable if they
// were not sent. Ending it a second time does nothing.
func (p *peer) end(code ErrorCode, err error) {
	p.mu.Lock()
	if p.dead != nil {
		p.mu.Unlock()
		return
	}
	p.dead = p.l.error(code, err)
	p.mu.Unlock()
	p.l.peerEnded(p, err) // before its callers know, who may try again at once
	p.mu.Lock()
	for _, x := range p.calls {
		p.failLocked(x)
		x.signal()
	}
	clear(p.calls)
	p.order = nil
	if x := p.get; x != nil {
		x.over = errors.Is(err, errSessionOver)
		if !x.over {
			p.failLocked(x)
		}
		x.signal()
	}
	p.forgetLocked(p.pending)
	p.pending = nil
	p.mu.Unlock()
	close(p.gone)
	go func() {
		defer p.l.work.Done()
		p.l.peerClosed(err, p.rwc.Close())
	}()
}

// failLocked gives x the peer's error.
func (p *peer) failLocked(x *lineCall) {
	if x.err != nil || x.answered {
		return
	}
	x.err = p.dead
	if !x.sent {
		x.err = p.l.error(Unavailable, p.dead.Err)
	}
}

func (p *peer) write() {
	watch := time.AfterFunc(p.l.o.WriteWait, func() { p.end(Closed, errBusyPeer) })
	watch.Stop()
	defer watch.Stop()
	for {
		var m outLine
		select {
		case <-p.gone:
			return
		case m = <-p.out:
		}
		if m.x != nil {
			p.mu.Lock()
			m.x.sent = p.dead == nil
			p.mu.Unlock()
		}
		watch.Reset(p.l.o.WriteWait)
		_, err := p.rwc.Write(m.b)
		watch.Stop()
		if err != nil {
			p.end(Closed, err)
			return
		}
	}
}

// tryWrite sends a message of our own, which is lost if the peer is busy.
func (p *peer) tryWrite(line []byte) {
	select {
	case p.out <- outLine{b: line}:
	default:
		p.l.dropped.Add(1)
	}
}

func (p *peer) read() {
	defer func() {
		if r := recover(); r != nil {
			p.end(Protocol, fmt.Errorf("panic while reading: %v", r))
		}
	}()
	br := bufio.NewReaderSize(p.rwc, 64<<10)
	var buf []byte
	for noise := 0; ; {
		line, err := readLine(br, buf[:0], p.l.o.MaxLine)
		if buf = line; cap(buf) > keepBuffer {
			buf = nil
		}
		switch {
		case errors.Is(err, errLongLine):
			p.end(TooLarge, fmt.Errorf("%w: more than %d bytes", errLongLine, p.l.o.MaxLine))
			return
		case err != nil:
			p.end(Closed, errEndOfLines)
			return
		case len(line) == 0 || p.receive(line):
			noise = 0
			continue
		}
		p.l.noise.Add(1)
		if noise++; noise > maxNoise {
			p.end(Protocol, errOnlyNoise)
			return
		}
	}
}

// readLine appends the next line to buf, without its end and blanks around
// it. What was begun but not ended is not a line.
func readLine(br *bufio.Reader, buf []byte, limit int) ([]byte, error) {
	for {
		part, err := br.ReadSlice('\n')
		if len(buf)+len(part) > limit+1 {
			return buf, errLongLine
		}
		buf = append(buf, part...)
		switch {
		case err == nil:
			return bytes.TrimSpace(buf), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return buf, err
		}
	}
}

// remove takes x out, with what it has not read.
func (p *peer) remove(x *lineCall) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removeLocked(x)
	p.forgetLocked(x.waiting)
	x.waiting, x.size = nil, 0
}

// forgetLocked gives back what is held for messages that nobody reads.
func (p *peer) forgetLocked(list []message) {
	for i := range list {
		p.l.o.Memory.Give(list[i].held)
	}
}

func (p *peer) removeLocked(x *lineCall) {
	if p.get == x {
		p.get = nil
	}
	if x.key == 0 || p.calls[x.key] != x {
		return
	}
	delete(p.calls, x.key)
	if i := slices.Index(p.order, x); i >= 0 {
		p.order = slices.Delete(p.order, i, i+1)
	}
}

// findKey returns our id of the request under way that the client calls id.
func (p *peer) findKey(id []byte) (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.order {
		if !x.silent && bytes.Equal(x.id, id) {
			return x.key, true
		}
	}
	return 0, false
}

// addRequest registers x. It reports false if the peer is dead.
func (p *peer) addRequest(x *lineCall) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead != nil {
		return false
	}
	p.calls[x.key] = x
	p.order = append(p.order, x)
	return true
}

func (p *peer) nextKey() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	return p.last
}

func (p *peer) isDead() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}
