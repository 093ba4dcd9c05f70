package bridge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// ServeHTTP is the server's Streamable HTTP.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var doc jsonscan.Doc
	if r.Method == "POST" && doc.Scan(body, jsonscan.Options{}) != nil {
		http.Error(w, "not json", 400)
		return
	}
	method := doc.Root().Get("method").Text()
	s, status := f.sessionOf(r, method)
	if status != 0 {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"No valid session ID provided"}}`)
		return
	}
	switch r.Method {
	case "DELETE":
		f.mu.Lock()
		delete(f.sessions, s.id)
		f.mu.Unlock()
		return
	case "GET":
		s.stream(w, r)
		return
	}
	if method == "initialize" {
		w.Header().Set("Mcp-Session-Id", s.id)
	}
	s.post(w, r, body, doc.Root().Get("id").Exists() && method != "")
}

// sessionOf finds a request's session, or says with which status it is refused.
func (f *fake) sessionOf(r *http.Request, method string) (*fakeSession, int) {
	if f.era == mcp.Modern {
		if r.Method != "POST" {
			return nil, 405
		}
		f.mu.Lock()
		f.header = r.Header.Clone()
		f.mu.Unlock()
		return f.session(), 0
	}
	if method == "initialize" {
		return f.session(), 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.header = r.Header.Clone()
	if f.forget && method == "tools/call" {
		f.forget = false
		f.sessions = map[string]*fakeSession{}
	}
	switch s := f.sessions[r.Header.Get("Mcp-Session-Id")]; {
	case s != nil:
		return s, 0
	case f.gone != 0 || r.Header.Get("Mcp-Session-Id") == "":
		return nil, 400
	}
	return nil, 404
}

func (s *fakeSession) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(200)
	if part := s.part(r.Header.Get("Last-Event-ID")); part != "" {
		fmt.Fprint(w, part)
		return
	}
	w.(http.Flusher).Flush()
	for {
		select {
		case m := <-s.news:
			fmt.Fprintf(w, "data: %s\n\n", m)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// post answers with one JSON message, or with events if there are others before it.
func (s *fakeSession) post(w http.ResponseWriter, r *http.Request, body []byte, request bool) {
	if !request {
		s.take(body, nil, nil)
		w.WriteHeader(202)
		return
	}
	var mu sync.Mutex
	streaming := false
	s.take(body, r.Context().Done(), func(m string) {
		mu.Lock()
		defer mu.Unlock()
		if m == "" {
			panic(http.ErrAbortHandler)
		}
		if final := strings.Contains(m, `"result":`) || strings.Contains(m, `"error":`); final && !streaming {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(statusFor(s.f.era, m))
			fmt.Fprint(w, m)
			return
		}
		if !streaming {
			streaming = true
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(200)
		}
		fmt.Fprintf(w, "data: %s\n\n", m)
		w.(http.Flusher).Flush()
	})
}

func statusFor(era mcp.Era, m string) int {
	switch {
	case era == mcp.Modern && strings.Contains(m, `"code":-32601`):
		return 404
	case era == mcp.Modern && strings.Contains(m, `"code":-320`):
		return 400
	}
	return 200
}

// serveLines is the server on a connection of lines.
func (f *fake) serveLines(c net.Conn) {
	var mu sync.Mutex
	s := f.session()
	gone := make(chan struct{})
	var all sync.WaitGroup
	send := func(m string) {
		mu.Lock()
		defer mu.Unlock()
		if m == "" {
			c.Close()
		}
		_, _ = io.WriteString(c, m+"\n")
	}
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		line = bytes.TrimSpace(line)
		if bytes.Contains(line, []byte(`"id"`)) && bytes.Contains(line, []byte(`"method"`)) {
			all.Go(func() { s.take(line, gone, send) })
			continue
		}
		s.take(line, gone, send)
	}
	close(gone)
	c.Close()
	all.Wait()
}

// poll ends the stream of a call before its answer: that has to be fetched, in two parts.
func (t *turn) poll() {
	t.s.mu.Lock()
	t.s.parts = []string{"id: e2\nretry: 1\ndata:\n\n", fmt.Sprintf("id: e3\ndata: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"content\":[]}}\n\n", t.id)}
	t.s.mu.Unlock()
	t.send("\nid: e1\nretry: 1")
}

// part serves what is fetched after an event; "" if nothing is.
func (s *fakeSession) part(after string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if after == "" || len(s.parts) == 0 || after != fmt.Sprintf("e%d", 3-len(s.parts)) {
		return ""
	}
	out := s.parts[0]
	s.parts = s.parts[1:]
	return out
}
