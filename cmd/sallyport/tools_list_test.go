package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// script is a server that answers what a test says: the text of the result or error member, by method, cursors after a "#".
type script struct {
	answers map[string]string
	status  map[string]int // HTTP statuses; 200 if left out
	stream  bool           // answer with events
	session string

	mu   sync.Mutex
	seen []string // method, session and version of each message, as the server got them
}

type heard struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Cursor string         `json:"cursor"`
		Meta   map[string]any `json:"_meta"`
	} `json:"params"`
}

// answer gives the message that answers one, "" for none.
func (s *script) answer(a heard, session, version string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	era := "legacy"
	if v, ok := a.Params.Meta["io.modelcontextprotocol/protocolVersion"].(string); ok {
		era = v
	}
	s.seen = append(s.seen, strings.TrimSpace(fmt.Sprintln(a.Method, era, session, version)))
	if a.ID == nil {
		return ""
	}
	key := a.Method
	if a.Params.Cursor != "" {
		key += "#" + a.Params.Cursor
	}
	body, ok := s.answers[key]
	if !ok {
		body = `"error":{"code":-32601,"message":"no such method"}`
	}
	return `{"jsonrpc":"2.0","id":` + string(a.ID) + `,` + body + `}`
}

// ServeHTTP speaks Streamable HTTP.
func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	session, version := r.Header.Get("Mcp-Session-Id"), r.Header.Get("Mcp-Protocol-Version")
	if r.Method == http.MethodDelete {
		s.answer(heard{Method: "DELETE"}, session, version)
		return
	}
	var a heard
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if m := r.Header.Get("Mcp-Method"); m != "" {
		version += " " + m
	}
	answer := s.answer(a, session, version)
	if a.Method == "initialize" && s.session != "" {
		w.Header().Set("Mcp-Session-Id", s.session)
	}
	status := s.status[a.Method]
	switch {
	case answer == "":
		w.WriteHeader(http.StatusAccepted)
	case status == http.StatusInternalServerError:
		w.WriteHeader(status)
		fmt.Fprint(w, "broken")
	case s.stream && status == 0:
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\ndata: "+answer+"\n\n")
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(max(status, http.StatusOK))
		fmt.Fprint(w, answer)
	}
}

// serve speaks lines, as a command does. die ends it at a method, as some servers end that don't know one.
func (s *script) serve(rwc io.ReadWriteCloser, die string) {
	defer rwc.Close()
	for in := bufio.NewScanner(rwc); in.Scan(); {
		var a heard
		if json.Unmarshal(in.Bytes(), &a) != nil || a.Method == die {
			return
		}
		if answer := s.answer(a, "", ""); answer != "" {
			fmt.Fprintln(rwc, answer)
		}
	}
}

const (
	modernAnswer = `"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}`
	legacyAnswer = `"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"x","version":"1"}}`
)

// list asks a server for its tools and gives their names, or the error.
func list(t *testing.T, s upstream.Server, command bool) string {
	t.Helper()
	l := &lister{ctx: t.Context(), server: s, command: command, now: time.Now}
	tools, err := l.listTools()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, tool := range tools {
		names = append(names, tool.Get("name").Text())
	}
	return strings.Join(names, " ")
}

