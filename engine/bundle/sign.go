package bundle

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// payloadType says what is signed, so that no signature of something else stands for one of a manifest.
const payloadType = "application/vnd.sallyport.bundle.manifest.v1+json"

// envelope is what DSSE calls so: https://github.com/secure-systems-lab/dsse/blob/v1.0.2/envelope.md
type envelope struct {
	PayloadType string      `json:"payloadType" yaml:"payloadType" jsonschema:"required"`
	Payload     string      `json:"payload" yaml:"payload" jsonschema:"required"` // the manifest, in base64
	Signatures  []signature `json:"signatures" yaml:"signatures" jsonschema:"required,minItems=1"`
}

type signature struct {
	KeyID string `json:"keyid" yaml:"keyid" jsonschema:"required,minLength=1"`
	Sig   string `json:"sig" yaml:"sig" jsonschema:"required,minLength=1"` // in base64
}

// maxSignatures bounds the keys that sign a bundle.
const maxSignatures = 64

// preAuth is what is signed of a payload: https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
func preAuth(payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// checkEnvelope says whether the signatures of an archive are about its manifest. It doesn't say whether they hold.
func checkEnvelope(file string, data, manifest []byte) source.Diagnostics {
	e := new(envelope)
	if ds := parseJSON(file, data, e); ds.HasErrors() {
		return ds
	}
	at := source.Pos{File: file}
	switch {
	case e.PayloadType != payloadType:
		return source.Diagnostics{at.Diagnose("SP8102", "the signatures are of another type of thing: "+quoted(e.PayloadType), "sign the bundle with `sallyport bundle sign`")}
	case e.Payload != base64.StdEncoding.EncodeToString(manifest):
		return source.Diagnostics{at.Diagnose("SP8103", "the signatures are of another manifest than the one in the archive", "sign the bundle anew, after it was built")}
	case len(e.Signatures) > maxSignatures:
		return source.Diagnostics{at.Diagnose("SP8102", fmt.Sprintf("there are more than %d signatures", maxSignatures), "sign the bundle with fewer keys")}
	}
	seen := map[string]bool{}
	for _, s := range e.Signatures {
		sig, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil || base64.StdEncoding.EncodeToString(sig) != s.Sig || seen[s.KeyID] || !digestForm.MatchString(s.KeyID) {
			return source.Diagnostics{at.Diagnose("SP8102", fmt.Sprintf("the signature of key %s is malformed, or there twice", quoted(s.KeyID)), "sign the bundle with `sallyport bundle sign`")}
		}
		seen[s.KeyID] = true
	}
	return nil
}

// Signers are the ids of the keys by which the archive says it is signed. Trust says whether that is so.
func (a *Archive) Signers() (ids []string) {
	for _, s := range a.envelope().Signatures {
		ids = append(ids, s.KeyID)
	}
	return ids
}

// envelope is without signatures if the archive has none. It was checked when the archive was read.
func (a *Archive) envelope() *envelope {
	e := &envelope{PayloadType: payloadType, Payload: base64.StdEncoding.EncodeToString(a.manifest)}
	if a.signatures != nil {
		_ = parseJSON("", a.signatures, e)
	}
	return e
}

// Sign returns the archive with a signature more, in place of one by the same key.
func (a *Archive) Sign(key crypto.Signer) ([]byte, error) {
	id, err := KeyID(key.Public())
	if err != nil {
		return nil, err
	}
	sig, err := sign(key, preAuth(a.manifest))
	if err != nil {
		return nil, err
	}
	e := a.envelope()
	e.Signatures = slices.DeleteFunc(e.Signatures, func(s signature) bool { return s.KeyID == id })
	if len(e.Signatures) == maxSignatures {
		return nil, fmt.Errorf("the bundle has %d signatures already", maxSignatures)
	}
	e.Signatures = append(e.Signatures, signature{KeyID: id, Sig: base64.StdEncoding.EncodeToString(sig)})
	slices.SortFunc(e.Signatures, func(a, b signature) int { return cmp.Compare(a.KeyID, b.KeyID) })
	signatures, err := canonical(e)
	if err != nil {
		return nil, err
	}
	return pack(a.manifest, signatures, a.files)
}

func sign(key crypto.Signer, message []byte) ([]byte, error) {
	switch key.Public().(type) {
	case ed25519.PublicKey:
		return key.Sign(rand.Reader, message, crypto.Hash(0))
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		return key.Sign(rand.Reader, sum[:], crypto.SHA256)
	}
	return nil, errKey
}

// holds goes by the key for the algorithm, never by what the envelope says.
func holds(key crypto.PublicKey, message, sig []byte) bool {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(k, message, sig)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		return ecdsa.VerifyASN1(k, sum[:], sig)
	}
	return false
}

// weakKeys are the points of small order of edwards25519 in each of their encodings, in hex, without the sign of x: of a key that is one,
// anybody can make signatures.
var weakKeys = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

func weak(key ed25519.PublicKey) bool {
	y := bytes.Clone(key)
	y[len(y)-1] &= 0x7f
	return slices.Contains(weakKeys, hex.EncodeToString(y))
}

var errWeak = errors.New("a key for which anybody can sign: it is a point of small order")

var errKey = errors.New("not an Ed25519 or P-256 key")

// KeyID is what a public key is called in signatures and in a trust file: the digest of its PKIX form.
func KeyID(key crypto.PublicKey) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	if k, ok := key.(ed25519.PublicKey); ok && weak(k) {
		return "", errWeak
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	return digestOf(der), nil
}

func checkKey(key any) error {
	switch k := key.(type) {
	case ed25519.PublicKey, ed25519.PrivateKey:
		return nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
	}
	return errKey
}

// The kinds of PEM blocks that hold keys: PKCS #8 and PKIX.
const (
	privatePEM = "PRIVATE KEY"
	publicPEM  = "PUBLIC KEY"
)

var pemBegins = []byte("-----BEGIN ")

// NewKey makes an Ed25519 key. Both halves are PEM.
func NewKey() (private, public []byte, err error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	inner, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return nil, nil, err
	}
	outer, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: privatePEM, Bytes: inner}), pem.EncodeToMemory(&pem.Block{Type: publicPEM, Bytes: outer}), nil
}

// ParsePrivateKey reads a key that signs: one PEM block of PKCS #8.
func ParsePrivateKey(text []byte) (crypto.Signer, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != privatePEM || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("not one PEM block of type " + privatePEM)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("not a key in PKCS #8")
	}
	signer, ok := key.(crypto.Signer)
	if !ok || checkKey(key) != nil {
		return nil, errKey
	}
	return signer, nil
}

// parsePublicKeys reads keys that verify: PEM blocks of PKIX, and nothing else.
func parsePublicKeys(text []byte) (keys []crypto.PublicKey, err error) {
	for rest := bytes.TrimSpace(text); len(rest) > 0 || len(keys) == 0; rest = bytes.TrimSpace(rest) {
		block, after := pem.Decode(rest)
		here := rest[:len(rest)-len(after)]
		rest = after
		if block == nil || block.Type != publicPEM || !bytes.HasPrefix(here, pemBegins) || bytes.Count(here, pemBegins) > 1 { // Decode passes over what it can't read
			return nil, errors.New("not PEM blocks of type " + publicPEM)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil || checkKey(key) != nil {
			return nil, errKey
		}
		keys = append(keys, key)
	}
	return keys, nil
}
