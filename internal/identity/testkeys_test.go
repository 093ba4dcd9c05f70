package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/engine"
)

var start = time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)

const (
	idp = "https://idp.example"
	own = "https://gw.example"
)

// testKeys are made once: RSA keys are slow to make.
type testKeys struct {
	rsa, rsa2, short *rsa.PrivateKey
	ec               *ecdsa.PrivateKey
	ed               ed25519.PrivateKey
}

var keys = sync.OnceValue(func() testKeys {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var k testKeys
	var err error
	k.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.rsa2, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.short, err = rsa.GenerateKey(rand.Reader, 1024)
	must(err)
	k.ec, k.ed = quickKeys()
	return k
})

func quickKeys() (*ecdsa.PrivateKey, ed25519.PrivateKey) {
	ec, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, ed, err2 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	return ec, ed
}

func jwk(kid, alg string, public crypto.PublicKey) jose.JSONWebKey {
	return jose.JSONWebKey{Key: public, KeyID: kid, Algorithm: alg}
}

// publicSet is what the issuer publishes, a symmetric key that nobody may use included.
func publicSet(extra ...jose.JSONWebKey) []byte {
	k := keys()
	return setOf(append([]jose.JSONWebKey{
		jwk("r1", "RS256", k.rsa.Public()), jwk("e1", "", k.ec.Public()), jwk("d1", "EdDSA", k.ed.Public()), jwk("ps1", "PS256", k.rsa2.Public()),
		{Key: []byte("0123456789abcdef0123456789abcdef"), KeyID: "h1", Algorithm: "HS256"},
		jwk("short", "RS256", k.short.Public()),
		{Key: k.rsa2.Public(), KeyID: "enc1", Use: "enc"},
	}, extra...)...)
}

func setOf(all ...jose.JSONWebKey) []byte {
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: all})
	if err != nil {
		panic(err)
	}
	return b
}

const goodClaims = `{"iss":"https://idp.example","aud":"https://gw.example","sub":"alice","exp":1795333200,"iat":1795330800,"groups":["dev","ops"],"roles":["admin"],"scope":"read write","team":{"n":9007199254740993}}`

// sign makes a token of any header and claims, by hand: most of these no library would make.
func sign(head, claims string, key any) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return input + "." + base64.RawURLEncoding.EncodeToString(signature(input, key))
}

func signature(input string, key any) []byte {
	h := crypto.SHA256.New()
	h.Write([]byte(input))
	sum := h.Sum(nil)
	switch k := key.(type) {
	case *rsa.PrivateKey:
		s, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum)
		if err != nil {
			panic(err)
		}
		return s
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, sum)
		if err != nil {
			panic(err)
		}
		out := make([]byte, 64)
		r.FillBytes(out[:32])
		s.FillBytes(out[32:])
		return out
	case ed25519.PrivateKey:
		return ed25519.Sign(k, []byte(input))
	case []byte:
		return k
	}
	return nil
}

func goodToken() string { return sign(`{"alg":"RS256","kid":"r1"}`, goodClaims, keys().rsa) }

func issuerFrom(jwks string) Issuer {
	return Issuer{Issuer: idp, Audiences: []string{"other", own}, JWKS: jwks, Algorithms: []string{"RS256", "ES256", "EdDSA"}}
}

// remote is an issuer's key endpoint.
type remote struct {
	mu    sync.Mutex
	body  []byte
	err   error
	calls int
	hold  chan struct{}
}

func (r *remote) fetch(ctx context.Context, _ string) ([]byte, error) {
	r.mu.Lock()
	r.calls++
	hold := r.hold
	r.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body, r.err
}

func (r *remote) set(body []byte, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.body, r.err = body, err
}

func (r *remote) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

// hand is a clock that is moved by hand.
type hand struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hand) move(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func fileResolver(t testing.TB) *Resolver {
	t.Helper()
	return resolverWith(t, publicSet())
}

func resolverWith(t testing.TB, set []byte) *Resolver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, set, 0o600); err != nil {
		t.Fatal(err)
	}
	return mustNew(t, Options{JWT: []Issuer{issuerFrom(path)}, Now: func() time.Time { return start }})
}

func mustNew(t testing.TB, o Options) *Resolver {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func bearer(r *Resolver, token string) (*engine.Principal, error) {
	return r.Resolve([]byte("Bearer "+token), nil)
}

// reason is the reason that err gives, "" for none.
func reason(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

func wantRefused(t *testing.T, p *engine.Principal, err error, want Reason) {
	t.Helper()
	if reason(err) != want || p != nil {
		t.Errorf("Resolve = %v, %v, want %s", p, err, want)
	}
	if err != nil && strings.Contains(err.Error(), "eyJ") {
		t.Errorf("the error holds a part of the token: %v", err)
	}
}
