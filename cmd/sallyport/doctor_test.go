package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/bundle"
)

// examined makes the examination of a config in dir, at a time.
func examined(t *testing.T, dir, conf string, now time.Time) *examination {
	t.Helper()
	writeFile(t, dir, "sallyport.yaml", conf)
	p := &process{ctx: t.Context(), getenv: func(string) (string, bool) { return "", false }, now: func() time.Time { return now }}
	o := origin{config: filepath.Join(dir, "sallyport.yaml")}
	c, err := o.readConfig(p.getenv)
	if err != nil {
		t.Fatal(err)
	}
	return &examination{p: p, o: o, conf: c, b: &builder{origin: o, getenv: p.getenv, now: p.now, log: slog.New(slog.DiscardHandler), dry: true}}
}

func writeFile(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// lines are findings as they are printed, with the exit code of what is broken.
func lines(found []finding, dir string) (out []string) {
	for _, f := range found {
		line := strings.TrimSpace(f.state()) + " " + f.Check + ": " + strings.ReplaceAll(f.Found, dir+"/", "")
		if !f.OK {
			line += fmt.Sprint(" (", f.code, ")")
		}
		if f.OK != (f.code == 0) || (f.Do == "") != (f.OK && !f.Warning) {
			line += fmt.Sprintf(" %+v", f)
		}
		out = append(out, line)
	}
	return out
}

func expect(t *testing.T, what string, found []finding, dir string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, lines(found, dir)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

const noServer = "servers: { a: { url: http://127.0.0.1:1/mcp } }\n"

func TestDoctor_certificateOfTheListener(t *testing.T) {
	dir := t.TempDir()
	begin := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range []string{"a", "b"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: begin, NotAfter: begin.AddDate(0, 3, 0)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, dir, name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
		writeFile(t, dir, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	}
	for _, c := range []struct {
		key  string
		now  time.Time
		want string
	}{
		{"a", begin.AddDate(0, 1, 0), "ok : a.crt is valid until 2027-04-01T00:00:00Z"},
		{"a", begin.AddDate(0, 3, -13), "warn : a.crt expires at 2027-04-01T00:00:00Z"},
		{"a", begin.AddDate(0, 3, 1), "FAIL : a.crt has expired at 2027-04-01T00:00:00Z (3)"},
		{"a", begin.AddDate(0, 0, -1), "FAIL : a.crt is not valid before 2027-01-01T00:00:00Z (3)"},
		{"b", begin.AddDate(0, 1, 0), "FAIL : a.crt: tls: private key does not match public key (3)"},
	} {
		e := examined(t, dir, noServer+"tls: { cert: a.crt, key: "+c.key+".key }\n", c.now)
		expect(t, c.now.String(), e.certificate(), dir, c.want)
	}
	if found := examined(t, dir, noServer, begin).certificate(); found != nil {
		t.Errorf("without TLS: %+v", found)
	}
}

func TestDoctor_clocksOfServers(t *testing.T) {
	now := time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		off  time.Duration
		want string
	}{
		{0, "ok a: it and this machine's agree"},
		{-60 * time.Second, "ok a: it and this machine's agree"},
		{-62 * time.Second, "warn a: it is 1m2s behind this machine's"},
		{time.Minute, "ok a: it and this machine's agree"},
		{62 * time.Second, "warn a: it is 1m2s ahead of this machine's"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", now.Add(c.off).Format(http.TimeFormat))
			w.WriteHeader(http.StatusUnauthorized) // any answer will do
		}))
		dir := t.TempDir()
		e := examined(t, dir, "servers: { a: { url: "+server.URL+" }, b: { command: [b] }, c: { url: http://127.0.0.1:1/mcp } }\n", now)
		e.reached = []bool{true, true, false}
		expect(t, c.off.String(), e.clocks(), dir, c.want)
		server.Close()
	}
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil }))
	defer silent.Close()
	e := examined(t, t.TempDir(), "servers: { a: { url: "+silent.URL+" } }\n", now)
	e.reached = []bool{true}
	if found := e.clocks(); found != nil {
		t.Errorf("without a Date: %+v", found)
	}
}

func TestDoctor_keysOfIssuers(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	in := base64.RawURLEncoding.EncodeToString
	set := fmt.Sprintf(`{"keys": [{"kty": "EC", "crv": "P-256", "x": %q, "y": %q}]}`, in(point[1:33]), in(point[33:]))
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			_, _ = io.WriteString(w, set)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer served.Close()
	dir := t.TempDir()
	writeFile(t, dir, "keys.json", set)
	writeFile(t, dir, "none.json", `{"keys": []}`)
	for _, c := range []struct{ jwks, algorithms, want string }{
		{"keys.json", "ES256", "ok i: 1 key for its tokens"},
		{served.URL + "/keys", "RS256, ES256", "ok i: 1 key for its tokens"},
		{"keys.json", "RS256, ES384", "FAIL i: no key is for an allowed algorithm: RS256, ES384 (3)"},
		{served.URL + "/keys", "RS256", "FAIL i: no key is for an allowed algorithm: RS256 (3)"},
		{"none.json", "ES256", "FAIL i: jwks none.json: the key set has no key that can be used (3)"},
		{served.URL + "/gone", "ES256", "FAIL i: " + served.URL + "/gone answered 404 Not Found (8)"},
	} {
		e := examined(t, dir, noServer+"identity: { jwt: [ { issuer: i, audiences: [me], jwks: '"+c.jwks+"', algorithms: ["+c.algorithms+"] } ] }\n", time.Now())
		expect(t, c.jwks, e.issuers(), dir, c.want)
	}
}

