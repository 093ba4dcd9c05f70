package bridge

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// rounds is a request of a client of before 2026-07-28. As long as the server answers that it needs input, the client is asked on the
// stream of its request, and the request is sent again with the answers.
type rounds struct {
	a        *Adapter
	call     *upstream.Call // the client's
	cl       *client
	era      mcp.Era      // of the server
	level    string       // see memory.look
	id       []byte       // the client's
	own      []byte       // ours, of the current round
	msg      *mcp.Message // as the client has sent it
	owner    []byte       // see ownerKey
	sent     upstream.Call
	readInto *upstream.Reading // where the one answer is wanted; nil: nowhere
	mode     mode

	mu       sync.Mutex
	p        *pump             // of the current round; nil if once has sent it
	inline   bool              // and does so now
	open     map[string]string // the questions that wait for an answer, by id: the key in inputRequests
	answers  []byte            // the members of inputResponses so far
	refused  bool              // a question was answered with an error
	stopped  bool
	cancel   bool // and the server is to stop too
	deadline time.Time
	wake     chan struct{}

	once   once
	round  int
	listed bool     // the tools have been read anew
	state  []byte   // requestState of the round that is answered
	queue  [][]byte // for the client
	done   bool
	data   []byte       // what reply was read from
	reply  *mcp.Message // it and edits are once's, or where readInto wants them
	edits  *jsonscan.Edits

	row  *row // see running
	next *rounds
}

// mode says what is awaited.
type mode uint8

const (
	reading mode = iota // the server
	asking              // the client
	pausing             // the time to try again
)

// Bounds of one request.
const (
	maxRounds = 8
	maxAsked  = 100                    // of a server of before 2026-07-28, which has no rounds
	firstWait = 250 * time.Millisecond // before a request is tried again that the server has put off; doubled with every round
)

// defaultLevel is for clients that have not said what they want of the log, which until 2025-11-25 is for servers to choose.
const defaultLevel = "info"

// callModern sends a client's request.
func (a *Adapter) callModern(c *upstream.Call, cl *client, level string) error {
	era, err := a.Era(c)
	if err != nil {
		return err
	}
	r := a.newRounds(c, cl, era)
	r.level = level
	if refusal := r.take(c); refusal != nil {
		r.release()
		return reject(c, 200, c.ID, refusal.Code, refusal.Message)
	}
	if !c.Attach(r) {
		r.release()
		return a.fail(upstream.Canceled, upstream.ErrCanceled)
	}
	a.running.put(r)
	if err = r.send(); err == nil {
		err = r.begin(c)
	}
	if err != nil {
		c.Detach()
		r.End()
	}
	return err
}

// begin reads up to the first message for the client. If that is the answer, no stream is needed for it.
func (r *rounds) begin(c *upstream.Call) error {
	for {
		out, err := r.step()
		switch {
		case err != nil:
			return err
		case r.done:
			c.Detach()
			c.Answer(r, 200, out)
			return nil
		case out != nil:
			r.queue = append([][]byte{out}, r.queue...)
			r.once.kept = true
			c.Stream(r)
			return nil
		}
	}
}

// Next implements upstream.Relay.
func (r *rounds) Next() (upstream.Event, error) {
	if r.done && len(r.queue) == 0 {
		return upstream.Event{}, io.EOF
	}
	for {
		out, err := r.step()
		if err != nil || out != nil {
			return upstream.Event{Data: out}, err
		}
	}
}

// End implements upstream.Relay.
func (r *rounds) End() {
	r.a.running.drop(r)
	r.mu.Lock()
	p, cancel := r.p, r.cancel
	r.p = nil
	questions := r.open
	r.open = nil
	r.mu.Unlock()
	if len(questions) > 0 {
		r.a.memory.with(r.cl.ID, r.a.o.Now(), func(m *remembered) {
			for id := range questions {
				delete(m.asking, id)
			}
		})
	}
	switch {
	case p == nil:
		r.release()
	case r.done || cancel:
		p.stop()
	default: // a client of before 2026-07-28 that goes away has not cancelled anything
		p.leave(r.a.o.Timeout)
	}
}

// Interrupt implements upstream.Relay.
func (r *rounds) Interrupt(tell bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	r.cancel = r.cancel || tell
	switch {
	case r.inline && tell:
		r.once.in.Cancel()
	case r.inline:
		r.once.in.Leave()
	}
	r.signal()
}

// Extend implements upstream.Relay.
func (r *rounds) Extend(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadline = t
	if r.inline {
		r.once.in.Extend(t)
	}
	r.signal()
}

