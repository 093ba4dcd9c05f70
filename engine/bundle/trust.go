package bundle

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Trust says whose signatures make a bundle one's own. The zero Trust trusts nobody.
type Trust struct {
	Bundle    string // the name that the bundle must have; "": any
	Threshold int    // how many of the keys must have signed
	Keys      []TrustedKey
}

// TrustedKey is a key whose signature counts from one time until another. The zero times are no bounds.
type TrustedKey struct {
	Name        string
	ID          string
	From, Until time.Time
	public      crypto.PublicKey
}

// trustFile is the form of a trust file.
type trustFile struct {
	APIVersion string      `yaml:"apiVersion" jsonschema:"required,enum=sallyport/v1"`
	Kind       string      `yaml:"kind" jsonschema:"required,enum=Trust"`
	Bundle     string      `yaml:"bundle" jsonschema:"minLength=1"`
	Threshold  int         `yaml:"threshold" jsonschema:"minimum=1,maximum=64"`
	Keys       []trustedID `yaml:"keys" jsonschema:"required,minItems=1"`
}

type trustedID struct {
	Name  source.Text `yaml:"name" jsonschema:"required,minLength=1"`
	Key   source.Text `yaml:"key" jsonschema:"required,minLength=1"` // PEM
	From  source.Text `yaml:"from" jsonschema:"minLength=1"`
	Until source.Text `yaml:"until" jsonschema:"minLength=1"`
}

// ReadTrust reads a trust file, or a file of public keys in PEM, of which any one will do. Its error is a source.Diagnostics if the file has mistakes.
func ReadTrust(name string) (*Trust, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(data) > MaxFileSize {
		return nil, source.Diagnostics{source.Pos{File: name}.Diagnose("SP8022", fmt.Sprintf("larger than %d MiB", MaxFileSize>>20), "name a trust file, or a public key in PEM")}
	}
	t, ds := ParseTrust(name, data)
	return t, ds.Err()
}

// ParseTrust reads what ReadTrust has found in a file.
func ParseTrust(name string, data []byte) (*Trust, source.Diagnostics) {
	at := source.Pos{File: name, Line: 1, Column: 1, Width: 1}
	if bytes.HasPrefix(data, []byte("-----BEGIN ")) {
		keys, err := parsePublicKeys(data)
		if err != nil {
			return nil, source.Diagnostics{at.Diagnose("SP8022", err.Error(), "name the public half of a key, which `sallyport bundle key new` writes beside the private one")}
		}
		t := &Trust{Threshold: 1}
		for i, key := range keys {
			t.Keys = append(t.Keys, TrustedKey{Name: fmt.Sprintf("key %d", i+1), public: key})
		}
		return t, t.identify(func(int) source.Pos { return at })
	}
	roots, ds := source.Parse(name, data)
	if len(roots) != 1 {
		return nil, append(ds, at.Diagnose("SP1010", "a trust file is one document", "write one with `kind: Trust`"))
	}
	f := trustFile{Threshold: 1}
	if ds = append(ds, roots[0].Decode(&f)...); ds.HasErrors() {
		return nil, ds.Sort()
	}
	return f.trust(roots[0])
}

