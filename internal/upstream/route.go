package upstream

import (
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/budget"
)

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
	m, ok := p.emit(root)
	if !ok {
		x.err = p.l.error(NoMemory, errNoMemory)
		p.removeLocked(x)
		x.signal()
		return
	}
	x.answered = true
	p.giveLocked(x, m)
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
		p.passLocked(x, root)
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
		p.passLocked(x, root)
		return
	}
	if tag.Exists() && p.s == nil {
		p.l.dropped.Add(1)
		return
	}
	if m, ok := p.emit(root); ok {
		p.routeLocked(m)
	}
}

// passLocked gives a notification to a stream. One for which there is no memory is lost.
func (p *peer) passLocked(x *lineCall, root jsonscan.Value) {
	if m, ok := p.emit(root); ok {
		p.giveLocked(x, m)
	}
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
	m, ok := p.emit(root)
	if !ok {
		p.tryWrite(refusalLine(raw))
		return
	}
	m.request = raw
	p.routeLocked(m)
}

// emit writes what was read anew, if there is memory for it until it has been taken.
func (p *peer) emit(root jsonscan.Value) (message, bool) {
	size := len(root.Raw()) + 32
	m := message{}
	if size > budget.Free {
		if m.held = int64(size); !p.l.o.Memory.Take(m.held) {
			p.l.dropped.Add(1)
			return message{}, false
		}
	}
	m.data = root.AppendEdited(make([]byte, 0, size), &p.scan.edits)
	return m, true
}

// routeLocked finds a stream for a message that names none: that of the latest
// request, else the GET stream, else it waits for one. On the shared peer
// nothing may reach anyone but the one it is for, so there it goes to the only
// request, or nowhere.
func (p *peer) routeLocked(m message) {
	switch n := len(p.order); {
	case p.s == nil && n == 1, p.s != nil && n > 0:
		p.giveLocked(p.order[n-1], m)
	case p.s == nil, p.dead != nil:
		p.forgetLocked([]message{m})
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
	p.forgetLocked(list[at : at+1])
	return slices.Delete(list, at, at+1)
}
