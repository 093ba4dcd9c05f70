package gateway

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A panic at any point of an exchange at which the clock is read, its closing included, is the end of that request and of nothing else.
func TestPanicEndsOneRequest(t *testing.T) {
	const answer = `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`
	for _, kind := range []string{"application/json", "text/event-stream"} {
		_, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) { answerAs(w, kind, answer) })
		fired := true
		for at := int64(2); fired; at++ { // the first reading begins the exchange
			var readings, released atomic.Int64
			var s *Snapshot
			w := newWorld(t, allowAll, served, func(o *Options, snap *Snapshot) {
				o.Now = func() time.Time {
					if readings.Add(1) == at {
						panic("boom")
					}
					return time.Now()
				}
				s, snap.Release = snap, func() { released.Add(1) }
			})
			w.tolerant(post(call("read_file", `{}`) + strings.Repeat(" ", 2*smallBody)))
			w.holdsNoBody()
			if !comesTrue(func() bool { return s.refs.Load() == 1 }) {
				t.Errorf("%s, panic at reading %d: %d users of the snapshot are left", kind, at, s.refs.Load()-1)
			}
			if fired = readings.Load() >= at; !fired && at < 6 {
				t.Errorf("%s: the clock was read %d times", kind, at-1)
			}
			readings.Store(at)
			if r := w.raw(post(call("read_file", `{}`))); r.status != 200 || !strings.Contains(r.body, answer) {
				t.Errorf("%s, after a panic at reading %d: %+v", kind, at, r)
			}
			w.Swap(nil)
			if !comesTrue(func() bool { return released.Load() == 1 }) {
				t.Errorf("%s, panic at reading %d: the snapshot was released %d times", kind, at, released.Load())
			}
		}
	}
}

// comesTrue waits until is holds, and says whether it ever does.
func comesTrue(is func() bool) bool {
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// tolerant sends a request whose answer may be cut.
func (w *world) tolerant(request string) {
	w.t.Helper()
	c, err := w.listener.Dial()
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go c.Write([]byte(request))
	b := make([]byte, 4<<10)
	if _, err := c.Read(b); err != nil && !strings.Contains(err.Error(), "EOF") {
		w.t.Fatal(err)
	}
}
