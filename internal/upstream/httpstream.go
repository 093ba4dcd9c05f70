package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// httpStream is an answer that arrives event by event. It holds its
// connection until it ends.
type httpStream struct {
	h       *HTTP
	k       *conn
	events  *mcp.EventReader
	chunks  *chunks // the body of one that can be parked; nil: the answer has it
	framed  bool    // the end of the connection is not the end of the body
	partial bool    // some of the next event may have been read
	news    bool    // it may be silent for long, and k has no buffers for another request
	clean   bool    // the body has ended as it should
	err     error
}

func (h *HTTP) startStream(c *Call, k *conn) error {
	s := &httpStream{h: h, k: k, news: c.Verb == Get || c.Method == "subscriptions/listen", framed: c.answer.Header.ContentLength() != -2}
	if s.news && !h.pool.room.hold() {
		return errStreams
	}
	body, err := s.body(c)
	if err != nil {
		s.release()
		return err
	}
	// How long a stream may take is its reader's business.
	c.Extend(time.Time{})
	s.events = mcp.NewEventReader(body, h.o.MaxEvent)
	s.events.Small = s.news
	c.flow, c.Reply = s, Stream
	k.count(&c.held, h.o.Memory, 0)
	return nil
}

// body is what the events are read from.
func (s *httpStream) body(c *Call) (io.Reader, error) {
	k := s.k
	if s.news && c.answer.Header.ContentLength() == -1 && k.canPark() {
		rest, _ := k.br.Peek(k.br.Buffered())
		s.chunks = &chunks{from: k, rest: bytes.Clone(rest)}
		k.br, k.out = nil, nil
		return s.chunks, nil
	}
	if s.news {
		k.slim()
	}
	c.answer.StreamBody = true
	if err := c.answer.ReadBody(k.br, 0); err != nil {
		return nil, err
	}
	return c.answer.BodyStream(), nil
}

func (s *httpStream) next(c *Call) (Event, error) {
	if s.err != nil {
		return Event{}, s.err
	}
	if !s.partial {
		s.recount(c)
	}
	if s.err != nil {
		return Event{}, s.err
	}
	e, err := s.events.Next()
	s.partial = errors.Is(err, ErrNotYet)
	if err == nil || s.partial {
		return e, err
	}
	s.err = s.finish(c, err)
	return Event{}, s.err
}

// recount lets go of the event before, and counts the next from what has been read of it.
func (s *httpStream) recount(c *Call) {
	if s.k.got == 0 {
		return
	}
	c.held.Release()
	s.k.got = s.events.Buffered()
	if !c.held.Grow(s.k.memory, s.k.got) {
		s.k.readErr = errNoMemory
		s.err = s.h.fail(c, s.k, errNoMemory)
	}
}

// finish tells the end of a stream from its loss, which fasthttp does not: a
// chunked body whose connection ends between chunks has been cut off.
func (s *httpStream) finish(c *Call, err error) error {
	switch {
	case c.wasCanceled():
	case errors.Is(err, io.EOF) && (!s.framed || s.k.readErr == nil):
		s.clean = s.framed
		return io.EOF
	case errors.Is(err, mcp.ErrEventTooLarge):
		err = fmt.Errorf("%w: an event has more than %d bytes", errTooLarge, s.h.o.MaxEvent)
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return s.h.fail(c, s.k, err)
}

func (s *httpStream) end(c *Call) {
	again := s.clean && !s.news && c.detach() && !c.answer.Header.ConnectionClose() && s.k.br.Buffered() == 0
	c.detach()
	s.k.count(nil, nil, 0)
	if !again && !s.k.left {
		s.k.interrupt(true)
	}
	if s.chunks == nil {
		_ = c.answer.CloseBodyStream()
	}
	if again {
		s.h.pool.put(s.k)
	} else {
		s.h.drop(c, s.k)
	}
	s.release()
	s.h.inFlight.Add(-1)
}

// release lets others have what a stream of news has of the room.
func (s *httpStream) release() {
	if s.news {
		s.h.pool.room.release()
	}
}
