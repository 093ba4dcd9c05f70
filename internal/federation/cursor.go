package federation

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Position is where a server's list goes on.
type Position struct {
	Server string
	Cursor string // the server's own
	More   bool   // there is a cursor; the first page has none
}

// MaxCursor bounds a server's cursor, in bytes.
const MaxCursor = 4096

// maxSealed bounds a cursor that a client sends.
const maxSealed = 256 << 10

// ErrCursor says that a cursor is not one that was given to this caller for this list.
var ErrCursor = errors.New("not a cursor that was given to this caller for this list")

// Cursors makes the cursors that clients see: the servers' own under AES-256-GCM, bound to the caller and the list. Nothing is kept: any
// replica with the key goes on where another has stopped.
type Cursors struct{ aead cipher.AEAD }

var strict = base64.RawURLEncoding.Strict()

// NewCursors derives a key from one that seals other things too.
func NewCursors(key []byte) (*Cursors, error) {
	own, err := hkdf.Key(sha256.New, key, nil, "sallyport list cursors 1", 32)
	if err != nil {
		return nil, fmt.Errorf("cursor key: %w", err)
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, fmt.Errorf("cursor key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("cursor key: %w", err)
	}
	return &Cursors{aead}, nil
}

// Seal makes a cursor for owner, which says for whom and for what list. It must read differently for different owners.
func (c *Cursors) Seal(owner []byte, positions []Position) (string, error) {
	var plain []byte
	for _, p := range positions {
		plain = binary.AppendUvarint(plain, uint64(len(p.Server)))
		plain = append(plain, p.Server...)
		plain = binary.AppendUvarint(plain, uint64(len(p.Cursor)))
		plain = append(plain, p.Cursor...)
	}
	box := make([]byte, c.aead.NonceSize(), c.aead.NonceSize()+len(plain)+c.aead.Overhead())
	if _, err := rand.Read(box); err != nil {
		return "", fmt.Errorf("cursor nonce: %w", err)
	}
	return strict.EncodeToString(c.aead.Seal(box, box, plain, owner)), nil
}

// Open gives what was sealed for owner.
func (c *Cursors) Open(owner []byte, cursor string) ([]Position, error) {
	n := c.aead.NonceSize()
	if len(cursor) > maxSealed || strings.ContainsAny(cursor, "\r\n") { // the decoder would pass over line breaks
		return nil, ErrCursor
	}
	box, err := strict.DecodeString(cursor)
	if err != nil || len(box) < n {
		return nil, ErrCursor
	}
	plain, err := c.aead.Open(nil, box[:n], box[n:], owner)
	if err != nil {
		return nil, ErrCursor
	}
	var out []Position
	for len(plain) > 0 {
		p := Position{More: true}
		if p.Server, plain, err = field(plain); err != nil {
			return nil, err
		}
		if p.Cursor, plain, err = field(plain); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func field(b []byte) (text string, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return "", nil, ErrCursor
	}
	end := n + int(size)
	return string(b[n:end]), b[end:], nil
}
