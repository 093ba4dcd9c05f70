package limit

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// storeServer is a Valkey or Redis server of the test's own, on a socket in a directory, behind a relay that can be cut.
type storeServer struct {
	addr   string
	socket string
	secure *tls.Config // nil: plain TCP

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	mute  bool // what comes is taken, and goes nowhere
	down  bool // who comes is sent away
}

// newStoreServer starts a server, or skips the test where there is none.
func newStoreServer(t *testing.T) *storeServer { return startStoreServer(t, nil) }

// startStoreServer starts one with more arguments, behind TLS if secure is not nil.
func startStoreServer(t *testing.T, secure *tls.Config, more ...string) *storeServer {
	t.Helper()
	s := &storeServer{socket: filepath.Join(t.TempDir(), "s"), secure: secure, conns: map[net.Conn]struct{}{}}
	startStore(t, append([]string{"--port", "0", "--unixsocket", s.socket, "--dir", filepath.Dir(s.socket)}, more...)...)
	eventually(t, "the server listens", func() bool {
		c, err := net.Dial("unix", s.socket)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	s.relay(t)
	return s
}

// startStore runs a server until the test ends, or until stop.
func startStore(t testing.TB, arguments ...string) (stop func()) {
	t.Helper()
	program := ""
	for _, name := range []string{"valkey-server", "redis-server"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("SKIPPED: neither valkey-server nor redis-server is installed; make valkey installs one")
	}
	cmd := exec.Command(program, append([]string{"--save", "", "--appendonly", "no"}, arguments...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	return stop
}

func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func (s *storeServer) relay(t *testing.T) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	if s.secure != nil {
		l = tls.NewListener(l, s.secure)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.cut()
		wg.Wait()
	})
}

func (s *storeServer) serve(c net.Conn) {
	defer c.Close()
	to, err := net.Dial("unix", s.socket)
	if err != nil || !s.keep(c, to) {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(c, to)
		_ = c.Close()
	}()
	buf := make([]byte, 16<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		s.mu.Lock()
		mute := s.mute
		s.mu.Unlock()
		if !mute {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
}

func (s *storeServer) keep(conns ...net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range conns {
		s.conns[c] = struct{}{}
	}
	return !s.down
}

// set changes what becomes of connections.
func (s *storeServer) set(mute, down bool) {
	s.mu.Lock()
	s.mute, s.down = mute, down
	s.mu.Unlock()
	if down {
		s.cut()
	}
}

func (s *storeServer) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
	clear(s.conns)
}

// limiter makes a replica's Limiter on the server.
func (s *storeServer) limiter(t *testing.T) *Limiter {
	t.Helper()
	l, err := NewValkey(ValkeyOptions{Address: s.addr, Timeout: 20 * time.Second, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}
