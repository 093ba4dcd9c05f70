package gateway

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// This file is calls of which a copy goes to another version of the server, to see whether it takes them. Nobody waits for a copy or reads
// what becomes of it, and only tools that say that they change nothing are called twice.

// Mirror says which calls of a server another of its versions gets, too.
type Mirror struct {
	To    string // a version
	Share int    // of the calls, in percent
}

// Bounds of the copies that are under way at once. What is beyond them is counted, and not sent.
const (
	maxMirrored      = 16
	maxMirroredBytes = 16 << 20
)

// What became of a copy, for the metrics.
const (
	mirrorAnswered = "answered"
	mirrorFailed   = "failed"
	mirrorDropped  = "dropped"
)

// mirrors are the copies under way. Safe for concurrent use.
type mirrors struct {
	mu      sync.Mutex
	taken   int // places
	bytes   int
	closed  bool
	calls   map[*upstream.Call]struct{}
	running sync.WaitGroup
}

// take takes a place for a copy of so many bytes. It is false if there is none.
func (m *mirrors) take(size int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.taken >= maxMirrored || m.bytes+size > maxMirroredBytes {
		return false
	}
	m.taken, m.bytes = m.taken+1, m.bytes+size
	return true
}

func (m *mirrors) giveBack(size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken, m.bytes = m.taken-1, m.bytes-size
}

// run sends a copy, in a goroutine of its own. It does nothing once the gateway ends.
func (m *mirrors) run(c *upstream.Call, send func(), done func()) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		done()
		return
	}
	defer m.mu.Unlock()
	if m.calls == nil {
		m.calls = make(map[*upstream.Call]struct{})
	}
	m.calls[c] = struct{}{}
	m.running.Go(func() {
		defer done()
		send()
		m.mu.Lock()
		delete(m.calls, c)
		m.mu.Unlock()
	})
}

// close ends all copies, and waits for them.
func (m *mirrors) close() {
	m.mu.Lock()
	m.closed = true
	for c := range m.calls {
		c.Cancel()
	}
	m.mu.Unlock()
	m.running.Wait()
}

// planMirror takes a place for a copy of the call, if it is to have one: the record of the decision says so.
func (x *exchange) planMirror() {
	m := x.snap.Versions[x.serverName].Mirror
	if m == nil || m.To == x.version || !x.mirrorable(m.To) || rand.IntN(100) >= m.Share { //nolint:gosec // nobody gains by guessing it
		return
	}
	size := int(x.outcome.in)
	if !x.g.mirrors.take(size) {
		x.mirrorMetrics(m.To, mirrorDropped)
		return
	}
	x.mirrored, x.mirrorTo = size, m.To
}

// mirrorable says that the call may be made twice: a call of a tool that changes nothing, as the version says that is called, and as the
// other one doesn't deny, outside of any session.
func (x *exchange) mirrorable(to string) bool {
	if x.msg.Kind != mcp.KindRequest || x.msg.Target != mcp.TargetTool || x.opened {
		return false
	}
	for _, name := range [...]string{"inputResponses", "requestState", "task"} { // which are about what one version only keeps
		if x.msg.Params.Get(name).Exists() {
			return false
		}
	}
	if only, _ := x.request.Annotations.Get("readOnlyHint").Bool(); !only {
		return false
	}
	t := x.g.catalog.find(toolKey{x.serverName, to, x.msg.Name})
	if t == nil || t.raw == nil {
		return true
	}
	if only, _ := t.annotations.Get("readOnlyHint").Bool(); !only {
		return false
	}
	q := engine.Request{Method: x.msg.Method, Server: x.serverName, Tool: x.msg.Name, ToolHash: t.hash}
	return x.snap.Policy.PinReason(&q) == ""
}

func (x *exchange) mirrorMetrics(to, result string) {
	x.snap.Versions[x.serverName].metrics[to].Mirrored(result)
}

// unplanMirror gives the place back of a copy that was not sent.
func (x *exchange) unplanMirror() {
	if x.mirrorTo != "" {
		x.g.mirrors.giveBack(x.mirrored)
		x.mirrorTo = ""
	}
}

// sendMirror sends the copy of what the server is about to get. What it needs it takes along: x may end before it.
func (x *exchange) sendMirror() {
	g, snap, size := x.g, x.snap, x.mirrored
	vs := snap.Versions[x.serverName]
	server, metrics := vs.Servers[x.mirrorTo], vs.metrics[x.mirrorTo]
	from, owner := &x.call, bytes.Clone(x.ownerKey())
	c := &upstream.Call{
		Verb: from.Verb, Kind: from.Kind, Method: strings.Clone(from.Method), Modern: from.Modern, Version: strings.Clone(from.Version), Translate: from.Translate,
		Body: bytes.Clone(from.Body), ID: bytes.Clone(from.ID), Progress: bytes.Clone(from.Progress),
		Owner: func() []byte { return owner }, Deadline: g.Now().Add(g.Limits.CallTimeout),
	}
	for _, f := range from.Header {
		c.Header = append(c.Header, upstream.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
	}
	x.mirrorTo = ""
	snap.refs.Add(1)
	g.mirrors.run(c, func() {
		result := mirrorFailed
		defer func() {
			if p := recover(); p != nil {
				g.recovered(p)
			}
			metrics.Mirrored(result)
		}()
		if discard(server, c) == nil {
			result = mirrorAnswered
		}
	}, func() {
		snap.release()
		g.mirrors.giveBack(size)
	})
}

var errMirror = errors.New("no answer")

// discard makes a call, and reads the answer to its end.
func discard(server upstream.Server, c *upstream.Call) error {
	defer c.Close()
	if err := server.Do(c); err != nil {
		return err
	}
	if c.Status != 200 {
		return errMirror
	}
	for c.Reply == upstream.Stream {
		c.Extend(c.Deadline)
		if _, err := c.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}
