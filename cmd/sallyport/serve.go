package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/gateway"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

type serveCommand struct {
	Config    string `short:"c" placeholder:"FILE" env:"SALLYPORT_CONFIG" help:"The config file. Default: ./sallyport.yaml."`
	MCPConfig string `name:"mcp-config" placeholder:"FILE" help:"Serve the servers of a client's mcpServers JSON, with no config of our own."`
	Policies  string `placeholder:"PATH" help:"Policies to use in place of those of the config."`
	Listen    string `placeholder:"ADDR" help:"Address to listen on, in place of the config's."`
	Admin     string `placeholder:"ADDR" help:"Address for health, metrics and status, in place of the config's."`
	Audit     string `placeholder:"FILE" help:"File for decision records, in place of the config's. Without one they go to standard output."`
}

func (c serveCommand) Run(p *process) error {
	o, err := c.origin()
	if err != nil {
		return err
	}
	g, err := start(*p, o, nil)
	if err != nil {
		return err
	}
	return g.run()
}

func (c serveCommand) origin() (origin, error) {
	if c.Config != "" && c.MCPConfig != "" {
		return origin{}, failf(exitUsage, "--config and --mcp-config exclude each other")
	}
	o := origin{config: c.Config, mcpConfig: c.MCPConfig, policies: c.Policies, override: func(f *config.Config) {
		if c.Listen != "" {
			f.Listen = c.Listen
		}
		if c.Admin != "" {
			f.Admin.Listen = c.Admin
		}
		if c.Audit != "" {
			f.Audit.File = c.Audit
		}
	}}
	if o.config == "" && o.mcpConfig == "" {
		o.config = "sallyport.yaml"
	}
	return o, nil
}

// program is a running gateway with everything around it.
type program struct {
	process
	log     *slog.Logger
	builder *builder
	gateway *gateway.Gateway
	metrics *telemetry.Metrics
	audit   *audit.Log
	data    net.Listener
	admin   net.Listener
	adminer *http.Server
	state   state
	probes  probes
	read    [32]byte // the fingerprint of what the first build has read
	started time.Time
}

// start opens and checks everything that can fail, and serves nothing yet.
func start(p process, o origin, b *builder) (*program, error) {
	g, first, err := prepare(p, o, b)
	if err != nil {
		return nil, err
	}
	if err := g.listen(first.config); err != nil {
		return nil, errors.Join(err, g.audit.Close())
	}
	g.take(first)
	if err := leaveStart(); err != nil {
		g.log.Debug("the program's pages stay as they are", "error", err)
	}
	return g, nil
}

// prepare makes a gateway that has no listeners yet, and its first build.
func prepare(p process, o origin, b *builder) (*program, *build, error) {
	g := &program{process: p, started: p.now()}
	if b == nil {
		b = &builder{}
	}
	b.origin, b.getenv, b.now = o, p.getenv, p.now
	b.own = carry.Random()
	var err error
	if b.keys, err = carry.New(b.own); err != nil {
		return nil, nil, err
	}
	b.log = newLog(p, config.Default().Log)
	g.builder = b
	read, known := b.first() // before the build: what changes meanwhile is another change
	first, err := compact(func() (*build, error) { return b.make(p.ctx, nil) })
	if err != nil {
		return nil, nil, err
	}
	c := first.config
	if g.read = read; !known {
		g.read = b.origin.fingerprint(c)
	}
	g.log = newLog(p, c.Log)
	b.log = g.log
	v, commit := buildVersion()
	g.metrics = telemetry.New(telemetry.Options{Version: v, Commit: commit})
	if err := g.openAudit(c); err != nil {
		return nil, nil, err
	}
	if err := g.newGateway(c); err != nil {
		return nil, nil, errors.Join(err, g.audit.Close())
	}
	return g, first, nil
}

func (g *program) openAudit(c *config.Config) (err error) {
	o := audit.Options{Path: c.Audit.File, Now: g.now, OnError: func(err error) {
		if err != nil {
			g.log.Error("decision records can't be written: calls are refused", "error", err)
			return
		}
		g.log.Info("decision records are written again")
	}}
	if o.Path == "" {
		o.Writer = g.stdout
	}
	if o.Seal, err = sealingKey(c.Audit.Encrypt); err != nil {
		return failf(exitInvalid, "audit.encrypt: %w", err)
	}
	if g.audit, err = audit.Open(o); err != nil {
		return failf(exitInvalid, "%w", err)
	}
	g.metrics.WatchAudit(func() telemetry.Audit {
		s := g.audit.Stats()
		return telemetry.Audit{
			Records: s.Records, Refused: s.Refused, WriteErrors: s.WriteErrors, Writes: s.Writes, Bytes: s.Bytes,
			Seq: s.Seq, Pending: s.Pending, Failing: s.Failing,
		}
	})
	g.metrics.WatchPlugins(func() []telemetry.Plugin { return pluginMetrics(g.state.build().policy) })
	g.metrics.WatchUpstreams(func() []telemetry.Upstream { return upstreamMetrics(g.state.build()) })
	g.metrics.WatchLimits(func() []telemetry.Limit { return limitMetrics(g.state.build()) })
	g.metrics.WatchCache(func() (telemetry.Cache, bool) {
		s, ok := g.state.build().policy.Cache()
		return telemetry.Cache(s), ok
	})
	g.metrics.WatchSource(g.sourceMetrics)
	g.metrics.WatchMemory(func() (used, limit int64) { return g.builder.memory.Used(), g.builder.memory.Limit() })
	g.metrics.WatchRegistries(g.registryMetrics)
	g.metrics.WatchServers(func() []telemetry.Servers { return serverMetrics(g.state.build()) })
	return nil
}

