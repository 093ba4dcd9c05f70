package upstream

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stand is a Server that answers when it is told to.
type stand struct {
	mu     sync.Mutex
	asked  int
	answer func(*Call) error
}

func (s *stand) Do(c *Call) error {
	s.mu.Lock()
	s.asked++
	answer := s.answer
	s.mu.Unlock()
	return answer(c)
}

func (s *stand) Close() error   { return nil }
func (s *stand) Status() Status { return Status{Transport: "stand"} }

func (s *stand) says(answer func(*Call) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *stand) seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func status(code int) func(*Call) error {
	return func(c *Call) error {
		c.Status = code
		return nil
	}
}

func fails(code ErrorCode) func(*Call) error {
	return func(*Call) error { return &Error{Code: code, Server: "s", Err: errors.New("cause")} }
}

// clock is a time that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// asks makes a call and says in short how it went.
func asks(s Server) string {
	var c Call
	defer c.Close()
	err := s.Do(&c)
	var e *Error
	switch {
	case errors.As(err, &e) && e.Wait > 0:
		return fmt.Sprint(e.Code, " ", e.Wait)
	case errors.As(err, &e):
		return e.Code.String()
	}
	return fmt.Sprint(c.Status)
}

func TestBreaker(t *testing.T) {
	at := &clock{at: time.Unix(1000, 0)}
	inner := &stand{}
	s := Guard("s", inner, GuardOptions{Failures: 3, Open: 30 * time.Second, Now: at.now})
	step := func(answer func(*Call) error, want, state string) {
		t.Helper()
		inner.says(answer)
		if got := asks(s); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		if got := s.Status(); got.Breaker != state || got.Transport != "stand" {
			t.Fatalf("%+v, want %s", got, state)
		}
	}
	step(status(503), "503", "closed")
	step(fails(Unavailable), "unavailable", "closed")
	step(status(200), "200", "closed") // the row is broken
	step(fails(Timeout), "timeout", "closed")
	step(fails(Canceled), "canceled", "closed") // says nothing
	step(fails(Closed), "closed", "closed")
	step(status(404), "404", "closed")
	step(fails(TooLarge), "too_large", "closed")
	step(fails(Protocol), "protocol", "closed")
	step(status(500), "500", "closed")
	step(fails(Unavailable), "unavailable", "open")
	before := inner.seen()
	step(status(200), "ejected 30s", "open")
	at.add(29 * time.Second)
	step(status(200), "ejected 1s", "open")
	if inner.seen() != before {
		t.Fatal("a server that is left alone was asked")
	}
	at.add(time.Second)
	step(fails(Unavailable), "unavailable", "open") // the probe
	step(status(200), "ejected 30s", "open")
	at.add(30 * time.Second)
	step(fails(Canceled), "canceled", "open") // the next one is a probe too
	step(status(200), "200", "closed")
	step(fails(Unavailable), "unavailable", "closed")
}

func TestBreaker_oneProbe(t *testing.T) {
	at := &clock{at: time.Unix(1000, 0)}
	inner := &stand{answer: fails(Unavailable)}
	s := Guard("s", inner, GuardOptions{Failures: 1, Open: time.Second, Now: at.now})
	began, ended := make(chan struct{}), make(chan string)
	held := func(until chan func(*Call) error) func(*Call) error {
		return func(c *Call) error {
			began <- struct{}{}
			return (<-until)(c)
		}
	}
	late, probe := make(chan func(*Call) error), make(chan func(*Call) error)
	inner.says(held(late))
	go func() { ended <- asks(s) }() // begins while the breaker is closed
	<-began
	inner.says(fails(Unavailable))
	asks(s)
	at.add(time.Second)
	inner.says(held(probe))
	go func() { ended <- asks(s) }()
	<-began
	late <- status(200) // it is not heard: it began before the server failed
	<-ended
	if got, state := asks(s), s.Status().Breaker; got != "ejected 1s" || state != "half-open" {
		t.Errorf("beside the probe: %s, %s", got, state)
	}
	probe <- status(200)
	<-ended
	if state := s.Status().Breaker; state != "closed" {
		t.Error(state)
	}
}

func TestBreaker_survivesAPanic(t *testing.T) {
	at := &clock{at: time.Unix(1000, 0)}
	inner := &stand{answer: fails(Unavailable)}
	s := Guard("s", inner, GuardOptions{Failures: 1, Open: time.Second, Now: at.now})
	asks(s)
	at.add(time.Second)
	inner.says(func(*Call) error { panic("probe") })
	func() {
		defer func() { _ = recover() }()
		asks(s)
	}()
	inner.says(status(200))
	if got := asks(s); got != "200" {
		t.Error(got)
	}
}

func TestGuard_withoutBoundsIsTheServer(t *testing.T) {
	inner := &stand{}
	if Guard("s", inner, GuardOptions{Queue: 3, Wait: time.Second}) != Server(inner) {
		t.Error("a guard that does nothing")
	}
}

// crowd is callers of a server with slots.
type crowd struct {
	t      *testing.T
	server Server
	inner  *stand
	began  chan string
	let    map[string]chan struct{}
	ended  chan string
}

func newCrowd(t *testing.T, o GuardOptions) *crowd {
	t.Helper()
	w := &crowd{t: t, inner: &stand{}, began: make(chan string, 100), let: map[string]chan struct{}{}, ended: make(chan string, 100)}
	w.inner.says(func(c *Call) error {
		w.began <- c.Method
		return nil
	})
	w.server = Guard("s", w.inner, o)
	return w
}

