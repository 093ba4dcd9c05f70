package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// Bounds on what a server may say of its tools.
const (
	maxPages    = 1000
	listTime    = 2 * time.Minute  // for all of it; its own timeout bounds each answer
	probeTime   = 10 * time.Second // for a command to say that it is of the modern era
	maxListSize = 2 * toolset.MaxSize
	maxVersions = 20
)

// lister is a client of one server, for as long as it takes to ask what tools it has.
type lister struct {
	ctx     context.Context //nolint:containedctx // it is the one question's
	server  upstream.Server
	command bool // it is a program that is run, not a URL
	now     func() time.Time
	end     time.Time

	modern           bool
	session, version string
	versions         []string // that the server says it speaks
	id, size         int
}

// listTools asks a server for its tools. It begins with server/discover, which servers until 2025-11-25 don't know: those get initialize.
func (l *lister) listTools() ([]jsonscan.Value, error) {
	if err := l.open(); err != nil {
		return nil, err
	}
	defer l.leave()
	return l.tools()
}

// open finds out what the server speaks, and begins a session if there are any.
func (l *lister) open() error {
	l.end = l.now().Add(listTime)
	if err := l.discover(); err != nil || l.modern {
		return err
	}
	return l.initialize()
}

// tools asks for the pages of tools/list.
func (l *lister) tools() ([]jsonscan.Value, error) {
	var tools []jsonscan.Value
	var cursors []string
	for params := "{}"; ; {
		result, err := l.request("tools/list", params)
		if err != nil {
			return nil, err
		}
		page := result.Get("tools")
		if page.Kind() != jsonscan.Array {
			return nil, errors.New("tools/list was answered without a list of tools")
		}
		for t := range page.Elems() {
			if t.Get("name").Text() == "" {
				return nil, errors.New("tools/list has a tool without a name")
			}
			tools = append(tools, t)
		}
		next := result.Get("nextCursor").Text()
		switch {
		case next == "":
			return tools, nil
		case slices.Contains(cursors, next):
			return nil, errors.New("tools/list goes round in a circle: a page follows itself")
		case len(tools) > toolset.MaxTools || len(cursors) == maxPages:
			return nil, fmt.Errorf("tools/list does not end: more than %d tools, or %d pages", toolset.MaxTools, maxPages)
		}
		cursors = append(cursors, next)
		params = `{"cursor":` + string(jsonscan.AppendQuote(nil, next)) + `}`
	}
}

// refused is the error that a server answers with.
type refused struct {
	status, code int
	message      string
	answer       jsonscan.Value // the error as it came
}

func (r *refused) Error() string {
	if r.code == 0 {
		return fmt.Sprintf("HTTP status %d", r.status)
	}
	return fmt.Sprintf("error %d: %q", r.code, r.message)
}

// discover finds out of which era the server is. That it can't be reached, or lets nobody in, says nothing of it.
func (l *lister) discover() error {
	l.modern, l.version = true, mcp.FirstModern
	until := l.end
	if l.command {
		l.end = l.now().Add(probeTime)
	}
	result, err := l.request("server/discover", "{}")
	l.end = until
	var r *refused
	switch {
	case err == nil:
		for v := range result.Get("supportedVersions").Elems() {
			if len(l.versions) < maxVersions {
				l.versions = append(l.versions, strings.Clone(v.Text()))
			}
		}
		if slices.Contains(l.versions, mcp.FirstModern) {
			return nil
		}
	case l.ctx.Err() != nil:
		return err
	case errors.As(err, &r) && (r.status == 401 || r.status == 403 || r.status >= 500 && r.code == 0):
		return err
	case !errors.As(err, &r) && !l.command && errors.As(err, new(*upstream.Error)):
		return err
	}
	l.modern, l.version = false, ""
	return nil
}

func (l *lister) initialize() error {
	result, err := l.request("initialize", `{"protocolVersion":"`+mcp.Versions(mcp.Legacy)[0]+`","capabilities":{},"clientInfo":`+clientInfo+`}`)
	if err != nil {
		return fmt.Errorf("initialize: %w", err)
	}
	l.version = result.Get("protocolVersion").Text()
	if !slices.Contains(mcp.Versions(mcp.Legacy), l.version) {
		return fmt.Errorf("it speaks version %q of the protocol, which is not known", l.version)
	}
	l.versions = []string{l.version}
	_, err = l.do(&upstream.Call{Kind: upstream.Notification, Method: "notifications/initialized", Body: []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)})
	return err
}

