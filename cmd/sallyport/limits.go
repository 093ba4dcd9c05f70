package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// sharedLimiter is what rate limits have counted, which several snapshots may use. The last one to let go closes it.
type sharedLimiter struct {
	*limit.Limiter
	store config.Store
	users atomic.Int32
}

func (s *sharedLimiter) release() {
	if s != nil && s.users.Add(-1) == 0 {
		s.Close()
	}
}

// abandon closes what no snapshot has come to use.
func (s *sharedLimiter) abandon() {
	if s != nil && s.users.Load() == 0 {
		s.Close()
	}
}

// limits compiles the rate limits of a config. What was counted stays, unless it is counted elsewhere from now on.
func (b *builder) limits(out *build, c *config.Config, prev *build) error {
	if len(c.RateLimits) == 0 {
		return nil
	}
	var l *sharedLimiter
	if prev != nil && prev.limiter != nil && reflect.DeepEqual(prev.limiter.store, c.Store) {
		l = prev.limiter
	} else {
		made, err := newLimiter(c.Store, b.now)
		if err != nil {
			return failf(exitInvalid, "store: %w", err)
		}
		l = &sharedLimiter{Limiter: made, store: c.Store}
	}
	set, ds := l.Compile(limitSpecs(c), b.names(c))
	if ds.HasErrors() {
		l.abandon()
		return ds
	}
	for _, d := range ds {
		b.log.Warn("a rate limit may not mean what it says", "code", d.Code, "file", d.File, "line", d.Line, "column", d.Column, "mistake", d.Message)
	}
	out.limiter, out.limited = l, set
	return nil
}

func newLimiter(s config.Store, now func() time.Time) (*limit.Limiter, error) {
	v := s.Valkey
	if v == nil {
		return limit.New(now)
	}
	o := limit.ValkeyOptions{
		Address: v.Address, Cluster: v.Cluster, Username: v.Username, Password: v.Password, Database: v.Database, Timeout: time.Duration(v.Timeout), Now: now,
	}
	if v.TLS != nil {
		host, _, err := net.SplitHostPort(v.Address)
		if err != nil {
			return nil, err
		}
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
		if v.TLS.CA != "" {
			pem, err := os.ReadFile(v.TLS.CA)
			if err != nil {
				return nil, err
			}
			o.TLS.RootCAs = x509.NewCertPool()
			if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("%s holds no certificate", v.TLS.CA)
			}
		}
	}
	return limit.NewValkey(o)
}

func limitSpecs(c *config.Config) []limit.Spec {
	specs := make([]limit.Spec, 0, len(c.RateLimits))
	for i := range c.RateLimits {
		l := &c.RateLimits[i]
		at := []string{"rateLimits", strconv.Itoa(i)}
		specs = append(specs, limit.Spec{
			Name: l.Name, Servers: l.Match.Servers, Methods: l.Match.Methods, Tools: l.Match.Tools, Principals: l.Match.Principals,
			Key: l.Key, Cost: l.Cost, Count: l.Rate.Count, Per: l.Rate.Per, Burst: l.Burst, Lenient: l.OnStoreError == "allow",
			At: func(path ...string) source.Pos { return c.At(append(at[:2:2], path...)...) },
		})
	}
	return specs
}

// limitMistakes finds what is wrong with the rate limits of a config.
func limitMistakes(p *process, c *config.Config) (source.Diagnostics, error) {
	l, err := limit.New(p.now)
	if err != nil {
		return nil, err
	}
	_, ds := l.Compile(limitSpecs(c), serverNames(c))
	return ds, nil
}

var breakerStates = map[string]int{
	upstream.BreakerClosed.String(): 0, upstream.BreakerHalfOpen.String(): 1, upstream.BreakerOpen.String(): 2,
}

func upstreamMetrics(b *build) (out []telemetry.Upstream) {
	for name, s := range b.servers {
		st := s.Status()
		state, has := breakerStates[st.Breaker]
		name, _, _ = strings.Cut(name, versionMark)
		u := telemetry.Upstream{Name: name, InFlight: st.InFlight, Waiting: st.Waiting, HasBreaker: has, Breaker: state}
		if i := slices.IndexFunc(out, func(o telemetry.Upstream) bool { return o.Name == name }); i >= 0 { // another version of it
			out[i].InFlight, out[i].Waiting, out[i].Breaker = out[i].InFlight+u.InFlight, out[i].Waiting+u.Waiting, max(out[i].Breaker, u.Breaker)
			continue
		}
		out = append(out, u)
	}
	return out
}

// guard is what bounds the calls of a server.
func (b *builder) guard(s config.Server) upstream.GuardOptions {
	o := upstream.GuardOptions{MaxConcurrent: s.MaxConcurrent, Now: b.now}
	if q := s.Queue; q != nil {
		o.Queue, o.Wait = q.Length, time.Duration(q.Wait)
	}
	if f := s.Breaker; f != nil {
		o.Failures, o.Open = f.Failures, time.Duration(f.Open)
	}
	return o
}

func limitMetrics(b *build) (out []telemetry.Limit) {
	if b.limiter == nil {
		return nil
	}
	for _, s := range b.limiter.Stats() {
		out = append(out, telemetry.Limit{
			Name: s.Name, Admitted: s.Admitted, Refused: s.Refused, Failed: s.Failed, Error: s.Errors, Local: s.Local, Keys: s.Keys, Evicted: s.Evicted,
		})
	}
	return out
}