// call makes a call of an owner that goes on until it is let go. It is called by a name.
func (w *crowd) call(owner, name string) *Call {
	let := make(chan struct{})
	w.let[name] = let
	c := &Call{Method: name, Owner: func() []byte { return []byte(owner) }}
	go func() {
		err := w.server.Do(c)
		if err == nil {
			<-let
		}
		c.Close()
		if e, ok := errors.AsType[*Error](err); ok {
			w.ended <- name + " " + e.Code.String()
		} else {
			w.ended <- name + " ok"
		}
	}()
	return c
}

func (w *crowd) begins(want string) {
	w.t.Helper()
	w.hears(w.began, want)
}

func (w *crowd) ends(want string) {
	w.t.Helper()
	w.hears(w.ended, want)
}

func (w *crowd) hears(from chan string, want string) {
	w.t.Helper()
	select {
	case got := <-from:
		if got != want {
			w.t.Fatalf("%q, want %q", got, want)
		}
	case <-time.After(20 * time.Second):
		w.t.Fatalf("nothing, want %q", want)
	}
}

// waits waits until as many stand in the line.
func (w *crowd) waits(n int) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); w.server.Status().Waiting != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%d wait, want %d", w.server.Status().Waiting, n)
		}
	}
}

func TestSlots_shareThemselvesOut(t *testing.T) {
	w := newCrowd(t, GuardOptions{MaxConcurrent: 2, Queue: 3, Wait: time.Hour})
	w.call("a", "a1")
	w.begins("a1")
	w.call("a", "a2")
	w.begins("a2")
	for i, name := range []string{"a3", "a4", "a5"} {
		w.call("a", name)
		w.waits(i + 1)
	}
	w.call("a", "a6") // the line is full of one's own
	w.ends("a6 overloaded")
	w.call("b", "b1") // who has less comes in before who has more
	w.ends("a5 overloaded")
	w.waits(3)
	close(w.let["a1"])
	w.ends("a1 ok")
	w.begins("b1") // none, where a has one
	close(w.let["a2"])
	w.ends("a2 ok")
	w.begins("a3")
	close(w.let["b1"])
	w.ends("b1 ok")
	w.begins("a4")
	close(w.let["a3"])
	close(w.let["a4"])
	if got := []string{<-w.ended, <-w.ended}; !cmp.Equal(got, []string{"a3 ok", "a4 ok"}) && !cmp.Equal(got, []string{"a4 ok", "a3 ok"}) {
		t.Error(got)
	}
	w.call("c", "c1") // all have been given back
	w.begins("c1")
	w.call("c", "c2")
	w.begins("c2")
	close(w.let["c1"])
	close(w.let["c2"])
	<-w.ended
	<-w.ended
	if g, ok := w.server.(*guard); !ok || g.slots.used != 0 || len(g.slots.held) != 0 || len(g.slots.waiting) != 0 {
		t.Errorf("%+v", g.slots)
	}
}

func TestSlots_waitNoLongerThanTheyMay(t *testing.T) {
	w := newCrowd(t, GuardOptions{MaxConcurrent: 1, Queue: 5, Wait: time.Millisecond})
	w.call("a", "a1")
	w.begins("a1")
	w.call("b", "b1")
	w.ends("b1 overloaded")
	w.waits(0)
	close(w.let["a1"])
	w.ends("a1 ok")
}

func TestSlots_ofACallThatIsCancelled(t *testing.T) {
	w := newCrowd(t, GuardOptions{MaxConcurrent: 1, Queue: 5, Wait: time.Hour})
	w.call("a", "a1")
	w.begins("a1")
	c := w.call("b", "b1")
	w.waits(1)
	c.Cancel()
	w.ends("b1 canceled")
	w.waits(0)
	close(w.let["a1"])
	w.ends("a1 ok")
	w.call("b", "b2")
	w.begins("b2")
	close(w.let["b2"])
	w.ends("b2 ok")
}

func TestSlots_areForRequestsOnly(t *testing.T) {
	w := newCrowd(t, GuardOptions{MaxConcurrent: 1, Wait: time.Hour})
	w.call("a", "a1")
	w.begins("a1")
	for _, c := range []*Call{{Method: "subscriptions/listen"}, {Verb: Get}, {Verb: Delete}, {Kind: Notification}, {Kind: Response}} {
		if err := w.server.Do(c); err != nil {
			t.Errorf("%+v: %v", c.Kind, err)
		}
		<-w.began
		c.Close()
	}
	if got := asks(w.server); got != "overloaded 1s" {
		t.Error(got)
	}
	close(w.let["a1"])
	w.ends("a1 ok")
}

func TestSlots_notOfAServerThatIsLeftAlone(t *testing.T) {
	at := &clock{at: time.Unix(1000, 0)}
	w := newCrowd(t, GuardOptions{MaxConcurrent: 1, Queue: 5, Wait: time.Hour, Failures: 1, Open: time.Minute, Now: at.now})
	w.inner.says(fails(Unavailable))
	if got := asks(w.server); got != "unavailable" {
		t.Fatal(got)
	}
	if got := asks(w.server); got != "ejected 1m0s" {
		t.Error(got)
	}
	if g, ok := w.server.(*guard); !ok || g.slots.used != 0 {
		t.Error("a slot was kept")
	}
}
