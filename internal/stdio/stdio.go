// Package stdio is a server on standard input and output: it reads messages of one client, line by line, has each carried out as an exchange
// with a Streamable HTTP server, and writes what comes back, line by line.
package stdio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// Options bound a Serve.
type Options struct {
	MaxLine int           // bytes of a line from the client; 4 MiB
	Calls   int           // requests under way at a time: no more is read beyond; 64
	Drain   time.Duration // for requests under way to end, once the client has ended its input; 10 s
}

// ErrLongLine is returned when the client writes a line that is too long.
var ErrLongLine = errors.New("a line from the client is too long")

// Serve serves the client until it ends its input, until a write to it fails, or until ctx ends. A read of in that is under way then is left
// behind. Sessions that it has opened are over when it returns.
func Serve(ctx context.Context, s upstream.Server, in io.Reader, out io.Writer, o Options) error {
	if o.MaxLine == 0 {
		o.MaxLine = 4 << 20
	}
	if o.Calls == 0 {
		o.Calls = 64
	}
	if o.Drain == 0 {
		o.Drain = 10 * time.Second
	}
	ctx, stop := context.WithCancelCause(ctx)
	c := &client{
		ctx: ctx, stop: stop, server: s, out: out, o: o, slots: make(chan struct{}, o.Calls),
		calls: map[string]*upstream.Call{}, params: map[string][]mcp.HeaderParam{},
	}
	lines := make(chan []byte)
	ended := make(chan error, 1)
	go func() { ended <- c.read(in, lines) }()
	err := c.serve(lines, ended)
	stop(err)
	c.work.Wait()
	c.endSession()
	return err
}

// client is the one client.
type client struct {
	ctx    context.Context //nolint:containedctx // it is Serve's
	stop   context.CancelCauseFunc
	server upstream.Server
	o      Options
	slots  chan struct{}
	work   sync.WaitGroup // requests under way, and the stream for news

	writing sync.Mutex
	out     io.Writer

	mu       sync.Mutex
	calls    map[string]*upstream.Call // requests of the modern era under way, by id
	params   map[string][]mcp.HeaderParam
	session  string
	version  string
	watching bool
}

// read gives the lines of the client.
func (c *client) read(in io.Reader, lines chan<- []byte) error {
	br := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := readLine(br, c.o.MaxLine)
		if len(line) > 0 {
			select {
			case lines <- line:
			case <-c.ctx.Done():
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}

// readLine reads a line without blanks around it. The last one need not have an end.
func readLine(br *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		if len(line)+len(part) > most+1 {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrLongLine, most)
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSpace(line), err
		}
	}
}

