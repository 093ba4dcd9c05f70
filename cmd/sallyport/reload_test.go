package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// What changes while SIGHUP's reload goes on is read by another.
func TestReload_changedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	policy := func(effect string) string {
		return "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules: [ { name: r, effect: " + effect + " } ]\n"
	}
	write("p.yaml", policy("allow"))
	write("sallyport.json", `{"mcpServers":{"a":{"url":"http://127.0.0.1:9/mcp"}}}`)
	hangup := make(chan os.Signal)
	ctx, stop := context.WithCancel(t.Context())
	g, err := start(process{ctx: ctx, stdout: io.Discard, stderr: io.Discard, getenv: os.LookupEnv, now: time.Now, hangup: hangup},
		serve(t, file("sallyport.json"), file("p.yaml")), nil)
	if err != nil {
		t.Fatal(err)
	}
	first := g.state.build().policy.Revision()
	var once atomic.Bool
	g.builder.now = func() time.Time { // a build is done
		if !once.Swap(true) {
			write("p.yaml", policy("deny"))
		}
		return time.Now()
	}
	ended := make(chan error)
	go func() { ended <- g.run() }()
	hangup <- os.Interrupt
	for begun := time.Now(); g.state.build().policy.Revision() == first; time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 5*time.Second {
			t.Error("the change was not read")
			break
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func serve(t *testing.T, servers, policies string) origin {
	t.Helper()
	o, err := serveCommand{MCPConfig: servers, Policies: policies, Listen: "127.0.0.1:0", Admin: "127.0.0.1:0"}.origin()
	if err != nil {
		t.Fatal(err)
	}
	return o
}
