package gateway

import (
	"net"
	"strconv"
	"sync/atomic"
)

// takenConn is a client's connection that a stream has taken over from what reads requests. The stream writes to it, and it ends with the stream.
type takenConn struct {
	client *conn
	out    net.Conn      // client, or TLS on it
	spoke  atomic.Uint64 // the tick at which something was written last
}

// canTake says whether an answer may take its connection over.
func (x *exchange) canTake() bool {
	return x.client != nil && x.arrival == atFirst && x.held <= smallBody
}

// take takes over the connection of x. When handle has returned, begun runs on a goroutine of its own; if the connection is closed before that,
// abandoned runs in its place.
func (k *takenConn) take(x *exchange, begun func(), abandoned func()) {
	k.client, k.out = x.client, x.ctx.Conn()
	k.spoke.Store(x.g.watch.tick.Load())
	x.client.last = nil // no other request comes
	x.client.successor.Store(&abandoned)
	x.ctx.HijackSetNoResponse(true)
	x.ctx.Hijack(func(net.Conn) {
		if k.mine() {
			begun()
		}
	})
}

// mine says, once, whether the connection is the stream's now.
func (k *takenConn) mine() bool { return k.client.successor.Swap(nil) != nil }

// writeHead writes the head of the answer, and lets go of what has read the request.
func (k *takenConn) writeHead(x *exchange) error {
	head := &x.ctx.Response.Header
	head.SetContentLength(-1) // chunks
	head.SetConnectionClose()
	_, err := k.out.Write(head.Header())
	x.ctx = nil
	return err
}

// end closes the connection. clean says that the client is to know that nothing is missing.
func (k *takenConn) end(clean bool) {
	if clean {
		_, _ = k.out.Write(lastChunk)
	}
	k.client.drop()
	_ = k.out.Close()
}

// silent says whether nothing was written for so many ticks.
func (k *takenConn) silent(tick, every uint64) bool { return tick-k.spoke.Load() >= every }

// writer is where the events go.
func (k *takenConn) writer() *chunkWriter { return &chunkWriter{k: k} }

// Write implements io.Writer, as writer's does, but keeps no memory.
func (k *takenConn) Write(b []byte) (int, error) { return k.writer().Write(b) }

// chunkWriter makes a chunk of each event (RFC 9112, 7.1).
type chunkWriter struct {
	k   *takenConn
	buf []byte
}

var lastChunk = []byte("0\r\n\r\n")

// Write implements io.Writer.
func (c *chunkWriter) Write(b []byte) (int, error) {
	if len(b) == 0 { // would be the end
		return 0, nil
	}
	c.k.spoke.Store(c.k.client.watch.tick.Load())
	c.buf = append(strconv.AppendInt(c.buf[:0], int64(len(b)), 16), "\r\n"...)
	c.buf = append(append(c.buf, b...), "\r\n"...)
	if _, err := c.k.out.Write(c.buf); err != nil {
		return 0, err
	}
	if cap(c.buf) > keep {
		c.buf = nil
	}
	return len(b), nil
}
