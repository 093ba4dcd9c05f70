package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/internal/config"
)

type doctorCommand struct {
	Config string `short:"c" placeholder:"FILE" env:"SALLYPORT_CONFIG" default:"sallyport.yaml" help:"The config file. Default: ./sallyport.yaml."`
	Output string `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
}

// finding is what was found of one part of a set-up.
type finding struct {
	Check   string `json:"check"` // the check's name, and after a blank what of several it is about
	OK      bool   `json:"ok"`
	Warning bool   `json:"warning,omitempty"` // it serves as it is, and should not stay so
	Found   string `json:"found"`
	Do      string `json:"do,omitempty"` // what to do about it
	code    int
}

// examination is what checks look at. The first ones leave there what they have learnt.
type examination struct {
	p       *process
	o       origin
	conf    *config.Config
	b       *builder
	given   *given           // the policies that would decide; nil: they can't be used, or there are none
	listed  []toolset.Listed // what servers say of their tools, in the order of their names
	reached []bool           // which of them have answered
}

// checks are all that is looked at, in order. What a config doesn't have is not named.
var checks = []struct {
	name string
	look func(*examination) []finding
}{
	{"config", (*examination).config},
	{"policies", (*examination).policies},
	{"bundle", (*examination).bundle},
	{"cases", (*examination).cases},
	{"server", (*examination).servers},
	{"lock", (*examination).lock},
	{"clock", (*examination).clocks},
	{"identity", (*examination).issuers},
	{"store", (*examination).store},
	{"tls", (*examination).certificate},
	{"plugins", (*examination).plugins},
	{"descriptors", (*examination).descriptors},
	{"audit", (*examination).audit},
}

// Run looks at everything that a gateway of this config needs, and says of each part how it is.
func (c doctorCommand) Run(p *process) error {
	o := origin{config: c.Config}
	conf, err := o.readConfig(p.getenv)
	if err != nil {
		f := broken(err, "sallyport check "+c.Config+" shows every mistake where it stands")
		f.Check = "config"
		return c.report(p, []finding{f})
	}
	b := &builder{origin: o, getenv: p.getenv, now: p.now, log: slog.New(slog.DiscardHandler), dry: true}
	found := (&examination{p: p, o: o, conf: conf, b: b}).all()
	return c.report(p, found)
}

// all are the findings of all checks.
func (e *examination) all() (all []finding) {
	for _, c := range checks {
		for _, f := range c.look(e) {
			if f.Check == "" {
				f.Check = c.name
			} else {
				f.Check = c.name + " " + f.Check
			}
			all = append(all, f)
		}
	}
	return all
}

// fine is the finding that there is nothing to do.
func fine(format string, args ...any) finding {
	return finding{OK: true, Found: fmt.Sprintf(format, args...)}
}

// doubtful is the finding that something should be done, though it serves as it is.
func doubtful(found, do string) finding {
	return finding{OK: true, Warning: true, Found: found, Do: do}
}

// broken is the finding that something can't be used as it is. Of many mistakes the first is named.
func broken(err error, do string) finding {
	text := err.Error()
	if ds, ok := errors.AsType[source.Diagnostics](err); ok {
		for i := range ds {
			if ds[i].Severity == source.Error {
				text = ds[i].String()
				break
			}
		}
	}
	return finding{Found: text, Do: do, code: exitInvalid}
}

// of says what of several a finding is about.
func (f finding) of(name string) finding {
	f.Check = name
	return f
}

// exits gives a finding another exit code.
func (f finding) exits(code int) finding {
	f.code = code
	return f
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
			fmt.Fprintf(p.stdout, "%s  %-16s %s\n", f.state(), f.Check, f.Found)
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

func (f finding) state() string {
	switch {
	case !f.OK:
		return "FAIL"
	case f.Warning:
		return "warn"
	}
	return "ok  "
}
