// Package identity finds out who makes a request: nobody known, the holder of an API key, or the subject of a JWT.
//
// A credential that was presented and is not valid is refused, even where anonymous requests are allowed. What a Resolver
// hands out is shared and never changed, so it costs a request no allocation.
package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Options says whom a Resolver knows. The zero value, but for Now, refuses everybody.
type Options struct {
	// AnonymousAllow lets requests without a credential through as the anonymous principal.
	AnonymousAllow bool
	Keys           []APIKey
	JWT            []Issuer
	// Now is the clock. Required.
	Now func() time.Time
	// Fetch reads a JWKS from its URL; nil = HTTPS without redirects, at most 1 MiB. The context carries the deadline.
	Fetch func(ctx context.Context, url string) ([]byte, error)
	// Log is told of key sets that can't be read or hold keys that can't be used; nil = nobody is.
	Log *slog.Logger
}

// An APIKey is a key known by its SHA-256 alone.
type APIKey struct {
	ID   string // names the key and its holder in policies and records
	Hash [32]byte
	// Claims is a JSON object; "groups", "roles" and "scope" in it mean what they mean in a JWT. nil = none.
	Claims []byte
}

// MaxCredential bounds a credential in bytes.
const MaxCredential = 8 << 10

// A Resolver finds out who makes a request. It is safe for concurrent use; what it remembers dies with it.
type Resolver struct {
	anonymous *engine.Principal // nil: refused
	keys      []apiKey
	jwt       *verifier // nil: no issuers
}

type apiKey struct {
	hash      [32]byte
	principal *engine.Principal
}

// New returns a Resolver. It reads key sets that are files and fails when one can't be used; those behind a URL are
// fetched when the first token needs them.
func New(o Options) (*Resolver, error) {
	if o.Now == nil {
		return nil, errors.New("identity needs a clock")
	}
	r := &Resolver{}
	if o.AnonymousAllow {
		r.anonymous = &engine.Principal{Kind: engine.KindAnonymous}
	}
	for _, k := range o.Keys {
		if err := r.addKey(k); err != nil {
			return nil, err
		}
	}
	if len(o.JWT) == 0 {
		return r, nil
	}
	var err error
	r.jwt, err = newVerifier(o)
	return r, err
}

// Only returns a Resolver by which every request without a credential is p's: for a gateway that has one client, and knows who that is.
func Only(p *engine.Principal) *Resolver { return &Resolver{anonymous: p} }

func (r *Resolver) addKey(k APIKey) error {
	if k.ID == "" {
		return errors.New("api key has no id")
	}
	for _, known := range r.keys {
		if known.principal.APIKey == k.ID || known.hash == k.Hash {
			return fmt.Errorf("api key %q: its id or its hash is used twice", k.ID)
		}
	}
	if k.Hash == sha256.Sum256(nil) || k.Hash == [32]byte{} {
		return fmt.Errorf("api key %q: the hash is that of an empty key", k.ID)
	}
	var claims jsonscan.Value
	if k.Claims != nil {
		doc := new(jsonscan.Doc)
		if err := doc.Scan(bytes.Clone(k.Claims), jsonscan.Options{}); err != nil {
			return fmt.Errorf("api key %q: claims: %w", k.ID, err)
		}
		claims = doc.Root()
	}
	p, err := Holder(k.ID, claims)
	if err != nil {
		return fmt.Errorf("api key %q: %w", k.ID, err)
	}
	r.keys = append(r.keys, apiKey{hash: k.Hash, principal: p})
	return nil
}

// Close ends what runs in the background. Requests that still use r are served.
func (r *Resolver) Close() {
	if r != nil && r.jwt != nil {
		r.jwt.close()
	}
}

// Resolve returns who presents the given values of Authorization and X-Api-Key; empty means the header is absent. The
// error is an *Error. The principal is shared: don't change it. A token from an issuer whose keys are behind a URL may
// have to wait for them, at most 5 s.
func (r *Resolver) Resolve(authorization, apiKeyHeader []byte) (*engine.Principal, error) {
	switch {
	case r == nil:
		return nil, refuse(NoCredential, nil)
	case len(authorization) > 0 && len(apiKeyHeader) > 0:
		return nil, refuse(AmbiguousCredential, errTwoCredentials)
	case len(apiKeyHeader) > 0:
		return r.key(apiKeyHeader)
	case len(authorization) > 0:
		return r.bearer(authorization)
	case r.anonymous == nil:
		return nil, refuse(NoCredential, nil)
	}
	return r.anonymous, nil
}

func (r *Resolver) bearer(authorization []byte) (*engine.Principal, error) {
	const scheme = "bearer "
	if len(authorization) <= len(scheme) || !bytes.EqualFold(authorization[:len(scheme)], []byte(scheme)) {
		return nil, refuse(Malformed, errScheme)
	}
	token := authorization[len(scheme):]
	if r.jwt != nil && bytes.Count(token, dot) == 2 {
		return r.jwt.verify(token)
	}
	return r.key(token)
}

var dot = []byte{'.'}

// key compares the presented key with every known one, so that the time taken tells nothing about them.
func (r *Resolver) key(presented []byte) (*engine.Principal, error) {
	if len(presented) > MaxCredential || !isToken68(presented) {
		return nil, refuse(Malformed, errToken)
	}
	hash := sha256.Sum256(presented)
	found := -1
	for i := range r.keys {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], r.keys[i].hash[:]), i, found)
	}
	if found < 0 {
		return nil, refuse(BadCredential, nil)
	}
	return r.keys[found].principal, nil
}

// isToken68 says whether b is visible ASCII: what may stand in a header without a second meaning.
func isToken68(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0
}

// PrincipalKey is a stable name for p, by which sessions are bound to it: the same for the same issuer, kind and id, and
// for nothing else. It has no meaning for nil.
func PrincipalKey(p *engine.Principal) [32]byte {
	if p == nil {
		return [32]byte{}
	}
	var buf [256]byte
	b := buf[:0]
	for _, part := range [...]string{p.Issuer, p.Kind, p.ID} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return sha256.Sum256(b)
}
