package gateway

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// This file is how a gateway ends: what has been accepted is answered, and what has not been never began.

const (
	drainTick = 5 * time.Millisecond
	// freshTime is how long a connection on which nothing has come yet may still bring its first request: its client has just connected.
	freshTime = time.Second
	// cutTime is how long the answers may take that say that time has run out.
	cutTime = 2 * time.Second
)

// rested hears of connections whose request has been answered.
func rested(c net.Conn, s fasthttp.ConnState) {
	if s != fasthttp.StateIdle {
		return
	}
	if own := clientConn(c); own != nil {
		own.answered()
	}
}

// Shutdown ends the gateway: it accepts those who wait to be, ends the streams that wait for news, and answers the requests under way.
// Connections end when nothing of a request has been read from them, or all of an answer has been written. When ctx ends before, servers
// are closed: what waits for them is answered with an error, and recorded. Nothing may be served after it.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.draining.Store(true)
	g.news.end(func(hearer) bool { return true }, true)
	if g.replicas != nil {
		g.replicas.endNews()
	}
	g.listening.Lock()
	for _, l := range g.listeners {
		l.finish()
	}
	g.listening.Unlock()
	err := g.drain(ctx)
	if err != nil {
		g.cut() //nolint:contextcheck // its context has ended
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutTime)
	defer cancel()
	ended := g.server.ShutdownWithContext(late)
	if ended == nil {
		ended = g.drain(late) // the frugal server's
	}
	g.watching.Do(func() { close(g.stopped) })
	close(g.stop)
	<-g.stopped
	g.mirrors.close()
	g.recordTurned()
	g.replicas.close()
	g.Swap(nil)
	return errors.Join(err, ended)
}

// drain waits until every connection has ended.
func (g *Gateway) drain(ctx context.Context) error {
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for waited := time.Duration(0); ; waited += drainTick {
		if g.serving.Load() == 0 || !g.hasListeners() { // none comes any more
			g.watch.retire(waited > freshTime)
			if g.watch.open() == 0 {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (g *Gateway) hasListeners() bool {
	g.listening.Lock()
	defer g.listening.Unlock()
	return len(g.listeners) > 0
}

// cut ends what servers have not answered in time.
func (g *Gateway) cut() {
	g.replicas.close()
	s := g.current.acquire()
	if s == nil {
		return
	}
	defer s.release()
	var all sync.WaitGroup
	for name, server := range s.upstreams() {
		all.Go(func() {
			if err := server.Close(); err != nil {
				g.Warn("server "+name+" closed badly", err)
			}
		})
	}
	all.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), cutTime)
	defer cancel()
	_ = g.drain(ctx) // that some are left has been said
}

// retire closes the connections that rest, and with all also those on which nothing has come yet.
func (w *watch) retire(all bool) {
	w.mu.Lock()
	conns := make([]*conn, 0, len(w.conns))
	for c := range w.conns {
		conns = append(conns, c)
	}
	w.mu.Unlock()
	from := []uint64{resting}
	if all {
		from = append(from, fresh)
	}
	for _, c := range conns {
		c.retire(from...)
	}
}
