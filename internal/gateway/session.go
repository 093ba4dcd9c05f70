package gateway

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/audit"
)

// maxSession bounds a session id, the server's and ours alike.
const maxSession = 1024

// encoding is strict, so that an id has one spelling.
var encoding = base64.RawURLEncoding.Strict()

var errSession = errors.New("session id is not one that this gateway gave to this principal for this server")

// sealer makes the session ids that clients see: the server's own id under AES-256-GCM, bound to the server and the principal.
// Nothing is kept: any replica with the key opens any session, and an id in another's hands, or sent to another server, is no session at all.
type sealer struct{ aead cipher.AEAD }

// newSealer takes a key of 32 bytes.
func newSealer(key []byte) (*sealer, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("session key: want 32 bytes, have %d", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	return &sealer{aead}, nil
}

// sessionOwner is what an id is bound to. The principal's key has one length, so that no two owners read the same.
func sessionOwner(dst []byte, principal [32]byte, server string) []byte {
	dst = append(dst, principal[:]...)
	return append(dst, server...)
}

// seal appends to dst the id under which owner knows the server's session.
func (s *sealer) seal(dst, owner []byte, session string) (id, tag []byte, err error) {
	if len(session) > maxSession {
		return nil, nil, fmt.Errorf("server's session id has %d bytes, at most %d are taken", len(session), maxSession)
	}
	box := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(session)+s.aead.Overhead())
	if _, err := rand.Read(box); err != nil {
		return nil, nil, fmt.Errorf("session nonce: %w", err)
	}
	box = s.aead.Seal(box, box, []byte(session), owner)
	return encoding.AppendEncode(dst, box), box[len(box)-s.aead.Overhead():], nil
}

// open appends to dst the server's session id that id stands for. The tag is as good a name for the session as the id, and opens
// nothing. room is memory to work in: it comes back, grown perhaps, and the tag lies in it.
func (s *sealer) open(dst, owner, id, room []byte) (session, tag, grown []byte, err error) {
	if len(id) > 2*maxSession || bytes.ContainsAny(id, "\r\n") { // the decoder would pass over line breaks
		return dst, nil, room, errSession
	}
	box, err := encoding.AppendDecode(room, id)
	n := s.aead.NonceSize()
	if err != nil || len(box) < n+s.aead.Overhead() {
		return dst, nil, room, errSession
	}
	out, err := s.aead.Open(dst, box[:n], box[n:], owner)
	if err != nil {
		return dst, nil, room, errSession
	}
	return out, box[len(box)-s.aead.Overhead():], box, nil
}

// opened is the session that a connection's last request has opened. A client that stays with it need not have it opened again.
type opened struct {
	who     *engine.Principal // one that is held is no other's address
	server  string
	id      []byte // as the client knows it
	version string
	session []byte
	hash    audit.SessionHash
}

// recalls takes the session that x names from what the connection remembers. Requests of one connection follow each other.
func (c *conn) recalls(x *exchange) bool {
	if c == nil || c.last.who != x.who || c.last.server != x.serverName || len(c.last.id) == 0 || !bytes.Equal(c.last.id, x.head.SessionID) {
		return false
	}
	if (c.last.version != "" || x.snap.Versions != nil) && x.snap.server(x.serverName, c.last.version) == nil {
		return false // the versions have changed
	}
	x.session, x.sessionHash, x.version = append(x.session[:0], c.last.session...), c.last.hash, c.last.version
	return true
}

func (c *conn) remember(x *exchange) {
	if c == nil {
		return
	}
	o := &c.last
	o.who, o.server, o.version, o.hash = x.who, x.serverName, x.version, x.sessionHash
	o.id = append(o.id[:0], x.head.SessionID...)
	o.session = append(o.session[:0], x.session...)
}
