package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// This file is how a replica passes a request on, and its answer back.

// Why a request could not be passed on. Nothing of it was done, unless it is errLost.
var (
	errPart    = errors.New("it is one message of a batch that was to be served here")
	errTwice   = errors.New("it was passed on once, and is at home at another replica")
	errNoPeer  = errors.New("its replica is not among the peers")
	errNotHome = errors.New("its replica has not taken it")
	errBusy    = errors.New("its replica holds as many requests as it has memory for")
	errLost    = errors.New("its replica has gone away")
)

// passOn has the replica at x.home serve the request. That one decides it and records it, because it has what rules may ask for, and can
// tell what has come of it; here only what goes wrong on the way is recorded. It is false if the request can be served here after all.
func (x *exchange) passOn() (r *refusal, done bool) {
	resp, cancel, err := x.hand()
	if err == nil {
		x.unrecorded = true
		return x.handBack(resp, cancel), true
	}
	if !errors.Is(err, errLost) && !errors.Is(err, errTwice) && x.opened && !x.keeps(string(x.session)) {
		x.here = true
		return nil, false // the session is at home with the server
	}
	return x.notPassed(fmt.Errorf("%s: %w", x.home, err)), true
}

// hand hands the request over, and gives the answer of the replica.
func (x *exchange) hand() (*http.Response, context.CancelFunc, error) {
	r := x.g.replicas
	if x.arrival != atFirst {
		return nil, nil, errTwice
	}
	if x.element { // the body is the whole batch's
		return nil, nil, errPart
	}
	if !r.allows(x.home) {
		return nil, nil, errNoPeer
	}
	box, err := x.sealPassage(x.home, x.ctx.Request.Body())
	if err != nil {
		return nil, nil, err
	}
	parent := r.calls
	if x.isGet() {
		parent = r.news
	}
	ctx, cancel := context.WithTimeout(parent, x.g.Limits.StreamTimeout)
	if x.client != nil {
		x.conn = x.client
		x.conn.arm(cancel)
	}
	resp, err := r.send(ctx, x.home, box)
	if err == nil {
		switch said := resp.Header.Get(passageHeader); {
		case said == passageServed:
			return resp, cancel, nil
		case said == passageNot && resp.StatusCode == http.StatusServiceUnavailable:
			err = errBusy
		case said == passageNot:
			err = errNotHome
		default:
			err = errLost
		}
		_ = resp.Body.Close()
	}
	cancel()
	if x.conn != nil {
		x.conn.disarm()
		x.conn = nil
	}
	return nil, nil, err
}

// send sends a passage. On a connection that was used before and turns out to be at its end it is sent once more: it is taken once, so
// nothing can be done twice.
func (r *replicas) send(ctx context.Context, home string, box []byte) (*http.Response, error) {
	for again := false; ; again = true {
		used := false
		traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { used = i.Reused }})
		req, err := http.NewRequestWithContext(traced, http.MethodPost, home+passagePath, bytes.NewReader(box))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/octet-stream")
		resp, err := r.client.Do(req)
		if err == nil {
			if again && resp.Header.Get(passageHeader) == passageNot { // it may have taken the first
				_ = resp.Body.Close()
				return nil, errLost
			}
			return resp, nil
		}
		if dial := new(net.OpError); !again && errors.As(err, &dial) && dial.Op == "dial" {
			return nil, err
		}
		if again || !used || ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", errLost, err)
		}
	}
}

// ownHeaders are those of an answer that are of the connection, and not of the answer.
var ownHeaders = []string{passageHeader, "Connection", "Keep-Alive", "Date", "Server", "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade"}

// handBack gives the client what the replica has answered.
func (x *exchange) handBack(resp *http.Response, cancel context.CancelFunc) *refusal {
	out := &x.ctx.Response
	stream := resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), contentStream)
	var body []byte
	if !stream {
		var err error
		body, err = x.readHeld(resp.Body)
		_ = resp.Body.Close()
		cancel()
		switch {
		case errors.Is(err, errNoRoom):
			x.unrecorded = false
			return noMemory(x.msg.ID, nil)
		case err != nil:
			x.unrecorded = false
			return x.notPassed(fmt.Errorf("%s: %w: %w", x.home, errLost, err))
		}
	}
	out.SetStatusCode(resp.StatusCode)
	for _, name := range ownHeaders {
		resp.Header.Del(name)
	}
	for name, values := range resp.Header {
		for _, v := range values {
			out.Header.Add(name, v)
		}
	}
	x.outcome.status = resp.StatusCode
	if !stream {
		x.setBody(body)
		return nil
	}
	out.ImmediateHeaderFlush = true
	x.streaming, x.counted = true, true
	x.g.Metrics.Streams.Inc()
	out.SetBodyStream(&passing{x: x, body: resp.Body, cancel: cancel}, -1)
	return nil
}

