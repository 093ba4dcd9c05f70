package bridge

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// news takes what a session's server says of its own accord to the clients that listen. While there are any, the session's GET
// stream is open, and the server is subscribed to every resource that one of them wants to hear of.
type news struct {
	a *Adapter
	s *session

	changing sync.Mutex // held while subscriptions change, so that the server hears of it in order

	mu        sync.Mutex
	over      bool // the session has ended
	listeners []*listener
	wanted    map[string]int // resources, and how many listeners want each
	in        *upstream.Call // the GET stream; nil while there is none
	stop      chan struct{}  // closed when the last listener has gone; nil while there is none
}

// reopen is how long to wait until a stream that has ended is opened anew, if the server does not say.
const reopen = time.Second

// add lets x hear the news, unless the session is over.
func (n *news) add(x *listener) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return false
	}
	n.listeners = append(n.listeners, x)
	if n.stop == nil && n.a.pool.begin() {
		n.stop = make(chan struct{})
		go n.read(n.stop)
	}
	return true
}

// remove ends what only x was the reason for.
func (n *news) remove(x *listener) {
	n.mu.Lock()
	n.listeners = slices.DeleteFunc(n.listeners, func(y *listener) bool { return x == y })
	if len(n.listeners) == 0 {
		n.shut()
	}
	n.mu.Unlock()
	for _, uri := range x.resources {
		n.unsubscribe(uri)
	}
}

// shut ends the GET stream. It is called under mu.
func (n *news) shut() {
	if n.stop == nil {
		return
	}
	close(n.stop)
	n.stop = nil
	if n.in != nil {
		n.in.Cancel()
	}
}

// end tells all listeners that nothing more comes.
func (n *news) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.over = true
	n.shut()
	for _, x := range n.listeners {
		x.finish()
	}
}

// subscribe says whether the server tells of changes of a resource.
func (n *news) subscribe(uri string) bool {
	n.changing.Lock()
	defer n.changing.Unlock()
	if n.wants(uri, 1) > 1 {
		return true
	}
	if n.a.request(n.s, "resources/subscribe", append(append([]byte(`{"uri":`), quoted(uri)...), '}')) {
		return true
	}
	n.wants(uri, -1)
	return false
}

func (n *news) unsubscribe(uri string) {
	n.changing.Lock()
	defer n.changing.Unlock()
	if n.wants(uri, -1) > 0 || n.isOver() {
		return
	}
	n.a.request(n.s, "resources/unsubscribe", append(append([]byte(`{"uri":`), quoted(uri)...), '}'))
}

func (n *news) isOver() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.over
}

func (n *news) wants(uri string, more int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wanted == nil {
		n.wanted = map[string]int{}
	}
	n.wanted[uri] += more
	left := n.wanted[uri]
	if left <= 0 {
		delete(n.wanted, uri)
	}
	return left
}

// tell takes a notification to those who want it.
func (n *news) tell(m *mcp.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, x := range n.listeners {
		if x.wants(m) {
			x.give(m)
		}
	}
}

// read keeps the GET stream open until stop is closed.
func (n *news) read(stop chan struct{}) {
	defer n.a.pool.work.Done()
	var last []byte // id of the last event
	for {
		var c upstream.Call
		wait, again := n.stream(&c, stop, &last)
		c.Close()
		if !again {
			return
		}
		t := time.NewTimer(wait)
		select {
		case <-stop:
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// stream reads one GET stream to its end, and says whether and when another is worth a try.
func (n *news) stream(c *upstream.Call, stop chan struct{}, last *[]byte) (wait time.Duration, again bool) {
	c.Verb, c.Session, c.Version = upstream.Get, n.s.id, n.s.version
	c.Deadline = n.a.o.Now().Add(n.a.o.Timeout)
	if *last != nil {
		c.Header = append(c.Header, upstream.Field{Name: "Last-Event-ID", Value: string(*last)})
	}
	if !n.hold(c, stop) {
		return 0, false
	}
	defer n.hold(nil, stop)
	err := n.a.inner.Do(c)
	switch {
	case err != nil:
		return reopen, true
	case c.Status == 404:
		n.a.pool.drop(n.s)
		return 0, false
	case c.Status == 409: // the stream before has not quite ended
		return reopen / 10, true
	case c.Reply != upstream.Stream:
		return 0, false // the server has none; its news may come with its answers
	}
	c.Extend(time.Time{})
	wait = reopen
	for {
		e, err := c.Next()
		if err != nil {
			return wait, true
		}
		if e.ID != nil {
			*last = append((*last)[:0], e.ID...)
		}
		if ms, ok := number(e.Retry); ok {
			wait = min(time.Duration(ms)*time.Millisecond, time.Minute)
		}
		n.hear(e.Data)
	}
}

// hold makes c what shut cancels, unless it came first.
func (n *news) hold(c *upstream.Call, stop chan struct{}) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-stop:
		return false
	default:
		n.in = c
		return true
	}
}

// hear takes one message of the GET stream. Nobody can be asked anything there: only a call has a client that waits.
func (n *news) hear(data []byte) {
	var m mcp.Message
	if len(data) == 0 || m.DecodeServer(data, jsonscan.Options{}) != nil {
		return
	}
	switch m.Kind {
	case mcp.KindNotification:
		n.tell(&m)
	case mcp.KindRequest:
		body := append(append([]byte(`{"jsonrpc":"2.0","id":`), m.ID...), ',')
		if m.Method == "ping" {
			body = append(body, `"result":{}}`...)
		} else {
			body = append(body, `"error":{"code":-32601,"message":"no client can be asked outside of a call"}}`...)
		}
		_ = n.a.post(n.s, "", body) // the server has a time limit of its own
	case mcp.KindResponse, mcp.KindBatch, mcp.KindNone:
	}
}

func number(digits []byte) (n int, ok bool) {
	if len(digits) == 0 || len(digits) > 9 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int(d-'0')
	}
	return n, true
}

var errSessionOver = errors.New("the session with the server is over")

// covers says whether a notification about uri is what a subscription to resource asks for: that, or a part of it.
func covers(resource, uri string) bool {
	rest, ok := strings.CutPrefix(uri, resource)
	return ok && (rest == "" || strings.HasSuffix(resource, "/") || strings.ContainsRune("/?#", rune(rest[0])))
}
