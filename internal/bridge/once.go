package bridge

import (
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// This file is the first round of a request at a server of 2026-07-28, which is mostly the only one: its answer is one message. So it is
// sent by the goroutine that waits for it, in memory that is used again.

// once is that memory.
type once struct {
	in    upstream.Call
	head  answerHead // of what it was answered with and nobody has read yet; its status is 0 if there is nothing
	given answerHead
	piped bool     // a pump reads in, and closes it
	kept  bool     // something else knows of the rounds: they can't be used again
	own   [20]byte // memory for the id
	text  []byte   // for the client's message
	body  []byte
	room  room
	out   []byte
	msg   mcp.Message
	reply mcp.Message
	edits jsonscan.Edits // of reply
}

// maxKept bounds each piece of memory that is kept for the next request, in bytes.
const maxKept = 64 << 10

// newRounds takes one that was used before, if there is one.
func (a *Adapter) newRounds(c *upstream.Call, cl *client, era mcp.Era) *rounds {
	r, _ := a.spare.Get().(*rounds)
	if r == nil {
		r = &rounds{a: a, wake: make(chan struct{}, 1)}
		r.sent.Owner = r.ownerKey
	}
	r.call, r.cl, r.era, r.deadline = c, cl, era, a.due(c)
	r.id = append(r.id[:0], c.ID...)
	r.sent.Header, r.sent.Start, r.sent.Deadline, r.sent.Tasks = traceOnly(r.sent.Header[:0], c.Header), c.Start, r.deadline, c.Tasks
	return r
}

// ownerKey is whose the request is. It is asked for only as long as the client waits.
func (r *rounds) ownerKey() []byte {
	if len(r.owner) == 0 {
		r.owner = appendOwner(r.owner, r.call)
	}
	return r.owner
}

// take reads the client's message, unless whoever sends it has.
func (r *rounds) take(c *upstream.Call) *mcp.Refusal {
	if c.Message != nil {
		r.msg, r.readInto = c.Message, c.Reading
		return nil
	}
	r.msg, r.once.text = &r.once.msg, append(r.once.text[:0], c.Body...)
	return r.msg.Decode(r.once.text, jsonscan.Options{})
}

// release has r used again, if nothing else knows of it.
func (r *rounds) release() {
	o := &r.once
	o.close()
	if o.kept {
		return
	}
	for _, m := range [...]*[]byte{&r.owner, &o.text, &o.body, &o.room.meta, &o.out, &r.answers} {
		if *m = (*m)[:0]; cap(*m) > maxKept {
			*m = nil
		}
	}
	o.in.Reset()
	o.head = answerHead{}
	o.room.edits.Reset()
	if r.msg == &o.msg {
		o.msg.Reset()
	}
	if r.reply == &o.reply {
		o.reply.Reset()
		o.edits.Reset()
	}
	select {
	case <-r.wake:
	default:
	}
	r.call, r.cl, r.own, r.msg, r.readInto, r.data, r.reply, r.edits, r.queue = nil, nil, nil, nil, nil, nil, nil, nil, nil
	r.state, r.refused, r.inline = nil, false, false
	r.mode, r.stopped, r.cancel, r.round, r.listed, r.done, r.deadline = reading, false, false, 0, false, false, time.Time{}
	r.a.spare.Put(r)
}

// sendOnce sends the first round, and waits for the answer, or for its beginning if that is a stream.
func (r *rounds) sendOnce(level string) error {
	o := &r.once
	in := &o.in
	in.ID = strconv.AppendInt(o.own[:0], r.a.ids.Add(1), 10)
	r.own = in.ID
	o.body = r.cl.append26(o.body[:0], r.msg, &rewriting{own: in.ID, level: level, room: &o.room})
	in.Body, in.Owner, in.Linger = o.body, r.sent.Owner, r.a.o.Timeout
	in.Header = append(in.Header[:0], r.sent.Header...)
	r.address(in)
	if !r.setInline(true) {
		return r.a.fail(upstream.Canceled, upstream.ErrCanceled)
	}
	err := r.a.inner.Do(in)
	r.setInline(false)
	switch {
	case err != nil:
		return err
	case in.Reply != upstream.Stream:
		o.head = answerHead{in.Status, in.Reply}
		return nil
	}
	if err := (answerHead{in.Status, in.Reply}).check(); err != nil {
		return r.a.fail(upstream.Protocol, err)
	}
	o.kept = true
	p := r.a.startReading(in)
	if p == nil {
		return r.a.fail(upstream.Unavailable, errShut)
	}
	o.piped = true
	r.mu.Lock()
	r.p = p
	r.mu.Unlock()
	return nil
}

// close ends the round, of whose answer nothing is needed any more.
func (o *once) close() {
	if !o.piped {
		o.in.Close()
	}
}

// setInline says whether the round is under way. It is false if it must not begin.
func (r *rounds) setInline(on bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inline = on
	return !r.stopped
}

// take gives the answer.
func (o *once) take() message {
	o.given, o.head = o.head, answerHead{}
	m := message{head: &o.given}
	if m.head.reply == upstream.JSON {
		m.data = o.in.ReplyBody
	}
	return m
}

// decode reads a message of the server, the one answer to where it is wanted. Of lists more is to be changed than others could know of.
func (r *rounds) decode(m message) *mcp.Refusal {
	r.data = m.data
	if g := r.readInto; g != nil && m.head != nil && !r.once.kept && !r.msg.Spec.Cacheable {
		r.reply, r.edits = g.Message, g.Edits
		r.edits.Reset()
		if r.reply.DecodeServer(m.data, g.Options) == nil {
			return nil
		}
	}
	r.reply, r.edits = &r.once.reply, &r.once.edits
	r.edits.Reset()
	return r.reply.DecodeServer(m.data, jsonscan.Options{})
}