// trust makes what a trust file says.
func (f *trustFile) trust(root *source.Node) (*Trust, source.Diagnostics) {
	t := &Trust{Bundle: f.Bundle, Threshold: f.Threshold}
	var ds source.Diagnostics
	for _, k := range f.Keys {
		key := TrustedKey{Name: k.Name.Value}
		public, err := parsePublicKeys([]byte(k.Key.Value))
		if err != nil || len(public) != 1 {
			ds = append(ds, k.Key.Pos().Diagnose("SP8022", "this is not one public key, Ed25519 or P-256, in PEM", "paste what `sallyport bundle key new` has written into the file that ends in .pub"))
			continue
		}
		key.public = public[0]
		for _, bound := range []struct {
			text source.Text
			into *time.Time
		}{{k.From, &key.From}, {k.Until, &key.Until}} {
			if bound.text.IsZero() {
				continue
			}
			if *bound.into, err = time.Parse(time.RFC3339, bound.text.Value); err != nil || bound.into.IsZero() { // the zero time would be no bound
				ds = append(ds, bound.text.Pos().Diagnose("SP8022", fmt.Sprintf("`%s` is no time", source.Brief(bound.text.Value)), "write it as `2027-01-01T00:00:00Z`"))
			}
		}
		if !key.From.IsZero() && !key.Until.IsZero() && !key.From.Before(key.Until) {
			ds = append(ds, k.Until.Pos().Diagnose("SP8022", "`until` is not after `from`: the key would never count", "exchange them"))
		}
		t.Keys = append(t.Keys, key)
	}
	if len(ds) > 0 {
		return nil, ds.Sort()
	}
	if t.Threshold > len(t.Keys) {
		return nil, source.Diagnostics{root.Get("threshold").Pos().Diagnose("SP8022", fmt.Sprintf("%d keys must have signed, and there are %d", t.Threshold, len(t.Keys)), "lower `threshold`, or add keys")}
	}
	return t, t.identify(func(i int) source.Pos { return f.Keys[i].Key.Pos() })
}

// identify gives the keys their ids. A key that is there twice could sign for two.
func (t *Trust) identify(at func(int) source.Pos) source.Diagnostics {
	for i := range t.Keys {
		id, err := KeyID(t.Keys[i].public)
		if err != nil {
			return source.Diagnostics{at(i).Diagnose("SP8022", err.Error(), "use an Ed25519 or a P-256 key")}
		}
		if slices.ContainsFunc(t.Keys[:i], func(k TrustedKey) bool { return k.ID == id }) {
			return source.Diagnostics{at(i).Diagnose("SP8022", "this key is there twice, and could sign for two", "remove one of them")}
		}
		t.Keys[i].ID = id
	}
	return nil
}

// verify says by whose keys the manifest of an archive is signed, if that is enough at this time.
func (t *Trust) verify(a *Archive, now time.Time) (by []TrustedKey, ds source.Diagnostics) {
	at := source.Pos{File: a.File}
	refuse := func(code, message, help string) ([]TrustedKey, source.Diagnostics) {
		return nil, source.Diagnostics{at.Diagnose(code, message, help)}
	}
	message := preAuth(a.manifest)
	var unknown, outside []string
	for _, s := range a.envelope().Signatures {
		i := slices.IndexFunc(t.Keys, func(k TrustedKey) bool { return k.ID == s.KeyID })
		if i < 0 {
			unknown = append(unknown, s.KeyID)
			continue
		}
		k := t.Keys[i]
		sig, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil || !holds(k.public, message, sig) {
			return refuse("SP8104", fmt.Sprintf("the signature of `%s` does not hold: it was made by another key, or of something else", k.Name), "sign the bundle anew, and ask who has changed it")
		}
		if now.Before(k.From) || !k.Until.IsZero() && !now.Before(k.Until) {
			outside = append(outside, fmt.Sprintf("`%s`", k.Name))
			continue
		}
		by = append(by, k)
	}
	switch {
	case t.Threshold >= 1 && len(by) >= t.Threshold:
		return by, nil
	case len(by)+len(outside) >= t.Threshold && len(outside) > 0:
		return refuse("SP8105", fmt.Sprintf("the signature of %s doesn't count now: the trust file says from when until when it does", strings.Join(outside, ", ")), "sign the bundle with a key that counts now")
	case len(by) == 0:
		return refuse("SP8106", "no key that is trusted has signed the bundle: it is signed by "+strings.Join(append(unknown, outside...), ", "), "sign it with one of the keys of the trust file")
	}
	return refuse("SP8107", fmt.Sprintf("%d of the trusted keys have signed the bundle; %d must", len(by), t.Threshold), "sign it with more of the keys of the trust file")
}
