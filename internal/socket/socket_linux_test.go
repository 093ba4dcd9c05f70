package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// pair makes a connection, and gives both ends as they were accepted and dialed.
func pair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	return near, far
}

func TestConnIsANetConn(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		near, far := pair(t)
		stop := func() {
			near.Close()
			far.Close()
		}
		return Wrap(near), Wrap(far), stop, nil
	})
}

// TestErrorsAreTheSame does the same to a wrapped connection and to a plain one.
func TestErrorsAreTheSame(t *testing.T) {
	past := time.Unix(1, 0)
	some := []byte("some")
	tests := []struct {
		name string
		is   error
		do   func(c, far net.Conn) error
	}{
		{"end", io.EOF, func(c, far net.Conn) error {
			far.Close()
			_, err := c.Read(make([]byte, 1))
			return err
		}},
		{"read after the deadline", os.ErrDeadlineExceeded, func(c, _ net.Conn) error {
			_ = c.SetReadDeadline(past)
			_, err := c.Read(make([]byte, 1))
			return err
		}},
		{"write after the deadline", os.ErrDeadlineExceeded, func(c, _ net.Conn) error {
			_ = c.SetWriteDeadline(past)
			_, err := c.Write(some)
			return err
		}},
		{"read after close", net.ErrClosed, func(c, _ net.Conn) error {
			c.Close()
			_, err := c.Read(make([]byte, 1))
			return err
		}},
		{"write after close", net.ErrClosed, func(c, _ net.Conn) error {
			c.Close()
			_, err := c.Write(some)
			return err
		}},
		{"reset", syscall.ECONNRESET, func(c, far net.Conn) error {
			_ = far.(interface{ SetLinger(int) error }).SetLinger(0)
			far.Close()
			_, err := c.Read(make([]byte, 1))
			return err
		}},
		{"write to a closed end", syscall.EPIPE, func(c, far net.Conn) error {
			_ = far.(interface{ SetLinger(int) error }).SetLinger(0)
			far.Close()
			_, _ = c.Read(make([]byte, 1)) // takes the reset
			_, err := c.Write(some)
			return err
		}},
		{"nothing to read into", nil, func(c, _ net.Conn) error {
			_, err := c.Read(nil)
			return err
		}},
		{"nothing to write", nil, func(c, _ net.Conn) error {
			_, err := c.Write(nil)
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			near, far := pair(t)
			want := tt.do(near, far)
			near, far = pair(t)
			got := tt.do(Wrap(near), far)
			if !errors.Is(want, tt.is) || !errors.Is(got, tt.is) {
				t.Fatalf("plain: %v, wrapped: %v, want both to be %v", want, got, tt.is)
			}
			if shape(want) != shape(got) {
				t.Errorf("plain: %s, wrapped: %s", shape(want), shape(got))
			}
		})
	}
}

// shape is an error without its addresses.
func shape(err error) string {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok {
		return "" // io.EOF and nil are compared as they are
	}
	if _, ok := errors.AsType[*net.OpError](op.Err); ok {
		return "an OpError in an OpError"
	}
	has := func(a net.Addr) string {
		if a == nil {
			return "no address"
		}
		return a.Network()
	}
	return op.Op + " " + op.Net + " " + has(op.Source) + " " + has(op.Addr) + ": " + op.Err.Error()
}

// TestWriteWaits writes more than the kernel holds for a reader that is slow.
func TestWriteWaits(t *testing.T) {
	near, far := pair(t)
	const size = 32 << 20
	sent := make(chan error, 1)
	go func() {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(i % 251)
		}
		n, err := Wrap(near).Write(b)
		if err == nil && n != size {
			err = io.ErrShortWrite
		}
		near.Close()
		sent <- err
	}()
	got, err := io.ReadAll(Wrap(far))
	if err != nil || len(got) != size {
		t.Fatalf("read %d bytes of %d: %v", len(got), size, err)
	}
	for i, b := range got {
		if b != byte(i%251) {
			t.Fatalf("byte %d is %d", i, b)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTCPIsWrapped(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if Wrap(a) != a {
		t.Error("a pipe is wrapped")
	}
	near, _ := pair(t)
	w := Wrap(near)
	if w == near {
		t.Error("a TCP connection is not wrapped")
	}
	if _, ok := w.(io.ReaderFrom); ok {
		t.Error("io.Copy goes around Write")
	}
	if _, ok := w.(io.WriterTo); ok {
		t.Error("io.Copy goes around Read")
	}
	if _, ok := w.(syscall.Conn); !ok {
		t.Error("the file descriptor can't be asked for")
	}
}

func TestReadAndWriteAllocateNothing(t *testing.T) {
	near, far := pair(t)
	c := Wrap(near)
	go func() { _, _ = io.Copy(far, far) }()
	b := make([]byte, 1000)
	n := testing.AllocsPerRun(100, func() {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkEcho measures an exchange with an end on this machine, on a plain connection and on a wrapped one.
func BenchmarkEcho(b *testing.B) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{"plain": func(c net.Conn) net.Conn { return c }, "wrapped": Wrap} {
		b.Run(name, func(b *testing.B) {
			near, far := pair(b)
			near, far = wrap(near), wrap(far)
			go func() { _, _ = io.Copy(struct{ io.Writer }{far}, struct{ io.Reader }{far}) }()
			buf := make([]byte, 1000)
			for b.Loop() {
				_, _ = near.Write(buf)
				if _, err := io.ReadFull(near, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
