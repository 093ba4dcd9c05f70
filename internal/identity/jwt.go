package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// An Issuer is somebody whose JWTs are believed.
type Issuer struct {
	// Issuer is the exact value of iss.
	Issuer string
	// Audiences are the names that this gateway goes by; a token must be for one of them. At least one.
	Audiences []string
	// JWKS is where the issuer's public keys are: the path of a file, or an https URL; http only to this machine.
	JWKS string
	// Algorithms that the issuer signs with: RS256 to RS512, PS256 to PS512, ES256 to ES512, EdDSA. nil = RS256 and ES256.
	Algorithms []string
	// ClockSkew is how far the issuer's clock may be off; 0 = 60 s, negative = none.
	ClockSkew time.Duration
	// MinRefresh is the least time between two fetches of the keys, whatever tokens arrive; 0 = 30 s.
	MinRefresh time.Duration
	// MaxAge is how old keys grow before they are fetched again; 0 = 15 min.
	MaxAge time.Duration
	// MaxStale is how long keys are used when they can't be fetched again; 0 = 24 h.
	MaxStale time.Duration
}

// asymmetric lists the algorithms that may be allowed. HMAC is not among them: its key is a secret, and a public one used
// as such is the oldest trick there is.
var asymmetric = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

type verifier struct {
	issuers []*issuer
	now     func() time.Time
	cache   tokenCache
	cancel  context.CancelFunc
	fetches sync.WaitGroup
}

type issuer struct {
	Issuer
	algorithms []jose.SignatureAlgorithm
	skew       time.Duration
	keys       *keySet
}

func newVerifier(o Options) (*verifier, error) {
	v := &verifier{now: o.Now}
	o = o.filled()
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel = cancel
	for _, c := range o.JWT {
		i, err := newIssuer(ctx, c, o, &v.fetches)
		if err == nil && v.issuer(c.Issuer) != nil {
			err = errors.New("it is listed twice")
		}
		if err != nil {
			cancel()
			return nil, fmt.Errorf("issuer %q: %w", c.Issuer, err)
		}
		v.issuers = append(v.issuers, i)
	}
	return v, nil
}

