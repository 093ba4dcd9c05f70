package audit

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	mathrand "math/rand/v2"
	"sync"
	"time"
)

// An ID names a decision: a ULID, 26 characters of Crockford's base 32, that sorts by time. The zero ID is none.
type ID [26]byte

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// String is the id as text, "" for the zero ID.
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	return string(id[:])
}

// IsZero says whether id is none.
func (id ID) IsZero() bool { return id[0] == 0 }

// ParseID reads an id as String wrote it.
func ParseID(s string) (ID, bool) {
	var id ID
	if len(s) != len(id) || s[0] > '7' {
		return ID{}, false
	}
	for i := range len(s) {
		if !isCrockford(s[i]) {
			return ID{}, false
		}
	}
	copy(id[:], s)
	return id, true
}

func isCrockford(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' && c != 'I' && c != 'L' && c != 'O' && c != 'U'
}

// IDs makes decision ids. Ids of one IDs grow strictly, whatever the clock does. Safe for concurrent use.
type IDs struct {
	mu     sync.Mutex
	milli  uint64
	high   uint16
	low    uint64
	random *mathrand.ChaCha8
}

// NewIDs returns a source of ids seeded from random; nil means the operating system's.
func NewIDs(random io.Reader) (*IDs, error) {
	if random == nil {
		random = rand.Reader
	}
	var seed [32]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, err
	}
	return &IDs{random: mathrand.NewChaCha8(seed)}, nil
}

// Next returns the id of a decision made at t.
func (s *IDs) Next(t time.Time) ID {
	milli := uint64(max(t.UnixMilli(), 0)) & (1<<48 - 1)
	s.mu.Lock()
	r := s.random.Uint64()
	if milli > s.milli {
		s.milli, s.high, s.low = milli, uint16(s.random.Uint64()), r
	} else {
		s.step(uint64(uint32(r)) + 1)
	}
	milli, high, low := s.milli, s.high, s.low
	s.mu.Unlock()
	return ulid(milli, high, low)
}

// step moves on inside one millisecond by a random stride, so that an id tells nothing about its neighbours.
func (s *IDs) step(by uint64) {
	s.low += by
	if s.low >= by {
		return
	}
	if s.high++; s.high == 0 {
		s.milli++
	}
}

func ulid(milli uint64, high uint16, low uint64) ID {
	var id ID
	for i := 9; i >= 0; i-- {
		id[i] = crockford[milli&31]
		milli >>= 5
	}
	// 80 random bits: 16 of high, 64 of low; the lowest 60 of low are 12 characters.
	top := uint64(high)<<4 | low>>60
	for i := 25; i >= 14; i-- {
		id[i] = crockford[low&31]
		low >>= 5
	}
	for i := 13; i >= 10; i-- {
		id[i] = crockford[top&31]
		top >>= 5
	}
	return id
}

// A SessionHash stands for a session in records, as 32 characters: the same for the same session, and of no use to whoever
// reads it. The zero value is no session.
type SessionHash [32]byte

// IsZero says whether h is no session.
func (h SessionHash) IsZero() bool { return binary.LittleEndian.Uint64(h[:8]) == 0 }

// String is the hash in hexadecimal, "" for no session.
func (h SessionHash) String() string {
	if h.IsZero() {
		return ""
	}
	return string(h[:])
}
