package socket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// parkedConn is a connection that is parked, its other end, and what is told when it wakes.
func parkedConn(t *testing.T, d *Poller) (s *Parked, far net.Conn, woken chan struct{}) {
	t.Helper()
	near, far := pair(t)
	s, woken = new(Parked), make(chan struct{}, 8)
	c := Wrap(near)
	if err := s.Dup(d, c, func() { woken <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if !s.Park() {
		t.Fatal("it isn't parked")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return s, far, woken
}

func pollerFor(t *testing.T) *Poller {
	t.Helper()
	d, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func waitFor(t *testing.T, woken <-chan struct{}) {
	t.Helper()
	select {
	case <-woken:
	case <-time.After(20 * time.Second):
		t.Fatal("it stays parked")
	}
}

func TestParkedWakesWhenThereIsSomethingToRead(t *testing.T) {
	tests := []struct {
		name string
		do   func(s *Parked, d *Poller, far net.Conn)
		read string
		err  error
	}{
		{"bytes", func(_ *Parked, _ *Poller, far net.Conn) { _, _ = io.WriteString(far, "hello") }, "hello", nil},
		{"the end", func(_ *Parked, _ *Poller, far net.Conn) { _ = far.Close() }, "", io.EOF},
		{"an interruption", func(s *Parked, _ *Poller, _ net.Conn) { s.Interrupt() }, "", io.EOF},
		{"a call", func(s *Parked, _ *Poller, _ net.Conn) { s.Wake() }, "", ErrNothing},
		{"no poller any more", func(_ *Parked, d *Poller, _ net.Conn) { _ = d.Close() }, "", ErrNothing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := pollerFor(t)
			s, far, woken := parkedConn(t, d)
			tt.do(s, d, far)
			waitFor(t, woken)
			if s.Unpark() {
				t.Error("it can be taken after it has woken")
			}
			c, err := s.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			b := make([]byte, 8)
			n, err := c.(Reader).ReadNow(b)
			if string(b[:n]) != tt.read || !errors.Is(err, tt.err) {
				t.Errorf("read %q, %v", b[:n], err)
			}
			select {
			case <-woken:
				t.Error("it has woken twice")
			default:
			}
		})
	}
}

// What came before it was parked, or while it was not, wakes it as well.
func TestParkedDoesNotMissWhatCameBefore(t *testing.T) {
	d := pollerFor(t)
	s, far, woken := parkedConn(t, d)
	if !s.Unpark() || s.Unpark() {
		t.Fatal("it was to be taken once")
	}
	if _, err := io.WriteString(far, "x"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-woken:
		t.Fatal("it wakes though it was taken")
	default:
	}
	if !s.Park() {
		t.Fatal("it isn't parked again")
	}
	waitFor(t, woken)
}

// A connection is parked and wakes many times, and is the same all along. Nothing of it is left at the end.
func TestParkedIsAConnectionAgain(t *testing.T) {
	d := pollerFor(t)
	near, far := pair(t)
	before := descriptors(t)
	c := Wrap(near)
	for range 50 {
		var s Parked
		woken := make(chan struct{}, 1)
		if err := s.Dup(d, c, func() { woken <- struct{}{} }); err != nil || !s.Park() {
			t.Fatal("it isn't parked", err)
		}
		_ = c.Close()
		if _, err := io.WriteString(far, "ping"); err != nil {
			t.Fatal(err)
		}
		waitFor(t, woken)
		var err error
		if c, err = s.Open(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("opened twice: %v", err)
		}
		if s.Park() {
			t.Fatal("what is open is parked")
		}
		s.Interrupt() // too late
		s.Close()     // likewise
		b := make([]byte, 8)
		if n, err := c.Read(b); string(b[:n]) != "ping" || err != nil {
			t.Fatalf("read %q, %v", b[:n], err)
		}
		if _, err := io.WriteString(c, "pong"); err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadFull(far, b[:4]); string(b[:n]) != "pong" || err != nil {
			t.Fatalf("the other end read %q, %v", b[:n], err)
		}
	}
	_ = d.raw.Control(func(fd uintptr) {
		known, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
		if err != nil || strings.Contains(string(known), "tfd:") {
			t.Errorf("the queue knows what is awake: %q, %v", known, err)
		}
	})
	_ = c.Close()
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func TestOnlyAWrappedConnectionParks(t *testing.T) {
	d := pollerFor(t)
	near, _ := pair(t)
	if err := new(Parked).Dup(d, near, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	c := Wrap(near)
	_ = c.Close()
	if err := new(Parked).Dup(d, c, nil); err == nil {
		t.Error("a closed connection is taken")
	}
	near, _ = pair(t)
	var s Parked
	if err := s.Dup(d, Wrap(near), nil); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	if s.Park() {
		t.Error("it is parked though the poller is closed")
	}
	s.Close()
}

func descriptors(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
