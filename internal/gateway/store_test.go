package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/limit"
)

// store speaks as much of the protocol of Valkey as counting takes, and admits every call. While it is away it ends every connection.
type store struct {
	addr    string
	counted atomic.Int64

	mu    sync.Mutex
	away  bool
	conns map[net.Conn]struct{}
}

func newStore(t *testing.T) *store {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &store{addr: l.Addr().String(), conns: map[net.Conn]struct{}{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.be(true)
		serving.Wait()
	})
	return s
}

// be has the store go away, or come back.
func (s *store) be(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *store) serve(c net.Conn) {
	defer c.Close()
	s.mu.Lock()
	s.conns[c] = struct{}{}
	away := s.away
	s.mu.Unlock()
	for in := bufio.NewReader(c); !away; {
		command, err := readCommand(in)
		if err != nil {
			return
		}
		answer := "+OK\r\n"
		switch command {
		case "HELLO":
			answer = "%3\r\n+server\r\n+redis\r\n+version\r\n+7.0.0\r\n+proto\r\n:3\r\n"
		case "EVALSHA":
			s.counted.Add(1)
			answer = "*3\r\n:0\r\n:5\r\n:0\r\n"
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

// readCommand gives the first word of a command.
func readCommand(in *bufio.Reader) (command string, err error) {
	var words, size int
	if _, err = fmt.Fscanf(in, "*%d\r\n", &words); err != nil {
		return "", err
	}
	for i := range words {
		if _, err = fmt.Fscanf(in, "$%d\r\n", &size); err != nil {
			return "", err
		}
		word := make([]byte, size+2)
		if _, err = io.ReadFull(in, word); err != nil {
			return "", err
		}
		if i == 0 {
			command = string(word[:size])
		}
	}
	return command, nil
}

// While the store of rate limits is away, each call is refused, recorded and carried out by nobody, or passes, as the limit says; when it is back
// calls are counted again.
func TestStoreGoesAndComesBack(t *testing.T) {
	for name, lenient := range map[string]bool{"deny": false, "allow": true} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			l, err := limit.NewValkey(limit.ValkeyOptions{Address: s.addr, Timeout: 20 * time.Second, Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(l.Close)
			w := newWorld(t, testPolicy, func(_ *Options, snap *Snapshot) { snap.Limits = setOf(l, 1, limit.Spec{Lenient: lenient}) })
			passed, refused := 0, 0
			ask := func() (counted bool) {
				t.Helper()
				before := s.counted.Load()
				switch r := w.raw(post(readAllowed)); {
				case r.status == 200 && strings.Contains(r.body, "done"):
					passed++
				case r.status == 503 && strings.Contains(r.body, `"code":50301,"message":"The call can't be counted, and so is refused"`):
					refused++
				default:
					t.Fatalf("%+v", r)
				}
				if n := len(w.server.received()); n != passed {
					t.Fatalf("%d calls were carried out, and %d have passed", n, passed)
				}
				return s.counted.Load() != before
			}
			if !ask() || passed != 1 {
				t.Fatal("the first call isn't counted")
			}
			s.be(true)
			for range 3 {
				if ask() {
					t.Error("a store that is away has counted")
				}
			}
			if lenient != (passed == 4) || lenient != (refused == 0) {
				t.Errorf("while it is away %d calls pass, and %d are refused", passed-1, refused)
			}
			s.be(false)
			for end := time.Now().Add(20 * time.Second); !ask(); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("it isn't asked again")
				}
			}
			w.tellsOfTheStore(passed, refused)
		})
	}
}

// tellsOfTheStore checks that each call that has passed has both its records, and each other one that says why.
func (w *world) tellsOfTheStore(passed, refused int) {
	w.t.Helper()
	got := map[audit.Kind]int{}
	for _, r := range w.recorded(2*passed + refused) {
		got[r.Kind]++
		if r.Kind != audit.Refusal {
			continue
		}
		if r.Status != 503 || r.ErrorCode != 50301 || r.Effect != "deny" || r.Reason != limit.ReasonStore || r.Limit != "daily" || !strings.Contains(r.Cause, "valkey: ") {
			w.t.Errorf("the record: %+v", r)
		}
	}
	if got[audit.Decision] != passed || got[audit.Outcome] != passed || got[audit.Refusal] != refused {
		w.t.Errorf("records: %v of %d calls that have passed and %d refused", got, passed, refused)
	}
}
