package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/discovery"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/fetch"
	"github.com/sallyport-dev/sallyport/internal/gateway"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/overload"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// build is one config turned into what serves it. Parts that a new config leaves as they were are carried over from the one before.
type build struct {
	config   *config.Config             // with the servers that were found
	base     *config.Config             // as it was read
	found    *discovery.Found           // nil: nothing is looked for
	policy   *engine.Snapshot           // nil: none
	shared   *sharedPolicy              // it, with its users
	given    *given                     // what it was compiled from; nil: nothing
	listings map[string]*fetch.Follower // of the registries of servers, by what is asked of them
	follower *fetch.Follower            // of the source of what is fetched; nil: it is at hand
	identity *identity.Resolver
	servers  map[string]*sharedServer
	limiter  *sharedLimiter // nil: there are no rate limits
	limited  *limit.Set
	keys     [][]byte // that seal what clients carry
	snapshot *gateway.Snapshot
	at       time.Time

	candidate *candidate      // nil: there is none
	trying    *fetch.Follower // of the candidate's source; nil: it is at hand, or there is none

	splits     map[string]*route.Split // of the servers that have versions
	priorities *overload.Set
}

// sharedServer is a server that several snapshots may use. The last one to let go closes it.
type sharedServer struct {
	upstream.Server
	config config.Server
	reach  reach
	users  atomic.Int32
}

// sharedPolicy is a policy that several snapshots may use. The last one to let go closes it.
type sharedPolicy struct {
	*engine.Snapshot
	users atomic.Int32
}

func (s *sharedPolicy) release() {
	if s.users.Add(-1) == 0 {
		s.Close()
	}
}

