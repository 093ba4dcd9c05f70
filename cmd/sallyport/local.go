package main

import (
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/socket"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// local is a gateway that nobody but this process can reach. What it decides, it decides as any other.
type local struct {
	*program
	inside *socket.Inside
	served chan error
}

// startLocal starts a gateway whose calls are all made by b.only.
func startLocal(p process, o origin, b *builder) (*local, error) {
	change := o.override
	o.override = func(c *config.Config) {
		if c.Hosts = nil; change != nil { // this process calls it localhost
			change(c)
		}
	}
	g, first, err := prepare(p, o, b)
	if err != nil {
		return nil, err
	}
	g.take(first)
	v, _ := buildVersion()
	if err := g.audit.Lifecycle(audit.Started, first.policy.Revision(), "sallyport "+v); err != nil {
		return nil, errors.Join(failf(exitUnexpected, "%w", err), g.stop())
	}
	l := &local{program: g, inside: socket.NewInside(), served: make(chan error, 1)}
	go func() { l.served <- g.gateway.Serve(g.gateway.Listen(l.inside)) }()
	return l, nil
}

// server is the gateway, as the client of one of its servers sees it.
func (l *local) server(name string) (*upstream.HTTP, error) {
	lim := l.state.build().config.Limits
	return upstream.NewHTTP("gateway", upstream.HTTPOptions{
		URL: "http://localhost/mcp/" + name, Dial: l.inside.Dial, Timeout: time.Duration(lim.StreamTimeout), // the gateway's own bounds come first
		MaxBody: int(config.MaxLimit), MaxEvent: int(config.MaxLimit), MaxHeader: 64 << 10, Now: l.now,
	})
}

// close ends the gateway when its calls have ended.
func (l *local) close() error {
	err := l.stop()
	<-l.served // it has been told to end
	return err
}
