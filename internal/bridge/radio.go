package bridge

import (
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// radio is the GET stream of a client of before 2026-07-28: a subscription at the server. When what the client wants to hear of
// changes, another takes its place.
type radio struct {
	a     *Adapter
	cl    *client
	owner []byte
	many  bool // the client hears several servers on one stream, and is told what each acknowledges

	tuning sync.Mutex // held while the subscription is replaced

	mu       sync.Mutex
	p        *pump
	waiting  [][]byte // of the subscription before
	over     bool     // nothing more comes
	stopped  bool
	deadline time.Time
	wake     chan struct{}

	reply mcp.Message
}

// tune opens a client's GET stream. It has one: an older one ends.
func (a *Adapter) tune(c *upstream.Call, cl *client) error {
	x := &radio{a: a, cl: cl, owner: ownerOf(c), deadline: a.due(c), wake: make(chan struct{}, 1)}
	x.many = c.Client != nil
	p, code, err := x.subscribe(c)
	switch {
	case err != nil:
		return err
	case p == nil:
		return status(c, code)
	}
	x.p = p
	var before *radio
	on := a.memory.with(cl.ID, a.o.Now(), func(r *remembered) {
		before, r.radio = r.radio, x
	})
	if before != nil {
		before.finish()
	}
	if !on || !c.Attach(x) {
		x.End()
		return a.fail(upstream.Canceled, upstream.ErrCanceled)
	}
	c.Stream(x)
	return nil
}

// subscribe subscribes to all that the client wants. With no pump, the server has none of it, and code says how to tell the client.
func (x *radio) subscribe(on *upstream.Call) (p *pump, code int, err error) {
	var resources []string
	x.a.memory.with(x.cl.ID, x.a.o.Now(), func(r *remembered) { resources = r.resources })
	body := append([]byte(`{"jsonrpc":"2.0","id":`), strconv.AppendInt(nil, x.a.ids.Add(1), 10)...)
	body = append(body, `,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":[`...)
	for i, uri := range resources {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, quoted(uri)...)
	}
	body = append(x.cl.appendMeta(append(body, `]},"_meta":`...), jsonscan.Value{}, ""), "}}"...)
	in := &upstream.Call{Start: x.a.o.Now(), Owner: func() []byte { return x.owner }, Tasks: on.Tasks}
	in.Deadline = in.Start.Add(x.a.o.Timeout)
	if err := x.a.fill(in, body); err != nil {
		return nil, 0, err
	}
	if p = x.a.startCall(in); p == nil {
		return nil, 0, x.a.fail(upstream.Unavailable, errShut)
	}
	for {
		m, ok := p.take(nil, x.a.due(on), x.a.o.Now)
		switch {
		case !ok:
			err = x.a.fail(upstream.Timeout, errSilent)
		case m.err != nil:
			err = m.err
		case m.head != nil && m.head.reply != upstream.Stream:
			p.stop()
			return nil, 405, nil
		case m.head == nil && isAcknowledgement(m.data):
			if x.many {
				x.first(m.data)
			}
			return p, 0, nil
		case m.head == nil && isResponse(m.data):
			p.stop()
			return nil, 405, nil
		default:
			continue
		}
		p.stop()
		return nil, 0, err
	}
}

// first gives the client what the server has acknowledged, before anything else.
func (x *radio) first(data []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.waiting = append(x.waiting, data)
}

func isAcknowledgement(data []byte) bool {
	var doc jsonscan.Doc
	return len(data) > 0 && doc.Scan(data, jsonscan.Options{}) == nil &&
		doc.Root().Get("method").TextIs("notifications/subscriptions/acknowledged")
}

// retune opens a subscription to what the client wants now, and then ends the one before: between them nothing is lost.
func (x *radio) retune(on *upstream.Call) error {
	x.tuning.Lock()
	defer x.tuning.Unlock()
	p, _, err := x.subscribe(on)
	if err != nil || p == nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over || x.stopped || x.p == nil {
		p.stop()
		return nil
	}
	old := x.p
	for m, ok := old.poll(); ok; m, ok = old.poll() {
		if m.err == nil {
			x.waiting = append(x.waiting, m.data)
		}
	}
	old.stop()
	x.p = p
	x.signal()
	return nil
}

// finish ends the stream in good order.
func (x *radio) finish() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	x.signal()
}

func (x *radio) signal() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Interrupt implements upstream.Relay.
func (x *radio) Interrupt(bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stopped = true
	x.signal()
}

// Extend implements upstream.Relay.
func (x *radio) Extend(t time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.deadline = t
	x.signal()
}

// End implements upstream.Relay.
func (x *radio) End() {
	x.mu.Lock()
	p := x.p
	x.p = nil
	x.mu.Unlock()
	if p != nil {
		p.stop()
	}
	x.a.memory.with(x.cl.ID, x.a.o.Now(), func(r *remembered) {
		if r.radio == x {
			r.radio = nil
		}
	})
}

// Next implements upstream.Relay.
func (x *radio) Next() (upstream.Event, error) {
	for {
		data, p, due, err := x.state()
		if err != nil {
			return upstream.Event{}, err
		}
		if data == nil {
			m, ok := p.take(x.wake, due, x.a.o.Now)
			switch {
			case !ok && !due.IsZero() && !x.a.o.Now().Before(due):
				return upstream.Event{}, x.a.fail(upstream.Timeout, errSilent)
			case !ok:
				continue
			case m.err != nil && x.replaced(p):
				continue
			case m.err != nil:
				return upstream.Event{}, io.EOF // the client comes back, and subscribes anew
			}
			data = m.data
		}
		if out, last := x.translate(data); last {
			return upstream.Event{}, io.EOF
		} else if out != nil {
			return upstream.Event{Data: out}, nil
		}
	}
}

func (x *radio) state() (data []byte, p *pump, due time.Time, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.stopped:
		return nil, nil, due, x.a.fail(upstream.Canceled, upstream.ErrCanceled)
	case x.over:
		return nil, nil, due, io.EOF
	case len(x.waiting) > 0:
		data = x.waiting[0]
		x.waiting = x.waiting[1:]
	}
	return data, x.p, x.deadline, nil
}

func (x *radio) replaced(p *pump) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.p != p
}

// translate leaves out of a notification what says whose subscription it is of. last is the end of the subscription.
func (x *radio) translate(data []byte) (out []byte, last bool) {
	m := &x.reply
	if len(data) == 0 || m.DecodeServer(data, jsonscan.Options{}) != nil {
		return nil, false
	}
	if m.Kind == mcp.KindResponse {
		return nil, true
	}
	if m.Kind != mcp.KindNotification || !x.many && m.Method == "notifications/subscriptions/acknowledged" {
		return nil, false
	}
	var e jsonscan.Edits
	if meta := m.Params.Get("_meta"); meta.Len() == 1 && meta.Get(metaSubscription).Exists() {
		e.Remove(meta)
	} else {
		e.Remove(meta.Get(metaSubscription))
	}
	return m.AppendEdited(nil, &e), false
}
