package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Bounds of what a server can make one question take.
const (
	maxRedirects = 5
	maxHeader    = 64 << 10
	dialing      = 10 * time.Second
)

// errPlain is what becomes of a request that would leave this machine in the clear.
var errPlain = errors.New("it leads to a place without TLS")

var errRedirects = fmt.Errorf("it leads on more than %d times", maxRedirects)

// newClient makes a client for one source. plain says that it is on this machine, and has no TLS.
func newClient(o Options, plain bool) (*http.Client, error) {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialing}).DialContext,
		TLSHandshakeTimeout: dialing, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		DisableCompression: true, // an archive is compressed, and is to stay so
		ForceAttemptHTTP2:  true, MaxResponseHeaderBytes: maxHeader, MaxIdleConns: 4, IdleConnTimeout: time.Minute,
	}
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: no certificate in PEM", o.CAFile)
		}
	}
	return &http.Client{Transport: guarded{t, plain}, CheckRedirect: redirected}, nil
}

// guarded lets nothing out without TLS, wherever an answer leads.
type guarded struct {
	*http.Transport
	plain bool // but to this machine
}

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && (!g.plain || !loopback(r.URL.Hostname())) {
		return nil, errPlain
	}
	return g.Transport.RoundTrip(r)
}

// redirected takes from a request what is meant for the first server, once another was asked: credentials, and where it comes from, which
// may be a signed URL.
func redirected(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errRedirects
	}
	r.Header.Del("Referer")
	left := !sameOrigin(via[0].URL, r.URL)
	for _, before := range via {
		left = left || !sameOrigin(via[0].URL, before.URL)
	}
	if left {
		r.Header.Del("Authorization")
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

// failed says why a question has had no answer.
func (p place) failed(err error, took time.Duration) error {
	if ds, ok := errors.AsType[source.Diagnostics](err); ok {
		return ds
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // it names the URL in full
		err = wrapped.Err
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, errPlain), errors.Is(err, errRedirects):
		return p.refuse(elsewhere, "the server leads elsewhere: "+err.Error(), "name the place where the bundle is")
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return p.refuse(unreachable, fmt.Sprintf("no answer within %s", took), "see whether the server is well, and can be reached from here")
	}
	return p.refuse(unreachable, "it can't be reached: "+clean(err.Error()), "see whether the server is well, and can be reached from here")
}

// status says why an answer is none that helps.
func (p place) status(code int) error {
	said := fmt.Sprintf("the server answers %d %s", code, http.StatusText(code))
	switch {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return p.refuse(refused, said, "see whether the credentials are right, and may read this")
	case code == http.StatusNotFound || code == http.StatusGone:
		return p.refuse(refused, said, "see whether the bundle has been put there, and the name is right")
	case code == http.StatusTooManyRequests || code >= http.StatusInternalServerError:
		return p.refuse(unreachable, said, "see whether the server is well")
	}
	return p.refuse(refused, said, "name the place where the bundle is")
}

var queries = regexp.MustCompile(`\?[^\s"']*`)

const maxSaid = 200

// clean is a text of which others may have written parts: without queries, which hold secrets, in one line of letters that show.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, queries.ReplaceAllString(s, ""))
	if len(s) > maxSaid {
		s = s[:maxSaid] + "..."
	}
	return s
}
