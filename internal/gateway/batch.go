package gateway

import (
	"bytes"
	"io"

	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// serveBatch serves a JSON-RPC batch, which 2025-03-26 has and no other revision: each message for itself, with a decision and a
// record of its own, one after the other under one deadline. The answers come as one array. What a server sends beside an answer
// (progress, questions) has no place in an array: notifications are dropped, and questions answered with a denial.
func (x *exchange) serveBatch() *refusal {
	if x.namesAnother() {
		if r, done := x.passOn(); done {
			return r
		}
	}
	x.unrecorded = true // its messages are recorded
	out := []byte{'['}
	for i := range x.msg.Batch {
		answer := x.serveElement(&x.msg.Batch[i])
		if len(answer) == 0 {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, answer...)
	}
	if len(out) == 1 {
		return x.answerAccepted()
	}
	return x.send(200, append(out, ']'))
}

// serveElement serves one message of a batch and gives its answer, if it has one.
func (x *exchange) serveElement(m *mcp.Message) (answer []byte) {
	y := x.g.exchanges.Get().(*exchange) //nolint:forcetypeassert // the pool's New makes nothing else
	x.snap.refs.Add(1)
	y.ctx, y.snap, y.start, y.mark, y.head, y.client = x.ctx, x.snap, x.start, x.start, x.head, x.client
	y.serverName, y.server, y.metrics, y.who, y.view = x.serverName, x.server, x.metrics, x.who, x.view
	y.comeLike(x)
	y.msg, y.element = *m, true
	y.decideLike(x)
	defer func() {
		answer = bytes.Clone(y.body)
		y.finish()
	}()
	serve := y.serveMessage
	if y.view != nil {
		serve = y.serveEarlier
	}
	if r := serve(); r != nil {
		y.refuse(r)
	}
	if y.streaming {
		_, _ = y.WriteTo(io.Discard) // its outcome says how it went
		y.g.Metrics.Streams.Dec()
	}
	return nil
}
