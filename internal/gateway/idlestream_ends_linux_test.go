package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/trial"
)

// later is a tick by which something was to be written long ago.
const later = 1 << 40

// A client that sends nothing more has gone: MCP has no use for half a connection.
func TestClientOfAParkedStreamThatSaysNoMore(t *testing.T) {
	eachOpener(t, func(t *testing.T, how opener) {
		s := watchNews(t, how, allowAll)
		_ = s.conn.(*net.TCPConn).CloseWrite()
		rest, err := io.ReadAll(s.lines)
		if cut := errors.Is(err, io.ErrUnexpectedEOF); cut != (how.end != "") || len(dataOf(string(rest))) > 0 {
			t.Errorf("the client got %q, %v", rest, err)
		}
		if r := s.over(2); r.Kind != audit.Outcome || r.Status != 200 || how.end != "" && r.Reason != "cancelled" {
			t.Errorf("recorded %+v", r)
		}
	})
}

// Of an event that comes in parts nothing is lost, and nothing passes before it is whole.
func TestEventOnAParkedStreamComesInParts(t *testing.T) {
	const event = "id: 7\ndata: " + listChanged + "\n\n"
	eachOpener(t, func(t *testing.T, how opener) {
		s := watchNews(t, how, allowAll)
		for _, cut := range []int{1, len("id: 7\n"), len("id: 7\nda"), len(event) - 1} {
			s.news <- partly + event[:cut]
			for end := time.Now().Add(20 * time.Second); s.parked(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("it stays parked")
				}
			}
			s.news <- partly + event[cut:]
			if id, data := s.line(), s.line(); id != "id: 7" || data != "data: "+listChanged {
				t.Fatalf("cut at %d the client got %q, %q", cut, id, data)
			}
			s.parks()
		}
		s.news <- ""
		s.ends(how.end)
		s.over(2)
	})
}

