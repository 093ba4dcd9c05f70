package identity

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Who is asked about is who a credential would have made of the same claims.
func TestSubjectAndHolder(t *testing.T) {
	claims := func(text string) jsonscan.Value {
		doc := new(jsonscan.Doc)
		if err := doc.Scan([]byte(text), jsonscan.Options{}); err != nil {
			t.Fatal(err)
		}
		return doc.Root()
	}
	subject := func(v jsonscan.Value) (*engine.Principal, error) { return Subject(v) }
	key := func(v jsonscan.Value) (*engine.Principal, error) { return Holder("ci", v) }
	for _, c := range []struct {
		of     func(jsonscan.Value) (*engine.Principal, error)
		claims jsonscan.Value
		want   *engine.Principal
		err    string
	}{
		{
			subject, claims(`{"sub":"alice","iss":"https://idp.example","groups":["dev"],"scope":"a b","realm_access":{"roles":["r"]}}`),
			&engine.Principal{Kind: engine.KindJWT, ID: "alice", Issuer: "https://idp.example", Groups: []string{"dev"}, Roles: []string{"r"}, Scopes: []string{"a", "b"}}, "",
		},
		{subject, claims(`{"groups":["dev"]}`), nil, "sub is missing"},
		{subject, claims(`["alice"]`), nil, "claims are no JSON object"},
		{subject, jsonscan.Value{}, nil, "claims are no JSON object"},
		{subject, claims(`{"sub":"alice","groups":7}`), nil, "groups are no list of strings"},
		{key, jsonscan.Value{}, &engine.Principal{Kind: engine.KindAPIKey, ID: "ci", APIKey: "ci"}, ""},
		{key, claims(`{"groups":"dev"}`), &engine.Principal{Kind: engine.KindAPIKey, ID: "ci", APIKey: "ci", Groups: []string{"dev"}}, ""},
		{key, claims(`null`), nil, "claims are no JSON object"},
	} {
		got, err := c.of(c.claims)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: got %v, want %s", c.claims.Raw(), err, c.err)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(engine.Principal{}, "Claims")); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", c.claims.Raw(), err, diff)
		}
	}
}