func (r *rounds) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// send sends the request, or its next round with what the client has answered.
func (r *rounds) send() error {
	level := defaultLevel
	if r.era == mcp.Legacy && r.a.headless {
		level = "" // whoever wants its log has such a server for himself
	}
	if r.round > 0 {
		r.level, _ = r.a.memory.look(r.cl.ID, r.a.o.Now)
	}
	if r.level != "" {
		level = r.level
	}
	if r.round == 0 && !r.listed && r.era == mcp.Modern {
		return r.sendOnce(level)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return r.a.fail(upstream.Canceled, upstream.ErrCanceled)
	}
	var responses []byte
	if len(r.answers) > 0 {
		responses = append(append([]byte{'{'}, r.answers...), '}')
		r.answers = nil
	}
	in := &upstream.Call{ID: strconv.AppendInt(nil, r.a.ids.Add(1), 10), Owner: r.ownerOf()}
	r.own = in.ID
	in.Header = append(in.Header, r.sent.Header...)
	in.Body = r.cl.append26(nil, r.msg, &rewriting{own: in.ID, level: level, responses: responses, state: r.state, room: new(room)})
	r.address(in)
	in.Progress = bytes.Clone(in.Progress)
	for i, f := range in.Header { // it may outlive the client's request, of which these are parts
		in.Header[i] = upstream.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)}
	}
	if r.p != nil {
		r.p.stop()
	}
	r.once.close()
	if r.p = r.a.startCall(in); r.p == nil {
		return r.a.fail(upstream.Unavailable, errShut)
	}
	r.once.kept, r.mode = true, reading
	return nil
}

// ownerOf gives what in.Owner is when r may have ended.
func (r *rounds) ownerOf() func() []byte {
	owner := bytes.Clone(r.ownerKey())
	return func() []byte { return owner }
}

// address says of what is sent, which has its body and id, all the rest.
func (r *rounds) address(in *upstream.Call) {
	in.Method, in.Modern, in.Tasks, in.Progress = r.msg.Method, true, r.sent.Tasks, r.msg.ProgressToken.Raw()
	if in.Start, in.Deadline = r.sent.Start, r.sent.Deadline; r.round > 0 || in.Start.IsZero() {
		in.Start = r.a.o.Now()
	}
	if r.round > 0 {
		in.Deadline = in.Start.Add(r.a.o.Timeout)
	}
	r.a.mirror(in, r.msg)
}

// step does the next thing that is to be done, and gives what there is for the client.
func (r *rounds) step() ([]byte, error) {
	if len(r.queue) > 0 {
		out := r.queue[0]
		r.queue = r.queue[1:]
		return out, nil
	}
	if r.mode != reading {
		return r.goOn()
	}
	m, err := r.read()
	switch {
	case err != nil:
		return nil, err
	case m.head != nil:
		if err := m.head.check(); err != nil {
			return nil, r.a.fail(upstream.Protocol, err)
		}
		if m.head.reply == upstream.Stream {
			return nil, nil
		}
	case len(m.data) == 0:
		return nil, nil
	}
	if refusal := r.decode(m); refusal != nil {
		return nil, r.a.fail(upstream.Protocol, refusalError(*refusal))
	}
	switch r.reply.Kind {
	case mcp.KindResponse:
		if err := checkAnswer(r.reply, r.own, m.head); err != nil {
			return nil, r.a.fail(upstream.Protocol, err)
		}
		return r.result()
	case mcp.KindNotification:
		if r.reply.Method == "notifications/cancelled" {
			return nil, nil
		}
		return r.reply.AppendEdited(nil, r.edits), nil
	case mcp.KindRequest, mcp.KindBatch, mcp.KindNone:
	}
	return nil, nil // this revision has no requests of servers
}

// read gives the next message of the server.
func (r *rounds) read() (message, error) {
	for {
		due, err := r.due()
		if err != nil {
			return message{}, err
		}
		switch {
		case r.once.head.status != 0:
			return r.once.take(), nil
		case r.p == nil: // what came was all there is
			return message{}, r.a.fail(upstream.Protocol, errOther)
		}
		if m, ok := r.p.take(r.wake, due, r.a.o.Now); ok {
			return m, m.err
		}
		if !due.IsZero() && !r.a.o.Now().Before(due) {
			r.Interrupt(true)
			return message{}, r.a.fail(upstream.Timeout, errSilent)
		}
	}
}

// due is by when something must have happened; an error, if the request was interrupted.
func (r *rounds) due() (time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return time.Time{}, r.a.fail(upstream.Canceled, upstream.ErrCanceled)
	}
	return r.deadline, nil
}

// goOn sends the next round when it can.
func (r *rounds) goOn() ([]byte, error) {
	pause := time.Time{}
	if r.mode == pausing {
		pause = r.a.o.Now().Add(firstWait << (r.round - 1))
	}
	for {
		due, err := r.due()
		if err != nil {
			return nil, err
		}
		now := r.a.o.Now()
		switch {
		case r.mode == asking && r.answered(), r.mode == pausing && !now.Before(pause):
			if r.refused {
				return r.fail("The client could not give the input that is needed")
			}
			return nil, r.send()
		case !due.IsZero() && !now.Before(due):
			return nil, r.a.fail(upstream.Timeout, errSilent)
		case !pause.IsZero() && (due.IsZero() || pause.Before(due)):
			due = pause
		}
		await(r.wake, due, r.a.o.Now)
	}
}

func (r *rounds) answered() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open) == 0
}

// answer takes the client's answer to the question id: a result, or an error. A server of before 2026-07-28 can be told of the error.
func (r *rounds) answer(id string, result []byte, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, ok := r.open[id]
	if !ok {
		return
	}
	delete(r.open, id)
	switch {
	case !failed:
	case r.era == mcp.Legacy:
		result = append(append([]byte(`{"`+metaError+`":`), result...), '}')
	default:
		r.refused = true
	}
	if !r.refused {
		r.answers = append(between(r.answers, 0), quoted(key)...)
		r.answers = append(append(r.answers, ':'), result...)
	}
	r.signal()
}
