package gateway

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// A connection remembers the session that its last request has opened, for that session's own principal, servers and keys only.
func TestARememberedSessionIsNobodyElses(t *testing.T) {
	mail := &script{answer: answers(map[string]string{"server/discover": discovered})}
	w := newWorld(t, joinPolicy, twoServers(t, mail, known(t, "alice", "bob")))
	w.server.answer = answers(map[string]string{"server/discover": discovered, "tools/call": `{"content":[]}`})
	initialize := func(path, key string) string {
		r := w.raw(earlier(path, "", "initialize", `"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}`, key))
		return "Mcp-Session-Id: " + r.header.Get("Mcp-Session-Id")
	}
	alices, helps := initialize("/mcp", aliceKey), initialize("/mcp/support", aliceKey)
	c, err := w.listener.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(name string, on net.Conn, path, tool, session, key string, want int) {
		t.Helper()
		r := w.on(on, earlier(path, "2025-11-25", "tools/call", `"name":"`+tool+`","arguments":{"path":"/srv/a"}`, session, key))
		if r.status != want {
			t.Errorf("%s: %d %s, want %d", name, r.status, r.body, want)
		}
	}
	const all, few = "files__read_file", "open"
	for range 2 {
		ask("its own", c, "/mcp", all, alices, aliceKey, 200)
		ask("another's", c, "/mcp", all, alices, bobKey, 404)
		ask("its own again", c, "/mcp", all, alices, aliceKey, 200)
		ask("of other servers", c, "/mcp/support", few, alices, aliceKey, 404)
		ask("of one server", c, "/mcp/files", "read_file", alices, aliceKey, 404)
		ask("those", c, "/mcp/support", few, helps, aliceKey, 200)
		ask("no longer those", c, "/mcp", all, helps, aliceKey, 404)
		ask("half", c, "/mcp", all, alices[:len(alices)-1], aliceKey, 404)
	}
	ask("before it ends", c, "/mcp", all, alices, aliceKey, 200)
	gone := initialize("/mcp", aliceKey)
	ask("to be ended", c, "/mcp", all, gone, aliceKey, 200)
	if r := w.raw("DELETE /mcp HTTP/1.1\r\nHost: gw.test\r\n" + gone + "\r\n" + aliceKey + "\r\n\r\n"); r.status != 200 {
		t.Fatalf("its end: %d %s", r.status, r.body)
	}
	ask("ended", c, "/mcp", all, gone, aliceKey, 404)
	ask("the other one", c, "/mcp", all, alices, aliceKey, 200)
	if err := w.Keys.Replace(carry.Random()); err != nil {
		t.Fatal(err)
	}
	ask("of keys of old", c, "/mcp", all, alices, aliceKey, 404)
}

// reads answers as a translating server does that reads for the gateway: what is in its answer too much is to be left out.
func reads(t *testing.T, body string) func(c *upstream.Call) error {
	return func(c *upstream.Call) error {
		if c.Message == nil || string(c.Message.AppendTo(nil)) != string(c.Body) || c.Reading == nil || c.Reading.Message == nil {
			t.Errorf("the call is %+v", c)
			return says(200, "")(c)
		}
		g := c.Reading
		if r := g.Message.DecodeServer([]byte(body), g.Options); r != nil {
			t.Error(r)
		}
		g.Edits.Remove(g.Message.Result.Get("resultType"))
		g.Edits.Remove(g.Message.Result.Get("_meta"))
		g.Edits.Set(g.Message.Root(), "id", c.ID)
		g.Done = true
		return says(200, body)(c)
	}
}

// An answer that a server has read for the gateway is judged, noted and passed on as what the client gets.
func TestAnAnswerThatWasReadIsWhatTheClientGets(t *testing.T) {
	const answer = `{"jsonrpc":"2.0","id":99,"result":{"resultType":"complete","content":[{"type":"resource_link","uri":"file:///docs/a","name":"a"}],"_meta":{"own":1}}}`
	const plain = `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"resource_link","uri":"files+file:///docs/a","name":"a"}]}}`
	const rule = `apiVersion: sallyport/v1
kind: Policy
metadata: { name: out }
match: { servers: [files], methods: [tools/call] }
rules:
`
	deprecated := func(_ *Options, s *Snapshot) {
		s.Tools = map[string]map[string]*ToolEnd{"files": {"read_file": {Deprecated: time.Unix(0, 0)}}}
	}
	for name, c := range map[string]struct {
		policy, want string
		with         option
	}{
		"no rules": {"", plain, nil},
		"a rule for what is left out": {
			rule + "  - { name: out, phase: response, when: 'has(mcp.tool.result.resultType) || has(mcp.tool.result._meta)', effect: deny }\n", plain, nil,
		},
		"a rule for what is there": {rule + "  - { name: out, phase: response, when: 'has(mcp.tool.result.content)', effect: deny }\n", `"error"`, nil},
		"deprecated": {
			"", strings.TrimSuffix(plain, "}}") + `,"_meta":{"dev.sallyport/deprecated":{"since":"1970-01-01"}}}}`, deprecated,
		},
	} {
		t.Run(name, func(t *testing.T) {
			mail := &script{answer: answers(map[string]string{"server/discover": discovered})}
			options := []option{twoServers(t, mail)}
			if c.with != nil {
				options = append(options, c.with)
			}
			w := newWorld(t, joinPolicy+"---\n"+c.policy, options...)
			w.server.answer = mail.answer
			session := w.joined("/mcp", `{}`)
			w.server.answer = reads(t, answer)
			r := w.raw(earlier("/mcp", "2025-11-25", "tools/call", readParams, session))
			if r.status != 200 || !strings.Contains(r.body, c.want) || c.want == plain && r.body != plain {
				t.Errorf("client got %d %s\nwant %s", r.status, r.body, c.want)
			}
		})
	}
}