func (c *client) serve(lines <-chan []byte, ended <-chan error) error {
	for {
		select {
		case line := <-lines:
			c.message(line)
		case err := <-ended:
			if !errors.Is(err, io.EOF) {
				return err
			}
			return c.drain()
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
}

// drain waits for the requests under way, but for those that end when the client says so.
func (c *client) drain() error {
	c.mu.Lock()
	for _, call := range c.calls {
		if call.Method == "subscriptions/listen" {
			call.Cancel()
		}
	}
	c.mu.Unlock()
	late := time.NewTimer(c.o.Drain)
	defer late.Stop()
	for range cap(c.slots) {
		select {
		case c.slots <- struct{}{}:
		case <-late.C:
			return nil
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
	return nil
}

// message passes on one line. Requests go on beside each other; what has no answer is passed on before the next line is read.
func (c *client) message(line []byte) {
	m := new(mcp.Message)
	if r := m.Decode(line, jsonscan.Options{}); r != nil {
		c.refused(m, line)
		return
	}
	if m.Kind == mcp.KindNotification && m.Method == "notifications/cancelled" && c.cancel(m.Params.Get("requestId").Raw()) {
		return
	}
	call := c.call(m, line)
	if call.Kind != upstream.Request {
		c.carry(m, call)
		if m.Method == "notifications/initialized" {
			c.watch()
		}
		return
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.ctx.Done():
		return
	}
	key := c.remember(m, call)
	c.work.Go(func() {
		defer func() { <-c.slots }()
		defer c.forget(key, call)
		c.carry(m, call)
	})
}

// refused has the server say what is wrong with a line, as it does, and records, for every client.
func (c *client) refused(m *mcp.Message, line []byte) {
	call := c.call(m, line)
	call.Kind, call.Method, call.ID = upstream.Request, "", nil
	defer call.Close()
	if c.server.Do(call) == nil && call.Reply == upstream.JSON {
		c.write(call.ReplyBody)
	}
}

// call makes the exchange for a message.
func (c *client) call(m *mcp.Message, line []byte) *upstream.Call {
	call := &upstream.Call{Body: line, Method: m.Method, ID: m.ID, Modern: m.Era == mcp.Modern, Progress: m.ProgressToken.Raw()}
	switch m.Kind {
	case mcp.KindNotification:
		call.Kind = upstream.Notification
	case mcp.KindResponse:
		call.Kind = upstream.Response
	case mcp.KindRequest, mcp.KindBatch, mcp.KindNone: // of a batch the gateway knows whether anything in it is a request
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !call.Modern {
		call.Session, call.Version = c.session, c.version
		return call
	}
	for _, h := range m.AppendParams(m.AppendHeaders(nil), c.params[m.Name]) {
		call.Header = append(call.Header, upstream.Field(h))
	}
	return call
}

// remember makes a request one that the client can cancel: as a server over HTTP is told, by leaving. Legacy servers are told by the
// notification.
func (c *client) remember(m *mcp.Message, call *upstream.Call) (key string) {
	if m.Era != mcp.Modern {
		return ""
	}
	key = string(m.ID)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[key] = call
	return key
}

func (c *client) forget(key string, call *upstream.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if key != "" && c.calls[key] == call {
		delete(c.calls, key)
	}
}

// cancel cancels a request of the modern era, if it is one that is under way.
func (c *client) cancel(id []byte) bool {
	c.mu.Lock()
	call := c.calls[string(id)]
	c.mu.Unlock()
	if call != nil {
		call.Cancel()
	}
	return call != nil
}

// carry has an exchange carried out, and writes what comes of it.
func (c *client) carry(m *mcp.Message, call *upstream.Call) {
	end := context.AfterFunc(c.ctx, call.Cancel)
	defer end()
	defer call.Close()
	if err := c.server.Do(call); err != nil {
		c.failed(m, err)
		return
	}
	if m.Kind != mcp.KindRequest && m.Kind != mcp.KindBatch {
		return // nobody is told how a notification or a response was taken
	}
	switch call.Reply {
	case upstream.JSON:
		c.learn(m, call, call.ReplyBody)
		c.write(call.ReplyBody)
	case upstream.Stream:
		c.stream(m, call)
	case upstream.Empty, upstream.Other:
		if m.Kind == mcp.KindRequest {
			c.failed(m, fmt.Errorf("status %d without a message", call.Status))
		}
	}
}

func (c *client) failed(m *mcp.Message, err error) {
	if m.Kind != mcp.KindRequest || c.ctx.Err() != nil {
		return
	}
	if e, ok := errors.AsType[*upstream.Error](err); ok && e.Code == upstream.Canceled {
		return // a request that was cancelled has no answer
	}
	c.write(mcp.AppendError(nil, m.ID, -32603, "Internal error: the request could not be carried out", nil))
}

// stream writes the messages of a stream until it ends.
func (c *client) stream(m *mcp.Message, call *upstream.Call) {
	call.Extend(time.Time{}) // the server bounds its streams
	for {
		ev, err := call.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				c.failed(m, err)
			}
			return
		}
		if len(ev.Data) > 0 {
			c.learn(m, call, ev.Data)
			c.write(ev.Data)
		}
	}
}

// learn takes what later messages need from an answer: the session and version of initialize, which arguments of tools headers mirror.
func (c *client) learn(m *mcp.Message, call *upstream.Call, answer []byte) {
	if m.Method != "initialize" && (m.Method != "tools/list" || m.Era != mcp.Modern) {
		return
	}
	var doc jsonscan.Doc
	if doc.Scan(answer, jsonscan.Options{}) != nil {
		return
	}
	result := doc.Root().Get("result")
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Method == "initialize" {
		if v := result.Get("protocolVersion"); v.Exists() {
			c.session, c.version = call.ReplySession, string(v.AppendText(nil))
		}
		return
	}
	for t := range result.Get("tools").Elems() {
		if p := mcp.HeaderParams(t.Get("inputSchema")); len(p) > 0 {
			c.params[string(t.Get("name").AppendText(nil))] = p
		}
	}
}

// again is the wait before a stream for news that has ended is opened once more.
const again = time.Second

// watch reads the session's own stream: what the server sends that no request is the cause of.
func (c *client) watch() {
	c.mu.Lock()
	session, version, already := c.session, c.version, c.watching
	c.watching = true
	c.mu.Unlock()
	if session == "" || already {
		return
	}
	c.work.Go(func() {
		m := new(mcp.Message)
		for c.ctx.Err() == nil {
			call := &upstream.Call{Verb: upstream.Get, Session: session, Version: version}
			end := context.AfterFunc(c.ctx, call.Cancel)
			err := c.server.Do(call)
			open := err == nil && call.Reply == upstream.Stream
			if open {
				c.stream(m, call)
			}
			call.Close()
			if end(); !open {
				return // there is none, or the session is over
			}
			select {
			case <-time.After(again):
			case <-c.ctx.Done():
			}
		}
	})
}

// endSession ends the session, which is a courtesy.
func (c *client) endSession() {
	if c.session == "" {
		return
	}
	call := &upstream.Call{Verb: upstream.Delete, Session: c.session, Version: c.version}
	defer call.Close()
	_ = c.server.Do(call) // the server may have gone
}

// write writes a message as one line.
func (c *client) write(message []byte) {
	if bytes.IndexByte(message, '\n') >= 0 {
		var b bytes.Buffer
		if json.Compact(&b, message) != nil {
			return
		}
		message = b.Bytes()
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if _, err := c.out.Write(append(bytes.Clone(message), '\n')); err != nil {
		c.stop(fmt.Errorf("the client can't be written to: %w", err))
	}
}
