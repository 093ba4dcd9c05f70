package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const jwksURL = "https://idp.example/jwks"

func withKid(kid string) string {
	return sign(`{"alg":"RS256","kid":"`+kid+`"}`, goodClaims, keys().rsa)
}

func remoteResolver(t testing.TB, clock *hand, source *remote) *Resolver {
	t.Helper()
	return mustNew(t, Options{JWT: []Issuer{issuerFrom(jwksURL)}, Now: clock.Now, Fetch: source.fetch})
}

func TestUnknownKidsCannotHammerTheIssuer(t *testing.T) {
	clock, source := &hand{now: start}, &remote{body: publicSet()}
	r := remoteResolver(t, clock, source)
	if _, err := bearer(r, goodToken()); err != nil {
		t.Fatal(err)
	}
	flood := func(from int) {
		for i := range 10_000 {
			_, err := bearer(r, sign(fmt.Sprintf(`{"alg":"RS256","kid":"x%d"}`, from+i), goodClaims, []byte("sig")))
			if reason(err) != UnknownKey {
				t.Fatalf("Resolve = %v, want unknown_key", err)
			}
		}
	}
	flood(0)
	if n := source.count(); n != 1 {
		t.Errorf("%d fetches within the interval of the first, want 1", n)
	}
	clock.move(30 * time.Second)
	flood(10_000)
	if n := source.count(); n != 2 {
		t.Errorf("%d fetches in two intervals, want 2", n)
	}
	clock.move(30 * time.Second)
	_, _ = bearer(r, withKid("x10000"))
	if n := source.count(); n != 2 {
		t.Errorf("a kid that the issuer just said it has not was asked for again: %d fetches", n)
	}
	if _, err := bearer(r, goodToken()); err != nil {
		t.Errorf("a good token during the flood: %v", err)
	}
	if n := len(r.jwt.issuers[0].keys.missing); n > maxWaiting {
		t.Errorf("%d missing kids are remembered, want at most %d", n, maxWaiting)
	}
}

func TestNewKeyIsFetched(t *testing.T) {
	clock, source := &hand{now: start}, &remote{body: publicSet()}
	r := remoteResolver(t, clock, source)
	_, err := bearer(r, withKid("r2"))
	wantRefused(t, nil, err, UnknownKey)
	source.set(publicSet(jwk("r2", "RS256", keys().rsa.Public())), nil)
	clock.move(10 * time.Second)
	_, err = bearer(r, withKid("r2"))
	wantRefused(t, nil, err, UnknownKey)
	clock.move(missingFor)
	if _, err := bearer(r, withKid("r2")); err != nil {
		t.Errorf("after the interval: %v", err)
	}
}

func TestKeyThatIsGoneEndsItsTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, source := &hand{now: start}, &remote{body: publicSet()}
		r := remoteResolver(t, clock, source)
		if _, err := bearer(r, goodToken()); err != nil {
			t.Fatal(err)
		}
		set, err := jwk("e1", "", keys().ec.Public()).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		source.set([]byte(`{"keys":[`+string(set)+`]}`), nil)
		token := goodToken()
		if _, err := bearer(r, token); err != nil {
			t.Fatal(err)
		}
		clock.move(16 * time.Minute)
		if _, err := bearer(r, token); err != nil {
			t.Errorf("while the keys are fetched again: %v", err)
		}
		synctest.Wait()
		_, err = bearer(r, token)
		wantRefused(t, nil, err, UnknownKey)
		if n := source.count(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

func TestKeysAreKeptWhenTheIssuerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, source := &hand{now: start}, &remote{body: publicSet()}
		i := issuerFrom(jwksURL)
		i.MaxStale = 30 * time.Minute
		r := mustNew(t, Options{JWT: []Issuer{i}, Now: clock.Now, Fetch: source.fetch})
		if _, err := bearer(r, goodToken()); err != nil {
			t.Fatal(err)
		}
		source.set(nil, errors.New("no route"))
		for range 28 {
			clock.move(time.Minute)
			if _, err := bearer(r, goodToken()); err != nil {
				t.Fatalf("at %v: %v", clock.Now().Sub(start), err)
			}
			synctest.Wait()
		}
		if n := source.count(); n < 10 || n > 16 {
			t.Errorf("%d fetches in 28 minutes of which 13 are beyond the age, want about one a minute of those", n)
		}
		clock.move(3 * time.Minute)
		_, err := bearer(r, goodToken())
		wantRefused(t, nil, err, Unavailable)
		source.set([]byte("<html>"), nil)
		clock.move(time.Minute)
		_, err = bearer(r, goodToken())
		wantRefused(t, nil, err, Unavailable)
		source.set(publicSet(), nil)
		clock.move(time.Minute)
		if _, err := bearer(r, goodToken()); err != nil {
			t.Errorf("when the issuer is back: %v", err)
		}
	})
}

func TestFirstKeysAreFetchedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, source := &hand{now: start}, &remote{body: publicSet(), hold: make(chan struct{})}
		r := remoteResolver(t, clock, source)
		token := goodToken()
		var mu sync.Mutex
		results := map[Reason]int{}
		var wg sync.WaitGroup
		for range maxWaiting + 10 {
			wg.Go(func() {
				_, err := bearer(r, token)
				mu.Lock()
				defer mu.Unlock()
				results[reason(err)]++
			})
		}
		synctest.Wait()
		close(source.hold)
		wg.Wait()
		if source.count() != 1 || results[""] != maxWaiting || results[Unavailable] != 10 {
			t.Errorf("%d fetches, results %v, want 1 fetch, %d good and 10 unavailable", source.count(), results, maxWaiting)
		}
	})
}

func TestSilentIssuerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &remote{hold: make(chan struct{})}
		r := remoteResolver(t, &hand{now: start}, source)
		begin := time.Now()
		_, err := bearer(r, goodToken())
		wantRefused(t, nil, err, Unavailable)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != fetchTimeout {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		_, err = bearer(r, goodToken())
		wantRefused(t, nil, err, Unavailable)
		if time.Since(begin) != fetchTimeout || source.count() != 1 {
			t.Errorf("the next waited until %v, %d fetches", time.Since(begin), source.count())
		}
	})
}

func TestPanicOfTheFetcherIsAnError(t *testing.T) {
	r := mustNew(t, Options{
		JWT: []Issuer{issuerFrom(jwksURL)}, Now: func() time.Time { return start },
		Fetch: func(context.Context, string) ([]byte, error) { panic("boom") },
	})
	_, err := bearer(r, goodToken())
	wantRefused(t, nil, err, Unavailable)
}

func TestKeySetParse(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"no JSON", "<html>", "json: invalid syntax at offset 0"},
		{"keys twice", `{"keys":[],"keys":[]}`, "json: duplicate member name at offset 11"},
		{"no keys", `{}`, "keys is no list of at most 100 keys"},
		{"too many", `{"keys":[` + strings.Repeat("0,", 100) + `0]}`, "keys is no list of at most 100 keys"},
		{"an empty list", `{"keys":[]}`, "the key set has no key that can be used"},
		{"a symmetric key alone", `{"keys":[{"kty":"oct","k":"AAAA"}]}`, "the key set has no key that can be used"},
		{"too large", `{"keys":[]}` + strings.Repeat(" ", maxKeySet), "the key set is too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jwks.json")
			if err := os.WriteFile(path, []byte(tt.body), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := New(Options{JWT: []Issuer{issuerFrom(path)}, Now: func() time.Time { return start }})
			if want := fmt.Sprintf("issuer %q: jwks %s: %s", idp, path, tt.want); err == nil || err.Error() != want {
				t.Errorf("New = %v, want %s", err, want)
			}
		})
	}
}

func TestPrivateKeysOfASetAreNotUsed(t *testing.T) {
	var out bytes.Buffer
	private, err := jose.JSONWebKey{Key: keys().rsa2, KeyID: "p"}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	k := &keySet{issuer: idp, log: slog.New(slog.NewTextHandler(&out, nil))}
	if got, err := k.parse([]byte(`{"keys":[` + string(private) + `]}`)); err == nil {
		t.Errorf("parse = %v", got)
	}
	if !strings.Contains(out.String(), `kid=p error="it is no public key"`) {
		t.Errorf("log = %s", out.String())
	}
}

func TestTwoKeysOfOneKidAreToldApartByTheAlgorithm(t *testing.T) {
	k := keys()
	all := []publicKey{{kid: "k", key: k.rsa.Public()}, {kid: "k", key: k.ec.Public()}}
	if key, err := choose(all, header{jose.ES256, "k"}); err != nil || key != k.ec.Public() {
		t.Errorf("choose = %v, %v", key, err)
	}
	_, err := choose(append(all, publicKey{kid: "k", key: k.rsa2.Public()}), header{jose.RS256, "k"})
	wantRefused(t, nil, err, UnknownKey)
	_, err = choose(append(all, publicKey{kid: "l", key: k.rsa2.Public()}), header{jose.RS256, ""})
	wantRefused(t, nil, err, UnknownKey)
}

func TestFetch(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(publicSet()) })
	mux.Handle("/moved", http.RedirectHandler("/good", http.StatusFound))
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxKeySet+1)) })
	server := httptest.NewServer(mux)
	defer server.Close()
	tests := []struct{ path, want string }{
		{"/good", ""},
		{"/moved", server.URL + "/moved answered 302 Found"},
		{"/none", server.URL + "/none answered 404 Not Found"},
		{"/large", server.URL + "/large answered more than 1048576 bytes"},
	}
	for _, tt := range tests {
		_, err := fetch(t.Context(), server.URL+tt.path)
		if got := fmt.Sprint(err); tt.want != "" && got != tt.want || tt.want == "" && err != nil {
			t.Errorf("fetch(%s) = %v, want %s", tt.path, err, tt.want)
		}
	}
	r := mustNew(t, Options{JWT: []Issuer{issuerFrom(server.URL + "/good")}, Now: func() time.Time { return start }})
	if _, err := bearer(r, goodToken()); err != nil {
		t.Errorf("with keys from the server: %v", err)
	}
}
