package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/sallyport-dev/sallyport/internal/socket"
)

// maxOut is the size of a request that is sent in one write, and of the
// buffer that a connection keeps for it.
const maxOut = 64 << 10

// conn is one connection to an HTTP server, with the buffers that live as
// long as it does. One exchange uses it at a time; only interrupt and extend
// may be called from elsewhere.
type conn struct {
	sock      net.Conn // below TLS: closing it never blocks
	nc        net.Conn // what is read and written: sock, or TLS on it
	probe     probe
	br        *bufio.Reader
	out       []byte
	idleSince time.Time
	readErr   error // why reading ended; nil while it has not
	wrote     bool  // some byte of the exchange may have left
}

func newConn(sock, nc net.Conn, maxHeader int) *conn {
	k := &conn{sock: sock, nc: nc, probe: newProbe(sock)}
	k.br = bufio.NewReaderSize(k, maxHeader)
	return k
}

// Read remembers why reading ended, which parsers above it hide.
func (k *conn) Read(p []byte) (int, error) {
	n, err := k.nc.Read(p)
	if err != nil {
		k.readErr = err
	}
	return n, err
}

// stale tells that an idle connection has ended, or that the server has sent
// what nobody asked for.
func (k *conn) stale() bool { return k.br.Buffered() > 0 || k.probe.readable() }

func (k *conn) interrupt(bool)     { _ = k.sock.Close() }
func (k *conn) extend(t time.Time) { _ = k.sock.SetDeadline(t) }
func (k *conn) close()             { _ = k.sock.Close() }

// send writes head and body, in one piece if they are small.
func (k *conn) send(head, body []byte) error {
	k.wrote = false
	if len(head)+len(body) <= maxOut {
		head, body = append(head, body...), nil
	}
	k.out = head[:0]
	if err := k.write(head); err != nil || len(body) == 0 {
		return err
	}
	return k.write(body)
}

func (k *conn) write(b []byte) error {
	n, err := k.nc.Write(b)
	// TLS does not tell how much of a failed write has left.
	if n > 0 || (err != nil && k.nc != k.sock) {
		k.wrote = true
	}
	return err
}

// dialer opens connections to one address.
type dialer struct {
	addr      string
	tls       *tls.Config // nil: plain
	maxHeader int
	timeout   time.Duration
	dial      func(ctx context.Context, network, addr string) (net.Conn, error)
}

func (d *dialer) open(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	sock, err := d.dial(ctx, "tcp", d.addr)
	if err != nil {
		return nil, err
	}
	sock = socket.Wrap(sock)
	if d.tls == nil {
		return newConn(sock, sock, d.maxHeader), nil
	}
	secure := tls.Client(sock, d.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = sock.Close()
		return nil, err
	}
	return newConn(sock, secure, d.maxHeader), nil
}
