package gateway

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// scarce is a listener that fails as often as it is told before it accepts.
type scarce struct {
	net.Listener
	fails []error
}

func (s *scarce) Accept() (net.Conn, error) {
	if len(s.fails) == 0 {
		a, _ := net.Pipe()
		return a, nil
	}
	err := s.fails[0]
	s.fails = s.fails[1:]
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
}

// A process that has no descriptor left goes on serving, and accepts again when it has one.
func TestAcceptWaitsForDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		l := &listener{
			Listener: &scarce{fails: []error{syscall.EMFILE, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ECONNABORTED}},
			watch:    newWatch(Limits{}), paused: func(err error) { told = append(told, err) },
		}
		began := time.Now()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if took := time.Since(began); took != 155*time.Millisecond || len(told) != 1 {
			t.Errorf("accepted after %v, told %v", took, told)
		}
		l.Listener = &scarce{fails: []error{syscall.EBADF}}
		if _, err := l.Accept(); !errors.Is(err, syscall.EBADF) {
			t.Errorf("a listener that is no good: %v", err)
		}
	})
}

func TestConnectionsAreBoundedByDescriptors(t *testing.T) {
	for _, c := range [][3]int{{4096, 0, 4096}, {4096, 1 << 20, 4096}, {4096, 256, 96}, {50, 256, 50}, {4096, 10, 1}} {
		if got := affordable(c[0], c[1]); got != c[2] {
			t.Errorf("%d connections with %d descriptors: %d, want %d", c[0], c[1], got, c[2])
		}
	}
	if descriptors() < 0 {
		t.Error("a negative number of descriptors")
	}
}
