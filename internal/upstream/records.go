package upstream

import (
	"bufio"
	"net"
)

// records gives TLS no more than it asks for: the head of a record, then its body (RFC 8446, 5.1). crypto/tls reads ahead otherwise, and
// what it then holds of the next record can't be seen from outside: a connection at rest could not be told from one on which a server
// has begun to say something.
type records struct {
	net.Conn
	br   *bufio.Reader
	left int // of the record that is being read
}

const recordHead = 5 // type, version, length

func newRecords(c net.Conn) *records {
	return &records{Conn: c, br: bufio.NewReaderSize(c, 16<<10+512)} // a record of the largest size, encrypted
}

func (r *records) Read(p []byte) (int, error) {
	if r.left == 0 {
		head, err := r.br.Peek(recordHead)
		if err != nil {
			return 0, err
		}
		r.left = recordHead + int(head[3])<<8 + int(head[4])
	}
	n, err := r.br.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

// rest says whether something was received that TLS has not asked for.
func (r *records) rest() bool { return r.left > 0 || r.br.Buffered() > 0 }
