package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// patience is how long what the gateway needs may take to answer, beside servers, which have their own.
const patience = 5 * time.Second

// maxSkew is how far the clock of a server may be off: as far as that of an issuer of tokens, where the config doesn't say.
const maxSkew = time.Minute

// servers asks every server for its tools, at once.
func (e *examination) servers() []finding {
	names := serverNames(e.conf)
	out := make([]finding, len(names))
	e.listed, e.reached = make([]toolset.Listed, len(names)), make([]bool, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			f, tools := e.server(name)
			out[i], e.listed[i], e.reached[i] = f.of(name), toolset.Listed{Server: name, Tools: tools}, f.OK
		})
	}
	all.Wait()
	return out
}

func (e *examination) server(name string) (finding, []jsonscan.Value) {
	c := e.conf.Servers[name]
	do := "see that it runs at " + c.URL
	command := len(c.Command) > 0
	if command {
		do = "run it by hand: " + strings.Join(c.Command[:1], " ")
	}
	s, err := e.b.server(name, c, e.conf.Limits, reach{})
	if err != nil {
		return broken(err, do).exits(exitUnreachable), nil
	}
	l := &lister{ctx: e.p.ctx, server: s, command: command, now: e.p.now}
	tools, err := l.listTools()
	if err = errors.Join(err, s.Close()); err != nil {
		return broken(err, do).exits(exitUnreachable), nil
	}
	return fine("it speaks %s and has %s", l.version, count(len(tools), "tool")), tools
}

// clocks compares this machine's clock with those of the servers that have answered over HTTP, by the Date of an answer.
func (e *examination) clocks() (out []finding) {
	names := serverNames(e.conf)
	found := make([]*finding, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		if e.reached[i] && e.conf.Servers[name].URL != "" {
			all.Go(func() { found[i] = e.clock(e.conf.Servers[name]) })
		}
	}
	all.Wait()
	for i, f := range found {
		if f != nil {
			out = append(out, f.of(names[i]))
		}
	}
	return out
}

// clock is nil if the server doesn't say what time it is. The request carries no credentials: any answer will do.
func (e *examination) clock(s config.Server) *finding {
	ctx, cancel := context.WithTimeout(e.p.ctx, patience)
	defer cancel()
	before := e.p.now()
	date, err := askTime(ctx, s)
	if err != nil {
		return nil
	}
	f := skewed(date, before, e.p.now())
	return &f
}

// skewed judges what a server has said the time is, between two times of this machine's clock. A Date is in whole seconds.
func skewed(date, before, after time.Time) finding {
	off, way := time.Duration(0), ""
	switch {
	case date.Before(before.Truncate(time.Second)):
		off, way = before.Sub(date), "behind"
	case date.After(after):
		off, way = date.Sub(after), "ahead of"
	}
	if off <= maxSkew {
		return fine("it and this machine's agree")
	}
	return doubtful(fmt.Sprintf("it is %s %s this machine's", off.Round(time.Second), way),
		"set the one that is wrong by NTP: tokens, certificates, bundles and records go by it")
}

func askTime(ctx context.Context, s config.Server) (time.Time, error) {
	t := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if s.TLS != nil {
		pem, err := os.ReadFile(s.TLS.CA)
		if err != nil {
			return time.Time{}, err
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	}
	client := http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.URL, http.NoBody)
	if err != nil {
		return time.Time{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	if err := res.Body.Close(); err != nil {
		return time.Time{}, err
	}
	return http.ParseTime(res.Header.Get("Date"))
}

// issuers loads the keys of every issuer of tokens, as the gateway does, at once.
func (e *examination) issuers() []finding {
	issuers := e.conf.Identity.JWT
	out := make([]finding, len(issuers))
	var all sync.WaitGroup
	for i, c := range issuers {
		all.Go(func() { out[i] = e.issuer(c).of(c.Issuer) })
	}
	all.Wait()
	return out
}

func (e *examination) issuer(c config.JWT) finding {
	n, err := identity.Examine(e.p.ctx, issuer(c), identity.Options{Now: e.p.now})
	switch {
	case errors.Is(err, identity.ErrNoKey):
		return broken(err, "see that jwks names this issuer's keys, and `algorithms` those that it signs with: every token of it is refused")
	case err != nil && strings.Contains(c.JWKS, "://"):
		return broken(err, "see that "+c.JWKS+" answers with the issuer's keys: until it does every token of it is refused").exits(exitUnreachable)
	case err != nil:
		return broken(err, "put the issuer's public keys, a JWK set, there: the gateway doesn't start without")
	}
	return fine("%s for its tokens", count(n, "key"))
}

// store runs the script that counts in the store, on nothing.
func (e *examination) store() []finding {
	if e.conf.Store.Valkey == nil {
		return nil
	}
	s := *e.conf.Store.Valkey
	s.Timeout = config.Duration(max(time.Duration(s.Timeout), patience)) // whether it answers, not how fast
	l, err := newLimiter(config.Store{Valkey: &s}, e.p.now)
	if err != nil {
		return []finding{broken(err, "mend store.valkey in "+e.o.config)}
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(e.p.ctx, 2*patience)
	defer cancel()
	if err := l.Reach(ctx); err != nil {
		return []finding{broken(err, "see that it runs at "+s.Address+" and lets the gateway run scripts: until then each limit's onStoreError decides").exits(exitUnreachable)}
	}
	return []finding{fine("%s answers", s.Address)}
}
