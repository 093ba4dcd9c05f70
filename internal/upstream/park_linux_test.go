package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// told is a server of one stream of news, whose body a test writes chunk by chunk.
type told struct {
	h    *HTTP
	body chan string // each a chunk; "" is the end of the connection
	over chan struct{}
}

func newTold(t *testing.T) *told {
	t.Helper()
	s := &told{body: make(chan string, 8), over: make(chan struct{})}
	url := rawServer(t, func(c net.Conn, requests *bufio.Reader) {
		defer close(s.over)
		if _, err := readRequest(requests); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		gone := make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, c)
			close(gone)
		}()
		for {
			select {
			case text := <-s.body:
				if text == "" {
					return
				}
				_, _ = io.WriteString(c, text)
			case <-gone:
				return
			}
		}
	})
	s.h = newHTTP(t, HTTPOptions{URL: url, Room: NewRoom(1)})
	return s
}

func (s *told) open(t *testing.T) *Call {
	t.Helper()
	c := &Call{Verb: Get}
	t.Cleanup(c.Close)
	if err := s.h.Do(c); err != nil || c.Reply != Stream {
		t.Fatal(c.Reply, err)
	}
	return c
}

// park parks the stream, and gives what is told when it wakes.
func park(t *testing.T, c *Call) (*Parked, chan struct{}) {
	t.Helper()
	if e, err := c.NextNow(); !errors.Is(err, ErrNotYet) {
		t.Fatalf("%q, %v", e.Data, err)
	}
	woken := make(chan struct{}, 8)
	r := c.Park(func() { woken <- struct{}{} })
	if r == nil {
		t.Fatal("it isn't parked")
	}
	return r, woken
}

func wake(t *testing.T, woken <-chan struct{}) {
	t.Helper()
	select {
	case <-woken:
	case <-time.After(20 * time.Second):
		t.Fatal("it stays parked")
	}
}

// soon is the next event, when it is there.
func soon(t *testing.T, c *Call) (Event, error) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		e, err := c.NextNow()
		if !errors.Is(err, ErrNotYet) || time.Now().After(end) {
			return e, err
		}
	}
}

// A stream goes on each time that it was parked, on whatever Call takes it up, and ends as it should.
func TestStreamGoesOnAfterParking(t *testing.T) {
	s := newTold(t)
	c := s.open(t)
	for range 20 {
		r, woken := park(t, c)
		if st := s.h.Status(); st.Conns != 1 || st.InFlight != 1 {
			t.Fatalf("parked: %+v", st)
		}
		c.Reset()
		c = new(Call)
		t.Cleanup(c.Close)
		s.body <- "9\r\ndata: x\n\n\r\n"
		wake(t, woken)
		c.Resume(r)
		if e, err := soon(t, c); string(e.Data) != "x" || err != nil {
			t.Fatalf("%q, %v", e.Data, err)
		}
	}
	s.body <- "0\r\n\r\n"
	if e, err := c.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("%q, %v", e.Data, err)
	}
	c.Close()
	if st, room := s.h.Status(), s.h.pool.room; st.Conns != 0 || st.InFlight != 0 || room.taken() != 0 || room.streams != 0 {
		t.Errorf("at the end: %+v, %d places taken, %d streams", st, room.taken(), room.streams)
	}
	<-s.over
}

