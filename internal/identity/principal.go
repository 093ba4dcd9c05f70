package identity

import (
	"errors"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Subject is the principal that the bearer of a token with these claims is, once the token is verified: for asking what he may do. It
// doesn't say who may issue such a token. The principal reads the claims as long as it is used.
func Subject(claims jsonscan.Value) (*engine.Principal, error) {
	if claims.Kind() != jsonscan.Object {
		return nil, errors.New("claims are no JSON object")
	}
	p := &engine.Principal{Kind: engine.KindJWT, ID: claims.Get("sub").Text(), Issuer: claims.Get("iss").Text()}
	if p.ID == "" {
		return nil, errors.New("sub is missing")
	}
	return p, describe(p, claims)
}

// Holder is the principal that the holder of an API key is. Absent claims are none.
func Holder(id string, claims jsonscan.Value) (*engine.Principal, error) {
	p := &engine.Principal{ID: id, Kind: engine.KindAPIKey, APIKey: id}
	switch claims.Kind() {
	case jsonscan.Invalid:
		return p, nil
	case jsonscan.Object:
		return p, describe(p, claims)
	default:
		return nil, errors.New("claims are no JSON object")
	}
}
