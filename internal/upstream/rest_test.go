package upstream

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A pause between two parts of an answer: what follows is sent when the client has read what came before.
const pause = "(pause)"

// evil is an answer that nobody asked for.
var evil = strings.Replace(good, "{}", "[]", 1)

// What comes after an answer must never become the answer to another call.
func TestSecondAnswerIsNeverDelivered(t *testing.T) {
	for name, answer := range map[string]string{
		"in one piece":              good + evil,
		"later":                     good + pause + evil,
		"a part of it":              good + pause + evil[:len(evil)/2],
		"one byte of it":            good + pause + evil[:1],
		"after an answer in chunks": strings.Replace(good, "Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 1) + pause + evil,
	} {
		t.Run(name, func(t *testing.T) {
			calm := make(chan struct{})
			h := newHTTP(t, HTTPOptions{URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) { speakTwice(nc, r, answer, calm) })})
			expectTheirOwn(t, h, strings.Contains(answer, pause), calm)
		})
	}
}

// Over TLS too, whose implementation reads and decrypts ahead.
func TestSecondAnswerIsNeverDeliveredOverTLS(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		cut    int // bytes of the encrypted answer that are held back; they are sent with the next
		header int // as HTTPOptions.MaxHeader, and the size of a read
	}{
		"in one record, read apart":   {answer: good + evil, header: len(good)},
		"in one record":               {answer: good + evil},
		"in records that come as one": {answer: good + "(record)" + evil},
		"a part of a record":          {answer: good + "(record)" + evil, cut: 9},
		"the head of a record":        {answer: good + "(record)" + evil, cut: len(evil) + 16},
		"later":                       {answer: good + pause + evil},
		"a part, later":               {answer: good + pause + evil, cut: 9},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(nil)
			srv.StartTLS()
			srv.Close()
			roots := x509.NewCertPool()
			roots.AddCert(srv.Certificate())
			calm := make(chan struct{})
			url := rawServer(t, func(nc net.Conn, _ *bufio.Reader) {
				held := &holding{Conn: nc}
				s := tls.Server(held, srv.TLS.Clone())
				speakTwice(flushing{s, held, c.cut}, bufio.NewReader(s), c.answer, calm)
			})
			h := newHTTP(t, HTTPOptions{URL: strings.Replace(url, "http:", "https:", 1), TLS: &tls.Config{RootCAs: roots}, MaxHeader: c.header})
			expectTheirOwn(t, h, strings.Contains(c.answer, pause), calm)
		})
	}
}

// expectTheirOwn makes calls one after the other. Whatever follows an answer has arrived before the next call begins.
func expectTheirOwn(t *testing.T, h *HTTP, late bool, calm chan<- struct{}) {
	t.Helper()
	for range 5 {
		if got, err := run(t, h, &Call{Body: []byte("{}")}); err != nil || cmp.Diff([]string{"{}"}, got) != "" {
			t.Fatalf("got %q, %v", got, err)
		}
		if !late {
			continue
		}
		calm <- struct{}{}
		waitSpoken(t, h)
	}
}

// waitSpoken returns when the idle connection has something to read, or has ended.
func waitSpoken(t *testing.T, h *HTTP) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !h.pool.idle[0].probe.readable(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing has arrived")
		}
	}
}

// speakTwice answers every request with the parts of answer, the later ones when the client is calm.
func speakTwice(w io.Writer, r *bufio.Reader, answer string, calm <-chan struct{}) {
	for {
		if _, err := readRequest(r); err != nil {
			return
		}
		for i, part := range strings.Split(answer, pause) {
			if i > 0 {
				<-calm
			}
			_, _ = io.WriteString(w, part)
		}
	}
}

// holding keeps what TLS writes until it is told.
type holding struct {
	net.Conn
	b bytes.Buffer
}

func (h *holding) Write(b []byte) (int, error) {
	return h.b.Write(b)
}

// Read sends what is held first: the peer waits for it.
func (h *holding) Read(b []byte) (int, error) {
	if _, err := h.b.WriteTo(h.Conn); err != nil {
		return 0, err
	}
	return h.Conn.Read(b)
}

// flushing writes records, which leave in one piece but for the last cut bytes.
type flushing struct {
	io.Writer
	held *holding
	cut  int
}

func (f flushing) Write(b []byte) (int, error) {
	for record := range strings.SplitSeq(string(b), "(record)") {
		if _, err := io.WriteString(f.Writer, record); err != nil {
			return 0, err
		}
	}
	cut := 0
	if !strings.HasPrefix(string(b), good) || strings.Contains(string(b), "(record)") {
		cut = f.cut
	}
	_, err := f.held.Conn.Write(f.held.b.Next(f.held.b.Len() - cut))
	return len(b), err
}

// A connection is used again as long as it is at rest.
func TestConnectionsAtRestAreUsedAgain(t *testing.T) {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			url := rawServer(t, func(nc net.Conn, r *bufio.Reader) {
				if secure {
					s := tls.Server(nc, srv.TLS.Clone())
					nc, r = s, bufio.NewReader(s)
				}
				speakTwice(nc, r, good, nil)
			})
			if secure {
				url = strings.Replace(url, "http:", "https:", 1)
			}
			h := newHTTP(t, HTTPOptions{URL: url, TLS: &tls.Config{RootCAs: roots}})
			big := append(append([]byte(`{"a":"`), bytes.Repeat([]byte("a"), 2*maxOut)...), `"}`...)
			for _, body := range [][]byte{[]byte("{}"), []byte("{}"), big, []byte("{}"), big} {
				if got, err := run(t, h, &Call{Body: body}); err != nil || cmp.Diff([]string{"{}"}, got) != "" {
					t.Fatalf("got %q, %v", got, err)
				}
				if k := h.pool.idle; len(k) != 1 || len(h.pool.all) != 1 {
					t.Fatalf("%d connections, %d of them idle", len(h.pool.all), len(k))
				}
			}
		})
	}
}
