package upstream

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEndlessLineCostsNoMoreThanItsBound(t *testing.T) {
	block := []byte(strings.Repeat("x", 1<<20))
	sent := make(chan int, 1)
	h := newHTTP(t, HTTPOptions{MaxEvent: 4 << 20, URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) {
		_, _ = readRequest(r)
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ")
		n := 0
		for ; n < 1<<10; n++ {
			if _, err := nc.Write(block); err != nil {
				break
			}
		}
		sent <- n
	})})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := run(t, h, &Call{Body: []byte("{}")})
	runtime.ReadMemStats(&after)
	var e *Error
	if !errors.As(err, &e) || e.Code != TooLarge {
		t.Errorf("got %v", err)
	}
	if grown := after.Sys - before.Sys; grown > 64<<20 {
		t.Errorf("%d MiB for one line", grown>>20)
	}
	if n := <-sent; n == 1<<10 {
		t.Error("the whole line was read")
	}
}

func TestTLSIsVerified(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	}))
	defer srv.Close()
	srv.Config.ErrorLog = nil
	ca := filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, data, 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHTTP(t, HTTPOptions{URL: srv.URL, CAFile: ca})
	for range 2 {
		if got, err := run(t, h, &Call{Body: []byte("{}")}); err != nil || cmp.Diff([]string{"{}"}, got) != "" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if n := h.Status().Conns; n != 1 {
		t.Errorf("%d connections for two calls", n)
	}
	var unknown x509.UnknownAuthorityError
	if _, err := run(t, newHTTP(t, HTTPOptions{URL: srv.URL}), &Call{Body: []byte("{}")}); !errors.As(err, &unknown) {
		t.Errorf("without the CA: %v", err)
	}
	other := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	var name x509.HostnameError
	if _, err := run(t, newHTTP(t, HTTPOptions{URL: other, CAFile: ca}), &Call{Body: []byte("{}")}); !errors.As(err, &name) {
		t.Errorf("under another name: %v", err)
	}
}

func TestUnusedConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHTTP(t, HTTPOptions{URL: "http://a/", IdleTimeout: time.Minute})
		ended := 0
		h.pool.dial = func(context.Context) (*conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				r := bufio.NewReader(theirs)
				for {
					if _, err := readRequest(r); err != nil {
						ended++
						return
					}
					_, _ = io.WriteString(theirs, good)
				}
			}()
			return newConn(ours, ours, 4<<10), nil
		}
		for range 3 {
			if _, err := run(t, h, &Call{Body: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(59 * time.Second)
		}
		if ended != 0 || h.Status().Conns != 1 {
			t.Errorf("%d connections ended, %d open", ended, h.Status().Conns)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if ended != 1 || h.Status().Conns != 0 {
			t.Errorf("%d connections ended, %d open", ended, h.Status().Conns)
		}
	})
}
