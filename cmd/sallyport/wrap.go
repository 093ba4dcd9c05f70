package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/stdio"
)

type wrapCommand struct {
	Policies string   `placeholder:"PATH" help:"The policies. Without any every call goes through, and is recorded."`
	Audit    string   `placeholder:"FILE" help:"File for decision records. Without one they go to standard error."`
	Name     string   `default:"server" placeholder:"NAME" help:"What policies and records call the server. Default: server."`
	Command  []string `arg:"" help:"The server: a program and its arguments, after --."`
	callerFlags
}

// errServerEnded is why the gateway around one server ends.
var errServerEnded = errors.New("the server has ended")

func (c wrapCommand) Run(p *process) error {
	who, err := c.who()
	if err != nil {
		return err
	}
	if config.ServerName(c.Name) != c.Name {
		return failf(exitUsage, "--name %q: lower-case letters, digits, - and _ only", c.Name)
	}
	if _, err := exec.LookPath(c.Command[0]); err != nil {
		return failf(exitUsage, "%w", err)
	}
	ctx, end := context.WithCancelCause(p.ctx)
	defer end(nil)
	inner := *p
	inner.stdout = p.stderr // where records go without a file; standard output is the client's
	b := &builder{only: who, child: &childEvents{
		stderr: func(line string) { fmt.Fprintln(p.stderr, line) },
		ended:  func(cause error) { end(fmt.Errorf("%w: %w", errServerEnded, cause)) },
	}}
	l, err := startLocal(inner, origin{policies: c.Policies, made: c.config}, b)
	if err != nil {
		return err
	}
	gate, err := l.server(c.Name)
	if err != nil {
		return errors.Join(err, l.close())
	}
	watched := make(chan struct{})
	watching, stop := context.WithCancel(ctx)
	go func() {
		defer close(watched)
		l.watch(watching)
	}()
	err = stdio.Serve(ctx, gate, p.stdin, p.stdout, stdio.Options{MaxLine: int(l.state.build().config.Limits.Body)})
	stop()
	<-watched
	closed := errors.Join(gate.Close(), l.close())
	if errors.Is(err, errServerEnded) {
		return failf(exitUnreachable, "%w", err)
	}
	if p.ctx.Err() != nil { // told to end: as a server is by its client
		return closed
	}
	return errors.Join(err, closed)
}

// who is the client.
func (c wrapCommand) who() (*engine.Principal, error) {
	if !c.given() {
		return &engine.Principal{Kind: engine.KindAnonymous}, nil
	}
	return c.principal(nil)
}

// config is that of a gateway around one command. The command has the environment that the client gives.
func (c wrapCommand) config() *config.Config {
	conf := config.Default()
	conf.Identity.Anonymous = "allow"
	conf.Policies, conf.Audit.File = c.Policies, c.Audit
	conf.Log.Level = "warn"
	env := map[string]string{}
	for _, e := range os.Environ() {
		if name, value, ok := strings.Cut(e, "="); ok && name != "" {
			env[name] = value
		}
	}
	conf.Servers = map[string]config.Server{c.Name: {Command: c.Command, Env: env, Timeout: conf.Limits.CallTimeout, MaxSessions: 1}}
	return &conf
}