var errNoRoom = errors.New("there is no room for it")

// readHeld reads an answer whole, and counts it until the exchange ends.
func (x *exchange) readHeld(from io.Reader) ([]byte, error) {
	b := make([]byte, 0, 4<<10)
	for {
		n, err := from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return nil, err
		case len(b) < cap(b):
		case !x.kept.Grow(x.g.Memory, 2*cap(b)):
			return nil, errNoRoom
		default:
			b = append(make([]byte, 0, 2*cap(b)), b...)
		}
	}
}

// passing is an answer that is a stream, on its way from another replica to the client.
type passing struct {
	x      *exchange
	body   io.ReadCloser
	cancel context.CancelFunc
}

// SupportsBodyWriteTo has fasthttp call WriteTo, which writes what comes when it comes.
func (*passing) SupportsBodyWriteTo() bool { return true }

// Read is never called: fasthttp takes WriteTo.
func (*passing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// WriteTo passes on what comes, byte by byte the same. A client that waits for an answer which will not come is told.
func (p *passing) WriteTo(w io.Writer) (n int64, err error) {
	buf := make([]byte, 16<<10)
	for {
		got, err := p.body.Read(buf)
		if got > 0 {
			wrote, err := w.Write(buf[:got])
			if n += int64(wrote); err != nil {
				return n, err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, p.breaks(w, err)
		}
	}
}

// breaks ends a stream that has no end of its own.
func (p *passing) breaks(w io.Writer, cause error) error {
	x := p.x
	if x.msg.Kind != mcp.KindRequest {
		return nil // the client opens it anew
	}
	x.unrecorded = false
	r := x.notPassed(fmt.Errorf("%s: %w: %w", x.home, errLost, cause))
	x.outcome.status, x.outcome.code, x.outcome.kind, x.outcome.reason, x.outcome.cause = 200, r.code, r.kind, r.reason, r.cause
	event := mcp.AppendEvent([]byte("\n\n"), mcp.Event{Name: []byte("message"), Data: r.body}) // what was cut off is no event
	_, err := w.Write(event)
	return err
}

// Close ends the exchange when the stream has been written, or could not be.
func (p *passing) Close() error {
	p.cancel()
	_ = p.body.Close()
	if x := p.x; x != nil {
		p.x = nil
		x.g.Metrics.Streams.Dec()
		x.counted = false
		x.finish()
	}
	return nil
}

// notPassed refuses what its replica could not be given. Of what it may have got nobody knows what has become: it is not made again. A
// session or call of which nothing can come any more is gone, and the client begins anew.
func (x *exchange) notPassed(cause error) *refusal {
	id := x.msg.ID
	var r *refusal
	switch {
	case errors.Is(cause, context.Canceled):
		r = plain(499, codeTimeout, "cancelled", "Cancelled", id)
		r.kind = telemetry.Cancelled
	case errors.Is(cause, errLost):
		r = plain(502, codeBadGateway, "replica_lost", "The replica that serves this has gone away: whether it was carried out is not known", id)
		r.kind = telemetry.Unavailable
	case errors.Is(cause, errBusy):
		r = overloaded()
	case x.task.given != "":
		r = badMessage(&x.msg, x.msg.HiddenAs(x.task.given)) // it has ended with its replica
		r.reason, r.kind = "replica_unreachable", telemetry.RPCError
	case x.msg.Era == mcp.Modern:
		r = plain(200, invalidParams, "replica_unreachable", "Invalid params: the call that waited for this input has ended with its replica; it must be started again", id)
		r.kind = telemetry.RPCError
	default:
		r = plain(404, codeNoSession, "replica_unreachable", "Session not found", id)
		r.kind = telemetry.Unavailable
	}
	r.cause = cause
	return r
}
