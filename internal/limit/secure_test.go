package limit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// leastUser is the user that docs/limits.md tells operators to make for the gateway.
const (
	leastUser     = "sallyport on >s3cr3t-t0ken ~sallyport:* +hello +client|setname +select +ping +eval +evalsha +time +get +set"
	leastPassword = "s3cr3t-t0ken"
)

// secured starts a server behind TLS that knows the least user only, and says whom its certificate is signed by.
func secured(t *testing.T) (*storeServer, *x509.CertPool) {
	t.Helper()
	https := httptest.NewUnstartedServer(nil) // for the certificate of 127.0.0.1 that comes with it
	https.StartTLS()
	t.Cleanup(https.Close)
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	s := startStoreServer(t, &tls.Config{Certificates: https.TLS.Certificates, MinVersion: tls.VersionTLS12},
		append([]string{"--user", "default", "off", "--user"}, strings.Fields(leastUser)...)...)
	return s, roots
}

func TestValkey_tlsAndCredentials(t *testing.T) {
	server, roots := secured(t)
	good := ValkeyOptions{
		Address: server.addr, Username: "sallyport", Password: leastPassword, Database: 3,
		TLS: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}, Timeout: 20 * time.Second, Now: time.Now,
	}
	for name, c := range map[string]struct {
		change func(*ValkeyOptions)
		want   string // in what the operator reads; "" if calls are counted
	}{
		"as it should be":          {func(*ValkeyOptions) {}, ""},
		"another password":         {func(o *ValkeyOptions) { o.Password = "0ther-s3cr3t" }, "WRONGPASS"},
		"another user":             {func(o *ValkeyOptions) { o.Username = "nobody" }, "WRONGPASS"},
		"no credentials":           {func(o *ValkeyOptions) { o.Username, o.Password = "", "" }, "NOAUTH"},
		"an unknown authority":     {func(o *ValkeyOptions) { o.TLS = &tls.Config{ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12} }, "certificate signed by unknown authority"},
		"a certificate of another": {func(o *ValkeyOptions) { o.TLS = o.TLS.Clone(); o.TLS.ServerName = "other.internal" }, "certificate is valid for"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			c.change(&o)
			l, err := NewValkey(o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(l.Close)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			reached := l.Reach(ctx)
			s, r := compile(t, l, slow(strings.ReplaceAll(name, " ", "-"), 2, "principal.id")), call(t, "alice", `{}`)
			said := strings.Join(takeAll(t, s, r, r, r), "; ")
			if c.want == "" {
				if reached != nil {
					t.Error(reached)
				}
				if diff := cmp.Diff("ok; ok; as-it-should-be rate_limited 0", said); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				return
			}
			if reached == nil || !strings.Contains(reached.Error(), c.want) || strings.Count(said, ReasonStore) != 3 {
				t.Errorf("reached: %v; calls: %s; want %q", reached, said, c.want)
			}
			if told := reached.Error() + said; strings.Contains(told, o.Password) && o.Password != "" {
				t.Errorf("the password is in what the operator reads: %s", told)
			}
		})
	}
}

// A client that speaks plain TCP to a server behind TLS is told so by nothing but silence or a closed connection: each limit decides then.
func TestValkey_plainToTLS(t *testing.T) {
	server, _ := secured(t)
	if diff := cmp.Diff(outOfReach, whileOut(t, impatient(t, server.addr))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A user who may run scripts, and not what the script does, is not enough.
func TestReach_rightsOfTheScript(t *testing.T) {
	for _, without := range []string{"+time", "+get", "+set"} {
		user := slices.DeleteFunc(strings.Fields(leastUser), func(word string) bool { return word == without })
		s := startStoreServer(t, nil, append([]string{"--user", "default", "off", "--user"}, user...)...)
		l, err := NewValkey(ValkeyOptions{Address: s.addr, Username: "sallyport", Password: leastPassword, Timeout: 20 * time.Second, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		if err := l.Reach(t.Context()); err == nil || !strings.Contains(err.Error(), "can't run this command") {
			t.Errorf("without %s: error %v", without, err)
		}
	}
}
