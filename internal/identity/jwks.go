package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Bounds of a key set.
const (
	maxKeySet = 1 << 20 // bytes
	maxKeys   = 100
	minRSA    = 2048 // bits
)

type publicKey struct {
	kid        string
	algorithm  jose.SignatureAlgorithm // "" = any that the key's type has
	key        any                     // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	thumbprint string
}

// parse reads a JWK set (RFC 7517). Keys that are of no use here are left out; a set without any that is of use is an
// error.
func (k *keySet) parse(data []byte) ([]publicKey, error) {
	if len(data) > maxKeySet {
		return nil, errors.New("the key set is too large")
	}
	var doc jsonscan.Doc
	if err := doc.Scan(data, jsonscan.Options{Depth: 16}); err != nil {
		return nil, err
	}
	list := doc.Root().Get("keys")
	if list.Kind() != jsonscan.Array || list.Len() > maxKeys {
		return nil, fmt.Errorf("keys is no list of at most %d keys", maxKeys)
	}
	var keys []publicKey
	for v := range list.Elems() {
		key, err := parseKey(v)
		if err != nil {
			k.log.Warn("a key of an issuer is not used", slog.String("issuer", k.issuer), slog.String("kid", v.Get("kid").Text()), slog.String("error", err.Error()))
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key that can be used")
	}
	return keys, nil
}

func parseKey(v jsonscan.Value) (publicKey, error) {
	if v.Get("kty").TextIs("oct") {
		return publicKey{}, errors.New("it is symmetric")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(v.Raw()); err != nil {
		return publicKey{}, err
	}
	if !jwk.IsPublic() || !jwk.Valid() {
		return publicKey{}, errors.New("it is no public key")
	}
	if jwk.Use != "" && jwk.Use != "sig" {
		return publicKey{}, errors.New("it is not for signatures")
	}
	if rsaKey, ok := jwk.Key.(*rsa.PublicKey); ok && rsaKey.N.BitLen() < minRSA {
		return publicKey{}, fmt.Errorf("it is shorter than %d bits", minRSA)
	}
	p := publicKey{kid: jwk.KeyID, algorithm: jose.SignatureAlgorithm(jwk.Algorithm), key: jwk.Key}
	if !p.fitsAny() {
		return publicKey{}, errors.New("it is of a type that is not used")
	}
	p.thumbprint = string(v.AppendTo(nil))
	return p, nil
}

func (p *publicKey) fitsAny() bool {
	return slices.ContainsFunc(asymmetric, p.fits)
}

var rsaAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}

// fits says whether the key may verify a signature by a: by its own word, by its type and by its curve.
func (p *publicKey) fits(a jose.SignatureAlgorithm) bool {
	if p.algorithm != "" && p.algorithm != a {
		return false
	}
	switch key := p.key.(type) {
	case *rsa.PublicKey:
		return slices.Contains(rsaAlgorithms, a)
	case *ecdsa.PublicKey:
		return a == jose.ES256 && key.Curve == elliptic.P256() ||
			a == jose.ES384 && key.Curve == elliptic.P384() ||
			a == jose.ES512 && key.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return a == jose.EdDSA
	}
	return false
}

// contains says whether every key of old is still there.
func contains(keys, old []publicKey) bool {
	have := map[string]bool{}
	for _, key := range keys {
		have[key.thumbprint] = true
	}
	for _, key := range old {
		if !have[key.thumbprint] {
			return false
		}
	}
	return true
}

func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fmt.Errorf("jwks: %w", err)
	case u.User != nil:
		return errors.New("jwks: a URL with a password in it is not used")
	case u.Scheme == "https" && u.Host != "", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("jwks: keys are fetched by https, or by http from this machine")
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// fetch reads a key set over HTTP. A redirect is an answer that is not 200.
func fetch(ctx context.Context, url string) ([]byte, error) {
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, res.Status)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeySet {
		return nil, fmt.Errorf("%s answered more than %d bytes", url, maxKeySet)
	}
	return data, nil
}
