package identity

import (
	"errors"
	"net/http"
	"strings"
)

// A Reason is why a credential was refused, for records and metrics. The list is closed.
type Reason string

// The reasons.
const (
	NoCredential        Reason = "no_credential"  //nolint:gosec // a word for a missing credential is none
	BadCredential       Reason = "bad_credential" //nolint:gosec // an unknown API key, or a signature that doesn't hold
	Expired             Reason = "expired"
	NotYetValid         Reason = "not_yet_valid"
	WrongAudience       Reason = "wrong_audience"
	WrongIssuer         Reason = "wrong_issuer"
	UnknownKey          Reason = "unknown_key" // no key of the issuer has the token's kid
	Algorithm           Reason = "algorithm"   // not one that the issuer may use, or not one of the key
	Malformed           Reason = "malformed"
	Unavailable         Reason = "unavailable" // the issuer's keys can't be had
	AmbiguousCredential Reason = "ambiguous_credential"
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{
		NoCredential, BadCredential, Expired, NotYetValid, WrongAudience, WrongIssuer, UnknownKey, Algorithm, Malformed,
		Unavailable, AmbiguousCredential,
	}
}

// Error is a refused credential. Its text is for the operator; it never holds a part of the credential's secret.
type Error struct {
	Reason Reason
	Cause  error // may be nil
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return string(e.Reason)
	}
	return string(e.Reason) + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func refuse(reason Reason, cause error) error { return &Error{Reason: reason, Cause: cause} }

// Status is the HTTP status of the answer.
func (e *Error) Status() int {
	switch e.Reason {
	case AmbiguousCredential:
		return http.StatusBadRequest
	case Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusUnauthorized
	}
}

// Challenge is the value of WWW-Authenticate (RFC 6750 §3, RFC 9728 §5.1). resourceMetadata is the URL of the protected
// resource's metadata; "" leaves it out.
func (e *Error) Challenge(resourceMetadata string) string {
	var params []string
	switch e.Reason {
	case NoCredential:
	case AmbiguousCredential:
		params = append(params, `error="invalid_request"`)
	default:
		params = append(params, `error="invalid_token"`)
	}
	if resourceMetadata != "" && !strings.ContainsAny(resourceMetadata, "\"\\\r\n") {
		params = append(params, `resource_metadata="`+resourceMetadata+`"`)
	}
	if len(params) == 0 {
		return "Bearer"
	}
	return "Bearer " + strings.Join(params, ", ")
}

var (
	errTwoCredentials = errors.New("both Authorization and X-Api-Key")
	errScheme         = errors.New("the scheme of Authorization is not Bearer")
	errToken          = errors.New("the credential is too long or holds a character that none may")
)
