package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/budget"
)

// large answers call "FORM SIZE END" in its form with a text of so many bytes, and ends as it says.
func large(w http.ResponseWriter, _ *http.Request, body string) {
	var form, end string
	var size int
	_, rest, _ := strings.Cut(body, `"as":"`)
	plan, _, _ := strings.Cut(rest, `"`)
	if _, err := fmt.Sscan(plan, &form, &size, &end); err != nil {
		panic(err)
	}
	answer := `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"` + strings.Repeat("x", size) + `"}]}}`
	switch end {
	case "garbage":
		answer = answer[:len(answer)-1] + "]"
	case "cut":
		defer panic(http.ErrAbortHandler)
		answer = answer[:len(answer)/2]
	}
	switch form {
	case "stream":
		note := `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"` + strings.Repeat("y", size) + `"}}`
		if end == "cut" {
			events(w, note)
			_, _ = io.WriteString(w, "data: "+answer)
			w.(http.Flusher).Flush()
			return
		}
		events(w, note, answer)
	case "chunked":
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, answer)
	case "plain":
		w.Header().Set("Content-Type", "application/json")
		n := len(answer)
		if end == "cut" {
			n *= 2
		}
		w.Header().Set("Content-Length", fmt.Sprint(n))
		_, _ = io.WriteString(w, answer)
	}
}

func asking(form string, size int, end string) string {
	return post(call("read_file", fmt.Sprintf(`{"as":"%s %d %s"}`, form, size, end)))
}

// holdsNothing waits until nothing is taken of the budget.
func (w *world) holdsNothing() error {
	if !comesTrue(func() bool { return w.Memory.Used() == 0 }) {
		return fmt.Errorf("%d bytes of the budget are used after all have ended", w.Memory.Used())
	}
	return nil
}

// An answer for which there is no room beside what is held is refused and recorded, in every form that it may come in. The next one for
// which there is room passes.
func TestAnswersAreShed(t *testing.T) {
	for form, want := range map[string]struct {
		status int
		body   string
	}{
		"plain":   {503, `{"jsonrpc":"2.0","id":7,"error":{"code":50201,"message":"The gateway has no memory left for the server's answer"}}`},
		"chunked": {503, `{"jsonrpc":"2.0","id":7,"error":{"code":50201,"message":"The gateway has no memory left for the server's answer"}}`},
		"stream":  {200, `"error":{"code":50201,"message":"The gateway has no memory left for the server's answer"}`},
	} {
		for _, room := range []int64{64 << 10, 1<<20 + 64<<10} { // not for it as it comes; nor beside it for what is made of it
			t.Run(fmt.Sprint(form, room), func(t *testing.T) {
				memory := budget.New(8 << 20)
				_, served := newPeerWithin(t, memory, large)
				w := newWorld(t, allowAll, served)
				memory.Owe(memory.Limit() - room)
				r := w.raw(asking(form, 700<<10, "well"))
				if r.status != want.status || !strings.Contains(r.body, want.body) || r.header.Get("Retry-After") != "" {
					t.Errorf("got %d %.300s", r.status, r.body)
				}
				last := w.recorded(2)[1]
				if last.Kind != audit.Outcome || last.Reason != "no_memory" || last.Status != want.status || last.ErrorCode != codeBadGateway {
					t.Errorf("recorded %+v", last)
				}
				if !comesTrue(func() bool { return memory.Used() == memory.Limit()-room }) {
					t.Errorf("%d are used, want %d", memory.Used(), memory.Limit()-room)
				}
				if r := w.raw(asking(form, 10<<10, "well")); r.status != 200 || !strings.Contains(r.body, "xxx") {
					t.Errorf("a small answer beside it: %d %.200s", r.status, r.body)
				}
				memory.Give(memory.Limit() - room)
				if r := w.raw(asking(form, 700<<10, "well")); r.status != 200 || !strings.Contains(r.body, strings.Repeat("x", 700<<10)) {
					t.Errorf("when there is room: %d %.200s", r.status, r.body)
				}
				if err := w.holdsNothing(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Whatever answers there are, and however they end, nothing is held when they have.
func TestNothingIsHeldInTheEnd(t *testing.T) {
	memory := budget.New(4 << 20)
	_, served := newPeerWithin(t, memory, large)
	w := newWorld(t, allowAll, served)
	rapid.Check(t, func(t *rapid.T) {
		taken := rapid.Int64Range(0, memory.Limit()).Draw(t, "taken by others")
		memory.Owe(taken)
		for range rapid.IntRange(1, 4).Draw(t, "calls") {
			request := asking(
				rapid.SampledFrom([]string{"plain", "chunked", "stream"}).Draw(t, "form"),
				rapid.SampledFrom([]int{10, 20 << 10, 300 << 10}).Draw(t, "size"),
				rapid.SampledFrom([]string{"well", "cut", "garbage"}).Draw(t, "end"))
			if rapid.Bool().Draw(t, "the client leaves") {
				w.leaving(request)
			} else {
				w.tolerant(request)
			}
		}
		memory.Give(taken)
		if err := w.holdsNothing(); err != nil {
			t.Fatal(err)
		}
	})
}

// What a client doesn't read counts as long as it is not written, and no longer.
func TestAnswerCountsUntilItIsWritten(t *testing.T) {
	memory := budget.New(64 << 20)
	_, served := newPeerWithin(t, memory, large)
	w := newWorld(t, allowAll, served)
	c := dial(t, w.onTCP())
	const size = 12 << 20 // more than the system takes for a client
	if _, err := io.WriteString(c, asking("plain", size, "well")); err != nil {
		t.Fatal(err)
	}
	if !comesTrue(func() bool { return memory.Used() > 0 && w.Connections() == 1 && len(w.recorded(2)) == 2 }) {
		t.Fatal("no answer")
	}
	if !comesTrue(func() bool { return memory.Used() >= size && memory.Used() < 2*size }) {
		t.Errorf("%d are used while an answer of %d is written", memory.Used(), size)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := io.CopyN(io.Discard, c, size); err != nil {
		t.Fatal(n, err)
	}
	if err := w.holdsNothing(); err != nil {
		t.Error(err)
	}
}
