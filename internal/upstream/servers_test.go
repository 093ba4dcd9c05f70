package upstream

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
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
		w.(http.Flusher).Flush()
	})
	if m.Params.Name == "hang" {
		<-r.Context().Done()
		f.handle(fakeMessage{Method: "notifications/cancelled"}, nil)
	}
}
