package identity

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
)

func keyOptions(anonymous bool) Options {
	return Options{
		AnonymousAllow: anonymous, Now: func() time.Time { return start },
		Keys: []APIKey{
			{ID: "ci", Hash: sha256.Sum256([]byte("key-of-ci")), Claims: []byte(`{"groups":["ci"],"roles":"deploy","scope":"a b","x":1}`)},
			{ID: "two.dots", Hash: sha256.Sum256([]byte("a.b.c"))},
		},
	}
}

func TestResolve(t *testing.T) {
	tests := []struct {
		name                  string
		authorization, apiKey string
		anonymous             bool
		wantID, wantKind      string
		want                  Reason
	}{
		{name: "nothing is presented", want: NoCredential},
		{name: "anonymous is allowed", anonymous: true, wantKind: engine.KindAnonymous},
		{name: "a key by X-Api-Key", apiKey: "key-of-ci", wantID: "ci", wantKind: engine.KindAPIKey},
		{name: "a key as a bearer token", authorization: "Bearer key-of-ci", wantID: "ci", wantKind: engine.KindAPIKey},
		{name: "the scheme has no case", authorization: "bEARER key-of-ci", wantID: "ci", wantKind: engine.KindAPIKey},
		{name: "a key with dots where there are no issuers", authorization: "Bearer a.b.c", wantID: "two.dots", wantKind: engine.KindAPIKey},
		{name: "two credentials, both good", authorization: "Bearer key-of-ci", apiKey: "key-of-ci", anonymous: true, want: AmbiguousCredential},
		{name: "an unknown key", apiKey: "key-of-c", want: BadCredential},
		{name: "a bad key is not anonymous", apiKey: "nope", anonymous: true, want: BadCredential},
		{name: "another scheme is not anonymous", authorization: "Basic YTpi", anonymous: true, want: Malformed},
		{name: "a scheme alone", authorization: "Bearer", anonymous: true, want: Malformed},
		{name: "a scheme and a space", authorization: "Bearer ", anonymous: true, want: Malformed},
		{name: "two spaces", authorization: "Bearer  key-of-ci", want: Malformed},
		{name: "a space at the end", authorization: "Bearer key-of-ci ", want: Malformed},
		{name: "a tab", authorization: "Bearer\tkey-of-ci", want: Malformed},
		{name: "two values in one", authorization: "Bearer key-of-ci, Bearer key-of-ci", want: Malformed},
		{name: "a NUL", apiKey: "key-of-ci\x00", want: Malformed},
		{name: "too long", apiKey: strings.Repeat("k", MaxCredential+1), want: Malformed},
		{name: "a hash is no key", apiKey: "sha256:d2a84f4b8b650937ec8f73cd8be2c74add5a911ba64df27458ed8229da804a26", want: BadCredential},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := mustNew(t, keyOptions(tt.anonymous)).Resolve([]byte(tt.authorization), []byte(tt.apiKey))
			if tt.want != "" {
				wantRefused(t, p, err, tt.want)
				return
			}
			if err != nil || p.ID != tt.wantID || p.Kind != tt.wantKind {
				t.Errorf("Resolve = %+v, %v, want %s %s", p, err, tt.wantKind, tt.wantID)
			}
		})
	}
}

func TestKeyPrincipal(t *testing.T) {
	r := mustNew(t, keyOptions(false))
	p, err := r.Resolve(nil, []byte("key-of-ci"))
	if err != nil {
		t.Fatal(err)
	}
	if p.APIKey != "ci" || !slices.Equal(p.Groups, []string{"ci"}) || !slices.Equal(p.Roles, []string{"deploy"}) || !slices.Equal(p.Scopes, []string{"a", "b"}) {
		t.Errorf("principal = %+v", p)
	}
	if n, _ := p.Claims.Get("x").Int64(); n != 1 {
		t.Errorf("claims = %s", p.Claims.Raw())
	}
	if again, _ := r.Resolve([]byte("Bearer key-of-ci"), nil); again != p {
		t.Error("the principal is made anew for each request")
	}
}

func TestZeroResolverRefuses(t *testing.T) {
	for _, r := range []*Resolver{nil, {}} {
		if p, err := r.Resolve(nil, nil); reason(err) != NoCredential || p != nil {
			t.Errorf("Resolve() = %v, %v", p, err)
		}
	}
	p, err := new(Resolver).Resolve(nil, []byte("x"))
	wantRefused(t, p, err, BadCredential)
	(*Resolver)(nil).Close()
}

