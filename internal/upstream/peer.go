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

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
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
	p.mu.Unlock()
	close(p.gone)
	p.l.peerEnded(p, err)
	go func() {
		defer p.l.work.Done()
		p.l.peerClosed(p, err, p.rwc.Close())
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

// receive takes one line to where it belongs. It reports false if it is not a
// JSON-RPC message.
func (p *peer) receive(line []byte) bool {
	s := &p.scan
	s.edits.Reset()
	if err := s.doc.Scan(line, jsonscan.Options{}); err != nil {
		return p.receiveBroken(line, err)
	}
	root := s.doc.Root()
	id, method := root.Get("id"), root.Get("method")
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case method.Kind() == jsonscan.String && id.Exists():
		p.askLocked(root, id)
	case method.Kind() == jsonscan.String:
		p.noticeLocked(root, method)
	case id.Exists() && (root.Get("result").Exists() || root.Get("error").Exists()):
		p.answerLocked(root, id)
	default:
		return false
	}
	p.heard = true
	return true
}

// receiveBroken fails the request that an unreadable answer belongs to.
func (p *peer) receiveBroken(line []byte, cause error) bool {
	key, ok := lenientID(line)
	if !ok {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.calls[key]
	if x == nil {
		return false
	}
	x.err = p.l.error(Protocol, fmt.Errorf("%w: %w", errBadAnswer, cause))
	p.removeLocked(x)
	x.signal()
	return true
}

// answerLocked gives an answer, under the client's own id, to its call.
func (p *peer) answerLocked(root, id jsonscan.Value) {
	key, _ := id.Int64()
	x := p.calls[key]
	if x == nil || key == 0 {
		p.l.dropped.Add(1) // its client has gone
		return
	}
	e := &p.scan.edits
	e.Replace(id, x.id)
	p.retag(root.Path("result", "_meta", subscriptionKey))
	x.answered = true
	p.giveLocked(x, message{data: p.emit(root)})
	p.removeLocked(x)
}

// noticeLocked takes a notification to the stream it is about.
func (p *peer) noticeLocked(root, method jsonscan.Value) {
	switch method.Text() {
	case "notifications/progress":
		token := root.Path("params", "progressToken")
		key, _ := token.Int64()
		x := p.calls[key]
		if x == nil || x.token == nil {
			p.l.dropped.Add(1)
			return
		}
		p.scan.edits.Replace(token, x.token)
		p.giveLocked(x, message{data: p.emit(root)})
		return
	case "notifications/cancelled":
		// In the modern era a server ends a subscription so.
		if p.s == nil {
			key, _ := root.Path("params", "requestId").Int64()
			if x := p.calls[key]; x != nil {
				x.over = true
				p.removeLocked(x)
				x.signal()
			}
			return
		}
	}
	tag := root.Path("params", "_meta", subscriptionKey)
	if x := p.retag(tag); x != nil {
		p.giveLocked(x, message{data: p.emit(root)})
		return
	}
	if tag.Exists() && p.s == nil {
		p.l.dropped.Add(1)
		return
	}
	p.routeLocked(message{data: p.emit(root)})
}

// retag puts the client's listen id in the place of ours. Only the modern era,
// and so the shared peer, has such tags.
func (p *peer) retag(tag jsonscan.Value) *lineCall {
	key, ok := tag.Int64()
	x := p.calls[key]
	if !ok || x == nil || p.s != nil {
		return nil
	}
	p.scan.edits.Replace(tag, x.id)
	return x
}

// askLocked takes a server's request to its client. The modern era has none.
func (p *peer) askLocked(root, id jsonscan.Value) {
	raw := id.AppendTo(nil)
	if p.s == nil {
		p.tryWrite(refusalLine(raw))
		return
	}
	p.routeLocked(message{data: p.emit(root), request: raw})
}

func (p *peer) emit(root jsonscan.Value) []byte {
	return root.AppendEdited(make([]byte, 0, len(root.Raw())+32), &p.scan.edits)
}

// routeLocked finds a stream for a message that names none: that of the latest
// request, else the GET stream, else it waits for one. On the shared peer
// nothing may reach anyone but the one it is for, so there it goes to the only
// request, or nowhere.
func (p *peer) routeLocked(m message) {
	switch n := len(p.order); {
	case p.s == nil && n == 1, p.s != nil && n > 0:
		p.giveLocked(p.order[n-1], m)
	case p.s == nil:
		p.l.dropped.Add(1)
	case p.get != nil:
		p.giveLocked(p.get, m)
	default:
		p.pending = append(p.pending, m)
		if len(p.pending) > maxQueued {
			p.pending = p.shedLocked(p.pending)
		}
	}
}

func (p *peer) giveLocked(x *lineCall, m message) {
	x.waiting = append(x.waiting, m)
	x.size += len(m.data)
	for len(x.waiting) > 1 && (len(x.waiting) > maxWaiting || x.size > maxWaitingBytes*p.l.o.MaxLine) {
		before := len(x.waiting)
		x.waiting = p.shedLocked(x.waiting)
		x.size = 0
		for _, m := range x.waiting {
			x.size += len(m.data)
		}
		if len(x.waiting) == before {
			break
		}
	}
	x.signal()
}

// shedLocked drops the oldest notification of list, or refuses its oldest
// request. The newest message stays.
func (p *peer) shedLocked(list []message) []message {
	at := slices.IndexFunc(list[:len(list)-1], func(m message) bool { return m.request == nil })
	if at < 0 {
		at = 0
		p.tryWrite(refusalLine(list[0].request))
	}
	p.l.dropped.Add(1)
	return slices.Delete(list, at, at+1)
}

func (p *peer) remove(x *lineCall) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removeLocked(x)
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
