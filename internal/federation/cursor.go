package federation

import (
	"encoding/binary"
	"errors"

	"github.com/sallyport-dev/sallyport/internal/carry"
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

// Cursors makes the cursors that clients see: the servers' own, sealed for the caller and the list. Nothing is kept: any replica with
// the keys goes on where another has stopped.
type Cursors struct{ keys *carry.Keys }

// NewCursors makes cursors under keys.
func NewCursors(keys *carry.Keys) *Cursors { return &Cursors{keys} }

// Seal makes a cursor for owner, which says for whom and for what list. It must read differently for different owners.
func (c *Cursors) Seal(owner []byte, positions []Position) string {
	var plain []byte
	for _, p := range positions {
		plain = binary.AppendUvarint(plain, uint64(len(p.Server)))
		plain = append(plain, p.Server...)
		plain = binary.AppendUvarint(plain, uint64(len(p.Cursor)))
		plain = append(plain, p.Cursor...)
	}
	return c.keys.SealText(carry.Cursors, owner, plain)
}

// Open gives what was sealed for owner.
func (c *Cursors) Open(owner []byte, cursor string) ([]Position, error) {
	if len(cursor) > maxSealed {
		return nil, ErrCursor
	}
	plain, err := c.keys.OpenText(carry.Cursors, owner, cursor)
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
