package gateway

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A stream on which nothing happens shows that it lives, and what happens in the end arrives whole.
func TestSilentStreamsAreKeptAlive(t *testing.T) {
	const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}`
	const answer = `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`
	goOn := make(chan struct{})
	_, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		events(w, progress)
		<-goOn
		events(w, answer)
	})
	w := newWorld(t, allowAll, served, func(o *Options, _ *Snapshot) { o.Limits.KeepAlive = time.Millisecond })
	c, err := w.listener.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, post(call("read_file", `{}`)))
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	var data []string
	comments := 0
	for r := bufio.NewReader(resp.Body); ; {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case line == ":\n":
			if comments++; comments == 3 && len(data) == 1 {
				close(goOn)
			}
		case strings.HasPrefix(line, "data: "):
			data = append(data, strings.TrimSpace(line[len("data: "):]))
		case line != "\n":
			t.Errorf("line %q", line)
		}
	}
	if len(data) != 2 || data[0] != progress || data[1] != answer || comments < 3 {
		t.Errorf("%d comments, %q", comments, data)
	}
	if out := w.recorded(2)[1]; out.ResponseBytes < int64(len(progress)+len(answer)) {
		t.Errorf("recorded %d bytes", out.ResponseBytes)
	}
}

// broken fails from the first write on, and counts.
type broken struct{ writes int }

func (b *broken) Write([]byte) (int, error) {
	b.writes++
	return 0, io.ErrClosedPipe
}

// Nothing is written once the stream is over, or could not be written to.
func TestSinkStops(t *testing.T) {
	g := &Gateway{Options: Options{Limits: Limits{KeepAlive: time.Hour}}}
	var b strings.Builder
	s := g.newSink(&b)
	s.beat()
	s.Write([]byte("data: x\n\n"))
	if n := s.stop(); n != int64(b.Len()) || b.String() != ":\n\ndata: x\n\n" {
		t.Errorf("%d bytes of %q", n, b.String())
	}
	s.beat()
	_, err := s.Write([]byte("data: y\n\n"))
	if b.String() != ":\n\ndata: x\n\n" || err == nil {
		t.Errorf("after the end: %q", b.String())
	}
	gone := new(broken)
	s = g.newSink(gone)
	s.beat()
	s.beat()
	if gone.writes != 1 {
		t.Errorf("%d comments to a client that is gone", gone.writes)
	}
	s.stop()
}
