package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// Wrap returns c with cheaper reads and writes if it is a TCP connection, and c itself if not. In everything else, deadlines and errors
// included, the result is what c is.
func Wrap(c net.Conn) net.Conn {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return c
	}
	w := &conn{Conn: c, raw: raw}
	w.tryRead, w.tryWrite = w.readOnce, w.writeAll
	return w
}

type conn struct {
	net.Conn // without the ReadFrom and WriteTo of a TCPConn, which would go around Read and Write
	raw      syscall.RawConn

	read, write       transfer
	tryRead, tryWrite func(fd uintptr) bool // bound once: they would be allocated for each call
}

// transfer is the read or the write under way.
type transfer struct {
	mu    sync.Mutex // one call at a time
	b     []byte
	n     int
	errno syscall.Errno
}

// SyscallConn implements syscall.Conn.
func (c *conn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

func (c *conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := c.read.run(b, c.raw.Read, c.tryRead)
	switch {
	case err != nil:
		return 0, c.explain("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.write.run(b, c.raw.Write, c.tryWrite)
	if err != nil {
		err = c.explain("write", err)
	}
	return n, err
}

// run lets wait call try until it says that it is done, or until the deadline.
func (t *transfer) run(b []byte, wait func(func(fd uintptr) bool) error, try func(fd uintptr) bool) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b, t.n, t.errno = b, 0, 0
	err := wait(try)
	t.b = nil
	if err == nil && t.errno != 0 {
		err = t.errno
	}
	return t.n, err
}

// readOnce says whether there is nothing to wait for.
func (c *conn) readOnce(fd uintptr) bool {
	t := &c.read
	for {
		n, errno := read(fd, t.b)
		if errno == syscall.EINTR {
			continue
		}
		t.n, t.errno = n, errno
		return errno != syscall.EAGAIN
	}
}

// writeAll says whether everything is written or nothing more can be.
func (c *conn) writeAll(fd uintptr) bool {
	t := &c.write
	for t.n < len(t.b) {
		n, errno := write(fd, t.b[t.n:])
		switch errno {
		case 0:
			t.n += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.errno = errno
			return true
		}
	}
	return true
}

// explain makes err what the same call of a TCPConn returns.
func (c *conn) explain(op string, err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		err = os.NewSyscallError(op, errno)
	}
	if raw, ok := errors.AsType[*net.OpError](err); ok {
		err = raw.Err
	}
	return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
