package duel

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAProgramThatEndsIsReportedWithWhatItSaid(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "gateway")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho no such policy >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	f := &field{}
	defer f.stop()
	_, err := f.spawn(t.Context(), dir, "127.0.0.1:1", "gateway", script)
	if err == nil || !strings.Contains(err.Error(), "ended before it listened on 127.0.0.1:1; it said:\nno such policy") {
		t.Errorf("got %v", err)
	}
}

func TestStartRefusesATargetThatDoesNotExist(t *testing.T) {
	f := &field{}
	if _, err := f.startTarget(t.Context(), Options{}, "", "nginx", ""); err == nil || err.Error() != "no such target" {
		t.Errorf("got %v", err)
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := waitFor(t.Context(), addr, os.Getpid()); err != nil {
		t.Errorf("something listens on %s: %v", addr, err)
	}
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := waitFor(ctx, addr, os.Getpid()); err == nil {
		t.Error("nothing listens, and no error")
	}
}