// leave ends the session, which is a courtesy.
func (l *lister) leave() {
	if l.session != "" {
		_, _ = l.do(&upstream.Call{Verb: upstream.Delete})
	}
}

const clientInfo = `{"name":"sallyport","version":"1"}`

// request sends a request and returns its result. params is an object.
func (l *lister) request(method, params string) (jsonscan.Value, error) {
	return l.result(l.call(method, params, nil))
}

// call makes a request. mirrored are the arguments that headers mirror.
func (l *lister) call(method, params string, mirrored []mcp.HeaderParam) *upstream.Call {
	l.id++
	id := strconv.Itoa(l.id)
	c := &upstream.Call{Method: method, ID: []byte(id), Modern: l.modern}
	if l.modern {
		meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"` + l.version + `","io.modelcontextprotocol/clientInfo":` + clientInfo +
			`,"io.modelcontextprotocol/clientCapabilities":{}}`
		if params != "{}" {
			meta += ","
		}
		params = "{" + meta + params[1:]
	}
	c.Body = []byte(`{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":` + params + `}`)
	var m mcp.Message
	if l.modern && m.Decode(c.Body, jsonscan.Options{}) == nil {
		for _, h := range m.AppendParams(m.AppendHeaders(nil), mirrored) {
			if !strings.EqualFold(h.Name, "MCP-Protocol-Version") { // the call has it
				c.Header = append(c.Header, upstream.Field(h))
			}
		}
	}
	return c
}

// result sends a request and returns its result. An answer that is an error is a *refused.
func (l *lister) result(c *upstream.Call) (jsonscan.Value, error) {
	answer, err := l.do(c)
	if err != nil {
		return jsonscan.Value{}, err
	}
	doc := new(jsonscan.Doc)
	if err := doc.Scan(answer, jsonscan.Options{}); err != nil {
		if c.Status >= 400 {
			return jsonscan.Value{}, &refused{status: c.Status}
		}
		return jsonscan.Value{}, fmt.Errorf("%s: %w", c.Method, err)
	}
	if e := doc.Root().Get("error"); e.Exists() {
		code, _ := e.Get("code").Int64()
		return jsonscan.Value{}, &refused{c.Status, int(code), e.Get("message").Text(), e}
	}
	result := doc.Root().Get("result")
	if result.Kind() != jsonscan.Object || c.Status >= 400 {
		return jsonscan.Value{}, &refused{status: c.Status}
	}
	return result, nil
}

// do carries out an exchange and returns the answer to a request.
func (l *lister) do(c *upstream.Call) ([]byte, error) {
	c.Session, c.Version, c.Deadline = l.session, l.version, l.end
	stop := context.AfterFunc(l.ctx, c.Cancel)
	defer stop()
	defer c.Close()
	if err := l.server.Do(c); err != nil {
		return nil, err
	}
	if c.Method == "initialize" {
		l.session = c.ReplySession
	}
	if c.ID == nil {
		return nil, nil
	}
	if c.Reply != upstream.Stream {
		return l.kept(c.ReplyBody)
	}
	for {
		e, err := c.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("its stream ended without an answer")
		}
		if err != nil {
			return nil, err
		}
		if isAnswer(e.Data, c.ID) {
			return l.kept(e.Data)
		}
	}
}

// kept copies an answer, within the bound of all answers.
func (l *lister) kept(answer []byte) ([]byte, error) {
	if l.size += len(answer); l.size > maxListSize {
		return nil, fmt.Errorf("what it says of its tools is larger than %d MiB", maxListSize>>20)
	}
	return bytes.Clone(answer), nil
}

// isAnswer tells the answer of a request from what else comes on its stream.
func isAnswer(message, id []byte) bool {
	var doc jsonscan.Doc
	if doc.Scan(message, jsonscan.Options{}) != nil {
		return true // nobody else will say what is wrong with it
	}
	root := doc.Root()
	return !root.Get("method").Exists() && bytes.Equal(root.Get("id").Raw(), id)
}