// Comments and events don't mix, though both may begin at once.
func TestCommentsAndEventsOfAParkedStreamDoNotMix(t *testing.T) {
	eachOpener(t, func(t *testing.T, how opener) {
		s := watchNews(t, how, allowAll)
		v := s.stream()
		for i := range 50 {
			said := fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"%d"}}`, i)
			s.news <- said
			v.tend(later, 1, time.Time{})
			v.tend(later, 1, time.Time{})
			s.hears(said)
		}
		s.news <- ""
		v.tend(later, 1, time.Time{})
		s.ends(how.end)
		s.over(2)
	})
}

// A stream that is about to wake is left alone.
func TestStreamThatWakesIsNotTended(t *testing.T) {
	eachOpener(t, func(t *testing.T, how opener) {
		s := watchNews(t, how, allowAll)
		v := s.stream()
		if !v.stream.Unpark() { // as what comes does
			t.Fatal("it was to be parked")
		}
		if _, begun := v.tend(later, 1, time.Time{}); begun {
			t.Fatal("a comment is written, and it would be parked after that")
		}
		v.wake()
		s.parks()
		s.news <- listChanged
		s.hears(listChanged)
	})
}

// Whatever comes at once, a stream ends once, and all that it has is given back once.
func TestParkedStreamEndsOnce(t *testing.T) {
	eachOpener(t, func(t *testing.T, how opener) {
		for range 3 {
			s := watchNews(t, how, allowAll)
			v, next := s.stream(), s.snapshot(allowAll)
			var all sync.WaitGroup
			for _, do := range []func(){
				v.end, v.endNews,
				func() { s.news <- listChanged },
				func() { s.news <- "" },
				func() { v.tend(later, 1, time.Time{}) },                    // a comment
				func() { v.tend(later, 1, time.Now().Add(1000*time.Hour)) }, // its time is up
				func() { s.Swap(next) },
				func() { _ = s.conn.Close() },
			} {
				all.Go(do)
			}
			all.Wait()
			if r := s.over(2); r.Kind != audit.Outcome || r.Status != 200 {
				t.Errorf("recorded %+v", r)
			}
			if n := len(s.recorded(2)); n != 2 {
				t.Errorf("there are %d records", n)
			}
		}
	})
}

// A stream holds the policies that have let it in, however long it is parked, and not beyond its end.
func TestParkedStreamHoldsItsSnapshot(t *testing.T) {
	eachOpener(t, func(t *testing.T, how opener) {
		var old *Snapshot
		released := make(chan struct{})
		s := watchNews(t, how, allowAll, func(_ *Options, snap *Snapshot) {
			old = snap
			old.Release = func() { close(released) }
		})
		s.Swap(snapCopy(old))
		s.news <- listChanged
		s.hears(listChanged)
		s.parks()
		select {
		case <-released:
			t.Fatal("it is released while the stream is parked")
		default:
		}
		s.news <- ""
		s.ends(how.end)
		s.over(2)
		select {
		case <-released:
		default:
			t.Error("it is held after the stream's end")
		}
	})
}

// A client's stream is parked behind TLS, too, and ends there in good order.
func TestStreamOverTLSIsParked(t *testing.T) {
	eachOpener(t, func(t *testing.T, how opener) {
		s := worldOfNews(t, allowAll)
		certified := httptest.NewUnstartedServer(nil)
		certified.StartTLS()
		certified.Close()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = s.Gateway.server.Serve(tls.NewListener(s.Listen(l), certified.TLS)) }()
		trusted := certified.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		trusted.ServerName, trusted.NextProtos = "example.com", []string{"http/1.1"}
		if s.conn, err = tls.Dial("tcp", l.Addr().String(), trusted); err != nil {
			t.Fatal(err)
		}
		s.ask(how)
		s.hears(listChanged)
		for range 3 {
			s.parks()
			s.stream().tend(later, 1, time.Time{})
			s.news <- listChanged
			s.hears(listChanged)
		}
		s.news <- ""
		s.ends(how.end)
		if r := s.over(2); r.Kind != audit.Outcome || r.Status != 200 {
			t.Errorf("recorded %+v", r)
		}
		if n, err := s.conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %d bytes, %v", n, err)
		}
	})
}

// The request of a stream that is not small is not kept for it: such a stream waits as any other.
func TestStreamOfALargeRequestIsNotParked(t *testing.T) {
	how := openers[1]
	head, body, _ := strings.Cut(how.request, "\r\n\r\n")
	long := strings.Repeat(" ", smallBody) + body // what is a value in it is small
	how.request = strings.Replace(head, fmt.Sprint("Content-Length: ", len(body)), fmt.Sprint("Content-Length: ", len(long)), 1) + "\r\n\r\n" + long
	s := worldOfNews(t, allowAll)
	s.open(how)
	s.hears(listChanged)
	s.news <- listChanged
	s.hears(listChanged)
	n := &s.Gateway.news
	n.mu.Lock()
	for h := range n.streams {
		if _, parks := h.(*idleStream); parks {
			t.Error("it is one that can be parked")
		}
	}
	n.mu.Unlock()
	s.news <- ""
	s.ends(how.end)
	_ = s.conn.Close()
	if r := s.over(2); r.Kind != audit.Outcome || r.Status != 200 {
		t.Errorf("recorded %+v", r)
	}
}

// The answer to a call whose stream broke off comes on one that was parked meanwhile, and is judged with its request.
func TestAnswerOnAParkedStreamIsJudged(t *testing.T) {
	for text, want := range map[string]string{"SECRET": `"reason":"secret_in_result"`, "fine": `"text":"fine"`} {
		t.Run(text, func(t *testing.T) {
			say := make(chan struct{})
			_, served := newPeer(t, func(w http.ResponseWriter, r *http.Request, _ string) {
				w.Header().Set("Mcp-Session-Id", "upstream-1")
				if r.Method != http.MethodGet {
					events(w, "id: 1\ndata: ")
					return
				}
				events(w, listChanged)
				select {
				case <-say:
				case <-r.Context().Done():
				}
				events(w, `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"`+text+`"}]}}`)
			})
			var snap *Snapshot
			s := &watched{world: newWorld(t, responsePolicy, served, func(_ *Options, s *Snapshot) { snap = s })}
			s.try(snap, responsePolicy, nil, trial.Bounds{}) // which is shown the head that the client has sent
			first := s.raw(post(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`))
			session := "Mcp-Session-Id: " + first.header.Get("Mcp-Session-Id")
			s.raw(post(call("read_file", `{"path":"x"}`), session))
			s.open(opener{"GET", "GET /mcp/files HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\nLast-Event-ID: 1\r\n" + session + "\r\n\r\n", ""})
			defer s.conn.Close()
			s.hears(listChanged)
			s.parks()
			close(say)
			rest, err := io.ReadAll(s.lines)
			if got := dataOf(string(rest)); err != nil || len(got) != 1 || !strings.Contains(got[0], want) {
				t.Errorf("the client got %q, %v", got, err)
			}
			denied := slices.ContainsFunc(s.recorded(6), func(r audit.Record) bool { return r.Kind == audit.Outcome && r.Reason == "secret_in_result" })
			if denied != (text == "SECRET") {
				t.Errorf("recorded as denied: %v", denied)
			}
		})
	}
}
