package identity

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
)

func TestTokenThatHolds(t *testing.T) {
	r := fileResolver(t)
	tokens := map[string]string{
		"RS256":                    goodToken(),
		"ES256":                    sign(`{"alg":"ES256","kid":"e1","typ":"at+jwt"}`, goodClaims, keys().ec),
		"EdDSA":                    sign(`{"alg":"EdDSA","kid":"d1","typ":"JWT"}`, goodClaims, keys().ed),
		"no kid, one key fits":     sign(`{"alg":"RS256"}`, goodClaims, keys().rsa),
		"a list of audiences":      sign(`{"alg":"RS256","kid":"r1"}`, strings.Replace(goodClaims, `"https://gw.example"`, `["x","https://gw.example"]`, 1), keys().rsa),
		"scp and Keycloak's roles": sign(`{"alg":"RS256","kid":"r1"}`, strings.NewReplacer(`"scope":"read write"`, `"scp":["read","write"]`, `"roles":["admin"]`, `"realm_access":{"roles":["admin"]}`).Replace(goodClaims), keys().rsa),
	}
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			p, err := bearer(r, token)
			if err != nil {
				t.Fatal(err)
			}
			if p.ID != "alice" || p.Kind != engine.KindJWT || p.Issuer != idp || p.APIKey != "" ||
				!slices.Equal(p.Groups, []string{"dev", "ops"}) || !slices.Equal(p.Roles, []string{"admin"}) || !slices.Equal(p.Scopes, []string{"read", "write"}) {
				t.Errorf("principal = %+v", p)
			}
			if n, _ := p.Claims.Path("team", "n").Int64(); n != 9007199254740993 {
				t.Errorf("claims = %s", p.Claims.Raw())
			}
			if again, err := bearer(r, token); again != p || err != nil {
				t.Errorf("the second time: %p, %v, want %p from the cache", again, err, p)
			}
		})
	}
}

// claimsWith is the good claims with one member replaced; "" removes it.
func claimsWith(name, value string) string {
	start := strings.Index(goodClaims, `"`+name+`":`)
	if start < 0 {
		return strings.Replace(goodClaims, "{", `{"`+name+`":`+value+`,`, 1)
	}
	end := start + strings.IndexAny(goodClaims[start:], ",")
	if value == "" {
		return goodClaims[:start] + goodClaims[end+1:]
	}
	return goodClaims[:start] + `"` + name + `":` + value + goodClaims[end:]
}

