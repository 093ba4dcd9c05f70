package gateway

import (
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// holdsNoBody waits until everything that was taken for bodies has been given back, and nothing is expected.
func (w *world) holdsNoBody() {
	w.t.Helper()
	if !comesTrue(func() bool { return w.bodies.used.Load() == 0 && w.bodies.waiting.Load() == 0 && w.Memory.Used() == 0 }) {
		w.t.Errorf("%d bytes are taken, %d bodies expected and %d bytes of the budget used after all have ended", w.bodies.used.Load(), w.bodies.waiting.Load(), w.Memory.Used())
	}
}

// padded gives a request a large body of the same meaning, and chunked sends it in chunks of 8 KiB.
func padded(request string) (whole, chunked string, ok bool) {
	head, body, _ := strings.Cut(request, "\r\n\r\n")
	length := fmt.Sprintf("Content-Length: %d", len(body))
	if body == "" || !strings.Contains(head, length) {
		return "", "", false
	}
	body += strings.Repeat(" ", 3*smallBody)
	whole = strings.Replace(head, length, fmt.Sprintf("Content-Length: %d", len(body)), 1) + "\r\n\r\n" + body
	var b strings.Builder
	b.WriteString(strings.Replace(head, length, "Transfer-Encoding: chunked", 1) + "\r\n\r\n")
	for len(body) > 0 {
		n := min(len(body), 8<<10)
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return whole, b.String() + "0\r\n\r\n", true
}

// Whichever way a request goes, what its body took is given back.
func TestExitsGiveBodiesBack(t *testing.T) {
	for _, e := range exits {
		whole, chunked, ok := padded(e.request)
		if !ok {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			policy := e.policy
			if policy == "" {
				policy = testPolicy
			}
			w := newWorld(t, policy, e.options...)
			if e.answer != nil {
				w.server.answer = e.answer
			}
			for _, request := range []string{whole, chunked, whole[:len(whole)-1], chunked[:len(chunked)-1]} {
				w.leaving(request)
			}
			w.holdsNoBody()
		})
	}
}

// leaving sends a request and closes, whether it was answered or not.
func (w *world) leaving(request string) {
	w.t.Helper()
	c, err := w.listener.Dial()
	if err != nil {
		w.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, request) // it may be refused before it is whole
	c.Close()
}

func TestClientsThatLeaveGiveBodiesBack(t *testing.T) {
	w := newWorld(t, allowAll)
	whole, chunked, _ := padded(post(readAllowed))
	head := strings.Index(chunked, "\r\n\r\n") + 4
	for _, cut := range []string{
		whole[:strings.Index(whole, "\r\n\r\n")+4], whole[:len(whole)/2], chunked[:len(chunked)/2], chunked[:head+2], chunked[:len(chunked)-2], chunked[:head],
	} {
		w.leaving(cut)
	}
	if !comesTrue(func() bool { return w.Connections() == 0 }) {
		t.Fatal("connections are left")
	}
	w.bodies.sweep(w.watch.tick.Load()+1000, 2*w.watch.bounds.read) // what is left of a body that ended between two chunks
	w.holdsNoBody()
}

// What is younger than a request may be is not swept away, and what is older is; a request that comes all the same is counted then.
func TestSweepLeavesWhatIsBeingRead(t *testing.T) {
	w := newWorld(t, allowAll)
	c, err := w.listener.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	whole, _, _ := padded(post(readAllowed))
	if _, err := io.WriteString(c, whole[:len(whole)-1]); err != nil {
		t.Fatal(err)
	}
	if !comesTrue(func() bool { return w.bodies.waiting.Load() == 1 }) {
		t.Fatal("no body is expected")
	}
	w.bodies.sweep(w.watch.tick.Load(), 2*w.watch.bounds.read)
	if got := w.bodies.used.Load(); got != 4*smallBody {
		t.Errorf("%d bytes are taken, want the footprint of the body", got)
	}
	w.bodies.sweep(w.watch.tick.Load()+1000, 2*w.watch.bounds.read)
	if got := w.bodies.used.Load(); got != 0 {
		t.Errorf("%d bytes are taken for what is too old to come", got)
	}
	if r := w.on(c, whole[len(whole)-1:]); r.status != 200 {
		t.Errorf("got %+v", r)
	}
	w.holdsNoBody()
}

// busy is a world whose server answers calls when it is told to, and in which three bodies of 256 KiB and sixteen small ones have room.
func busy(t *testing.T) (w *world, finish chan struct{}, answers chan reply) {
	t.Helper()
	w = newWorld(t, allowAll, func(o *Options, _ *Snapshot) { o.Limits.Body, o.Limits.Bodies = 256<<10, 1<<20 })
	finish, answers = make(chan struct{}), make(chan reply, 100)
	answer := says(200, okResult)
	w.server.answer = func(c *upstream.Call) error {
		if strings.Contains(string(c.Body), "wait") {
			<-finish
		}
		return answer(c)
	}
	return w, finish, answers
}

func sized(tool string, size int) string {
	return post(call(tool, `{}`) + strings.Repeat(" ", size-len(call(tool, `{}`))))
}

func (w *world) hold(n, size int, answers chan<- reply) {
	w.t.Helper()
	want := w.bodies.used.Load() + int64(n*size)
	for range n {
		c, err := w.listener.Dial()
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { c.Close() })
		go func() { answers <- w.on(c, sized("wait", size)) }()
	}
	if !comesTrue(func() bool { return w.bodies.used.Load() == want }) {
		w.t.Fatalf("%d bytes are taken, want %d", w.bodies.used.Load(), want)
	}
}

