package socket

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// Poller waits, with one goroutine, for many connections to have something to read, their end included. It is safe for concurrent use.
type Poller struct {
	file *os.File // of epoll
	raw  syscall.RawConn
	done chan struct{}

	mu     sync.Mutex
	parked map[uint64]*Parked
	last   uint64
}

// NewPoller makes a Poller, which Close must follow.
func NewPoller() (*Poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // so that the runtime's own queue waits for this one, and no thread does
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &Poller{file: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{}), parked: map[uint64]*Parked{}}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		_ = p.file.Close()
		return nil, err
	}
	go p.run()
	return p, nil
}

func (p *Poller) run() {
	defer close(p.done)
	events := make([]syscall.EpollEvent, 128)
	_ = p.raw.Read(func(fd uintptr) bool {
		for {
			n, err := syscall.EpollWait(int(fd), events, 0)
			switch {
			case errors.Is(err, syscall.EINTR):
				continue
			case err != nil:
				return true
			case n == 0:
				return false
			}
			for _, e := range events[:n] {
				if s := p.take(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32); s != nil {
					go s.then()
				}
			}
		}
	})
}

// take ends the wait; nil says that it had ended.
func (p *Poller) take(id uint64) *Parked {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.parked[id]
	delete(p.parked, id)
	return s
}

func (p *Poller) put(s *Parked) (id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	p.parked[p.last] = s
	return p.last
}

// Close wakes all.
func (p *Poller) Close() error {
	err := p.file.Close()
	<-p.done
	p.mu.Lock()
	parked := p.parked
	p.parked = map[uint64]*Parked{}
	p.mu.Unlock()
	for _, s := range parked {
		go s.then()
	}
	return err
}

// Parked is a TCP connection on which nobody waits: no more of it is left than its descriptor. With a goroutine, and what net and the
// runtime keep of a connection, it would take four kilobytes. It is safe for concurrent use, but for Dup.
type Parked struct {
	in   *Poller
	then func()

	mu sync.Mutex
	fd int // -1: it is a connection again, or closed
	id uint64
}

// Dup makes s the same connection as c, one that Wrap has made, but doesn't park it yet. c is to be closed when it is parked.
func (s *Parked) Dup(in *Poller, c net.Conn, then func()) error {
	w, ok := c.(*conn)
	if !ok {
		return errors.ErrUnsupported
	}
	s.in, s.then, s.fd = in, then, -1
	var errno syscall.Errno
	err := w.raw.Control(func(fd uintptr) {
		var n uintptr
		if n, _, errno = syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0); errno == 0 {
			s.fd = int(n)
		}
	})
	if err == nil && errno != 0 {
		err = os.NewSyscallError("fcntl", errno)
	}
	return err
}

// Park has then run, once and on a goroutine of its own, when there may be something to read. false says that it can't be parked, and that
// then won't run.
func (s *Parked) Park() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = s.in.put(s)
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: int32(uint32(s.id)), Pad: int32(uint32(s.id >> 32))}
	armed := s.control(syscall.EPOLL_CTL_MOD, &event)
	if errors.Is(armed, syscall.ENOENT) {
		armed = s.control(syscall.EPOLL_CTL_ADD, &event)
	}
	return armed == nil || s.in.take(s.id) == nil
}

func (s *Parked) control(op int, event *syscall.EpollEvent) (err error) {
	if s.fd < 0 {
		return net.ErrClosed
	}
	if closed := s.in.raw.Control(func(queue uintptr) { err = syscall.EpollCtl(int(queue), op, s.fd, event) }); closed != nil {
		return closed
	}
	return err
}

// Unpark ends the wait without running then. It says false if that is too late: it runs, or has run.
func (s *Parked) Unpark() bool {
	s.mu.Lock()
	id := s.id
	s.mu.Unlock()
	return s.in.take(id) != nil
}

// Wake runs then now, if it wasn't to run already.
func (s *Parked) Wake() {
	if s.Unpark() {
		go s.then()
	}
}

// Interrupt ends the connection for both sides. That is something to read.
func (s *Parked) Interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		_ = syscall.Shutdown(s.fd, syscall.SHUT_RDWR)
	}
}

// Open gives the connection, which is parked no more, back.
func (s *Parked) Open() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return nil, net.ErrClosed
	}
	f := os.NewFile(uintptr(s.fd), "tcp")
	defer s.drop(f.Close)
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return Wrap(c), nil
}

// Close closes what Dup has opened. It must not be parked.
func (s *Parked) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		s.drop(func() error { return syscall.Close(s.fd) })
	}
}

// drop closes the descriptor. The queue would know it for as long as another one is open on the same connection.
func (s *Parked) drop(closing func() error) {
	_ = s.control(syscall.EPOLL_CTL_DEL, &syscall.EpollEvent{})
	_ = closing()
	s.fd = -1
}
