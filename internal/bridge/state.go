package bridge

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/internal/carry"
)

// ticket is what a client carries from one round of a call to the next, as
// requestState: which call it was, and where it waits.
type ticket struct {
	kind    ticketKind
	expires time.Time // to the second
	digest  [32]byte  // of the method and params that the call has to have again
	id      [16]byte  // of the call that waits
	home    string    // the address of the replica where it waits; "" if it has none
}

// ticketKind says what a round begins with.
type ticketKind byte

const (
	ticketParked ticketKind = iota + 1 // a call that goes on
	ticketAgain                        // a call that is made anew
)

const ticketLen = 1 + 8 + 32 + 16

// maxState bounds a requestState that is looked at.
const maxState = 1024

var errState = errors.New("requestState is not one that was given to this caller for this call, or its time is over")

// sealer makes requestState: a ticket, sealed for the server and the owner of
// the call. In another's hands, altered or late it is nothing. Where it belongs
// stands before it, so that any replica can pass it on.
type sealer struct {
	keys   *carry.Keys
	server string
}

func (s *sealer) seal(owner []byte, t *ticket) string {
	plain := append(carry.AppendHome(make([]byte, 0, 1+len(t.home)+ticketLen), t.home), byte(t.kind))
	plain = binary.BigEndian.AppendUint64(plain, uint64(t.expires.Unix()))
	plain = append(append(plain, t.digest[:]...), t.id[:]...)
	return s.keys.SealText(carry.Calls, carry.CallOwner(s.server, owner), plain)
}

func (s *sealer) open(owner []byte, state string, digest [32]byte, now time.Time) (*ticket, error) {
	if len(state) > maxState {
		return nil, errState
	}
	plain, err := s.keys.OpenText(carry.Calls, carry.CallOwner(s.server, owner), state)
	if err != nil {
		return nil, errState
	}
	home, plain, err := carry.CutHome(plain)
	if err != nil || len(plain) != ticketLen {
		return nil, errState
	}
	t := &ticket{kind: ticketKind(plain[0]), home: string(home)}
	t.expires = time.Unix(int64(binary.BigEndian.Uint64(plain[1:])), 0)
	copy(t.digest[:], plain[9:])
	copy(t.id[:], plain[41:])
	if t.digest != digest || !now.Before(t.expires) {
		return nil, errState
	}
	return t, nil
}
