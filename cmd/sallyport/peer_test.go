package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
)

// peer is an MCP server on standard input and output, of both eras, that does what the name of the called tool says.
func peer(in io.Reader, out, log io.Writer) int {
	s := &peerServer{out: out}
	fmt.Fprintln(log, "peer: ready")
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var m peerMessage
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue
		}
		if m.Params.Name == "crash" {
			return 3
		}
		s.handle(m)
	}
	return 0
}

type peerMessage struct {
	ID     json.RawMessage
	Method string
	Params struct {
		Name      string
		Arguments json.RawMessage
		RequestID json.RawMessage
	}
	Result json.RawMessage
}

type peerServer struct {
	mu        sync.Mutex
	out       io.Writer
	hung      int // requests that are never answered
	cancelled int
	asked     json.RawMessage // the call that waits for the client's answer
}

func (s *peerServer) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *peerServer) handle(m peerMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := func(id json.RawMessage, text string) {
		s.say(`{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":%q}],"resultType":"complete"}}`, id, text)
	}
	switch m.Method {
	case "":
		text(s.asked, string(m.Result))
	case "server/discover":
		s.say(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"serverInfo":{"name":"peer","version":"1"}}}`, m.ID)
	case "initialize":
		s.say(`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"peer","version":"1"}}}`, m.ID)
	case "notifications/cancelled":
		s.cancelled++
	case "tools/list":
		s.say(`{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"echo","inputSchema":{"type":"object"}}],"ttlMs":0,"cacheScope":"private","resultType":"complete"}}`, m.ID)
	case "tools/call":
		switch m.Params.Name {
		case "echo":
			text(m.ID, string(m.Params.Arguments))
		case "news":
			s.say(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
			text(m.ID, "sent")
		case "ask":
			s.asked = m.ID
			s.say(`{"jsonrpc":"2.0","id":"q","method":"roots/list"}`)
		case "state":
			text(m.ID, fmt.Sprintf("%d hang, %d cancelled", s.hung, s.cancelled))
		case "long":
			text(m.ID, strings.Repeat("x", 1<<20))
		case "hang":
			s.hung++
		}
	}
}
