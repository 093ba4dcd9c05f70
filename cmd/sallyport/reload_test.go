package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/config"
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

// What changes while the first build goes on is read by another.
func TestReload_changedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	const policy = "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules: [ { name: r, effect: %s } ]\n"
	write("p.yaml", fmt.Sprintf(policy, "allow"))
	write("sallyport.json", `{"mcpServers":{"a":{"url":"http://127.0.0.1:9/mcp"}}}`)
	ctx, stop := context.WithCancel(t.Context())
	calls := 0
	now := func() time.Time { // the third call is when the first build has read
		if calls++; calls == 3 {
			write("p.yaml", fmt.Sprintf(policy, "deny"))
		}
		return time.Now()
	}
	b := &builder{}
	g, err := start(process{ctx: ctx, stdout: io.Discard, stderr: io.Discard, getenv: os.LookupEnv, now: now, hangup: make(chan os.Signal)},
		serve(t, file("sallyport.json"), file("p.yaml")), b)
	if err != nil {
		t.Fatal(err)
	}
	g.now, b.now = time.Now, time.Now
	first := g.state.build().policy.Revision()
	ended := make(chan error)
	go func() { ended <- g.run() }()
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

// A pipe that nobody writes to holds nothing up, wherever it is.
func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	c := &config.Config{Policies: filepath.Join(dir, "policies")}
	o := origin{config: filepath.Join(dir, "sallyport.yaml")}
	seen := map[[32]byte]string{}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"nothing", func() error { return nil }},
		{"a config", func() error { return os.WriteFile(o.config, []byte("a"), 0o600) }},
		{"a policy", func() error {
			return errors.Join(os.Mkdir(c.Policies, 0o700), os.WriteFile(filepath.Join(c.Policies, "p.yaml"), nil, 0o600))
		}},
		{"a linked directory", func() error {
			return errors.Join(os.MkdirAll(filepath.Join(c.Policies, ".data"), 0o700), os.WriteFile(filepath.Join(c.Policies, ".data", "q.yaml"), nil, 0o600),
				os.Symlink(".data", filepath.Join(c.Policies, "more")))
		}},
		{"a change there", func() error { return os.WriteFile(filepath.Join(c.Policies, ".data", "q.yaml"), []byte("q"), 0o600) }},
		{"a pipe", func() error { return mkfifo(filepath.Join(c.Policies, "pipe.yaml")) }},
		{"a large config", func() error { return os.WriteFile(o.config, make([]byte, bundle.MaxFileSize+1), 0o600) }},
		{"a larger config", func() error { return os.WriteFile(o.config, make([]byte, bundle.MaxFileSize+2), 0o600) }},
		{"a pipe for a config", func() error { return errors.Join(os.Remove(o.config), mkfifo(o.config)) }},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		now := o.fingerprint(c)
		if was, there := seen[now]; there || now != o.fingerprint(c) {
			t.Errorf("%s: like %s", step.what, was)
		}
		seen[now] = step.what
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
