// Command mint stands in for an identity provider: it makes a key, writes its public half to a JWKS file, and prints a token that it
// has signed with the other half, which it keeps for no longer than that. Each run makes a new key.
//
//	mint -jwks FILE [-iss URL] [-aud NAME] [-sub NAME] [-groups A,B] [-ttl 1h]
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"
)

func main() {
	file := flag.String("jwks", "jwks.json", "`file` for the public key")
	issuer := flag.String("iss", "https://idp.example", "the token's issuer")
	audience := flag.String("aud", "https://gw.example", "whom the token is for")
	subject := flag.String("sub", "alice", "whose it is")
	groups := flag.String("groups", "dev", "her groups, with commas between")
	life := flag.Duration("ttl", time.Hour, "how long it is good for")
	flag.Parse()
	now := time.Now()
	token, jwks, err := mint(map[string]any{
		"iss": *issuer, "aud": *audience, "sub": *subject, "groups": strings.Split(*groups, ","),
		"iat": now.Unix(), "exp": now.Add(*life).Unix(), "auth_time": now.Unix(),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*file, jwks, 0o644); err != nil { //nolint:gosec // a public key is for everybody
		log.Fatal(err)
	}
	fmt.Println(token)
}

// mint signs claims with a new key. Its public half is jwks (RFC 7517).
func mint(claims map[string]any) (token string, jwks []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, err
	}
	public, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return "", nil, err
	}
	const id = "example"
	jwks, err = json.MarshalIndent(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": id, "x": encode(public[1:33]), "y": encode(public[33:]),
	}}}, "", "  ")
	if err != nil {
		return "", nil, err
	}
	head, err := json.Marshal(map[string]string{"alg": "ES256", "typ": "JWT", "kid": id})
	if err != nil {
		return "", nil, err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", nil, err
	}
	token = encode(head) + "." + encode(body)
	digest := sha256.Sum256([]byte(token))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", nil, err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return token + "." + encode(signature), append(jwks, '\n'), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