// fakeStore answers as much of the protocol of Valkey as counting nothing takes; script is the answer to a script.
func fakeStore(t *testing.T, script string, secure *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerStore(c, script)
		}
	}()
	return l.Addr().String()
}

func answerStore(c net.Conn, script string) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		var words int
		if _, err := fmt.Fscanf(in, "*%d\r\n", &words); err != nil {
			return
		}
		command := ""
		for i := range words {
			var size int
			if _, err := fmt.Fscanf(in, "$%d\r\n", &size); err != nil {
				return
			}
			word := make([]byte, size+2)
			if _, err := io.ReadFull(in, word); err != nil {
				return
			}
			if i == 0 {
				command = string(word[:size])
			}
		}
		answer := "+OK\r\n"
		switch command {
		case "HELLO":
			answer = "%3\r\n+server\r\n+redis\r\n+version\r\n+7.0.0\r\n+proto\r\n:3\r\n"
		case "EVALSHA":
			answer = script
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

func TestDoctor_store(t *testing.T) {
	dir := t.TempDir()
	https := httptest.NewUnstartedServer(nil) // for the certificate of 127.0.0.1 that comes with it
	https.StartTLS()
	defer https.Close()
	writeFile(t, dir, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: https.Certificate().Raw})))
	writeFile(t, dir, "not.pem", "a text")
	const counts = "*3\r\n:0\r\n:0\r\n:0\r\n"
	answers, refuses := fakeStore(t, counts, nil), fakeStore(t, "-NOPERM no scripts\r\n", nil)
	secure := fakeStore(t, counts, &tls.Config{Certificates: https.TLS.Certificates, MinVersion: tls.VersionTLS12})
	for _, c := range []struct{ address, more, want string }{
		{answers, "", "ok : " + answers + " answers"},
		{refuses, "", "FAIL : valkey: NOPERM no scripts (8)"},
		{"127.0.0.1:1", "", "FAIL : valkey: dial tcp 127.0.0.1:1: connect: connection refused (8)"},
		{secure, ", username: gw, password: '${SALLYPORT_NONE:-s3cr3t}', tls: { ca: ca.pem }", "ok : " + secure + " answers"},
		{secure, ", tls: {}", "FAIL : valkey: tls: failed to verify certificate: x509: certificate signed by unknown authority (8)"},
		{secure, ", tls: { ca: not.pem }", "FAIL : not.pem holds no certificate (3)"},
	} {
		e := examined(t, dir, noServer+"store: { valkey: { address: '"+c.address+"'"+c.more+" } }\n", time.Now())
		expect(t, c.address+c.more, e.store(), dir, c.want)
	}
}

func TestDoctor_bundle(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "bundle.yaml", "apiVersion: sallyport/v1\nkind: Bundle\nmetadata: { name: acme, version: 3 }\nexpires: 2030-01-01T00:00:00Z\n")
	writeFile(t, dir, "p.yaml", "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules: [ { name: all, effect: allow } ]\n")
	a, err := bundle.Build(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	at := t.TempDir()
	writeFile(t, at, "b.tar.gz", string(a.Data()))
	writeFile(t, at, "garbage.tar.gz", "garbage")
	state := filepath.Join(at, "state")
	conf := func(file, more string) string {
		return noServer + "policies: " + file + "\nbundle: { " + more + " }\n"
	}
	look := func(conf string, now time.Time) []finding {
		e := examined(t, at, conf, now)
		e.policies()
		return e.bundle()
	}
	early, late := time.Date(2029, 6, 1, 0, 0, 0, 0, time.UTC), time.Date(2029, 12, 24, 0, 0, 0, 0, time.UTC)
	good := conf("b.tar.gz", "unsigned: true, state: state")
	expect(t, "good", look(good, early), at, "ok : acme 3, expires at 2030-01-01T00:00:00Z")
	expect(t, "near its end", look(good, late), at, "warn : acme 3, expires at 2030-01-01T00:00:00Z")
	if _, err := os.Stat(state); err == nil {
		t.Error("the bundle is kept as the one that was active last")
	}
	expect(t, "no trust file", look(conf("b.tar.gz", "trust: gone.pem, state: state"), early), at, "FAIL : policies: open gone.pem: no such file or directory (3)")

	if err := bundle.StoreIn(state).Keep(a); err != nil {
		t.Fatal(err)
	}
	found := look(conf("garbage.tar.gz", "unsigned: true, state: state"), early)
	if len(found) != 1 || !found[0].Warning || !strings.HasPrefix(found[0].Found, "acme 3, was active last and stands in: ") {
		t.Errorf("what stands in: %+v", found)
	}
	if err := bundle.StoreIn(state).Confirm(early.Add(-2 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	remote := noServer + "policies: http://127.0.0.1:1/b.tar.gz\nbundle: { unsigned: true, state: state, maxAge: "
	found = look(remote+"3h }\n", early)
	if len(found) != 1 || !found[0].Warning || !strings.HasSuffix(found[0].Found, "; 2h0m0s ago its source said that there is no other, after 3h everything is denied") {
		t.Errorf("what stands in for a while: %+v", found)
	}
	found = look(remote+"1h }\n", early)
	if len(found) != 1 || found[0].OK || !strings.HasSuffix(found[0].Found, "; it is older than 1h, and everything would be denied") {
		t.Errorf("what is too old: %+v", found)
	}
}
