package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/internal/config"
)

type toolsCommand struct {
	List toolsList `cmd:"" default:"withargs" help:"The tools of all servers of a running gateway."`
	Lock toolsLock `cmd:"" help:"Record what servers say of their tools, so that policies are typed by it."`
}

type toolsLock struct {
	Config string `short:"c" placeholder:"FILE" env:"SALLYPORT_CONFIG" default:"sallyport.yaml" help:"The config file, whose servers are asked. Default: ./sallyport.yaml."`
	Output string `short:"o" placeholder:"FILE" help:"The lock. Default: tools.lock.json in the folder of the config's policies, where check and serve look for it."`
	Check  bool   `help:"Write nothing: say how the lock differs from what the servers say now, and fail if it does."`
}

func (c toolsLock) Run(p *process) error {
	o := origin{config: c.Config}
	conf, err := o.readConfig(p.getenv)
	if err != nil {
		return err
	}
	name, err := c.file(conf)
	if err != nil {
		return err
	}
	listed, err := listAll(p, conf)
	if err != nil {
		return err
	}
	text, err := toolset.Encode(listed)
	if err != nil {
		return failf(exitUnexpected, "the tools of the servers make no lock: %w", err)
	}
	if server := repeated(conf, text); server != "" {
		return failf(exitUnexpected, "server %q repeats a secret of its config in what it says of its tools; no lock is written", server)
	}
	if c.Check {
		return compareLocks(p, name, text)
	}
	if err := bundle.WriteFile(name, text, 0o644); err != nil {
		return failf(exitUnexpected, "%w", err)
	}
	l, found := toolset.Parse(name, text)
	if err := found.WriteText(p.stderr, readText, colors(*p), maxDiagnostics); err != nil {
		return err
	}
	tools := 0
	for _, s := range l.Servers {
		tools += len(s.Tools)
	}
	fmt.Fprintf(p.stdout, "wrote %s: %s of %s\n", name, count(tools, "tool"), count(len(l.Servers), "server"))
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// file is the lock's name.
func (c toolsLock) file(conf *config.Config) (string, error) {
	if c.Output != "" {
		return c.Output, nil
	}
	if info, err := os.Stat(conf.Policies); conf.Policies == "" || err != nil || !info.IsDir() {
		return "", failf(exitUsage, "the policies of %s are not in a folder, where the lock would lie; name a file: -o %s", c.Config, toolset.FileName)
	}
	return filepath.Join(conf.Policies, toolset.FileName), nil
}

// listAll asks every server of a config for its tools, at once. One that can't say is an error: a lock without it would say that it has none.
func listAll(p *process, conf *config.Config) ([]toolset.Listed, error) {
	b := &builder{getenv: p.getenv, now: p.now, log: slog.New(slog.DiscardHandler)}
	servers, err := b.servers(conf, nil, nil)
	if err != nil {
		return nil, failf(exitInvalid, "%w", err)
	}
	names := serverNames(conf)
	listed, failed := make([]toolset.Listed, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			server := servers[mainKey(conf, name)]
			l := &lister{ctx: p.ctx, server: server, command: len(conf.Servers[name].Command) > 0, now: p.now}
			tools, err := l.listTools()
			listed[i] = toolset.Listed{Server: name, Tools: tools}
			if err != nil && !strings.HasPrefix(err.Error(), "server ") {
				err = fmt.Errorf("server %q: %w", name, err)
			}
			failed[i] = errors.Join(err, server.Close())
		})
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, &fail{code: exitUnreachable, err: err}
	}
	return listed, nil
}

// secretName finds the variables of a command that are likely to hold secrets.
var secretName = regexp.MustCompile(`(?i)key|token|secret|passw|credential|auth`)

// repeated names a server that says a credential of its config aloud.
func repeated(conf *config.Config, text []byte) string {
	for _, name := range serverNames(conf) {
		s := conf.Servers[name]
		var secrets []string
		for _, value := range s.Headers {
			secrets = append(secrets, value[strings.LastIndexByte(value, ' ')+1:])
		}
		for variable, value := range s.Env {
			if secretName.MatchString(variable) {
				secrets = append(secrets, value)
			}
		}
		if u, err := url.Parse(s.URL); err == nil {
			for _, values := range u.Query() {
				secrets = append(secrets, values...)
			}
			password, _ := u.User.Password()
			secrets = append(secrets, password)
		}
		for _, secret := range secrets {
			quoted := jsonscan.AppendQuote(nil, secret)
			if len(secret) >= 8 && bytes.Contains(text, quoted[1:len(quoted)-1]) {
				return name
			}
		}
	}
	return ""
}

// compareLocks says how a lock differs from what servers say now.
func compareLocks(p *process, name string, now []byte) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return failf(exitUsage, "%w", err)
	}
	was, found := toolset.Parse(name, data)
	if found.HasErrors() {
		return found
	}
	changes, err := changesSince(was, name, now)
	if err != nil {
		return err
	}
	for _, c := range changes {
		fmt.Fprintln(p.stdout, c)
	}
	if len(changes) > 0 {
		return failf(exitSignature, "%s: %s; read them, then make the lock anew", name, count(len(changes), "difference"))
	}
	fmt.Fprintln(p.stdout, "ok")
	return nil
}

// changesSince lists what servers say otherwise now than a lock does; now is the lock that would be made.
func changesSince(was *toolset.Lock, name string, now []byte) ([]toolset.Change, error) {
	is, found := toolset.Parse(name, now)
	if found.HasErrors() {
		return nil, found
	}
	return toolset.Compare(was, is), nil
}
