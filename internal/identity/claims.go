package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// verified is a token that was found good, and for how long it is.
type verified struct {
	principal         *engine.Principal
	notBefore, expiry time.Time // with the skew in them; a zero notBefore is none
	keys              *keySet
	generation        uint64 // of the keys that verified it
}

func (t *verified) valid(now time.Time) error {
	switch {
	case !now.Before(t.expiry):
		return refuse(Expired, nil)
	case now.Before(t.notBefore):
		return refuse(NotYetValid, nil)
	}
	return nil
}

// claims checks what the token says against what the issuer may say, times apart, and makes the principal.
func (i *issuer) claims(claims jsonscan.Value) (*verified, error) {
	if claims.Kind() != jsonscan.Object {
		return nil, refuse(Malformed, errors.New("claims are no object"))
	}
	if err := i.audience(claims.Get("aud")); err != nil {
		return nil, err
	}
	t, err := i.times(claims)
	if err != nil {
		return nil, refuse(Malformed, err)
	}
	p := &engine.Principal{Kind: engine.KindJWT, Issuer: i.Issuer.Issuer, ID: claims.Get("sub").Text()}
	if p.ID == "" {
		return nil, refuse(Malformed, errors.New("sub is missing"))
	}
	if err := describe(p, claims); err != nil {
		return nil, refuse(Malformed, err)
	}
	t.principal = p
	return t, nil
}

func (i *issuer) audience(aud jsonscan.Value) error {
	if !aud.Exists() {
		return refuse(WrongAudience, errors.New("aud is missing"))
	}
	names, ok := texts(aud)
	if !ok {
		return refuse(Malformed, errors.New("aud is neither a string nor a list of strings"))
	}
	for _, name := range names {
		if slices.Contains(i.Audiences, name) {
			return nil
		}
	}
	return refuse(WrongAudience, nil)
}

func (i *issuer) times(claims jsonscan.Value) (*verified, error) {
	expiry, err := instant(claims, "exp")
	if err != nil {
		return nil, err
	}
	notBefore, err := instant(claims, "nbf")
	if err != nil {
		return nil, err
	}
	issued, err := instant(claims, "iat")
	if err != nil {
		return nil, err
	}
	switch {
	case expiry.IsZero():
		return nil, errors.New("exp is missing")
	case issued.After(expiry) || notBefore.After(expiry):
		return nil, errors.New("the token expires before it begins")
	case issued.After(notBefore):
		notBefore = issued
	}
	t := &verified{expiry: expiry.Add(i.skew)}
	if !notBefore.IsZero() {
		t.notBefore = notBefore.Add(-i.skew)
	}
	return t, nil
}

// lastSecond is the end of the year 9999; a time beyond it is a mistake or a trick.
const lastSecond = 253402300799

// instant reads a NumericDate (RFC 7519 §2); the zero Time if there is none.
func instant(claims jsonscan.Value, name string) (time.Time, error) {
	v := claims.Get(name)
	if !v.Exists() {
		return time.Time{}, nil
	}
	seconds, ok := v.Float64()
	if !ok || seconds < 1 || seconds > lastSecond {
		return time.Time{}, fmt.Errorf("%s is no time", name)
	}
	return time.UnixMilli(int64(seconds * 1000)), nil
}

// describe fills in what the usual claims say of the principal.
func describe(p *engine.Principal, claims jsonscan.Value) error {
	p.Claims = claims
	var ok bool
	if p.Groups, ok = texts(claims.Get("groups")); !ok {
		return errors.New("groups are no list of strings")
	}
	roles := claims.Get("roles")
	if !roles.Exists() {
		roles = claims.Path("realm_access", "roles")
	}
	if p.Roles, ok = texts(roles); !ok {
		return errors.New("roles are no list of strings")
	}
	scope := claims.Get("scope")
	if !scope.Exists() {
		scope = claims.Get("scp")
	}
	if scope.Kind() == jsonscan.String {
		p.Scopes = strings.Fields(strings.Clone(scope.Text()))
		return nil
	}
	if p.Scopes, ok = texts(scope); !ok {
		return errors.New("scope is neither a string nor a list of strings")
	}
	return nil
}

// texts reads a string or a list of strings; absent and null are none.
func texts(v jsonscan.Value) ([]string, bool) {
	switch v.Kind() {
	case jsonscan.Invalid, jsonscan.Null:
		return nil, true
	case jsonscan.String:
		return []string{strings.Clone(v.Text())}, true
	case jsonscan.Array:
	default:
		return nil, false
	}
	all := make([]string, 0, v.Len())
	for e := range v.Elems() {
		if e.Kind() != jsonscan.String {
			return nil, false
		}
		all = append(all, strings.Clone(e.Text()))
	}
	return all, true
}
