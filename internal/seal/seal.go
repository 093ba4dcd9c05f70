// Package seal hides parts of records from whoever can read them but holds no key.
//
// A Key is made anew for each process that writes. It is wrapped by age for those who may read, and what is wrapped so stands among the
// records; each record is then sealed with the key itself, by AES-256-GCM, which takes a thousandth of the time that wrapping takes.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"filippo.io/age"
)

// Sizes of what is sealed: its counter, and the tag behind the text.
const (
	counterSize = 8
	tagSize     = 16
	keySize     = 32
	idSize      = 8
)

// MaxRecipients bounds those who may read: each makes the wrapped key longer, by two kilobytes at most.
const MaxRecipients = 16

// Recipients are those who may read.
type Recipients struct{ all []age.Recipient }

// Len is how many there are.
func (r *Recipients) Len() int { return len(r.all) }

var (
	errSecret    = errors.New("that is an identity, which is secret: name its recipient, which begins with age1")
	errRecipient = errors.New("not a recipient of age, which begins with age1")
	errMany      = fmt.Errorf("more than %d recipients", MaxRecipients)
)

// Add adds one, as age-keygen gives it. The error does not repeat the text.
func (r *Recipients) Add(text string) error {
	switch {
	case strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-"):
		return errSecret
	case len(r.all) == MaxRecipients:
		return errMany
	}
	found, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil || len(found) != 1 || strings.ContainsAny(text, "\r\n") {
		return errRecipient
	}
	r.all = append(r.all, found[0])
	return nil
}

// AddFile adds those in a file: one in a line, with comments that begin with #.
func (r *Recipients) AddFile(text []byte) error {
	before := r.Len()
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := r.Add(line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if r.Len() == before {
		return errors.New("it names no recipient")
	}
	return nil
}

// A Key seals the records of one process. It is safe for concurrent use.
type Key struct {
	ID      string // what sealed records call it: the beginning of the SHA-256 of Wrapped, in hexadecimal
	Wrapped string // the key, in a file of age, in base64
	aead    cipher.AEAD
	count   atomic.Uint64
}

// NewKey makes a key that recipients can open.
func NewKey(to *Recipients) (*Key, error) {
	var secret [keySize]byte
	_, _ = rand.Read(secret[:]) // it never fails
	var wrapped bytes.Buffer
	w, err := age.Encrypt(&wrapped, to.all...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(secret[:]); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return &Key{ID: idOf(wrapped.Bytes()), Wrapped: base64.StdEncoding.EncodeToString(wrapped.Bytes()), aead: aeadOf(&secret)}, nil
}

func idOf(wrapped []byte) string {
	sum := sha256.Sum256(wrapped)
	return hex.EncodeToString(sum[:idSize])
}

func aeadOf(secret *[keySize]byte) cipher.AEAD {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		panic(err) // a key of this length is one
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // its block has the size that is needed
	}
	return aead
}

// A Box is the memory that sealing and opening take. It is for one goroutine; the zero Box is ready.
type Box struct {
	nonce [4 + counterSize]byte // the first four are zero: they are for nobody
	raw   []byte
}

// Seal appends plain, sealed: the key's id, a colon, and base64 of a counter and what AES-256-GCM makes of the text. beside is not in it, but
// must be the same when it is opened. No counter comes twice: the key is known to this process only, and not kept.
func (k *Key) Seal(b *Box, dst, plain, beside []byte) []byte {
	binary.BigEndian.PutUint64(b.nonce[len(b.nonce)-counterSize:], k.count.Add(1))
	b.raw = append(b.raw[:0], b.nonce[len(b.nonce)-counterSize:]...)
	b.raw = k.aead.Seal(b.raw, b.nonce[:], plain, beside)
	dst = append(append(dst, k.ID...), ':')
	return base64.RawStdEncoding.AppendEncode(dst, b.raw)
}

// An Opener opens what was sealed for an identity. Learn is for one goroutine; then Open is safe for concurrent use, each with a Box.
type Opener struct {
	identities []age.Identity
	keys       map[string]cipher.AEAD // by id; nil: it is wrapped for others
}

// NewOpener reads a file of identities, as age-keygen writes it. The error does not repeat what is in it.
func NewOpener(text []byte) (*Opener, error) {
	if bytes.HasPrefix(text, []byte("age-encryption.org/")) || bytes.HasPrefix(text, []byte("-----BEGIN AGE ENCRYPTED FILE-----")) {
		return nil, errors.New("the identities are encrypted themselves: decrypt them first, such as with `age -d`")
	}
	all, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, errors.New("it holds no identity of age, or something else, too")
	}
	return &Opener{identities: all, keys: map[string]cipher.AEAD{}}, nil
}

// Errors of an Opener.
var (
	ErrNoKey  = errors.New("the record of the key that it was sealed with is not there: it stands in an older file")
	ErrOthers = errors.New("it was sealed for others than the identity that was given")
	ErrEdited = errors.New("it was edited after it was sealed, or is cut off")
	ErrForm   = errors.New("it is not what a gateway seals")
	ErrKey    = errors.New("the record of a key holds none, or another than it says")
)

// Learn takes a key from its record, and says whether an identity opens it. It may be told of a key more than once.
func (o *Opener) Learn(id, wrapped string) (opened bool, err error) {
	if aead, known := o.keys[id]; known {
		return aead != nil, nil
	}
	raw, err := base64.StdEncoding.DecodeString(wrapped)
	if err != nil || idOf(raw) != id {
		return false, ErrKey
	}
	r, err := age.Decrypt(bytes.NewReader(raw), o.identities...)
	if _, others := errors.AsType[*age.NoIdentityMatchError](err); others {
		o.keys[id] = nil
		return false, nil
	}
	if err != nil {
		return false, ErrKey
	}
	secret, err := io.ReadAll(io.LimitReader(r, keySize+1))
	if err != nil || len(secret) != keySize {
		return false, ErrKey
	}
	o.keys[id] = aeadOf((*[keySize]byte)(secret))
	return true, nil
}

// Open appends what was sealed. The text must be whole, and stand beside what it stood beside.
func (o *Opener) Open(b *Box, dst, sealed, beside []byte) ([]byte, error) {
	id, text, ok := bytes.Cut(sealed, []byte{':'})
	if !ok || len(id) != 2*idSize {
		return dst, ErrForm
	}
	aead, known := o.keys[string(id)]
	switch {
	case !known:
		return dst, ErrNoKey
	case aead == nil:
		return dst, ErrOthers
	}
	var err error
	if b.raw, err = base64.RawStdEncoding.Strict().AppendDecode(b.raw[:0], text); err != nil {
		return dst, ErrEdited
	}
	if len(b.raw) < counterSize+tagSize {
		return dst, ErrEdited
	}
	copy(b.nonce[len(b.nonce)-counterSize:], b.raw)
	out, err := aead.Open(dst, b.nonce[:], b.raw[counterSize:], beside)
	if err != nil {
		return dst, ErrEdited
	}
	return out, nil
}

// NewIdentity makes an identity, as age-keygen writes it into a file, and its recipient.
func NewIdentity() (file, recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", err
	}
	recipient = id.Recipient().String()
	return "# public key: " + recipient + "\n" + id.String() + "\n", recipient, nil
}
