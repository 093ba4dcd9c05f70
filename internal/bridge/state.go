package bridge

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ticket is what a client carries from one round of a call to the next, as
// requestState: which call it was, and where it waits.
type ticket struct {
	kind    ticketKind
	expires time.Time // to the second
	digest  [32]byte  // of the method and params that the call has to have again
	id      [16]byte  // of the call that waits
	replica string    // where it waits; "" is here
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

// sealer makes requestState: a ticket under AES-256-GCM, bound to the server and
// the owner of the call. In another's hands, altered or late it is nothing.
type sealer struct {
	aead   cipher.AEAD
	server string
}

// encoding is strict, so that a state has one spelling.
var encoding = base64.RawURLEncoding.Strict()

func newSealer(key []byte, server string) (*sealer, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("key: want 32 bytes, have %d", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return &sealer{aead, server}, nil
}

// bound is what a ticket of owner is good for. The name of a server has no NUL.
func (s *sealer) bound(owner []byte) []byte {
	return append([]byte("requestState\x00"+s.server+"\x00"), owner...)
}

func (s *sealer) seal(owner []byte, t *ticket) string {
	plain := append(make([]byte, 0, ticketLen+len(t.replica)), byte(t.kind))
	plain = binary.BigEndian.AppendUint64(plain, uint64(t.expires.Unix()))
	plain = append(append(plain, t.digest[:]...), t.id[:]...)
	plain = append(plain, t.replica...)
	box := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	_, _ = rand.Read(box) // never fails
	return encoding.EncodeToString(s.aead.Seal(box, box, plain, s.bound(owner)))
}

func (s *sealer) open(owner []byte, state string, digest [32]byte, now time.Time) (*ticket, error) {
	if len(state) > maxState || strings.ContainsAny(state, "\r\n") { // the decoder would pass over line breaks
		return nil, errState
	}
	box, err := encoding.DecodeString(state)
	n := s.aead.NonceSize()
	if err != nil || len(box) < n {
		return nil, errState
	}
	plain, err := s.aead.Open(nil, box[:n], box[n:], s.bound(owner))
	if err != nil || len(plain) < ticketLen {
		return nil, errState
	}
	t := &ticket{kind: ticketKind(plain[0]), replica: string(plain[ticketLen:])}
	t.expires = time.Unix(int64(binary.BigEndian.Uint64(plain[1:])), 0)
	copy(t.digest[:], plain[9:])
	copy(t.id[:], plain[41:])
	if t.digest != digest || !now.Before(t.expires) {
		return nil, errState
	}
	return t, nil
}