func (g *program) newGateway(c *config.Config) (err error) {
	l := c.Limits
	replicas, err := replicasOf(c.Replicas)
	if err != nil {
		return failf(exitInvalid, "replicas.ca: %w", err)
	}
	g.gateway, err = gateway.New(gateway.Options{
		Audit: g.audit, Metrics: g.metrics, Memory: g.builder.memory, Keys: g.builder.keys, Replicas: replicas, RecordInputs: c.Audit.Arguments == "read", RecordResults: c.Audit.Results == "read", Now: g.now,
		Warn: func(msg string, err error) { g.log.Error("the gateway warns", "what", msg, "error", err) },
		Limits: gateway.Limits{
			Body: int(l.Body), Bodies: int64(l.Bodies), Depth: l.Depth, Values: l.Values, Header: int(l.Header), Headers: l.Headers,
			Connections: l.Connections, ConnectionsPerIP: l.ConnectionsPerIP,
			ReadTimeout: time.Duration(l.ReadTimeout), IdleTimeout: time.Duration(l.IdleTimeout), WriteTimeout: time.Duration(l.WriteTimeout),
			CallTimeout: time.Duration(l.CallTimeout), StreamTimeout: time.Duration(l.StreamTimeout), AnswerTimeout: time.Duration(l.AnswerTimeout),
		},
	})
	if err == nil {
		g.metrics.WatchPressure(g.gateway.Pressure)
	}
	return err
}

func (g *program) listen(c *config.Config) (err error) {
	var lc net.ListenConfig
	if g.data, err = lc.Listen(g.ctx, "tcp", c.Listen); err != nil {
		return failf(exitUnexpected, "listen: %w", err)
	}
	if g.admin, err = lc.Listen(g.ctx, "tcp", c.Admin.Listen); err != nil {
		return errors.Join(failf(exitUnexpected, "admin.listen: %w", err), g.data.Close())
	}
	g.data = g.gateway.Listen(g.data)
	if c.TLS != nil {
		if g.data, err = serveTLS(g.data, c.TLS); err != nil {
			return errors.Join(failf(exitInvalid, "tls: %w", err), g.data.Close(), g.admin.Close())
		}
	}
	g.adminer = admin.NewServer(admin.Handler(admin.Options{
		Ready:   []admin.Check{{Name: "policy", Run: g.policyReady}, {Name: "audit", Run: func(context.Context) error { return g.audit.Err() }}},
		Metrics: g.metrics.Handler(), Status: g.status, Servers: g.servers, Tools: g.tools, Bundles: g.bundles, Candidate: g.candidate, Changes: g.changes(), Entries: g.entries(), Text: asPrinted,
	}), nil)
	return nil
}

// run serves until the process is told to stop, or a listener fails.
func (g *program) run() error {
	v, _ := buildVersion()
	if err := g.audit.Lifecycle(audit.Started, g.state.build().policy.Revision(), "sallyport "+v); err != nil {
		return errors.Join(failf(exitUnexpected, "%w", err), g.stop())
	}
	g.tell(&build{}, g.state.build())
	failed := make(chan error, 2)
	go func() { failed <- g.gateway.Serve(g.data) }()
	go func() { failed <- g.adminer.Serve(g.admin) }()
	ctx, stop := context.WithCancel(g.ctx)
	var beside sync.WaitGroup
	beside.Go(func() { g.watch(ctx) })
	beside.Go(func() { g.probe(ctx) })
	b := g.state.build()
	g.log.Info("serving", "listen", g.data.Addr(), "admin", g.admin.Addr(), "servers", g.builder.names(b.config), "revision", b.policy.Revision())
	if b.given != nil && b.given.instead != nil {
		g.keep("start", b.given.instead)
	}
	var err error
	select {
	case err = <-failed:
	case <-g.ctx.Done():
	}
	stop()
	beside.Wait()
	return errors.Join(err, g.stop())
}

// stop drains: the gateway is not ready any more, new connections are refused, requests under way are answered, records are flushed.
func (g *program) stop() error {
	g.state.changing.Lock()
	g.state.stopping.Store(true)
	g.state.changing.Unlock()
	g.log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.ctx), time.Duration(g.state.build().config.Limits.DrainTimeout))
	defer cancel()
	if err := g.gateway.Shutdown(ctx); err != nil {
		g.log.Warn("requests under way were cut off", "error", err)
	}
	var adminErr error
	if g.adminer != nil {
		if adminErr = g.adminer.Shutdown(ctx); errors.Is(adminErr, context.DeadlineExceeded) {
			adminErr = g.adminer.Close() // nobody is kept waiting who only watches
		}
	}
	g.state.build().identity.Close()
	g.note(audit.Stopped, "")
	return errors.Join(adminErr, g.builder.close(), g.audit.Close())
}

// note records what happened to the gateway.
func (g *program) note(event, cause string) {
	if err := g.audit.Lifecycle(event, g.state.build().policy.Revision(), cause); err != nil {
		g.log.Error("a record could not be written", "event", event, "error", err)
	}
}

func newLog(p process, c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	text := c.Format == "console" || c.Format == "auto" && terminal(p.stderr)
	return audit.NewLogger(p.stderr, audit.LogOptions{Level: level, Text: text, Color: text && colors(p)})
}

func terminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

var errStopping = errors.New("the gateway is stopping")

var errNoPolicy = errors.New("no policy is loaded: every call is denied")

var errStale = errors.New("the bundle is older than bundle.maxAge: every call is denied")

func (g *program) policyReady(context.Context) error {
	if g.state.stopping.Load() {
		return errStopping
	}
	if g.state.build().policy == nil {
		return errNoPolicy
	}
	if g.stale() {
		return errStale
	}
	return nil
}