func TestTokenThatIsRefused(t *testing.T) {
	k := keys()
	const head = `{"alg":"RS256","kid":"r1"}`
	header := func(h string) string { return sign(h, goodClaims, k.rsa) }
	claims := func(name, value string) string { return sign(head, claimsWith(name, value), k.rsa) }
	old := func(exp string) string {
		return strings.NewReplacer("1795333200", exp, "1795330800", "1795327200").Replace(goodClaims)
	}
	parts := strings.Split(goodToken(), ".")
	tests := []struct {
		name, token string
		want        Reason
	}{
		{"alg none", sign(`{"alg":"none"}`, goodClaims, nil), Algorithm},
		{"alg none in another case", sign(`{"alg":"nOnE","kid":"r1"}`, goodClaims, nil), Algorithm},
		{"alg none with a signature", header(`{"alg":"none","kid":"r1"}`), Algorithm},
		{"HMAC with the public key as its secret", sign(`{"alg":"HS256","kid":"r1"}`, goodClaims, []byte("mac")), Algorithm},
		{"HMAC with the symmetric key of the set", sign(`{"alg":"HS256","kid":"h1"}`, goodClaims, []byte("mac")), Algorithm},
		{"an algorithm that is not allowed", header(`{"alg":"RS512","kid":"r1"}`), Algorithm},
		{"an algorithm that is not the key's", header(`{"alg":"ES256","kid":"r1"}`), Algorithm},
		{"an algorithm of the key's type that is not its own", sign(`{"alg":"RS256","kid":"ps1"}`, goodClaims, k.rsa2), Algorithm},
		{"no alg", header(`{"kid":"r1"}`), Malformed},
		{"alg is a list", header(`{"alg":["RS256"],"kid":"r1"}`), Malformed},
		{"alg twice", header(`{"alg":"RS256","alg":"RS256","kid":"r1"}`), Malformed},
		{"alg in two cases", header(`{"alg":"RS256","ALG":"none","kid":"r1"}`), Malformed},
		{"an unknown kid", header(`{"alg":"RS256","kid":"r9"}`), UnknownKey},
		{"the kid of a symmetric key", header(`{"alg":"RS256","kid":"h1"}`), UnknownKey},
		{"the kid of a short key", sign(`{"alg":"RS256","kid":"short"}`, goodClaims, k.short), UnknownKey},
		{"the kid of an encryption key", sign(`{"alg":"RS256","kid":"enc1"}`, goodClaims, k.rsa2), UnknownKey},
		{"a kid that is a path", header(`{"alg":"RS256","kid":"../../dev/null"}`), UnknownKey},
		{"a kid that is no string", header(`{"alg":"RS256","kid":1}`), Malformed},
		{"a kid that is null", header(`{"alg":"RS256","kid":null}`), Malformed},
		{"another's signature", sign(head, goodClaims, k.rsa2), BadCredential},
		{"an empty signature", parts[0] + "." + parts[1] + ".", BadCredential},
		{"a signature over something else", parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(claimsWith("sub", `"bob"`))) + "." + parts[2], BadCredential},
		{"an ECDSA signature of zeros", sign(`{"alg":"ES256","kid":"e1"}`, goodClaims, make([]byte, 64)), BadCredential},
		{"an embedded key", header(`{"alg":"RS256","kid":"r1","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}`), Malformed},
		{"a URL of keys", header(`{"alg":"RS256","kid":"r1","jku":"https://evil.example"}`), Malformed},
		{"a URL of certificates", header(`{"alg":"RS256","kid":"r1","x5u":"https://evil.example"}`), Malformed},
		{"critical members", header(`{"alg":"RS256","kid":"r1","crit":["exp"]}`), Malformed},
		{"an unencoded payload", header(`{"alg":"RS256","kid":"r1","b64":false}`), Malformed},
		{"a token in a token", header(`{"alg":"RS256","kid":"r1","cty":"JWT"}`), Malformed},
		{"a logout token", header(`{"alg":"RS256","kid":"r1","typ":"logout+jwt"}`), Malformed},
		{"typ is no string", header(`{"alg":"RS256","kid":"r1","typ":1}`), Malformed},
		{"the wrong audience", claims("aud", `"https://elsewhere.example"`), WrongAudience},
		{"no audience", claims("aud", ""), WrongAudience},
		{"an empty list of audiences", claims("aud", `[]`), WrongAudience},
		{"an audience in another case", claims("aud", `"https://GW.example"`), WrongAudience},
		{"an audience that is null", claims("aud", `null`), WrongAudience},
		{"an audience that is a number", claims("aud", `1`), Malformed},
		{"an audience that is an object", claims("aud", `{"https://gw.example":1}`), Malformed},
		{"audiences of two kinds", sign(head, strings.Replace(goodClaims, `"https://gw.example"`, `["https://gw.example",1]`, 1), k.rsa), Malformed},
		{"the wrong issuer", claims("iss", `"https://idp.example/"`), WrongIssuer},
		{"no issuer", claims("iss", ""), WrongIssuer},
		{"an issuer that is a list", claims("iss", `["https://idp.example"]`), WrongIssuer},
		{"expired", sign(head, old(`1795330739`), k.rsa), Expired},
		{"expired to the second", sign(head, old(`1795330740`), k.rsa), Expired},
		{"no expiry", claims("exp", ""), Malformed},
		{"no time at all", sign(head, `{"iss":"https://idp.example","aud":"https://gw.example","sub":"alice"}`, k.rsa), Malformed},
		{"an expiry that is a string", claims("exp", `"1795333200"`), Malformed},
		{"an expiry that is null", claims("exp", `null`), Malformed},
		{"an expiry in milliseconds", claims("exp", `1795333200000`), Malformed},
		{"a huge expiry", claims("exp", `1e300`), Malformed},
		{"an infinite expiry", claims("exp", `1e999`), Malformed},
		{"a negative expiry", claims("exp", `-1`), Malformed},
		{"an expiry of zero", claims("exp", `0`), Malformed},
		{"not yet valid", claims("nbf", `1795330861`), NotYetValid},
		{"issued in the future", claims("iat", `1795330861`), NotYetValid},
		{"issued after its expiry", claims("iat", `1795333201`), Malformed},
		{"nbf is a string", claims("nbf", `"1"`), Malformed},
		{"no subject", claims("sub", ""), Malformed},
		{"an empty subject", claims("sub", `""`), Malformed},
		{"a subject that is a number", claims("sub", `1`), Malformed},
		{"groups that are no strings", claims("groups", `[1]`), Malformed},
		{"a claim twice", sign(head, strings.Replace(goodClaims, "{", `{"sub":"bob",`, 1), k.rsa), Malformed},
		{"a claim twice inside", claims("x", `{"a":1,"a":2}`), Malformed},
		{"claims that are a list", sign(head, `[]`, k.rsa), WrongIssuer},
		{"claims with something behind", sign(head, goodClaims+"{}", k.rsa), Malformed},
		{"claims that are no UTF-8", sign(head, claimsWith("x", "\"\xff\""), k.rsa), Malformed},
		{"four parts", goodToken() + ".x", BadCredential},
		{"two parts", parts[0] + "." + parts[1], BadCredential},
		{"another text for the same signature", loose(goodToken()), Malformed},
		{"padding", parts[0] + "=." + parts[1] + "." + parts[2], Malformed},
		{"standard base64", strings.NewReplacer("-", "+", "_", "/").Replace(parts[0]) + "." + parts[1] + "." + "+" + parts[2][1:], Malformed},
		{"empty parts", "..", Malformed},
		{"too long", goodToken() + strings.Repeat("A", MaxCredential), Malformed},
	}
	r := fileResolver(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := bearer(r, tt.token)
			wantRefused(t, p, err, tt.want)
		})
	}
}