// filled gives the options with what is left out.
func (o Options) filled() Options {
	if o.Fetch == nil {
		o.Fetch = fetch
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func newIssuer(ctx context.Context, c Issuer, o Options, fetches *sync.WaitGroup) (*issuer, error) {
	switch {
	case c.Issuer == "":
		return nil, errors.New("it has no name")
	case len(c.Audiences) == 0 || slices.Contains(c.Audiences, ""):
		return nil, errors.New("audiences are missing")
	case c.JWKS == "":
		return nil, errors.New("jwks is missing")
	}
	i := &issuer{Issuer: c, skew: max(orDefault(c.ClockSkew, time.Minute), 0)}
	if c.Algorithms == nil {
		i.algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256}
	}
	for _, name := range c.Algorithms {
		if !slices.Contains(asymmetric, jose.SignatureAlgorithm(name)) {
			return nil, fmt.Errorf("algorithm %q can't be used", name)
		}
		i.algorithms = append(i.algorithms, jose.SignatureAlgorithm(name))
	}
	var err error
	i.keys, err = newKeySet(ctx, c, o, fetches)
	return i, err
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

func (v *verifier) close() {
	v.cancel()
	v.fetches.Wait()
}

func (v *verifier) issuer(name string) *issuer {
	for _, i := range v.issuers {
		if i.Issuer.Issuer == name {
			return i
		}
	}
	return nil
}

func (v *verifier) verify(token []byte) (*engine.Principal, error) {
	if len(token) > MaxCredential {
		return nil, refuse(Malformed, errToken)
	}
	digest := sha256.Sum256(token)
	now := v.now()
	if t := v.cache.get(digest); t != nil && t.keys.current(t.generation, now) {
		if err := t.valid(now); err != nil {
			return nil, err
		}
		return t.principal, nil
	}
	t, err := v.check(string(token), now)
	if err != nil {
		return nil, err
	}
	if err := t.valid(now); err != nil {
		return nil, err
	}
	v.cache.put(digest, t, now)
	return t.principal, nil
}

// check verifies everything about a token but the time.
func (v *verifier) check(token string, now time.Time) (*verified, error) {
	parts := strings.Split(token, ".")
	h, err := readHeader(parts[0])
	if err != nil {
		return nil, refuse(Malformed, err)
	}
	payload, err := decodePart(parts[1])
	if err != nil {
		return nil, refuse(Malformed, fmt.Errorf("claims: %w", err))
	}
	if _, err := decodePart(parts[2]); err != nil {
		return nil, refuse(Malformed, fmt.Errorf("signature: %w", err))
	}
	doc := new(jsonscan.Doc)
	if err := doc.Scan(payload, jsonscan.Options{}); err != nil {
		return nil, refuse(Malformed, fmt.Errorf("claims: %w", err))
	}
	claims := doc.Root()
	i := v.issuer(claims.Get("iss").Text())
	if i == nil {
		return nil, refuse(WrongIssuer, nil)
	}
	generation, err := i.signed(token, h, payload, now)
	if err != nil {
		return nil, err
	}
	t, err := i.claims(claims)
	if err != nil {
		return nil, err
	}
	t.keys, t.generation = i.keys, generation
	return t, nil
}

// signed verifies the signature with the issuer's key, and that it is over the claims that were read.
func (i *issuer) signed(token string, h header, payload []byte, now time.Time) (generation uint64, err error) {
	if !slices.Contains(i.algorithms, h.algorithm) {
		return 0, refuse(Algorithm, nil)
	}
	key, generation, err := i.keys.find(h, now)
	if err != nil {
		return 0, err
	}
	jws, err := jose.ParseSignedCompact(token, i.algorithms)
	if err != nil {
		return 0, refuse(Malformed, err)
	}
	signed, err := jws.Verify(key)
	if err != nil || !bytes.Equal(signed, payload) {
		return 0, refuse(BadCredential, err)
	}
	return generation, nil
}

// header is what a token says about its signature.
type header struct {
	algorithm jose.SignatureAlgorithm
	kid       string
}

// Members of a header by which a token brings its own key, or changes what its parts mean.
var refusedMembers = []string{"jwk", "jku", "x5u", "crit", "b64", "enc", "zip", "cty"}

func readHeader(part string) (header, error) {
	raw, err := decodePart(part)
	if err != nil {
		return header{}, fmt.Errorf("header: %w", err)
	}
	var doc jsonscan.Doc
	if err := doc.Scan(raw, jsonscan.Options{Depth: 8, Fold: true}); err != nil {
		return header{}, fmt.Errorf("header: %w", err)
	}
	v := doc.Root()
	for _, name := range refusedMembers {
		if v.Get(name).Exists() {
			return header{}, fmt.Errorf("header has %s", name)
		}
	}
	if kid := v.Get("kid"); kid.Exists() && kid.Kind() != jsonscan.String {
		return header{}, errors.New("kid is no string")
	}
	if !typeAllowed(v.Get("typ")) {
		return header{}, errors.New("typ is not that of an access token")
	}
	if v.Get("alg").Kind() != jsonscan.String {
		return header{}, errors.New("alg is missing")
	}
	return header{jose.SignatureAlgorithm(v.Get("alg").Text()), v.Get("kid").Text()}, nil
}

// typeAllowed keeps out JWTs that were made for something else, like a DPoP proof or a logout token (RFC 8725 §3.11).
func typeAllowed(typ jsonscan.Value) bool {
	if !typ.Exists() {
		return true
	}
	name := strings.TrimPrefix(strings.ToLower(typ.Text()), "application/")
	return name == "jwt" || name == "at+jwt"
}

// decodePart decodes strictly: one text for one value, or a token could be changed without changing what it says.
func decodePart(s string) ([]byte, error) {
	return base64.RawURLEncoding.Strict().DecodeString(s)
}
