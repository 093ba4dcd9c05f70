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

func TestAskWritesAndReads(t *testing.T) {
	near, far := pair(t)
	c := Wrap(near).(Asker)
	go func() { _, _ = io.Copy(struct{ io.Writer }{far}, struct{ io.Reader }{far}) }()
	question, answer := make([]byte, 1000), make([]byte, 1000)
	n := testing.AllocsPerRun(100, func() {
		wrote, read, err := c.Ask(question, answer)
		if err != nil || wrote != len(question) || read == 0 {
			t.Fatalf("wrote %d, read %d, %v", wrote, read, err)
		}
		if _, err := io.ReadFull(near, answer[read:]); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestAskListens has the other end speak, or hang up, before it is asked.
func TestAskListens(t *testing.T) {
	for name, before := range map[string]func(far net.Conn){
		"speaks":   func(far net.Conn) { _, _ = far.Write([]byte("x")) },
		"hangs up": func(far net.Conn) { far.Close() },
		"resets": func(far net.Conn) {
			_ = far.(interface{ SetLinger(int) error }).SetLinger(0)
			far.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := pair(t)
			before(far)
			waitReadable(t, near)
			wrote, read, err := Wrap(near).(Asker).Ask([]byte("question"), make([]byte, 8))
			if !errors.Is(err, ErrSpoken) || wrote != 0 || read != 0 {
				t.Errorf("wrote %d, read %d, %v", wrote, read, err)
			}
		})
	}
}

// waitReadable returns when c has something to read, and leaves it there.
func waitReadable(t *testing.T, c net.Conn) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return err != syscall.EAGAIN
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Time{})
}

// TestAskWaits asks more than the kernel holds.
func TestAskWaits(t *testing.T) {
	near, far := pair(t)
	const size = 32 << 20
	heard := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, io.LimitReader(far, size))
		heard <- n
		_, _ = far.Write([]byte("yes"))
	}()
	b := make([]byte, 8)
	wrote, read, err := Wrap(near).(Asker).Ask(make([]byte, size), b)
	if wrote != size || string(b[:read]) != "yes" || err != nil || <-heard != size {
		t.Errorf("wrote %d, read %q, %v", wrote, b[:read], err)
	}
}

func TestAskEndsAtTheDeadlineAndAtClose(t *testing.T) {
	near, _ := pair(t)
	c := Wrap(near)
	_ = c.SetDeadline(time.Unix(1, 0))
	if wrote, _, err := c.(Asker).Ask([]byte("q"), make([]byte, 1)); wrote != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d, %v", wrote, err)
	}
	near, far := pair(t)
	c = Wrap(near)
	go func() {
		_, _ = far.Read(make([]byte, 1)) // asked
		near.Close()
	}()
	if wrote, _, err := c.(Asker).Ask([]byte("q"), make([]byte, 1)); wrote != 1 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("wrote %d, %v", wrote, err)
	}
	near, far = pair(t)
	go func() {
		_, _ = far.Read(make([]byte, 1))
		far.Close()
	}()
	if _, _, err := Wrap(near).(Asker).Ask([]byte("q"), make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
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