// However the wait ends, it says why.
func TestParkingEnds(t *testing.T) {
	tests := []struct {
		name string
		do   func(s *told, r *Parked)
		took func(c *Call) // after Resume
		want error
		code ErrorCode
	}{
		{"the server ends the stream", func(s *told, _ *Parked) { s.body <- "0\r\n\r\n" }, nil, io.EOF, 0},
		{"the server hangs up", func(s *told, _ *Parked) { s.body <- "" }, nil, io.ErrUnexpectedEOF, Closed},
		{"the server sends what is no chunk", func(s *told, _ *Parked) { s.body <- "oops\r\n" }, nil, errChunk, Protocol},
		{"the call is canceled", func(_ *told, r *Parked) { r.Cancel() }, (*Call).Cancel, ErrCanceled, Canceled},
		{"the server is closed", func(s *told, _ *Parked) { _ = s.h.Close() }, nil, errShut, Closed},
		{"its time is up", func(_ *told, r *Parked) { r.Wake() }, func(c *Call) { c.Extend(time.Unix(1, 0)) }, nil, Timeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newTold(t)
			c := s.open(t)
			r, woken := park(t, c)
			tt.do(s, r)
			wake(t, woken)
			c.Resume(r)
			if tt.took != nil {
				tt.took(c)
			}
			_, err := soon(t, c)
			var e *Error
			if tt.want != nil && !errors.Is(err, tt.want) || errors.As(err, &e) && e.Code != tt.code || err == nil || errors.Is(err, ErrNotYet) {
				t.Errorf("got %v", err)
			}
			c.Close()
			if st, room := s.h.Status(), s.h.pool.room; st.Conns != 0 || st.InFlight != 0 || room.taken() != 0 || room.streams != 0 {
				t.Errorf("at the end: %+v, %d places taken, %d streams", st, room.taken(), room.streams)
			}
			<-s.over
		})
	}
}

// A stream is parked only where nothing of it would be lost, and Next waits for the others.
func TestStreamThatCannotBeParked(t *testing.T) {
	s := newTold(t)
	c := s.open(t)
	if c.Park(nil) != nil {
		t.Error("it is parked though nobody has looked whether something has come")
	}
	s.body <- "6\r\ndata: \r\n"
	for between := true; between; {
		if _, err := c.NextNow(); !errors.Is(err, ErrNotYet) {
			t.Fatal(err)
		}
		_, between = c.flow.(*httpStream).events.At()
	}
	if c.Park(nil) != nil {
		t.Error("it is parked in the middle of an event")
	}
	s.body <- "3\r\nx\n\n\r\n"
	if e, err := c.Next(); string(e.Data) != "x" || err != nil {
		t.Errorf("%q, %v", e.Data, err)
	}
	r, _ := park(t, c)
	if !r.Unpark() || r.Unpark() || !r.Park() || !r.Unpark() {
		t.Error("it is to be unparked once each time")
	}
	c.Resume(r)
	_ = s.h.Close()
	if _, err := soon(t, c); !errors.Is(err, errShut) {
		t.Errorf("got %v", err)
	}
	if c.Park(nil) != nil {
		t.Error("it is parked though it has ended")
	}
}

// What has come of an event when a stream goes on is bounded as what comes at any time.
func TestEventOnAStreamThatWasParkedIsBounded(t *testing.T) {
	s := newTold(t)
	s.h.o.MaxEvent = 64
	c := s.open(t)
	r, woken := park(t, c)
	s.body <- "46\r\ndata: " + strings.Repeat("x", 64) + "\r\n"
	wake(t, woken)
	c.Resume(r)
	_, err := soon(t, c)
	var e *Error
	if !errors.As(err, &e) || e.Code != TooLarge {
		t.Errorf("got %v", err)
	}
	c.Close()
	if st := s.h.Status(); st.Conns != 0 || st.InFlight != 0 {
		t.Errorf("at the end: %+v", st)
	}
	<-s.over
}

// Streams are parked again when there are descriptors again.
func TestStreamsAreParkedAfterAShortageOfDescriptors(t *testing.T) {
	var usual syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &usual); err != nil {
		t.Fatal(err)
	}
	s := newTold(t)
	c := s.open(t)
	if _, err := c.NextNow(); !errors.Is(err, ErrNotYet) {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Max: usual.Max}); err != nil {
		t.Fatal(err)
	}
	short := c.Park(nil)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &usual); err != nil {
		t.Fatal(err)
	}
	if short != nil {
		t.Error("it is parked without a descriptor")
	}
	r, woken := park(t, c)
	s.body <- "9\r\ndata: x\n\n\r\n"
	wake(t, woken)
	c.Resume(r)
	if e, err := soon(t, c); string(e.Data) != "x" || err != nil {
		t.Errorf("%q, %v", e.Data, err)
	}
}
