package gateway

import (
	"io"
	"sync"
	"time"
)

// comment is what says nothing on a stream of events (WHATWG HTML, 9.2.6).
var comment = []byte(":\n\n")

// sink is where the events of a stream go. While there are none it writes comments, so that intermediaries don't take the connection for
// a dead one.
type sink struct {
	mu    sync.Mutex // of everything below: events and comments must not mix
	w     io.Writer
	every time.Duration
	timer *time.Timer
	n     int64 // bytes written
	over  bool
}

// newSink begins to write to w. stop must follow.
func (g *Gateway) newSink(w io.Writer) *sink {
	s := &sink{w: w, every: g.Limits.KeepAlive}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(s.every, func() {
		defer func() {
			if p := recover(); p != nil {
				g.recovered(p)
			}
		}()
		s.beat()
	})
	return s
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return 0, io.ErrClosedPipe
	}
	s.timer.Reset(s.every)
	n, err := s.w.Write(b)
	s.n += int64(n)
	return n, err
}

// beat writes a comment. What fails here fails again where the next event is written, or is noticed by the watch.
func (s *sink) beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	n, err := s.w.Write(comment)
	s.n += int64(n)
	if s.over = err != nil; !s.over {
		s.timer.Reset(s.every)
	}
}

// stop ends the comments, and gives the bytes that were written. Nothing is written after it.
func (s *sink) stop() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.timer.Stop()
	return s.n
}
