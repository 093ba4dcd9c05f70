package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// roomy is a server whose answers wait, and one of several that share a Room.
type roomy struct {
	*HTTP
	asked  chan struct{}
	answer chan struct{}
}

func newRoomy(t *testing.T, room *Room) *roomy {
	t.Helper()
	s := &roomy{asked: make(chan struct{}, 8), answer: make(chan struct{})}
	s.HTTP = newHTTP(t, HTTPOptions{Room: room, URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			s.asked <- struct{}{}
			<-s.answer
			_, _ = io.WriteString(nc, good)
		}
	})})
	return s
}

// begin makes a call that waits for its answer.
func (s *roomy) begin(t *testing.T, calls *sync.WaitGroup) {
	t.Helper()
	calls.Go(func() {
		if _, err := run(t, s, &Call{Body: []byte("{}"), Deadline: time.Now().Add(time.Minute)}); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-s.asked:
	case <-time.After(20 * time.Second):
		t.Fatal("the server was not asked")
	}
}

func (r *Room) taken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used
}

// All servers together have as many connections as there is room for: one that is idle makes room for another server's, and what finds none is
// told so at once, and has reached nobody.
func TestRoomIsSharedByServers(t *testing.T) {
	room := NewRoom(2)
	a, b, c := newRoomy(t, room), newRoomy(t, room), newRoomy(t, room)
	var calls, ofB sync.WaitGroup
	a.begin(t, &calls)
	b.begin(t, &ofB)
	for range 3 {
		_, err := run(t, c, &Call{Body: []byte("{}"), Deadline: time.Now().Add(time.Minute)})
		var e *Error
		if !errors.As(err, &e) || e.Code != Overloaded || e.Wait != time.Second || !errors.Is(err, errFull) {
			t.Fatalf("where all are in use: %v", err)
		}
	}
	if s := c.Status(); s.Conns != 0 || s.State == Down || s.LastError != "" || room.taken() != 2 || len(c.asked) != 0 {
		t.Errorf("after refusals: %+v, %d places are taken", s, room.taken())
	}
	b.answer <- struct{}{}
	ofB.Wait()
	c.begin(t, &calls)
	if n, m := b.Status().Conns, room.taken(); n != 0 || m != 2 {
		t.Errorf("%d idle connections are left, %d places taken", n, m)
	}
	close(a.answer)
	close(c.answer)
	calls.Wait()
	close(b.answer)
	for range 4 { // each takes the place of one that is idle
		for _, s := range []*roomy{a, b, c} {
			if _, err := run(t, s, &Call{Body: []byte("{}"), Deadline: time.Now().Add(time.Minute)}); err != nil {
				t.Error(err)
			}
			<-s.asked
		}
	}
	for _, s := range []*roomy{a, b, c} {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if room.taken() != 0 || len(room.pools) != 0 {
		t.Errorf("%d places are taken by %d servers that are closed", room.taken(), len(room.pools))
	}
}

// A server that can't be reached keeps no place.
func TestFailedDialsGiveTheirPlaceBack(t *testing.T) {
	room := NewRoom(1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := newHTTP(t, HTTPOptions{Room: room, URL: "http://" + ln.Addr().String()})
	_ = ln.Close()
	for range 3 {
		var e *Error
		if _, err := run(t, h, &Call{Body: []byte("{}")}); !errors.As(err, &e) || e.Code != Unavailable {
			t.Errorf("%v", err)
		}
	}
	if n := room.taken(); n != 0 {
		t.Errorf("%d places", n)
	}
}

// A server that is made and never used, as those of a config that is refused, is closed by nobody, and so the Room must not keep it.
func TestRoomKnowsNoServerThatIsNotUsed(t *testing.T) {
	room := NewRoom(2)
	s := newRoomy(t, room)
	if len(room.pools) != 0 {
		t.Errorf("a server without a connection is kept")
	}
	close(s.answer)
	if _, err := run(t, s, &Call{Body: []byte("{}"), Deadline: time.Now().Add(time.Minute)}); err != nil || len(room.pools) != 1 {
		t.Errorf("%v; %d servers", err, len(room.pools))
	}
	if err := s.Close(); err != nil || len(room.pools) != 0 || room.taken() != 0 {
		t.Errorf("%v; %d servers, %d places", err, len(room.pools), room.taken())
	}
}

// Streams of news, which last, leave room to calls. One that ends lets another begin.
func TestStreamsLeaveRoomToCalls(t *testing.T) {
	room := NewRoom(4)
	h := newHTTP(t, HTTPOptions{Room: room, URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) {
		for {
			head, err := readRequest(r)
			if err != nil {
				return
			}
			answer := good
			if strings.HasPrefix(head, "GET ") {
				answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
			}
			_, _ = io.WriteString(nc, answer)
		}
	})})
	var open []*Call
	listen := func() error {
		c := &Call{Verb: Get}
		t.Cleanup(c.Close)
		open = append(open, c)
		return h.Do(c)
	}
	for range 3 {
		if err := listen(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		var e *Error
		if err := listen(); !errors.As(err, &e) || e.Code != Overloaded || e.Wait != time.Second || !errors.Is(err, errStreams) {
			t.Fatalf("one stream too many: %v", err)
		}
		if _, err := run(t, h, &Call{Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	if s := h.Status(); s.State == Down || s.LastError != "" || s.InFlight != 3 || s.Conns != 4 || room.taken() != 4 {
		t.Errorf("%+v, %d places are taken", s, room.taken())
	}
	open[0].Close()
	if err := listen(); err != nil {
		t.Error(err)
	}
	if err := listen(); !errors.Is(err, errStreams) {
		t.Errorf("again one too many: %v", err)
	}
	for _, c := range open {
		c.Close()
	}
	if room.streams != 0 || room.taken() != 0 {
		t.Errorf("%d streams, %d places are left", room.streams, room.taken())
	}
}