func TestNewRefuses(t *testing.T) {
	hash := sha256.Sum256([]byte("k"))
	now := func() time.Time { return start }
	issuer := func(change func(*Issuer)) Options {
		i := issuerFrom("https://idp.example/jwks")
		change(&i)
		return Options{Now: now, JWT: []Issuer{i}}
	}
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"no clock", Options{}, "identity needs a clock"},
		{"a key without an id", Options{Now: now, Keys: []APIKey{{Hash: hash}}}, "api key has no id"},
		{"an id twice", Options{Now: now, Keys: []APIKey{{ID: "a", Hash: hash}, {ID: "a", Hash: [32]byte{1}}}}, `api key "a": its id or its hash is used twice`},
		{"a hash twice", Options{Now: now, Keys: []APIKey{{ID: "a", Hash: hash}, {ID: "b", Hash: hash}}}, `api key "b": its id or its hash is used twice`},
		{"the hash of nothing", Options{Now: now, Keys: []APIKey{{ID: "a", Hash: sha256.Sum256(nil)}}}, `api key "a": the hash is that of an empty key`},
		{"no hash", Options{Now: now, Keys: []APIKey{{ID: "a"}}}, `api key "a": the hash is that of an empty key`},
		{"claims that are no object", Options{Now: now, Keys: []APIKey{{ID: "a", Hash: hash, Claims: []byte("[]")}}}, `api key "a": claims are no JSON object`},
		{"claims twice", Options{Now: now, Keys: []APIKey{{ID: "a", Hash: hash, Claims: []byte(`{"x":1,"x":2}`)}}}, `api key "a": claims: json: duplicate member name at offset 7`},
		{"no issuer name", issuer(func(i *Issuer) { i.Issuer = "" }), `issuer "": it has no name`},
		{"no audience", issuer(func(i *Issuer) { i.Audiences = nil }), `issuer "https://idp.example": audiences are missing`},
		{"no keys", issuer(func(i *Issuer) { i.JWKS = "" }), `issuer "https://idp.example": jwks is missing`},
		{"algorithm none", issuer(func(i *Issuer) { i.Algorithms = []string{"none"} }), `issuer "https://idp.example": algorithm "none" can't be used`},
		{"a symmetric algorithm", issuer(func(i *Issuer) { i.Algorithms = []string{"RS256", "HS256"} }), `issuer "https://idp.example": algorithm "HS256" can't be used`},
		{"http to elsewhere", issuer(func(i *Issuer) { i.JWKS = "http://idp.example/jwks" }), `issuer "https://idp.example": jwks: keys are fetched by https, or by http from this machine`},
		{"another scheme", issuer(func(i *Issuer) { i.JWKS = "file:///etc/passwd" }), `issuer "https://idp.example": jwks: keys are fetched by https, or by http from this machine`},
		{"a password in the URL", issuer(func(i *Issuer) { i.JWKS = "https://u:p@idp.example/jwks" }), `issuer "https://idp.example": jwks: a URL with a password in it is not used`},
		{"a file that is not there", issuer(func(i *Issuer) { i.JWKS = "/no/such/file" }), `issuer "https://idp.example": jwks: open /no/such/file: no such file or directory`},
		{"an issuer twice", Options{Now: now, JWT: []Issuer{issuerFrom("https://a/"), issuerFrom("https://b/")}}, `issuer "https://idp.example": it is listed twice`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.o); err == nil || err.Error() != tt.want {
				t.Errorf("New = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestChallenge(t *testing.T) {
	const meta = "https://gw.example/.well-known/oauth-protected-resource"
	tests := []struct {
		reason Reason
		meta   string
		want   string
		status int
	}{
		{NoCredential, "", `Bearer`, 401},
		{NoCredential, meta, `Bearer resource_metadata="` + meta + `"`, 401},
		{Expired, meta, `Bearer error="invalid_token", resource_metadata="` + meta + `"`, 401},
		{BadCredential, "", `Bearer error="invalid_token"`, 401},
		{AmbiguousCredential, "", `Bearer error="invalid_request"`, 400},
		{Unavailable, "", `Bearer error="invalid_token"`, 503},
		{BadCredential, "x\"\r\ny", `Bearer error="invalid_token"`, 401},
	}
	for _, tt := range tests {
		e := &Error{Reason: tt.reason}
		if got := e.Challenge(tt.meta); got != tt.want || e.Status() != tt.status {
			t.Errorf("%s: %d %s, want %d %s", tt.reason, e.Status(), got, tt.status, tt.want)
		}
	}
}

func TestPrincipalKeyTellsPrincipalsApart(t *testing.T) {
	all := []*engine.Principal{
		nil,
		{},
		{ID: "a"},
		{Kind: "a"},
		{Issuer: "a"},
		{ID: "b"},
		{Issuer: "a", Kind: "b", ID: "c"},
		{Issuer: "ab", ID: "c"},
		{Issuer: "a", ID: "bc"},
		{Issuer: "a", Kind: "bc"},
		{ID: strings.Repeat("x", 300)},
	}
	seen := map[[32]byte]bool{}
	for _, p := range all {
		k := PrincipalKey(p)
		if seen[k] {
			t.Errorf("%+v has the key of another", p)
		}
		seen[k] = true
	}
	if PrincipalKey(&engine.Principal{ID: "a", Groups: []string{"x"}}) != PrincipalKey(&engine.Principal{ID: "a"}) {
		t.Error("the key depends on more than issuer, kind and id")
	}
}
