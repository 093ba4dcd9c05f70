package gateway

import (
	"errors"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/sallyport-dev/sallyport/internal/httphead"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// JSON-RPC error codes of the gateway's own. They lie outside -32768 to -32000, which JSON-RPC and MCP keep for themselves.
const (
	codeUnauthorized = 40101
	codeNoSession    = 40401
	codeNotFound     = 40402
	codeBadGateway   = 50201
	codeUnavailable  = 50301
	codeTimeout      = 50401
)

// refusal is a request that goes no further: how the client is answered, and what the record says. It is a value, not an error.
type refusal struct {
	status int
	code   int64
	body   []byte // JSON-RPC; may be empty
	reason string // stable, from a closed list
	cause  error  // for the operator; never for the client
	kind   telemetry.ErrorType
	header [2]string // one header of its own, for instance Allow
	close  bool      // the connection can't be trusted to be in step
	handed bool      // not a refusal but an answer of the gateway's own
}

// refuse answers the client. What may follow on a connection whose framing was refused is not read.
func (x *exchange) refuse(r *refusal) {
	status := x.statusFor(r.status)
	x.outcome.status, x.outcome.code, x.outcome.reason, x.outcome.cause = status, r.code, r.reason, r.cause
	x.outcome.kind, x.outcome.out = r.kind, int64(len(r.body))
	if x.outcome.kind == telemetry.NoError && !r.handed {
		x.outcome.kind = telemetry.Refused
	}
	if x.element {
		x.body = r.body
		return
	}
	resp := &x.ctx.Response
	resp.Reset()
	resp.SetStatusCode(status)
	if r.header[0] != "" {
		resp.Header.Set(r.header[0], r.header[1])
	}
	if len(r.body) > 0 {
		resp.Header.SetContentType(contentJSON)
		resp.SetBody(r.body)
	}
	if r.close {
		x.ctx.SetConnectionClose()
	}
}

func plain(status int, code int, reason, text string, id []byte) *refusal {
	return &refusal{status: status, code: int64(code), reason: reason, body: mcp.AppendError(nil, id, code, text, nil)}
}

func badHead(err error) *refusal {
	var e *httphead.Error
	if !errors.As(err, &e) {
		return internalError(nil)
	}
	r := plain(e.Status(), invalidRequest, e.Code(), "Invalid Request: "+e.Text(), nil)
	r.cause, r.close = err, true
	return r
}

// JSON-RPC's codes for what is no request, and for one that asks in the wrong way.
const (
	invalidRequest = -32600
	invalidParams  = -32602
)

func forbidden(reason, text string) *refusal {
	r := plain(403, invalidRequest, reason, "Forbidden: "+text, nil)
	r.close = true
	return r
}

func notFound() *refusal { return plain(404, codeNotFound, "no_route", "Not found", nil) }

func methodNotAllowed(allow string) *refusal {
	r := plain(405, invalidRequest, "method_not_allowed", "Method not allowed", nil)
	r.header = [2]string{"Allow", allow}
	return r
}

func notAcceptable(get bool) *refusal {
	text := "Not acceptable: the client must accept application/json and text/event-stream"
	if get {
		text = "Not acceptable: the client must accept text/event-stream"
	}
	return plain(406, invalidRequest, "not_acceptable", text, nil)
}

// unauthorized names the protected resource metadata (RFC 9728) in its challenge, by which a client finds out where to get a token.
func (x *exchange) unauthorized(err error) *refusal {
	var e *identity.Error
	if !errors.As(err, &e) {
		return internalError(nil)
	}
	r := plain(e.Status(), codeUnauthorized, string(e.Reason), "Unauthorized", nil)
	r.cause = err
	if r.status == 401 {
		r.header = [2]string{"WWW-Authenticate", e.Challenge(x.metadataURL())}
	}
	return r
}

func badMessage(m *mcp.Message, r *mcp.Refusal) *refusal {
	return &refusal{status: r.Status, code: int64(r.Code), reason: r.Reason, body: m.AppendRefusal(nil, r), cause: errors.New(r.Message)}
}

func noSession(id []byte, err error) *refusal {
	r := plain(404, codeNoSession, "no_session", "Session not found", id)
	r.cause = err
	return r
}

func notReady() *refusal {
	r := plain(503, codeUnavailable, "not_ready", "The gateway has no policy to decide by", nil)
	r.close = true
	return r
}

func internalError(id []byte) *refusal {
	r := plain(500, -32603, "internal_error", "Internal error", id)
	r.kind = telemetry.Internal
	r.close = true
	return r
}

func auditFailed(id []byte, err error) *refusal {
	r := plain(503, codeUnavailable, "audit_unavailable", "The call can't be recorded, and so is refused", id)
	r.cause, r.kind = err, telemetry.Internal
	return r
}

// upstreamFailed tells a client that the server failed, and how, in no more words than it can use: the cause may hold addresses.
func upstreamFailed(id []byte, err error) *refusal {
	var e *upstream.Error
	if !errors.As(err, &e) {
		return internalError(id)
	}
	var r *refusal
	switch e.Code {
	case upstream.Unavailable:
		r = plain(502, codeUnavailable, "upstream_unavailable", "The server is not available", id)
		r.kind = telemetry.Unavailable
	case upstream.Timeout:
		r = plain(504, codeTimeout, "upstream_timeout", "The server did not answer in time", id)
		r.kind = telemetry.Timeout
	case upstream.Canceled:
		r = plain(499, codeTimeout, "cancelled", "Cancelled", id)
		r.kind = telemetry.Cancelled
	case upstream.Overloaded:
		r = plain(503, codeUnavailable, "overloaded", "The server has as many calls as it takes; try again later", id)
		r.kind, r.header = telemetry.Unavailable, retryAfter(e.Wait)
	case upstream.Ejected:
		r = plain(503, codeUnavailable, "upstream_ejected", "The server has failed too often, and is left alone for now", id)
		r.kind, r.header = telemetry.Unavailable, retryAfter(e.Wait)
	case upstream.NoMemory:
		r = noMemory(id, err)
	case upstream.Closed, upstream.TooLarge, upstream.Protocol:
		r = plain(502, codeBadGateway, "upstream_"+e.Code.String(), "The server's answer can't be used", id)
		r.kind = telemetry.Unavailable
	}
	r.cause = err
	return r
}

// noMemory refuses an answer for which there is no room beside all others. Nobody is told to try again: the server may have carried out
// the call.
func noMemory(id []byte, cause error) *refusal {
	r := plain(503, codeBadGateway, "no_memory", "The gateway has no memory left for the server's answer", id)
	r.cause, r.kind = cause, telemetry.Refused
	return r
}

// badAnswer refuses what a server sent.
func badAnswer(id []byte, what error) *refusal {
	r := plain(502, codeBadGateway, "upstream_protocol", "The server's answer can't be used", id)
	r.cause, r.kind = what, telemetry.Unavailable
	return r
}

// handleError answers what fasthttp could not read as a request.
func (g *Gateway) handleError(ctx *fasthttp.RequestCtx, err error) {
	x := g.begin(ctx)
	defer x.end()
	var small *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &small):
		x.refuse(unread(431, "headers_too_large", err))
	case errors.Is(err, fasthttp.ErrBodyTooLarge) && x.capped:
		r := overloaded()
		r.close = true
		x.refuse(r)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		x.refuse(unread(413, "body_too_large", err))
	case errors.As(err, &timeout) && timeout.Timeout():
		x.refuse(unread(408, "request_timeout", err))
	default:
		x.refuse(unread(400, "malformed_http", err))
	}
}

// handleExpect refuses Expect: a client that waits for a go-ahead would be read before it was known.
func (g *Gateway) handleExpect(ctx *fasthttp.RequestCtx) int {
	x := g.begin(ctx)
	defer x.end()
	x.refuse(unread(417, "expectation", nil))
	return 417
}

func unread(status int, reason string, cause error) *refusal {
	text := strings.ReplaceAll(reason, "_", " ")
	r := plain(status, invalidRequest, reason, "Invalid Request: "+text, nil)
	r.cause, r.close = cause, true
	return r
}
