package upstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// servers are the implementations that the suite runs against.
var servers = map[string]func(t *testing.T) Server{
	"http":       func(t *testing.T) Server { return httpServer(t) },
	"stdio":      func(t *testing.T) Server { return stdio(t, "mcp", nil) },
	"in-process": func(t *testing.T) Server { return inProcess(t, LineOptions{Now: time.Now}) },
}

// duplex is one end of a connection in memory.
type duplex struct {
	io.Reader
	io.Writer
	close func()
}

func (d duplex) Close() error { d.close(); return nil }

func dialFake() (io.ReadWriteCloser, error) {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	end := func() {
		_ = inR.Close()
		_ = inW.Close()
		_ = outW.Close()
		_ = outR.Close()
	}
	go func() {
		defer end()
		serveLines(newFake(end), inR, outW)
	}()
	return duplex{outR, inW, end}, nil
}

func inProcess(t *testing.T, o LineOptions) *Lines {
	l := NewInProcess("inside", dialFake, o)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// httpServer is the fake behind Streamable HTTP, sessions included.
func httpServer(t *testing.T) *HTTP {
	var mu sync.Mutex
	fakes := map[string]*fake{"": newFake(abort)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m fakeMessage
		_ = json.NewDecoder(r.Body).Decode(&m)
		id := r.Header.Get("Mcp-Session-Id")
		mu.Lock()
		if m.Method == "initialize" {
			id = fmt.Sprintf("session-%d", len(fakes))
			fakes[id] = newFake(abort)
			w.Header().Set("Mcp-Session-Id", id)
		}
		f := fakes[id]
		if r.Method == http.MethodDelete {
			delete(fakes, id)
		}
		mu.Unlock()
		switch {
		case f == nil:
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodDelete:
		case m.ID == nil || m.Method == "":
			f.handle(m, nil)
			w.WriteHeader(http.StatusAccepted)
		default:
			answerHTTP(w, r, f, m)
		}
	}))
	h, err := NewHTTP("web", HTTPOptions{URL: srv.URL + "/mcp", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = h.Close()
		mu.Lock()
		for _, f := range fakes {
			close(f.gone)
		}
		mu.Unlock()
		srv.CloseClientConnections()
		srv.Close()
	})
	return h
}

func abort() { panic(http.ErrAbortHandler) }

// answerHTTP answers in JSON where one message is all, and in a stream else.
func answerHTTP(w http.ResponseWriter, r *http.Request, f *fake, m fakeMessage) {
	stream := false
	f.handle(m, func(line string) {
		if strings.Contains(line, `"method"`) && !stream {
			stream = true
			w.Header().Set("Content-Type", "text/event-stream")
		}
		if !stream {
			if json.Valid([]byte(line)) {
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				_, _ = io.WriteString(w, line)
			}
			return
		}
		_, _ = io.WriteString(w, "data: "+line+"\n\n")
		w.(http.Flusher).Flush() //nolint:forcetypeassert // net/http's own
	})
	if m.Params.Name == "hang" {
		<-r.Context().Done()
		f.handle(fakeMessage{Method: "notifications/cancelled"}, nil)
	}
}

