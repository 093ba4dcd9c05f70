package bridge_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/bridge"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/gateway"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// records are what a gateway has written.
type records struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines.Write(b)
}

// of gives the decisions and refusals about calls of tools.
func (r *records) of(t *testing.T) (out []audit.Record) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(r.lines.String()) {
		e, err := audit.Read([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		if e.Record.Kind != audit.Outcome && e.Record.Method == "tools/call" {
			out = append(out, e.Record)
		}
	}
	return out
}

// replicas are the URLs of gateways before the same server, and their records.
func replicas(t *testing.T, n int, f *bridge.Fake, transport string) (urls []string, logs []*records) {
	t.Helper()
	for range n {
		keys, err := carry.New(bytes.Repeat([]byte{7}, carry.Size))
		if err != nil {
			t.Fatal(err)
		}
		l, log := listen(t), &records{}
		home := "http://" + l.Addr().String()
		o := gateway.Options{Keys: keys, Replicas: &gateway.Replicas{Home: home}}
		urls = append(urls, behind(t, l, o, map[string]upstream.Server{"s": f.Replica(t, transport, keys, home)}, "  - { name: all, effect: allow }\n", log)+"/s")
		logs = append(logs, log)
	}
	return urls, logs
}

// A client that asks another replica each time gets what it would from one, in every cell: each of its messages is decided once, and a call
// that waits for it goes on where it waits.
func TestEveryClientCanUseEveryServerThroughAnyReplica(t *testing.T) {
	for _, client := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		for _, server := range []mcp.Era{mcp.Legacy, mcp.Modern} {
			for _, transport := range bridge.Transports {
				t.Run(strings.Join([]string{client.String(), server.String(), transport}, ", "), func(t *testing.T) {
					f := bridge.NewFake(server)
					urls, logs := replicas(t, 3, f, transport)
					u := newUser(t, urls[0], client)
					u.others = urls[1:]
					u.join()
					if answer := u.call("tools/call", "ask", `"name":"ask","arguments":{}`); !strings.Contains(answer, `"n":1.50`) {
						t.Errorf("a call with a question: %s", answer)
					}
					if answer := u.call("tools/call", "echo", `"name":"echo","arguments":{"n":1}`); !strings.Contains(answer, `"n":1`) {
						t.Errorf("a call: %s", answer)
					}
					if f.Count("echo") != 1 || len(u.asked) == 0 {
						t.Errorf("ran %d times, asked %q", f.Count("echo"), u.asked)
					}
					if ran := f.Count("ask"); server == mcp.Legacy && ran != 1 {
						t.Errorf("the call with a question ran %d times", ran)
					}
					decided, sent := 0, u.sent
					for _, log := range logs {
						for _, r := range log.of(t) {
							if r.Kind == audit.Refusal {
								t.Errorf("refused: %+v", r)
							}
							decided++
						}
					}
					if decided != sent {
						t.Errorf("%d calls of tools were sent, and %d decided", sent, decided)
					}
				})
			}
		}
	}
}