// loose changes the bits at the end of a token that stand for nothing.
func loose(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last+1])
}

func TestTimesHaveASkew(t *testing.T) {
	r := fileResolver(t)
	for name, value := range map[string]string{"exp": "1795330741", "nbf": "1795330860", "iat": "1795330860"} {
		c := strings.Replace(claimsWith(name, value), `"iat":1795330800`, `"iat":1795330700`, 1)
		if name == "iat" {
			c = claimsWith(name, value)
		}
		if _, err := bearer(r, sign(`{"alg":"RS256","kid":"r1"}`, c, keys().rsa)); err != nil {
			t.Errorf("%s = %s: %v", name, value, err)
		}
	}
}

func TestCachedTokenExpires(t *testing.T) {
	clock := &hand{now: start}
	remote := &remote{body: publicSet()}
	r := mustNew(t, Options{JWT: []Issuer{issuerFrom("https://idp.example/jwks")}, Now: clock.Now, Fetch: remote.fetch})
	token := goodToken()
	if _, err := bearer(r, token); err != nil {
		t.Fatal(err)
	}
	clock.move(40*time.Minute + 59*time.Second)
	if _, err := bearer(r, token); err != nil {
		t.Errorf("within the skew: %v", err)
	}
	clock.move(time.Second)
	p, err := bearer(r, token)
	wantRefused(t, p, err, Expired)
}

func TestCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	var c tokenCache
	digest := func(i int) [32]byte { return [32]byte{byte(i), byte(i >> 8), byte(i >> 16), 1} }
	hot := digest(1 << 20)
	c.put(hot, &verified{expiry: start.Add(time.Hour)}, start)
	kept := 0
	for i := range 4 * maxTokens {
		c.put(digest(i), &verified{expiry: start.Add(time.Hour)}, start)
		if c.get(hot) != nil {
			kept++
		}
	}
	if len(c.tokens) > maxTokens {
		t.Errorf("%d tokens are kept, want at most %d", len(c.tokens), maxTokens)
	}
	if kept < 4*maxTokens*9/10 {
		t.Errorf("a token in constant use was there %d times of %d", kept, 4*maxTokens)
	}
}

func FuzzTokenIsNeverAllowedChanged(f *testing.F) {
	ec, ed := quickKeys() // a worker that is instrumented takes minutes to make RSA keys
	good := []string{sign(`{"alg":"ES256","kid":"e1"}`, goodClaims, ec), sign(`{"alg":"EdDSA","kid":"d1"}`, goodClaims, ed)}
	r := resolverWith(f, setOf(jwk("e1", "", ec.Public()), jwk("d1", "EdDSA", ed.Public())))
	for _, token := range good {
		f.Add(uint(0), 0, byte(0), token)
		f.Add(uint(1), len(token)-1, byte('A'), "")
	}
	f.Fuzz(func(t *testing.T, which uint, at int, c byte, free string) {
		token := []byte(good[which%uint(len(good))])
		if at >= 0 && at < len(token) {
			token[at] = c
		}
		for _, presented := range []string{string(token), free} {
			p, err := bearer(r, presented)
			if (p == nil) == (err == nil) || err != nil && reason(err) == "" {
				t.Fatalf("Resolve(%q) = %v, %v", presented, p, err)
			}
			if err == nil && !slices.Contains(good, presented) {
				t.Fatalf("a changed token was allowed: %q", presented)
			}
		}
	})
}
