package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// A connection whose call was left is only kept from others until the server has answered.
func TestACallThatLingersEndsWithItsAnswer(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"plain":    func(w http.ResponseWriter) { _, _ = io.WriteString(w, "{}") },
		"accepted": func(w http.ResponseWriter) { w.WriteHeader(202) },
		"nothing":  func(w http.ResponseWriter) { w.WriteHeader(204) },
		"in chunks": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "}")
		},
		"a stream": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {}\n\n")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "data: {}\n\n")
		},
		"after an interim one": func(w http.ResponseWriter) {
			w.WriteHeader(103)
			_, _ = io.WriteString(w, "{}")
		},
	} {
		for _, secure := range []bool{false, true} {
			for _, used := range []bool{false, true} {
				t.Run(fmt.Sprint(name, ", TLS=", secure, ", used=", used), func(t *testing.T) {
					testLinger(t, answer, secure, used)
				})
			}
		}
	}
}

func testLinger(t *testing.T, answer func(w http.ResponseWriter), secure, used bool) {
	t.Helper()
	got, goOn, cancelled := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var slow atomic.Bool
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if !slow.CompareAndSwap(true, false) {
			_, _ = io.WriteString(w, "{}")
			return
		}
		got <- struct{}{}
		<-goOn
		answer(w)
		cancelled <- r.Context().Err()
	}))
	o := HTTPOptions{MaxConns: 1, Timeout: 10 * time.Second, Now: time.Now}
	if secure {
		srv.StartTLS()
		roots := x509.NewCertPool()
		roots.AddCert(srv.Certificate())
		o.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	o.URL = srv.URL
	h := newHTTP(t, o)
	if used {
		if _, err := run(t, h, &Call{Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	slow.Store(true)
	left, result := &Call{Body: []byte("{}"), Linger: time.Minute}, make(chan error, 1)
	go func() {
		defer left.Close()
		result <- h.Do(left)
	}()
	<-got
	left.Leave()
	if err := <-result; codeOf(err) != "canceled" {
		t.Errorf("got %v", err)
	}
	close(goOn)
	if _, err := run(t, h, &Call{Body: []byte("{}")}); err != nil {
		t.Errorf("the next call: %v", err)
	}
	if err := <-cancelled; err != nil {
		t.Errorf("the server is told that the call is over: %v", err)
	}
}
