// Package carry makes of what the gateway would have to remember something that a client carries, and that any replica with the same keys
// can read: AES-256-GCM under a key of its own for each purpose, bound to whom it was given.
package carry

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
)

// Size is the length of a key, in bytes. MaxKeys bounds how many are used at once: each of them may have to be tried.
const (
	Size    = 32
	MaxKeys = 8
)

// ErrSealed says that something was not sealed with these keys for this purpose and owner.
var ErrSealed = errors.New("it was not sealed with these keys, for this purpose and owner")

// Purpose is what something is sealed for. What was sealed for one opens for no other.
type Purpose uint8

// The purposes.
const (
	Sessions Purpose = iota // session ids of clients of before 2026-07-28
	Calls                   // requestState: calls that wait for their client
	Cursors                 // cursors of lists of several servers
	Passages                // requests that one replica passes on to another
	Tasks                   // ids of tasks of several servers
	purposes
)

// labels tell the keys of the purposes apart (RFC 5869, info).
var labels = [purposes]string{ //nolint:gosec // they are no secrets
	Sessions: "sallyport: session ids",
	Calls:    "sallyport: state of calls",
	Cursors:  "sallyport: list cursors",
	Passages: "sallyport: requests passed on",
	Tasks:    "sallyport: task ids",
}

// nonces is the label of the key that SealSame makes nonces with.
const nonces = "sallyport: nonces of what is sealed the same"

// Encoding is how what is sealed is written. It is strict, so that everything has one spelling.
var Encoding = base64.RawURLEncoding.Strict()

// Keys are those of a replica. The first seals; all of them open. They can be replaced while they are used. Safe for concurrent use.
type Keys struct {
	current atomic.Pointer[derived]
	changes atomic.Uint64
}

// derived is what is made of the keys.
type derived struct {
	ciphers [purposes][]cipher.AEAD // of each key
	nonces  []byte                  // of the first: it seals
}

// New takes keys of Size bytes.
func New(keys ...[]byte) (*Keys, error) {
	k := &Keys{}
	return k, k.Replace(keys...)
}

// Random makes a key that is lost with the process.
func Random() []byte {
	key := make([]byte, Size)
	_, _ = rand.Read(key) // never fails
	return key
}

// Replace puts keys in the place of those that were used so far. After an error those stay.
func (k *Keys) Replace(keys ...[]byte) error {
	if len(keys) == 0 || len(keys) > MaxKeys {
		return fmt.Errorf("%d keys, want from 1 to %d", len(keys), MaxKeys)
	}
	var d derived
	for i, key := range keys {
		if len(key) != Size {
			return fmt.Errorf("key %d has %d bytes, want %d", i+1, len(key), Size)
		}
		for p := range purposes {
			aead, err := derive(key, labels[p])
			if err != nil {
				return fmt.Errorf("key %d: %w", i+1, err)
			}
			d.ciphers[p] = append(d.ciphers[p], aead)
		}
	}
	var err error
	if d.nonces, err = hkdf.Key(sha256.New, keys[0], nil, nonces, Size); err != nil {
		return err
	}
	k.current.Store(&d)
	k.changes.Add(1)
	return nil
}

// Version changes when keys are replaced: what was opened before may not open any more.
func (k *Keys) Version() uint64 { return k.changes.Load() }

func derive(key []byte, label string) (cipher.AEAD, error) {
	own, err := hkdf.Key(sha256.New, key, nil, label, Size)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Lengths of what is added to what is sealed: a nonce before it, and a tag behind it.
const (
	nonceSize = 12
	TagSize   = 16
	Overhead  = nonceSize + TagSize
)

// Seal appends plain to dst, sealed. It opens for nobody but the owner, which must read differently for different owners.
func (k *Keys) Seal(dst []byte, p Purpose, owner, plain []byte) []byte {
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return k.current.Load().ciphers[p][0].Seal(append(dst, nonce[:]...), nonce[:], plain, owner)
}

// SealSame is Seal for what its owner compares: as long as the first key is the same, the same is sealed the same each time. So whoever
// sees two of them learns whether they hold the same, and nothing else: the nonce is a keyed hash of all that is sealed (RFC 5297 has
// the idea), and comes twice for the same only.
func (k *Keys) SealSame(dst []byte, p Purpose, owner, plain []byte) []byte {
	d := k.current.Load()
	mac := hmac.New(sha256.New, d.nonces)
	var head [1 + 8]byte
	head[0] = byte(p)
	binary.BigEndian.PutUint64(head[1:], uint64(len(owner)))
	mac.Write(head[:])
	mac.Write(owner)
	mac.Write(plain)
	nonce := mac.Sum(nil)[:nonceSize]
	return d.ciphers[p][0].Seal(append(dst, nonce...), nonce, plain, owner)
}

// Open appends to dst what box holds.
func (k *Keys) Open(dst []byte, p Purpose, owner, box []byte) ([]byte, error) {
	if len(box) < Overhead {
		return dst, ErrSealed
	}
	for _, aead := range k.current.Load().ciphers[p] {
		if out, err := aead.Open(dst, box[:nonceSize], box[nonceSize:], owner); err == nil {
			return out, nil
		}
	}
	return dst, ErrSealed
}

// SealText is Seal for what has to be text.
func (k *Keys) SealText(p Purpose, owner, plain []byte) string {
	return Encoding.EncodeToString(k.Seal(nil, p, owner, plain))
}

// OpenText opens what SealText has made.
func (k *Keys) OpenText(p Purpose, owner []byte, text string) ([]byte, error) {
	box, err := Decode(nil, []byte(text))
	if err != nil {
		return nil, err
	}
	return k.Open(nil, p, owner, box)
}

// Decode appends to dst what text spells.
func Decode(dst, text []byte) ([]byte, error) {
	if bytes.ContainsAny(text, "\r\n") { // the decoder would pass over line breaks
		return dst, ErrSealed
	}
	out, err := Encoding.AppendDecode(dst, text)
	if err != nil {
		return dst, ErrSealed
	}
	return out, nil
}
