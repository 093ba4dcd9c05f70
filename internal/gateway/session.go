package gateway

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// maxSession bounds a session id, the server's and ours alike.
const maxSession = 1024

var errSession = errors.New("session id is not one that this gateway gave to this principal for this server")

// sealer makes the session ids that clients see: the server's own id and the replica that has to have it, sealed for the server and the
// principal. Nothing is kept: any replica with the keys opens any session, and an id in another's hands, or sent to another server, is
// no session at all.
type sealer struct{ keys *carry.Keys }

// sessionOwner is what an id is bound to. The principal's key has one length, so that no two owners read the same.
func sessionOwner(dst []byte, principal [32]byte, server string) []byte {
	dst = append(dst, principal[:]...)
	return append(dst, server...)
}

// seal appends to dst the id under which owner knows the server's session. home is the address of the one replica that can serve it; ""
// if all can.
func (s sealer) seal(dst, owner []byte, home, session string) (id, tag []byte, err error) {
	if len(session) > maxSession {
		return nil, nil, fmt.Errorf("server's session id has %d bytes, at most %d are taken", len(session), maxSession)
	}
	box := s.keys.Seal(nil, carry.Sessions, owner, append(carry.AppendHome(nil, home), session...))
	return carry.Encoding.AppendEncode(dst, box), tagOf(box), nil
}

// tagOf gives of what is sealed what is as good a name for it, and opens nothing.
func tagOf(box []byte) []byte { return box[len(box)-carry.TagSize:] }

// opening is what an id stands for.
type opening struct {
	home []byte // the replica that has to serve it; empty: any
	tag  []byte
}

// open appends to dst the server's session id that id stands for. room is memory to work in: it comes back, grown perhaps, and what is
// said of the session lies in it.
func (s sealer) open(dst, owner, id, room []byte) (session []byte, o opening, grown []byte, err error) {
	if len(id) > 2*maxSession {
		return dst, o, room, errSession
	}
	box, err := carry.Decode(room, id)
	if err != nil {
		return dst, o, room, errSession
	}
	whole, err := s.keys.Open(box, carry.Sessions, owner, box)
	if err != nil {
		return dst, o, room, errSession
	}
	home, session, err := carry.CutHome(whole[len(box):])
	if err != nil {
		return dst, o, room, errSession
	}
	return append(dst, session...), opening{home, tagOf(whole[:len(box)])}, whole, nil
}

// opened is the session that a connection's last request has opened. A client that stays with it need not have it opened again.
type opened struct {
	who     *engine.Principal // one that is held is no other's address
	server  string            // "" of several as one
	view    string            // the name of those
	seat    *mcp.Session      // and what the client has said of itself there; nil of a server
	id      []byte            // as the client knows it
	version string
	session []byte
	hash    audit.SessionHash
	home    string
	keys    uint64 // the version of those that have opened it
}

// recalls takes the session that x names from what the connection remembers. Requests of one connection follow each other.
func (c *conn) recalls(x *exchange) bool {
	if c == nil || c.last == nil {
		return false
	}
	o := c.last
	if o.who != x.who || o.server != x.serverName || len(o.id) == 0 || o.keys != x.g.Keys.Version() || !bytes.Equal(o.id, x.head.SessionID) {
		return false
	}
	switch {
	case (o.seat == nil) != (x.view == nil), x.view != nil && o.view != x.view.Name():
		return false
	case x.view == nil && (o.version != "" || x.snap.Versions != nil) && x.snap.server(x.serverName, o.version) == nil:
		return false // the versions have changed
	}
	x.session, x.sessionHash, x.version, x.seat = append(x.session[:0], o.session...), o.hash, o.version, o.seat
	x.home = o.home
	return true
}

// remember keeps the session that x names, which keys of that version have opened.
func (c *conn) remember(x *exchange, keys uint64) {
	if c == nil {
		return
	}
	if c.last == nil {
		c.last = new(opened)
	}
	o := c.last
	o.who, o.server, o.version, o.hash, o.home, o.seat = x.who, x.serverName, x.version, x.sessionHash, x.home, x.seat
	if o.view = ""; x.view != nil {
		o.view = x.view.Name()
	}
	o.keys = keys
	o.id = append(o.id[:0], x.head.SessionID...)
	o.session = append(o.session[:0], x.session...)
}
