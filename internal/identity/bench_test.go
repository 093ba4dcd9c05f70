package identity

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"
)

func BenchmarkResolve(b *testing.B) {
	o := keyOptions(true)
	for i := range 8 {
		o.Keys = append(o.Keys, APIKey{ID: fmt.Sprint("k", i), Hash: sha256.Sum256(fmt.Append(nil, i))})
	}
	jwt := fileResolver(b)
	source := &remote{body: publicSet()}
	remote := mustNew(b, Options{JWT: []Issuer{issuerFrom(jwksURL)}, Now: func() time.Time { return start }, Fetch: source.fetch})
	token := []byte("Bearer " + goodToken())
	for _, c := range []struct {
		name                  string
		r                     *Resolver
		authorization, apiKey []byte
	}{
		{"anonymous", mustNew(b, o), nil, nil},
		{"apikey10", mustNew(b, o), nil, []byte("key-of-ci")},
		{"jwt", jwt, token, nil},
		{"jwtremote", remote, token, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.r.Resolve(c.authorization, c.apiKey); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
