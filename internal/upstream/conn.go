package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/socket"
)

// maxOut is the size of a request that is sent in one write, and of the
// buffer that a connection keeps for it.
const maxOut = 64 << 10

// conn is one connection to an HTTP server, with the buffers that live as
// long as it does. One exchange uses it at a time; only interrupt and extend
// may be called from elsewhere.
type conn struct {
	sock      net.Conn     // below TLS: closing it never blocks
	nc        net.Conn     // what is read and written: sock, or TLS on it
	asker     socket.Asker // sock, if it writes and reads in one; nil under TLS
	records   *records     // between sock and TLS; nil without TLS
	probe     probe
	br        *bufio.Reader
	out       []byte
	unsent    []byte // the request, while the read that goes with it has not begun
	idleSince time.Time
	used      bool  // an exchange has ended on it
	now       bool  // who reads it doesn't wait
	lingers   bool  // a call that is left does not end it
	left      bool  // one was
	readErr   error // why reading ended; nil while it has not
	sendErr   error // why what was unsent could not be sent whole
	wrote     bool  // some byte of the exchange may have left
	begun     bool  // the head of the answer has been taken

	held   *budget.Held   // grows with what is read of a body; nil while nothing is counted
	memory *budget.Budget // of which it does
	got    int            // of the body
}

// errSpoken says that a used connection is not at rest: a server has sent what nobody asked for, or has hung up. Nothing was sent.
var errSpoken = socket.ErrSpoken

func newConn(sock, nc net.Conn, maxHeader int) *conn {
	k := &conn{sock: sock, nc: nc, probe: newProbe(sock)}
	k.br = bufio.NewReaderSize(k, maxHeader)
	if nc == sock {
		k.asker, _ = sock.(socket.Asker)
	}
	return k
}

// Read sends what is unsent, and remembers why reading ended, which parsers above it hide.
func (k *conn) Read(p []byte) (n int, err error) {
	switch {
	case k.now:
		n, err = k.nc.(socket.Reader).ReadNow(p) //nolint:forcetypeassert // canPark has looked
		if errors.Is(err, socket.ErrNothing) {
			return 0, ErrNotYet
		}
	case k.unsent == nil:
		n, err = k.nc.Read(p)
	default:
		var wrote int
		wrote, n, err = k.asker.Ask(k.unsent, p)
		if wrote < len(k.unsent) {
			k.sendErr = err
		}
		k.wrote, k.unsent = wrote > 0, nil
	}
	if k.held != nil {
		if k.got += n; !k.held.Grow(k.memory, k.got) {
			err = errNoMemory
		}
	}
	if err != nil {
		k.readErr = err
	}
	return n, err
}

// count has h grow with what is read from here on. nil ends it.
func (k *conn) count(h *budget.Held, of *budget.Budget, got int) {
	k.held, k.memory, k.got = h, of, got
}

// newsBuffer is what a stream is read with that may be silent for long: lines between chunks have to fit.
const newsBuffer = 1 << 10

// slim gives up the buffers that are for requests and the heads of answers. k takes no other request after it.
func (k *conn) slim() {
	rest, _ := k.br.Peek(k.br.Buffered())
	k.br = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(rest)), k), newsBuffer)
	k.out = nil
}

// stale tells that an idle connection has ended, or that the server has sent
// what nobody asked for.
func (k *conn) stale() bool {
	if k.br.Buffered() > 0 || k.probe.readable() {
		return true
	}
	return k.records != nil && (k.records.rest() || k.decrypts())
}

// decrypts says whether TLS holds something of the server's that has been received, but not read.
func (k *conn) decrypts() bool {
	_ = k.nc.SetReadDeadline(time.Unix(1, 0)) // what would have to be waited for is not there
	var b [1]byte
	n, err := k.nc.Read(b[:])
	return n > 0 || !isTimeout(err)
}

func (k *conn) interrupt(tell bool) {
	if !tell && k.lingers {
		k.left = true
		_ = k.sock.SetReadDeadline(time.Unix(1, 0))
		return
	}
	_ = k.sock.Close()
}

func (k *conn) extend(t time.Time) { _ = k.sock.SetDeadline(t) }
func (k *conn) close()             { _ = k.sock.Close() }

// atRest says whether a request of size bytes may be sent: what was received before it would be taken for its answer. One that is left
// to the first read is not looked at here, but there.
func (k *conn) atRest(size int) bool {
	return !k.used || k.asker != nil && size <= maxOut || !k.stale()
}

// send writes head and body, in one piece if they are small. On a used connection that piece is left to the first read of the answer,
// which makes sure that there is nothing yet.
func (k *conn) send(head, body []byte) error {
	k.wrote = false
	if len(head)+len(body) <= maxOut {
		head, body = append(head, body...), nil
	}
	k.out = head[:0]
	if k.used && k.asker != nil && len(body) == 0 {
		k.unsent = head
		return nil
	}
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
	r := newRecords(sock)
	secure := tls.Client(r, d.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = sock.Close()
		return nil, err
	}
	k := newConn(sock, secure, d.maxHeader)
	k.records = r
	return k, nil
}
