package main

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/bridge"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// servers makes the servers that are new or have changed. It starts none: a server is reached when the first call needs it.
func (b *builder) servers(c *config.Config, prev *build) (map[string]*sharedServer, error) {
	out := make(map[string]*sharedServer, len(c.Servers)+len(b.inProcess))
	for name, sc := range each(c) {
		if prev != nil {
			if old := prev.servers[name]; old != nil && reflect.DeepEqual(old.config, sc) && reflect.DeepEqual(prev.config.Limits, c.Limits) {
				out[name] = old
				continue
			}
		}
		s, err := b.bridged(name, sc, c.Limits)
		if err != nil {
			return nil, fmt.Errorf("server %q: %w", name, err)
		}
		out[name] = &sharedServer{Server: upstream.Guard(name, s, b.guard(sc)), config: sc}
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

// bridged makes a server that clients of either era can use: always among others as one server, under its own name if that is wanted.
func (b *builder) bridged(name string, s config.Server, l config.Limits) (upstream.Server, error) {
	inner, err := b.server(name, s, l)
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

func (b *builder) server(name string, s config.Server, l config.Limits) (upstream.Server, error) {
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
		URL: s.URL, Timeout: time.Duration(s.Timeout), MaxBody: int(l.ResponseBody), MaxEvent: int(l.Event), MaxConns: l.Connections, Memory: b.memory, Now: b.now,
	}
	for _, h := range slices.Sorted(maps.Keys(s.Headers)) {
		o.Header = append(o.Header, upstream.Field{Name: h, Value: s.Headers[h]})
	}
	if s.TLS != nil {
		o.CAFile = s.TLS.CA
	}
	return upstream.NewHTTP(name, o)
}
