package upstream

import (
	"context"
	"sync"
	"time"
)

// slots bounds the calls that are with a server at once. More wait in a line, of bounded length and for a bounded time. A slot that is
// given back goes to whoever has the fewest, and of several to who has waited the longest; who has the most in a full line makes room
// for who has less. So a caller that is alone has all slots, and one of many its share. It is safe for concurrent use.
type slots struct {
	max    int
	length int
	wait   time.Duration

	mu      sync.Mutex
	used    int
	held    map[string]int // by owner
	waiting map[string]int
	line    []*place // the longest waiting first
}

// place is where a call waits.
type place struct {
	owner string
	ready chan bool // whether it has been given a slot; it is told once
}

func newSlots(most, length int, wait time.Duration) *slots {
	return &slots{max: most, length: length, wait: wait, held: map[string]int{}, waiting: map[string]int{}}
}

// enter takes a slot for c, which Close gives back.
func (s *slots) enter(c *Call) bool {
	owner := ""
	if c.Owner != nil {
		owner = string(c.Owner())
	}
	p := s.ask(owner)
	if p != nil && !s.stand(c, p) {
		return false
	}
	c.slots, c.slotOwner = s, owner
	return true
}

// ask takes a slot (nil) or a place in the line. A place in a full line is told at once that it gets none.
func (s *slots) ask(owner string) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used < s.max {
		s.used++
		s.held[owner]++
		return nil
	}
	p := &place{owner: owner, ready: make(chan bool, 1)}
	if len(s.line) >= s.length && !s.makeRoom(owner) {
		p.ready <- false
		return p
	}
	s.line = append(s.line, p)
	s.waiting[owner]++
	return p
}

// makeRoom sends away the last of those who have the most in the line, if owner has less even with one more.
func (s *slots) makeRoom(owner string) bool {
	last, most := -1, s.waiting[owner]+1
	for i, p := range s.line {
		if n := s.waiting[p.owner]; n > most || n == most && last >= 0 {
			last, most = i, n
		}
	}
	if last < 0 {
		return false
	}
	s.take(last).ready <- false
	return true
}

// take takes a place out of the line.
func (s *slots) take(i int) *place {
	p := s.line[i]
	s.line = append(s.line[:i], s.line[i+1:]...)
	if s.waiting[p.owner]--; s.waiting[p.owner] == 0 {
		delete(s.waiting, p.owner)
	}
	return p
}

// stand waits for a slot.
func (s *slots) stand(c *Call, p *place) bool {
	ctx, cancel := context.WithTimeout(context.Background(), s.wait)
	defer cancel()
	if !c.attach(&pending{cancel}) {
		cancel()
	}
	select {
	case ok := <-p.ready:
		c.detach()
		return ok
	case <-ctx.Done():
	}
	c.detach()
	return s.leave(p)
}

// leave ends the wait of p, which may have got its slot meanwhile.
func (s *slots) leave(p *place) bool {
	s.mu.Lock()
	for i, other := range s.line {
		if other == p {
			s.take(i)
			s.mu.Unlock()
			return false
		}
	}
	s.mu.Unlock()
	return <-p.ready
}

// release gives a slot back, to the next in line.
func (s *slots) release(owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[owner]--; s.held[owner] == 0 {
		delete(s.held, owner)
	}
	if len(s.line) == 0 {
		s.used--
		return
	}
	next := 0
	for i, p := range s.line {
		if s.held[p.owner] < s.held[s.line[next].owner] {
			next = i
		}
	}
	p := s.take(next)
	s.held[p.owner]++
	p.ready <- true
}

func (s *slots) waits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.line)
}
