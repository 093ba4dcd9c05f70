package main

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/bridge"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/discovery"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// reach says where a server may be. The zero reach is anywhere.
type reach struct {
	found    bool // the config doesn't name it
	waits    bool // for an operator: it is asked about itself, and nothing else
	networks []config.Network
}

// reachOf says where a server of that name may be.
func reachOf(c *config.Config, found *discovery.Found, name string) reach {
	e, ok := found.Entry(name)
	if !ok || e.State == discovery.Refused { // its name is one of the config's
		return reach{}
	}
	return reach{found: true, waits: e.State == discovery.Quarantined, networks: c.Discovery.Networks}
}

// servers makes the servers that are new or have changed. It starts none: a server is reached when the first call needs it.
func (b *builder) servers(c *config.Config, found *discovery.Found, prev *build) (map[string]*sharedServer, error) {
	out := make(map[string]*sharedServer, len(c.Servers)+len(b.inProcess))
	take := func(name string, sc config.Server) error {
		to := reachOf(c, found, name)
		if prev != nil {
			if old := prev.servers[name]; old != nil && reflect.DeepEqual(old.config, sc) && reflect.DeepEqual(old.reach, to) && reflect.DeepEqual(prev.config.Limits, c.Limits) {
				out[name] = old
				return nil
			}
		}
		s, err := b.bridged(name, sc, c.Limits, to)
		if err != nil {
			return fmt.Errorf("server %q: %w", name, err)
		}
		out[name] = &sharedServer{Server: upstream.Guard(name, s, b.guard(sc)), config: sc, reach: to}
		return nil
	}
	for name, sc := range each(c) {
		if err := take(name, sc); err != nil {
			return nil, err
		}
	}
	for _, e := range found.Waiting() { // they are asked about themselves, and nothing else
		if sc, ok := e.Askable(); ok && c.Discovery.Probe != nil {
			if err := take(e.Name, sc); err != nil {
				return nil, err
			}
		}
	}
	for name, s := range b.inProcess {
		if prev != nil && prev.servers[name] != nil {
			out[name] = prev.servers[name]
			continue
		}
		out[name] = &sharedServer{Server: s}
	}
	return out, nil
}

// quarantined are the names of the servers that wait for an operator; nil: there is none.
func quarantined(found *discovery.Found) map[string]bool {
	var out map[string]bool
	for _, e := range found.Waiting() {
		if out == nil {
			out = map[string]bool{}
		}
		out[e.Name] = true
	}
	return out
}

// bridged makes a server that clients of either era can use: always among others as one server, under its own name if that is wanted.
func (b *builder) bridged(name string, s config.Server, l config.Limits, to reach) (upstream.Server, error) {
	inner, err := b.server(name, s, l, to)
	if err != nil {
		return nil, err
	}
	o := bridge.Options{
		Name: name, Pinned: s.Era == "legacy" || s.Era == "modern", OnDemand: s.Era == "",
		Timeout: time.Duration(s.Timeout), AnswerWait: time.Duration(l.AnswerTimeout), Now: b.now,
		Keys: b.keys, Home: b.home,
	}
	if s.Era == "modern" {
		o.Era = mcp.Modern
	}
	return bridge.New(inner, o)
}

// newMemory makes the budget of large messages. The largest of them fits into it: it is held as it came and as it is written anew, in buffers
// of up to twice its size.
func newMemory(l config.Limits) *budget.Budget {
	all := int64(l.Memory)
	if all == 0 {
		all = budget.Default(budget.Memory())
	}
	return budget.New(max(all, 4*int64(max(l.Body, l.ResponseBody, l.Event, l.Line))))
}

func (b *builder) server(name string, s config.Server, l config.Limits, to reach) (upstream.Server, error) {
	if len(s.Command) > 0 {
		o := upstream.StdioOptions{
			Command: s.Command, Env: s.Env, BaseEnv: os.Environ(), Dir: s.Cwd,
			Stderr:      func(line string) { b.log.Info("server says on stderr", "server", name, "line", line) },
			LineOptions: upstream.LineOptions{MaxLine: int(l.Line), MaxSessions: s.MaxSessions, Timeout: time.Duration(s.Timeout), Memory: b.memory, Now: b.now},
		}
		if b.child != nil {
			o.Stderr, o.Ended = b.child.stderr, b.child.ended
		}
		return upstream.NewStdio(name, o)
	}
	o := upstream.HTTPOptions{
		URL: s.URL, Timeout: time.Duration(s.Timeout), MaxBody: int(l.ResponseBody), MaxEvent: int(l.Event), MaxConns: l.Connections, Memory: b.memory, Room: b.room, Now: b.now,
	}
	for _, h := range slices.Sorted(maps.Keys(s.Headers)) {
		o.Header = append(o.Header, upstream.Field{Name: h, Value: s.Headers[h]})
	}
	if s.TLS != nil {
		o.CAFile = s.TLS.CA
	}
	if to.found {
		networks := make([]netip.Prefix, len(to.networks))
		for i, n := range to.networks {
			networks[i] = netip.Prefix(n)
		}
		o.Dial = upstream.DialOnly(networks)
	}
	return upstream.NewHTTP(name, o)
}
