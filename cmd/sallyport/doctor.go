package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/config"
)

type doctorCommand struct {
	Config string `short:"c" placeholder:"FILE" env:"SALLYPORT_CONFIG" default:"sallyport.yaml" help:"The config file. Default: ./sallyport.yaml."`
	Output string `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
}

// finding is what was found of one part of a set-up.
type finding struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Found string `json:"found"`
	Do    string `json:"do,omitempty"` // what to do about it
	code  int
}

// Run looks at everything that a gateway of this config needs, and says of each part how it is.
func (c doctorCommand) Run(p *process) error {
	o := origin{config: c.Config}
	conf, err := o.readConfig(p.getenv)
	if err != nil {
		return c.report(p, []finding{broken("config", err, "sallyport check "+c.Config+" shows every mistake where it stands")})
	}
	found := []finding{{Check: "config", OK: true, Found: c.Config}, examinePolicies(p, o, conf)}
	found = append(found, examineServers(p, conf)...)
	return c.report(p, append(found, examineAudit(conf)))
}

func broken(check string, err error, do string) finding {
	text := err.Error()
	if ds, ok := errors.AsType[source.Diagnostics](err); ok {
		for i := range ds {
			if ds[i].Severity == source.Error {
				text = ds[i].String()
				break
			}
		}
	}
	return finding{Check: check, Found: text, Do: do, code: exitInvalid}
}

// examinePolicies compiles what decides, as the gateway would before it serves: a bundle is verified, and proved by its own cases.
func examinePolicies(p *process, o origin, conf *config.Config) finding {
	b := &builder{origin: o, getenv: p.getenv, now: p.now, log: slog.New(slog.DiscardHandler)}
	first, err := b.make(p.ctx, nil)
	if err != nil {
		return broken("policies", err, "sallyport check "+o.config+" shows every mistake where it stands")
	}
	defer func() {
		first.identity.Close()
		first.snapshot.Release()
		_ = b.close() // the command ends
	}()
	if conf.Policies == "" {
		return finding{Check: "policies", Found: "there are none: every call is denied", Do: "add `policies: ./policies` to the config", code: exitInvalid}
	}
	return finding{Check: "policies", OK: true, Found: "they compile: " + first.policy.Revision()}
}

// examineServers asks every server for its tools, at once.
func examineServers(p *process, conf *config.Config) []finding {
	names := serverNames(conf)
	out := make([]finding, len(names))
	b := &builder{getenv: p.getenv, now: p.now, log: slog.New(slog.DiscardHandler)}
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { out[i] = examineServer(p, b, conf, name) })
	}
	all.Wait()
	return out
}

func examineServer(p *process, b *builder, conf *config.Config, name string) finding {
	f := finding{Check: "server " + name, code: exitUnreachable}
	f.Do = "see that it runs at " + conf.Servers[name].URL
	command := len(conf.Servers[name].Command) > 0
	if command {
		f.Do = "run it by hand: " + strings.Join(conf.Servers[name].Command[:1], " ")
	}
	s, err := b.server(name, conf.Servers[name], conf.Limits)
	if err != nil {
		f.Found = err.Error()
		return f
	}
	l := &lister{ctx: p.ctx, server: s, command: command, now: p.now}
	tools, err := l.listTools()
	if err = errors.Join(err, s.Close()); err != nil {
		f.Found = err.Error()
		return f
	}
	return finding{Check: f.Check, OK: true, Found: fmt.Sprintf("it speaks %s and has %s", l.version, count(len(tools), "tool"))}
}

// examineAudit verifies the records that there are, and that more can be written. Nothing is.
func examineAudit(conf *config.Config) finding {
	f := finding{Check: "audit", code: exitInvalid}
	name := conf.Audit.File
	if name == "" {
		return finding{Check: "audit", OK: true, Found: "records go to standard output"}
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return examineFolder(name)
	}
	if err != nil {
		f.Found, f.Do = err.Error(), "give the gateway's user the right to write it: without records every call is refused"
		return f
	}
	defer file.Close() //nolint:errcheck // it was only read
	r, err := audit.Verify(file)
	if err != nil {
		f.code, f.Found, f.Do = exitSignature, name+": the chain is broken: "+err.Error(), "keep the file as it is, find out who has changed it, and name another one in the config"
		return f
	}
	return finding{Check: "audit", OK: true, Found: fmt.Sprintf("%s: %s, the chain is whole", name, count(r.Lines, "record"))}
}

// examineFolder looks whether a file could be made.
func examineFolder(name string) finding {
	probe, err := os.CreateTemp(filepath.Dir(name), ".sallyport-*")
	if err != nil {
		return finding{Check: "audit", Found: err.Error(), Do: "make the folder, and give the gateway's user the right to write there", code: exitInvalid}
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return finding{Check: "audit", Found: err.Error(), Do: "see to the folder", code: exitInvalid}
	}
	return finding{Check: "audit", OK: true, Found: name + " will be made"}
}

// report prints the findings. The exit code is that of the first that is not as it should be.
func (c doctorCommand) report(p *process, found []finding) error {
	code := exitOK
	for _, f := range found {
		if !f.OK && code == exitOK {
			code = f.code
		}
	}
	if c.Output == "json" {
		text, err := json.Marshal(found)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "%s\n", text)
	} else {
		for _, f := range found {
			state := "ok  "
			if !f.OK {
				state = "FAIL"
			}
			fmt.Fprintf(p.stdout, "%s  %-16s %s\n", state, f.Check, f.Found)
			if f.Do != "" {
				fmt.Fprintf(p.stdout, "%23s%s\n", "", f.Do)
			}
		}
	}
	if code != exitOK {
		return &fail{code: code}
	}
	return nil
}