// hold takes a share of a server, to be released; false: it is closed, or about to be.
func (s *sharedServer) hold() bool {
	for {
		n := s.users.Load()
		if n <= 0 {
			return false
		}
		if s.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *sharedServer) release(log *slog.Logger, name string) {
	if s.users.Add(-1) > 0 {
		return
	}
	if err := s.Close(); err != nil {
		log.Warn("server closed badly", "server", name, "error", err)
	}
}

// compact makes something of which much less stays than was needed to make it. Collecting garbage often meanwhile keeps what stays
// together: of a thousand rules it takes 5 MiB less. Nothing is served yet that would be slowed down.
func compact(first func() (*build, error)) (*build, error) {
	const percent = 25
	was := debug.SetGCPercent(percent)
	if 0 <= was && was < percent { // the operator wants less still
		debug.SetGCPercent(was)
	}
	defer func() {
		debug.FreeOSMemory()
		debug.SetGCPercent(was)
	}()
	return first()
}

// builder makes builds.
type builder struct {
	origin origin
	getenv func(string) (string, bool)
	now    func() time.Time
	log    *slog.Logger
	// plugins runs plugins; it is made when the first policy needs it.
	plugins *wasm.Host
	lines   pluginLog
	// inProcess are servers that are not in the config: the demo's.
	inProcess map[string]upstream.Server
	// keys seal what clients carry. Those of a build are put in them when it begins to serve; until then it is one of this process, and
	// again while no config has any.
	keys *carry.Keys
	own  []byte
	// home is where other replicas reach this one; "" is nowhere. It stays as the first config has it.
	home string
	// dry has nothing written: what is activated is not kept as what was active last.
	dry bool
	// memory is what large messages are counted in; it is made with the first servers, and stays.
	memory *budget.Budget
	// room is for the connections to servers; likewise. nil: they are not bounded together.
	room *upstream.Room
	// only is who makes every call, where the gateway has one client; nil: the config's identity says who calls.
	only *engine.Principal
	// child is told what commands write to stderr, and that one has ended; nil: the log is.
	child *childEvents
	// handed is the candidate that an operator has handed over; nil: none.
	handed *handed
	// withdrawn is the candidate that was withdrawn last.
	withdrawn bundle.Withdrawal
	// trials are those whose policies may be in use still.
	trials sync.WaitGroup
}

// childEvents are what is heard of commands beside MCP.
type childEvents struct {
	stderr func(line string)
	ended  func(cause error)
}

// make reads everything anew and builds what serves it, or fails and leaves prev as it is.
func (b *builder) make(ctx context.Context, prev *build) (*build, error) {
	c, err := b.origin.readConfig(b.getenv)
	if err != nil {
		return nil, err
	}
	if b.memory == nil {
		b.memory = newMemory(c.Limits)
		if n := gateway.ServerConnections(c.Limits.Connections); n > 0 {
			b.room = upstream.NewRoom(n)
		}
	}
	listings, err := b.listings(c, prev)
	if err != nil {
		return nil, err
	}
	base, found := c, b.discover(c, prev, listings, nil)
	c = found.Into(base)
	follower, err := b.followed(c, prev)
	if err != nil {
		return nil, err
	}
	shared, g, err := b.activate(ctx, c, prev, follower)
	if err != nil {
		return nil, err
	}
	return b.around(ctx, &build{config: c, base: base, found: found, listings: listings, follower: follower, given: g}, prev, shared)
}

// around completes a build, of which the config, what was found and what is given are known: it makes what serves a policy.
func (b *builder) around(ctx context.Context, out, prev *build, shared *sharedPolicy) (*build, error) {
	out.shared, out.policy, out.at = shared, shared.Snapshot, b.now()
	if err := b.finish(ctx, out, out.config, prev); err != nil {
		if shared.users.Load() == 0 {
			shared.Close() //nolint:contextcheck // closing is not to be cancelled
		}
		return nil, err
	}
	return out, nil
}

// but is b with other policies: what it is made of.
func (b *build) but(g *given) *build {
	return &build{config: b.config, base: b.base, found: b.found, listings: b.listings, follower: b.follower, given: g}
}

// finish makes what stands beside the policy.
func (b *builder) finish(ctx context.Context, out *build, c *config.Config, prev *build) (err error) {
	if out.identity, err = b.resolver(c, prev); err != nil { //nolint:contextcheck // what it starts ends with Close, not with a reload
		return failf(exitInvalid, "identity: %w", err)
	}
	if out.keys, err = b.readKeys(c); err != nil {
		return err
	}
	if prev == nil {
		b.home = c.Replicas.Advertise
	}
	if out.servers, err = b.servers(c, out.found, prev); err != nil {
		return failf(exitInvalid, "%w", err)
	}
	if out.splits, err = splits(c, prev); err != nil {
		return err
	}
	var ds source.Diagnostics
	if out.priorities, ds = overload.Compile(prioritySpecs(c)); ds.HasErrors() {
		return ds
	}
	if err = b.limits(out, c, prev); err != nil { //nolint:contextcheck // likewise
		return err
	}
	views, err := b.views(c)
	if err != nil {
		out.limiter.abandon()
		return failf(exitInvalid, "%w", err)
	}
	out.trying, out.candidate = b.candidate(ctx, out, prev)
	out.snapshot = b.snapshot(out, views) //nolint:contextcheck // likewise
	return nil
}

func (b *builder) names(c *config.Config) []string {
	names := slices.Collect(maps.Keys(c.Servers))
	names = slices.AppendSeq(names, maps.Keys(b.inProcess))
	slices.Sort(names)
	return slices.Compact(names) // the demo's are in its config, too
}

// options are those of the engine that a config says.
func (b *builder) options(c *config.Config) engine.Options {
	o := engine.Options{
		Servers: b.names(c), Cache: int64(c.Limits.Cache), Mask: secretMask(),
		PluginLog: func(plugin string, lines []wasm.Line, dropped int) {
			b.lines.write(b.log, b.now(), plugin, lines, dropped)
		},
	}
	if c.Pins == "shadow" {
		o.Pins = engine.PinsShadow
	}
	return o
}

// compile compiles the policies, unless they are the ones that decide already.
func (b *builder) compile(ctx context.Context, c *config.Config, prev *build, set *bundle.Bundle, pause func()) (*sharedPolicy, error) {
	o := b.options(c) //nolint:contextcheck // what plugins log is of no request that ends
	if prev != nil {
		was := b.options(prev.config) //nolint:contextcheck // likewise
		if prev.policy.Revision() == set.Revision && slices.Equal(o.Servers, was.Servers) && o.Cache == was.Cache && o.Pins == was.Pins && !prev.policy.Ejected() {
			return prev.shared, nil
		}
		o.Previous = prev.policy
	}
	o.Pause = pause
	var err error
	if o.Plugins, err = b.pluginHost(set, c.Plugins.Cache); err != nil { //nolint:contextcheck // it outlives what it is made for
		return nil, err
	}
	s, err := engine.Compile(ctx, set, o)
	return &sharedPolicy{Snapshot: s}, err
}

// pluginHost makes what runs plugins, if there is one among the policies. cache is a directory for compiled code; "" has none.
func (b *builder) pluginHost(set *bundle.Bundle, cache string) (*wasm.Host, error) {
	if b.plugins != nil || len(set.Modules) == 0 {
		return b.plugins, nil
	}
	var err error
	if b.plugins, err = wasm.New(wasm.Options{CacheDir: cache}); err != nil {
		return nil, failf(exitInvalid, "plugins: %w", err)
	}
	return b.plugins, nil
}

// close lets go of what builds have shared. They must not be used any more.
func (b *builder) close() error {
	b.trials.Wait()
	if b.plugins == nil {
		return nil
	}
	return b.plugins.Close()
}

// resolver keeps what it has learnt of issuers' keys, unless identity has changed or reads files, which may have.
func (b *builder) resolver(c *config.Config, prev *build) (*identity.Resolver, error) {
	if b.only != nil {
		return identity.Only(b.only), nil
	}
	isFile := func(j config.JWT) bool { return !strings.Contains(j.JWKS, "://") }
	if prev != nil && reflect.DeepEqual(prev.config.Identity, c.Identity) && !slices.ContainsFunc(c.Identity.JWT, isFile) {
		return prev.identity, nil
	}
	o := identity.Options{AnonymousAllow: c.Identity.Anonymous == "allow", Now: b.now}
	for _, k := range c.Identity.APIKeys {
		key := identity.APIKey{ID: k.ID, Hash: k.Hash}
		if k.Claims != nil {
			claims, err := json.Marshal(k.Claims)
			if err != nil {
				return nil, fmt.Errorf("api key %q: claims: %w", k.ID, err)
			}
			key.Claims = claims
		}
		o.Keys = append(o.Keys, key)
	}
	for _, j := range c.Identity.JWT {
		o.JWT = append(o.JWT, issuer(j))
	}
	return identity.New(o)
}

func issuer(j config.JWT) identity.Issuer {
	return identity.Issuer{
		Issuer: j.Issuer, Audiences: j.Audiences, JWKS: j.JWKS, Algorithms: j.Algorithms, ClockSkew: time.Duration(j.ClockSkew),
	}
}

// snapshot takes a share of every server, and gives it back when its last request has ended.
func (b *builder) snapshot(out *build, views map[string]*federation.View) *gateway.Snapshot {
	c := out.config
	v, _ := buildVersion()
	s := &gateway.Snapshot{
		Policy: out.policy, Identity: out.identity, Routes: route.New(b.names(c)...).WithVirtual(slices.Collect(maps.Keys(c.Virtual))...),
		Views: views, Federation: gateway.Federation{Timeout: time.Duration(c.Federation.Timeout), Report: c.Federation.Report, Version: v},
		Servers: make(map[string]upstream.Server, len(out.servers)), Quarantined: quarantined(out.found),
		Names:     gateway.Names{Hosts: c.Hosts, Origins: c.Origins},
		Denials:   gateway.Denials{Result: c.Denials.Style == "result", Detail: details[c.Denials.Detail]},
		PublicURL: c.PublicURL, Limits: out.limited, Priorities: out.priorities,
	}
	for _, name := range b.names(c) {
		s.Servers[name] = out.servers[mainKey(c, name)].Server
	}
	for _, shared := range out.servers {
		shared.users.Add(1)
	}
	s.Versions, s.Tools = versions(out), toolEnds(c)
	out.shared.users.Add(1)
	for _, j := range c.Identity.JWT {
		if u, err := url.Parse(j.Issuer); err == nil && u.Scheme != "" {
			s.Issuers = append(s.Issuers, j.Issuer)
		}
	}
	if out.limiter != nil {
		out.limiter.users.Add(1)
	}
	servers, policy, limiter := out.servers, out.shared, out.limiter
	s.Release = func() {
		policy.release()
		limiter.release()
		for name, shared := range servers {
			shared.release(b.log, name)
		}
	}
	b.attach(out.candidate, s)
	return s
}

// views makes what is served as one server: each virtual one, and all of them.
func (b *builder) views(c *config.Config) (map[string]*federation.View, error) {
	all := federation.Options{Servers: map[string]federation.Selection{}}
	for _, name := range b.names(c) {
		if federation.ServerName(name) { // check has warned of the others
			all.Servers[name] = federation.Selection{All: true}
		}
	}
	options := map[string]federation.Options{"": all}
	for name, v := range c.Virtual {
		o, err := v.View(name)
		if err != nil {
			return nil, fmt.Errorf("virtual server %q: %w", name, err)
		}
		options[name] = o
	}
	views := make(map[string]*federation.View, len(options))
	for name, o := range options {
		view, err := federation.New(o)
		if err != nil {
			return nil, fmt.Errorf("virtual server %q: %w", name, err)
		}
		views[name] = view
	}
	return views, nil
}

var details = map[string]gateway.Detail{"none": gateway.DetailNone, "reason": gateway.DetailReason, "message": gateway.DetailMessage}
