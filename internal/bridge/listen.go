package bridge

import (
	"bytes"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// listener is a client's subscriptions/listen on a server of before 2026-07-28.
type listener struct {
	a  *Adapter
	s  *session
	id []byte // of the request, and so of the subscription

	tasks     bool     // see asked
	lists     []string // the notifications that are wanted, by method
	resources []string // the resources that the server tells of

	mu       sync.Mutex
	waiting  [][]byte
	over     bool // nothing more comes
	ended    bool // and the client has been told
	stopped  bool
	deadline time.Time
	wake     chan struct{}
}

// Bounds of one listener: beyond maxNews the oldest go.
const (
	maxNews      = 256
	maxResources = 256
)

// filters are the members of a listen request's notifications, what a server must declare for them, and what they ask for.
var filters = []struct{ member, capability, method string }{
	{"toolsListChanged", "tools", "notifications/tools/list_changed"},
	{"promptsListChanged", "prompts", "notifications/prompts/list_changed"},
	{"resourcesListChanged", "resources", "notifications/resources/list_changed"},
}

// listen opens a stream of what the client wants to hear and the server can tell.
func (a *Adapter) listen(c *upstream.Call, q *asked) error {
	s, err := a.pool.acquire(&q.who, false)
	if err != nil {
		return err
	}
	a.pool.hear(s, true)
	x := &listener{a: a, s: s, tasks: q.tasks, id: bytes.Clone(c.ID), wake: make(chan struct{}, 1)}
	if !s.news.add(x) {
		a.pool.hear(s, false)
		return a.fail(upstream.Unavailable, errSessionOver)
	}
	x.acknowledge(q.msg.Params.Get("notifications"))
	if !c.Attach(x) {
		x.End()
		return a.fail(upstream.Canceled, upstream.ErrCanceled)
	}
	c.Stream(x)
	return nil
}

// acknowledge makes the first message: what of the request is honoured.
func (x *listener) acknowledge(wanted jsonscan.Value) {
	b := append(append([]byte(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"`+metaSubscription+`":`), x.id...), `},"notifications":{`...)
	empty := len(b)
	var lists, resources []string
	for _, f := range filters {
		if is, _ := wanted.Get(f.member).Bool(); is && x.s.offers(f.capability, "listChanged") {
			lists = append(lists, f.method)
			b = append(append(between(b, empty), quoted(f.member)...), ":true"...)
		}
	}
	if list := wanted.Get("resourceSubscriptions"); list.Kind() == jsonscan.Array && x.s.offers("resources", "subscribe") {
		b = append(between(b, empty), `"resourceSubscriptions":[`...)
		empty = len(b)
		for c := list.Cursor(); c.Next(); {
			uri := string(c.Value().AppendText(nil))
			if uri == "" || len(resources) >= maxResources || slices.Contains(resources, uri) || !x.s.news.subscribe(uri) {
				continue
			}
			resources = append(resources, uri)
			b = append(between(b, empty), quoted(uri)...)
		}
		b = append(b, ']')
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lists, x.resources = lists, resources
	x.waiting = append(x.waiting, append(b, "}}}"...))
	x.signal()
}

func between(b []byte, empty int) []byte {
	if len(b) > empty {
		return append(b, ',')
	}
	return b
}

// wants says whether a notification is among what was acknowledged.
func (x *listener) wants(m *mcp.Message) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if m.Method == "notifications/tasks/status" {
		return x.tasks
	}
	if m.Method == "notifications/resources/updated" {
		return slices.ContainsFunc(x.resources, func(r string) bool { return covers(r, m.Name) })
	}
	return slices.Contains(x.lists, m.Method)
}

// give queues a notification, tagged with the subscription. One that waits already is not queued twice.
func (x *listener) give(m *mcp.Message) {
	var e jsonscan.Edits
	tag := append(append([]byte(`{"`+metaSubscription+`":`), x.id...), '}')
	switch meta := m.Params.Get("_meta"); {
	case meta.Kind() == jsonscan.Object:
		e.Set(meta, metaSubscription, x.id)
	case m.Params.Exists():
		e.Set(m.Params, "_meta", tag)
	default:
		e.Set(m.Root(), "params", append(append([]byte(`{"_meta":`), tag...), '}'))
	}
	out := m.AppendEdited(nil, &e)
	x.mu.Lock()
	defer x.mu.Unlock()
	if slices.ContainsFunc(x.waiting, func(b []byte) bool { return bytes.Equal(b, out) }) {
		return
	}
	if x.waiting = append(x.waiting, out); len(x.waiting) > maxNews {
		x.waiting = slices.Delete(x.waiting, 1, 2) // the first may be the acknowledgement
	}
	x.signal()
}

// finish lets the client know that nothing more comes.
func (x *listener) finish() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	x.signal()
}

func (x *listener) signal() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Interrupt implements upstream.Relay.
func (x *listener) Interrupt(bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stopped = true
	x.signal()
}

// Extend implements upstream.Relay.
func (x *listener) Extend(t time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.deadline = t
	x.signal()
}

// Next implements upstream.Relay.
func (x *listener) Next() (upstream.Event, error) {
	for {
		data, due, err := x.take()
		if data != nil || err != nil {
			return upstream.Event{Data: data}, err
		}
		if !await(x.wake, due, x.a.o.Now) {
			return upstream.Event{}, x.a.fail(upstream.Timeout, errSilent)
		}
	}
}

// take gives what there is for the client; nothing yet, and by when to look again.
func (x *listener) take() ([]byte, time.Time, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.stopped:
		return nil, x.deadline, x.a.fail(upstream.Canceled, upstream.ErrCanceled)
	case len(x.waiting) > 0:
		out := x.waiting[0]
		x.waiting = x.waiting[1:]
		return out, x.deadline, nil
	case x.ended:
		return nil, x.deadline, io.EOF
	case x.over:
		x.ended = true
		return listenEnd(x.id), x.deadline, nil
	}
	return nil, x.deadline, nil
}

// listenEnd is the result by which a subscription ends in good order.
func listenEnd(id []byte) []byte {
	b := append(append([]byte(`{"jsonrpc":"2.0","id":`), id...), `,"result":{"resultType":"complete","_meta":{"`+metaSubscription+`":`...)
	return append(append(b, id...), "}}}"...)
}

// End implements upstream.Relay.
func (x *listener) End() {
	x.s.news.remove(x)
	x.a.pool.hear(x.s, false)
}

// await waits until wake is signalled. It reports false if due, unless zero, came first.
func await(wake <-chan struct{}, due time.Time, now func() time.Time) bool {
	var over <-chan time.Time
	if !due.IsZero() {
		t := time.NewTimer(due.Sub(now()))
		defer t.Stop()
		over = t.C
	}
	select {
	case <-wake:
		return true
	case <-over:
		return false
	}
}
