package upstream

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
				for range 6 {
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

func TestBigRequestArrivesWhole(t *testing.T) {
	each(t, func(t *testing.T, s Server, session string) {
		text := `"` + strings.Repeat("0123456789", 30<<10) + `"`
		got, err := run(t, s, ask(session, `1`, "echo", `,"arguments":`+text))
		if err != nil || len(got) != 1 || got[0] != `{"jsonrpc":"2.0","id":1,"result":`+text+`}` {
			t.Errorf("error %v, %d answers", err, len(got))
		}
	})
}

// A deadline set by Extend holds for a stream, which has none by itself.
func TestExtendBoundsAStream(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			c := ask(open(t, s), `1`, "ask", "")
			defer c.Close()
			c.Deadline = time.Now().Add(5 * time.Second)
			if err := s.Do(c); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Next(); err != nil {
				t.Fatal(err)
			}
			c.Extend(time.Now().Add(20 * time.Millisecond))
			if _, err := c.Next(); codeOf(err) != "timeout" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Calls that are canceled at any point leave the others their own answers.
func TestCanceledCallsDoNotDisturbTheOthers(t *testing.T) {
	each(t, func(t *testing.T, s Server, session string) {
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				var c Call
				for i := range 60 {
					text := fmt.Sprintf(`"%d/%d"`, g, i)
					from := ask(session, `1`, "echo", `,"arguments":`+text)
					c.Reset()
					c.Body, c.ID, c.Method, c.Session, c.Modern = from.Body, from.ID, from.Method, from.Session, from.Modern
					stopped := make(chan struct{})
					if i%2 == 0 {
						go func() {
							defer close(stopped)
							for range rand.N(2000) {
								runtime.Gosched()
							}
							c.Cancel()
						}()
					} else {
						close(stopped)
					}
					got, err := run(t, s, &c)
					<-stopped
					if err == nil && (len(got) != 1 || got[0] != `{"jsonrpc":"2.0","id":1,"result":`+text+`}`) {
						t.Errorf("%s got %q", text, got)
					}
					if err != nil && (i%2 == 1 || codeOf(err) != "canceled") {
						t.Errorf("%s: %v", text, err)
					}
				}
			})
		}
		wg.Wait()
		if n := s.Status().InFlight; n != 0 {
			t.Errorf("%d exchanges left", n)
		}
	})
}