// ask sends a tools/call in the modern era, or in a session if there is one.
func ask(session, id, tool, rest string) *Call {
	return &Call{
		Body:   []byte(`{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + tool + `"` + rest + `}}`),
		Method: "tools/call", ID: []byte(id), Session: session, Modern: session == "",
	}
}

// run does c and returns all that came back, events and answer, line by line.
func run(t *testing.T, s Server, c *Call) (lines []string, err error) {
	t.Helper()
	defer c.Close()
	if err := s.Do(c); err != nil {
		return nil, err
	}
	if c.Reply != Stream {
		return append(lines, string(c.ReplyBody)), nil
	}
	for {
		e, err := c.Next()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		lines = append(lines, string(e.Data))
	}
}

func open(t *testing.T, s Server) string {
	t.Helper()
	c := &Call{Body: []byte(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}`), Method: "initialize", ID: []byte("0")}
	if _, err := run(t, s, c); err != nil || c.Status != 200 || c.ReplySession == "" {
		t.Fatalf("initialize: %v, status %d, session %q", err, c.Status, c.ReplySession)
	}
	return c.ReplySession
}

// each runs f on every implementation, in both eras.
func each(t *testing.T, f func(t *testing.T, s Server, session string)) {
	for name, start := range servers {
		t.Run(name+"/modern", func(t *testing.T) { f(t, start(t), "") })
		t.Run(name+"/legacy", func(t *testing.T) {
			s := start(t)
			f(t, s, open(t, s))
		})
	}
}

func TestAnswersComeBackUnderTheClientsOwnID(t *testing.T) {
	each(t, func(t *testing.T, s Server, session string) {
		for _, id := range []string{`1`, `"1"`, `9007199254740993`, `"a\"b"`, `"ключ"`} {
			c := ask(session, id, "echo", `,"arguments":{"n":9007199254740993,"f":1.0,"x":[]}`)
			got, err := run(t, s, c)
			want := []string{`{"jsonrpc":"2.0","id":` + id + `,"result":{"n":9007199254740993,"f":1.0,"x":[]}}`}
			if diff := cmp.Diff(want, got); err != nil || diff != "" || c.Status != 200 || c.Reply != JSON {
				t.Errorf("id %s: error %v, status %d, reply %d:\n%s", id, err, c.Status, c.Reply, diff)
			}
		}
	})
}

func TestProgressComesBackUnderTheClientsOwnToken(t *testing.T) {
	each(t, func(t *testing.T, s Server, session string) {
		for _, token := range []string{`7`, `"seven"`, `9007199254740993`} {
			c := ask(session, `5`, "progress", `,"_meta":{"progressToken":`+token+`}`)
			got, err := run(t, s, c)
			want := []string{
				`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + token + `,"progress":0,"vendor":1.0}}`,
				`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + token + `,"progress":1,"vendor":1.0}}`,
				`{"jsonrpc":"2.0","id":5,"result":"done"}`,
			}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("token %s: error %v:\n%s", token, err, diff)
			}
		}
	})
}

func TestServersRequestReachesItsClientAndIsAnswered(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			session := open(t, s)
			c := ask(session, `1`, "ask", "")
			defer c.Close()
			if err := s.Do(c); err != nil || c.Reply != Stream {
				t.Fatalf("error %v, reply %d", err, c.Reply)
			}
			e, err := c.Next()
			if want := `{"jsonrpc":"2.0","id":"ask-1","method":"roots/list"}`; err != nil || string(e.Data) != want {
				t.Fatalf("got %s, error %v", e.Data, err)
			}
			r := &Call{Kind: Response, Session: session, Body: []byte(`{"jsonrpc":"2.0","id":"ask-1","result":{"roots":[]}}`)}
			if _, err := run(t, s, r); err != nil || r.Status != 202 || r.Reply != Empty {
				t.Fatalf("answering: error %v, status %d", err, r.Status)
			}
			e, err = c.Next()
			if want := `{"jsonrpc":"2.0","id":1,"result":{"roots":[]}}`; err != nil || string(e.Data) != want {
				t.Fatalf("got %s, error %v", e.Data, err)
			}
			if _, err := c.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("after the answer: %v", err)
			}
		})
	}
}

func TestSessionsDoNotShareState(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			a, b := open(t, s), open(t, s)
			for session, value := range map[string]string{a: `"of a"`, b: `"of b"`} {
				if _, err := run(t, s, ask(session, `1`, "set", `,"arguments":`+value)); err != nil {
					t.Fatal(err)
				}
			}
			got, err := run(t, s, ask(a, `1`, "state", ""))
			want := []string{`{"jsonrpc":"2.0","id":1,"result":{"state":"\"of a\"","cancelled":""}}`}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("error %v:\n%s", err, diff)
			}
			d := &Call{Verb: Delete, Session: a}
			if _, err := run(t, s, d); err != nil || d.Status != 200 {
				t.Errorf("delete: error %v, status %d", err, d.Status)
			}
			gone := ask(a, `2`, "echo", `,"arguments":1`)
			if _, err := run(t, s, gone); err != nil || gone.Status != 404 || gone.Reply != Empty {
				t.Errorf("after delete: error %v, status %d, reply %d", err, gone.Status, gone.Reply)
			}
			if _, err := run(t, s, ask(b, `2`, "echo", `,"arguments":1`)); err != nil {
				t.Errorf("the other session: %v", err)
			}
		})
	}
}

func TestFailuresHaveTheirCode(t *testing.T) {
	for _, c := range []struct {
		tool   string
		change func(*Call)
		code   ErrorCode
		events int // before the failure
	}{
		{tool: "crash", code: Closed},
		{tool: "half", code: Closed, events: 1},
		{tool: "hang", change: func(c *Call) { c.Deadline = time.Now().Add(50 * time.Millisecond) }, code: Timeout},
		{tool: "hang", change: func(c *Call) { time.AfterFunc(50*time.Millisecond, c.Cancel) }, code: Canceled},
		{tool: "echo", change: (*Call).Cancel, code: Canceled},
	} {
		t.Run(c.tool+"/"+c.code.String(), func(t *testing.T) {
			each(t, func(t *testing.T, s Server, session string) {
				call := ask(session, `1`, c.tool, `,"arguments":1,"_meta":{"progressToken":1}`)
				if c.change != nil {
					c.change(call)
				}
				events, err := run(t, s, call)
				var e *Error
				if !errors.As(err, &e) || e.Code != c.code || len(events) != c.events {
					t.Fatalf("got %v after %d events", err, len(events))
				}
				if (c.code == Canceled) != errors.Is(err, ErrCanceled) {
					t.Errorf("ErrCanceled does not fit %v", err)
				}
				call.Cancel()
				call.Close()
				if n := s.Status().InFlight; n != 0 {
					t.Errorf("%d exchanges left", n)
				}
			})
		})
	}
}

func TestCancelingStreamEndsNext(t *testing.T) {
	each(t, func(t *testing.T, s Server, session string) {
		if session == "" {
			t.Skip("nothing leaves a stream open")
		}
		c := ask(session, `1`, "ask", "")
		defer c.Close()
		if err := s.Do(c); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(20*time.Millisecond, c.Cancel)
		if _, err := c.Next(); !errors.Is(err, ErrCanceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestBigAnswersAndManyCallers(t *testing.T) {
	each(t, func(t *testing.T, s Server, session string) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				tool, want := "echo", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":%d}`, i)
				if i%4 == 0 {
					tool, want = "big", `{"jsonrpc":"2.0","id":1,"result":"`+strings.Repeat("b", 1<<20)+`"}`
				}
				for range 20 {
					got, err := run(t, s, ask(session, `1`, tool, fmt.Sprintf(`,"arguments":%d`, i)))
					if err != nil || len(got) != 1 || got[0] != want {
						t.Errorf("caller %d: error %v, %d lines", i, err, len(got))
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestClosedServerIsUnavailable(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			c := ask(open(t, s), `1`, "hang", "")
			time.AfterFunc(50*time.Millisecond, func() { _ = s.Close() })
			_, err := run(t, s, c)
			var e *Error
			if !errors.As(err, &e) || e.Code != Closed || !errors.Is(err, errShut) {
				t.Errorf("under way: %v", err)
			}
			_ = s.Close()
			_, err = run(t, s, ask("", `1`, "echo", ""))
			if !errors.As(err, &e) || e.Code != Unavailable || !errors.Is(err, errShut) {
				t.Errorf("afterwards: %v", err)
			}
			if st := s.Status(); st.Conns != 0 || st.Sessions != 0 || st.InFlight != 0 {
				t.Errorf("left over: %+v", st)
			}
		})
	}
}
