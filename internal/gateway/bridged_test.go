package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/bridge"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// An answer to another request is none where the server speaks another revision, either: it is refused, and recorded as the server's fault.
func TestBridgedAnswerToAnotherRequest(t *testing.T) {
	for name, answer := range map[string]func(*upstream.Call) error{
		"another id": says(200, `{"jsonrpc":"2.0","id":4711,"result":{"content":[{"type":"text","text":"another's"}]}}`),
		"a failure":  says(500, `{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"another's"}]}}`),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testPolicy, func(_ *Options, s *Snapshot) {
				adapter, err := bridge.New(s.Servers["files"], bridge.Options{Name: "files", Pinned: true, Era: mcp.Legacy, Now: time.Now, Timeout: 10 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = adapter.Close() })
				s.Servers["files"] = adapter
			})
			w.server.answer = func(c *upstream.Call) error {
				if c.Method != "tools/call" {
					return says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`)(c)
				}
				return answer(c)
			}
			r := w.raw(modern("tools/call", "read_file", `"name":"read_file","arguments":{"path":"/srv/a"}`))
			if r.status != 502 || strings.Contains(r.body, "another's") {
				t.Errorf("client got %d %s", r.status, r.body)
			}
			records := w.recorded(2)
			if o := records[1]; o.Kind != audit.Outcome || o.Reason != "upstream_protocol" || o.Status != 502 {
				t.Errorf("record %+v", o)
			}
		})
	}
}