func overHTTP(t *testing.T, h http.Handler) upstream.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s, err := upstream.NewHTTP("web", upstream.HTTPOptions{URL: srv.URL, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func overLines(s *script, die string) upstream.Server {
	return upstream.NewInProcess("lines", func() (io.ReadWriteCloser, error) {
		a, b := net.Pipe()
		go s.serve(b, die)
		return a, nil
	}, upstream.LineOptions{Now: time.Now})
}

func TestToolsAreListedInBothEras(t *testing.T) {
	pages := map[string]string{
		"tools/list":       `"result":{"tools":[{"name":"a"},{"name":"b"}],"nextCursor":"\"2"}`,
		"tools/list#\"2":   `"result":{"tools":[],"nextCursor":"three"}`,
		"tools/list#three": `"result":{"tools":[{"name":"c"}]}`,
		"server/discover":  modernAnswer,
		"initialize":       legacyAnswer,
	}
	legacy := map[string]string{}
	for k, v := range pages {
		if k != "server/discover" {
			legacy[k] = v
		}
	}
	modernHTTP := `server/discover 2026-07-28  2026-07-28 server/discover
tools/list 2026-07-28  2026-07-28 tools/list
tools/list 2026-07-28  2026-07-28 tools/list
tools/list 2026-07-28  2026-07-28 tools/list`
	legacyHTTP := `server/discover 2026-07-28  2026-07-28 server/discover
initialize legacy
notifications/initialized legacy s1 2025-06-18
tools/list legacy s1 2025-06-18
tools/list legacy s1 2025-06-18
tools/list legacy s1 2025-06-18
DELETE legacy s1 2025-06-18`
	lines := `server/discover 2026-07-28
initialize legacy
notifications/initialized legacy
tools/list legacy
tools/list legacy
tools/list legacy`
	for name, c := range map[string]struct {
		script *script
		lines  bool
		die    string
		want   string
	}{
		"modern HTTP":                      {script: &script{answers: pages}, want: modernHTTP},
		"modern HTTP, events":              {script: &script{answers: pages, stream: true}, want: modernHTTP},
		"legacy HTTP":                      {script: &script{answers: legacy, session: "s1", status: map[string]int{"server/discover": 404}}, want: legacyHTTP},
		"legacy HTTP, events":              {script: &script{answers: legacy, session: "s1", stream: true}, want: legacyHTTP},
		"legacy HTTP, by its versions":     {script: &script{answers: merged(legacy, "server/discover", `"result":{"supportedVersions":["2025-06-18"]}`), session: "s1"}, want: legacyHTTP},
		"legacy HTTP, no session, refuses": {script: &script{answers: legacy, status: map[string]int{"server/discover": 400}}, want: strings.ReplaceAll(strings.ReplaceAll(strings.TrimSuffix(legacyHTTP, "\nDELETE legacy s1 2025-06-18"), " s1 ", "  "), "\nDELETE", "")},
		"modern lines":                     {script: &script{answers: pages}, lines: true, want: "server/discover 2026-07-28\ntools/list 2026-07-28\ntools/list 2026-07-28\ntools/list 2026-07-28"},
		"legacy lines":                     {script: &script{answers: legacy}, lines: true, want: lines},
		"legacy lines that end at a word":  {script: &script{answers: legacy}, lines: true, die: "server/discover", want: strings.TrimPrefix(lines, "server/discover 2026-07-28\n")},
	} {
		t.Run(name, func(t *testing.T) {
			s := overHTTP
			if c.lines {
				s = func(*testing.T, http.Handler) upstream.Server { return overLines(c.script, c.die) }
			}
			if got := list(t, s(t, c.script), c.lines); got != "a b c" {
				t.Errorf("tools: %s", got)
			}
			c.script.mu.Lock()
			defer c.script.mu.Unlock()
			if got := strings.Join(c.script.seen, "\n"); got != c.want {
				t.Errorf("it was heard\n%s\nnot\n%s", got, c.want)
			}
		})
	}
}

func merged(m map[string]string, key, value string) map[string]string {
	out := maps.Clone(m)
	out[key] = value
	return out
}

func TestServersThatCannotListAreRefused(t *testing.T) {
	modern := func(list string) *script {
		return &script{answers: map[string]string{"server/discover": modernAnswer, "tools/list": list, "tools/list#1": list}}
	}
	for name, c := range map[string]struct {
		script *script
		want   string
	}{
		"lets nobody in":    {&script{status: map[string]int{"server/discover": 401}}, "error -32601: \"no such method\""},
		"is broken":         {&script{status: map[string]int{"server/discover": 500}}, "HTTP status 500"},
		"is no MCP server":  {&script{answers: map[string]string{}}, "initialize: error -32601: \"no such method\""},
		"speaks the future": {&script{answers: map[string]string{"initialize": `"result":{"protocolVersion":"2030-01-01"}`}}, `it speaks version "2030-01-01" of the protocol, which is not known`},
		"has no tools":      {modern(`"error":{"code":-32601,"message":"no\u001b[0m tools"}`), `error -32601: "no\x1b[0m tools"`},
		"no list":           {modern(`"result":{"tools":{}}`), "tools/list was answered without a list of tools"},
		"no result":         {modern(`"result":[]`), "HTTP status 200"},
		"a circle":          {modern(`"result":{"tools":[],"nextCursor":"1"}`), "tools/list goes round in a circle: a page follows itself"},
		"no name":           {modern(`"result":{"tools":[{"title":"x"}]}`), "tools/list has a tool without a name"},
		"two readings":      {modern(`"result":{"tools":[],"tools":[{"name":"x"}]}`), "tools/list: json: duplicate member name at offset"},
		"too much":          {modern(`"result":{"tools":[{"name":"x","description":"` + strings.Repeat("x", maxListSize) + `"}]}`), "what it says of its tools is larger than 8 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := list(t, overHTTP(t, c.script), false); !strings.Contains(got, c.want) {
				t.Errorf("got %.200s, want %s", got, c.want)
			}
		})
	}
	if got := list(t, overLines(&script{answers: map[string]string{}}, ""), true); got != `initialize: error -32601: "no such method"` {
		t.Errorf("a command: %s", got)
	}
}
