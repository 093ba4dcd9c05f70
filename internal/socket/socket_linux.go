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
	w.tryRead, w.tryWrite, w.tryAsk = w.readOnce, w.writeAll, w.askOnce
	return w
}

type conn struct {
	net.Conn // without the ReadFrom and WriteTo of a TCPConn, which would go around Read and Write
	raw      syscall.RawConn

	read, write               transfer
	asking                    step                  // under both locks
	tryRead, tryWrite, tryAsk func(fd uintptr) bool // bound once: they would be allocated for each call
}

// step is how far an Ask has got.
type step uint8

const (
	listening step = iota // for what was not asked for
	reading               // the answer: all is written
	spoken                // there was something: nothing is written
	blocked               // the peer takes no more for now, or nothing more at all
)

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

// ReadNow implements Reader.
func (c *conn) ReadNow(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := c.read.run(b, c.raw.Read, func(fd uintptr) bool {
		c.readOnce(fd)
		return true
	})
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return 0, ErrNothing
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

// Ask implements Asker. It looks and writes inside the wait for what can be read: what arrives after the look ends the wait.
func (c *conn) Ask(question, answer []byte) (wrote, read int, err error) {
	w := &c.write
	w.mu.Lock()
	w.b, w.n, w.errno, c.asking = question, 0, 0, listening
	read, err = c.read.run(answer, c.raw.Read, c.tryAsk)
	wrote, ended, failed := w.n, c.asking, w.errno
	w.b = nil
	w.mu.Unlock()
	switch {
	case ended == spoken:
		return 0, 0, ErrSpoken
	case failed != 0:
		return wrote, 0, c.explain("write", failed)
	case err != nil:
		return wrote, 0, c.explain("read", err)
	case ended == blocked:
		n, err := c.Write(question[wrote:])
		if wrote += n; err != nil {
			return wrote, 0, err
		}
		read, err = c.Read(answer)
		return wrote, read, err
	case read == 0:
		return wrote, 0, io.EOF
	}
	return wrote, read, nil
}

// askOnce takes an Ask as far as it goes, and says whether there is nothing to wait for.
func (c *conn) askOnce(fd uintptr) bool {
	if c.asking == reading {
		return c.readOnce(fd)
	}
	if c.readOnce(fd) {
		c.asking = spoken
		return true
	}
	c.read.errno = 0
	if done := c.writeAll(fd); !done || c.write.errno != 0 {
		c.asking = blocked
		return true
	}
	c.asking = reading
	return false // an answer is not there that soon, and ends the wait if it is
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