// overloaded checks a refusal and its record.
func (w *world) overloaded(r reply, closed bool) {
	w.t.Helper()
	if r.status != 503 || r.header.Get("Retry-After") != "1" || r.closed != closed || !strings.Contains(r.body, "as it has memory for") {
		w.t.Errorf("got %+v, want a refusal for want of memory", r)
	}
	comesTrue(func() bool { return len(w.refusals()) > 0 })
	if got := w.refusals(); len(got) == 0 || got[len(got)-1].Reason != "overloaded" || got[len(got)-1].Status != 503 {
		w.t.Errorf("refusals on record: %+v", got)
	}
}

func (w *world) refusals() (out []audit.Record) {
	for _, r := range w.recorded(1) {
		if r.Kind == audit.Refusal {
			out = append(out, r)
		}
	}
	return out
}

// When large bodies have taken what there is, more of them are refused, and small ones are served.
func TestLargeBodiesAreShed(t *testing.T) {
	w, finish, answers := busy(t)
	w.hold(3, 256<<10, answers)
	_, large, _ := padded(post(readAllowed))
	small := "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(readAllowed), readAllowed)
	head, _, _ := strings.Cut(post(readAllowed), "Content-Length")
	for range 20 {
		w.overloaded(w.raw(sized("read", 200<<10)), true)
		w.overloaded(w.raw(large), true)
		for _, request := range []string{post(readAllowed), head + small} {
			if r := w.raw(request); r.status != 200 {
				t.Errorf("a small request got %+v", r)
			}
		}
	}
	if r := w.raw(sized("read", 300<<10)); r.status != 413 {
		t.Errorf("a body beyond its own limit got %+v", r)
	}
	close(finish)
	for range 3 {
		if r := <-answers; r.status != 200 {
			t.Errorf("a large request that was let in got %+v", r)
		}
	}
	w.holdsNoBody()
	if r := w.raw(sized("read", 256<<10)); r.status != 200 {
		t.Errorf("after all have ended: %+v", r)
	}
}

// The part that is kept back is a bound too.
func TestSmallBodiesAreShed(t *testing.T) {
	w, finish, answers := busy(t)
	w.hold(3, 256<<10, answers)
	w.hold(16, smallBody, answers)
	c, err := w.listener.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w.overloaded(w.on(c, post(readAllowed)), false)
	close(finish)
	for range 19 {
		if r := <-answers; r.status != 200 {
			t.Errorf("a request that was let in got %+v", r)
		}
	}
	if r := w.on(c, post(readAllowed)); r.status != 200 {
		t.Errorf("on the same connection, after all have ended: %+v", r)
	}
	w.holdsNoBody()
}

func TestBoundOnBodiesFollowsMemory(t *testing.T) {
	for memory, want := range map[int64]int64{math.MaxInt64: 256 << 20, 0: 256 << 20, 256 << 20: 16 << 20} {
		if got := bodiesWithin(memory); got != want {
			t.Errorf("within %d: %d, want %d", memory, got, want)
		}
	}
	if b := newBodies(1, 3<<20, nil); b.large < budget.Footprint(3<<20) {
		t.Errorf("no room for one body: %d", b.large)
	}
}
