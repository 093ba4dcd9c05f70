package gateway

import (
	"io"
	"time"
)

// This file is how a fan ends, and how the client hears of it.

// outdated implements hearer.
func (f *fan) outdated(s *Snapshot) bool {
	if s == nil || !f.view.Same(s.Views[f.view.Name()]) {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.snap.Identity != s.Identity {
		return true
	}
	for i := range f.parts {
		if p := &f.parts[i]; p.took && !p.stays(s) {
			return true
		}
	}
	return false
}

// endNews implements hearer.
func (f *fan) endNews() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed = true
	f.stop()
	if f.began {
		f.cancel()
	}
}

// leave ends all calls: the client has gone, or the stream is at its end.
func (f *fan) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop()
	f.cancel()
}

// stop has nobody wait for the client any more. It is called under mu.
func (f *fan) stop() {
	if !f.quitted {
		f.quitted = true
		close(f.quit)
	}
}

// cancel ends the parts. It is called under mu.
func (f *fan) cancel() {
	for i := range f.parts {
		switch p := &f.parts[i]; {
		case p.y != nil:
			p.y.call.Cancel()
		case p.stream != nil:
			p.stream.Cancel()
		}
	}
}

// gone says whether the client has left, rather than heard of the end.
func (f *fan) gone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.quitted && !f.renewed
}

// ended says that a part has, or that there is nothing to begin any more.
func (f *fan) ended() {
	if f.going.Add(-1) != 0 {
		return
	}
	if f.over != nil {
		close(f.over)
	}
	f.mu.Lock()
	began := f.began
	f.mu.Unlock()
	if began {
		f.conclude()
	}
}

// conclude ends a stream that has taken its connection over.
func (f *fan) conclude() {
	clean := !f.gone()
	if clean && !f.plain {
		clean = f.write(appendListenEnd(nil, f.id)) == nil
	}
	f.writing.Lock()
	f.closed = true
	f.writing.Unlock()
	f.g.news.remove(f)
	f.conn.client.disarm()
	f.g.Metrics.Streams.Dec()
	f.g.bodies.give(f.held)
	f.snap.release()
	f.conn.end(clean)
}

// tend does what it does of an idleStream.
func (f *fan) tend(tick, every uint64, now time.Time) (parked, begun bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.began || f.busy:
		return false, false
	case !now.Before(f.until):
		for i := range f.parts {
			if p := &f.parts[i]; p.stream != nil {
				p.stream.Wake()
			}
		}
		return true, true
	case !f.conn.silent(tick, every):
		return true, false
	}
	f.busy = true
	go f.comment()
	return true, true
}

// comment shows the client that the stream lives.
func (f *fan) comment() {
	err := f.writeComment()
	f.mu.Lock()
	f.busy = false
	f.mu.Unlock()
	if err != nil {
		f.leave()
	}
}

func (f *fan) writeComment() error {
	f.writing.Lock()
	defer f.writing.Unlock()
	if f.closed {
		return nil
	}
	_, err := f.out.Write(comment)
	return err
}

// SupportsBodyWriteTo has fasthttp call WriteTo, where the connection is not taken over.
func (f *fan) SupportsBodyWriteTo() bool { return true }

// Read is never called: fasthttp takes WriteTo.
func (f *fan) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// WriteTo writes the acknowledgement, and lets the parts write until all have ended or the client has.
func (f *fan) WriteTo(to io.Writer) (n int64, err error) {
	w := f.g.newSink(to)
	defer func() {
		n = w.stop()
		f.x.outcome.out += n
		if p := recover(); p != nil {
			f.g.recovered(p)
			err = io.ErrUnexpectedEOF
		}
	}()
	f.out = w
	if err := f.acknowledge(); err != nil {
		return 0, err
	}
	close(f.begun)
	f.ended()
	f.waits = true
	select {
	case <-f.quit:
	case <-f.over:
	}
	if f.gone() {
		return 0, io.ErrUnexpectedEOF
	}
	if f.plain {
		return 0, nil
	}
	return 0, f.write(appendListenEnd(nil, f.id))
}

// Close ends the parts and the exchange, when the stream has been written, or could not be.
func (f *fan) Close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	f.close()
	f.g.Metrics.Streams.Dec()
	f.x.finish()
	return nil
}

// close ends the parts of a stream that has not taken its connection over.
func (f *fan) close() {
	f.g.news.remove(f)
	if f.x.conn != nil {
		f.x.conn.disarm()
		f.x.conn = nil
	}
	f.leave()
	if !f.waits {
		f.ended()
	}
	<-f.over
	for i := range f.parts {
		if p := &f.parts[i]; p.y != nil {
			p.end(p.y)
		}
	}
}
