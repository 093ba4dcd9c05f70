package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/internal/fetch"
)

// nearEnd is how long before its end a certificate or a bundle is warned of.
const nearEnd = 14 * 24 * time.Hour

// config finds what only shows when a gateway is made of a config.
func (e *examination) config() []finding {
	do := "sallyport check " + e.o.config + " shows every mistake where it stands"
	c := *e.conf
	c.Identity.JWT = nil // a check of their own
	keys, err := e.b.resolver(&c, nil)
	if err != nil {
		return []finding{broken(fmt.Errorf("identity: %w", err), "mend identity.apiKeys in "+e.o.config)}
	}
	keys.Close()
	ds, err := limitMistakes(e.p, e.conf)
	if err = errors.Join(err, ds.Err()); err != nil {
		return []finding{broken(err, do)}
	}
	if _, err := e.b.views(e.conf); err != nil {
		return []finding{broken(err, do)}
	}
	return []finding{fine("%s", e.o.config)}
}

// policies compiles what decides, as the gateway would before it serves: a bundle is verified, and proved by its own cases.
func (e *examination) policies() []finding {
	if e.conf.Policies == "" {
		return []finding{broken(errors.New("there are none: every call is denied"), "add `policies: ./policies` to the config")}
	}
	do := "sallyport check " + e.o.config + " shows every mistake where it stands"
	c := *e.conf
	c.Plugins.Cache = "" // nothing is written
	follower, err := e.b.followed(&c, nil)
	if err != nil {
		return []finding{broken(err, do)}
	}
	shared, g, err := e.b.activate(e.p.ctx, &c, nil, follower)
	if err != nil {
		return []finding{broken(err, do)}
	}
	e.given = g
	shared.Close()
	if err := e.b.close(); err != nil {
		return []finding{broken(err, do)}
	}
	return []finding{fine("they compile: %s", shared.Revision())}
}

// bundle says who has signed the bundle, and how long it will decide.
func (e *examination) bundle() []finding {
	if !signable(e.conf.Policies) {
		return nil
	}
	if _, err := e.o.reception(e.conf, e.p.now(), policiesAt(e.conf), fetch.Shown(e.conf.Policies)); err != nil {
		return []finding{broken(err, "see to `bundle` in the config: the file of `trust` says whose signatures count, the directory of `state` what was active last")}
	}
	g := e.given
	if g == nil || g.manifest == nil {
		return nil // the policies have said why
	}
	text := g.called()
	if by := namesOf(g.by); len(by) > 0 {
		text += ", signed by " + strings.Join(by, ", ")
	}
	if g.instead != nil {
		return []finding{e.standsIn(text)}
	}
	if g.manifest.Expires == "" {
		return []finding{fine("%s", text)}
	}
	text += ", expires at " + g.manifest.Expires
	if g.manifest.Expired(e.p.now().Add(nearEnd)) {
		return []finding{doubtful(text, "build and sign a new version before that: afterwards it is refused")}
	}
	return []finding{fine("%s", text)}
}

// standsIn is about the bundle that was active last, in the place of the one that the config names.
func (e *examination) standsIn(text string) finding {
	g := e.given
	text += ", was active last and stands in: " + broken(g.instead, "").Found
	const do = "see why the source doesn't answer, or has a bundle that is refused"
	limit := time.Duration(e.conf.Bundle.MaxAge)
	if age := e.p.now().Sub(g.confirmed); limit > 0 && !g.confirmed.IsZero() {
		if age > limit {
			return broken(fmt.Errorf("%s; it is older than %s, and everything would be denied", text, e.conf.Bundle.MaxAge), do)
		}
		text = fmt.Sprintf("%s; %s ago its source said that there is no other, after %s everything is denied", text, age.Round(time.Second), e.conf.Bundle.MaxAge)
	}
	return doubtful(text, do)
}

// cases runs those of a directory. Those of a bundle have been run before it could decide.
func (e *examination) cases() []finding {
	if e.given == nil || signable(e.conf.Policies) {
		return nil
	}
	if info, err := os.Stat(e.conf.Policies); err != nil || !info.IsDir() {
		return nil
	}
	ctx, cancel := context.WithTimeout(e.p.ctx, proving)
	defer cancel()
	report, err := enginetest.Run(ctx, []string{e.conf.Policies}, enginetest.Options{})
	do := "sallyport test " + e.conf.Policies + " says more"
	switch {
	case errors.Is(err, enginetest.ErrNoCases):
		return nil
	case err != nil:
		return []finding{broken(err, do).exits(exitFailed)}
	case report.Failed > 0:
		for _, c := range report.Cases {
			if !c.Passed {
				err = fmt.Errorf("%d of %s fail, the first is `%s` in %s", report.Failed, count(report.Failed+report.Passed, "case"), source.Brief(c.Name), c.File)
				return []finding{broken(err, do).exits(exitFailed)}
			}
		}
	}
	return []finding{fine("%s, all pass", count(report.Passed, "case"))}
}

// lock compares the lock of the policies with what the servers have said of their tools.
func (e *examination) lock() []finding {
	if e.given == nil || e.given.set == nil || e.given.set.Lock == nil {
		return nil
	}
	for _, reached := range e.reached {
		if !reached {
			return []finding{doubtful("it is not compared: not every server has answered", "run this again when all do")}
		}
	}
	was := e.given.set.Lock
	do := "sallyport tools lock --check -c " + e.o.config + " lists them; read them, then make the lock anew"
	if signable(e.conf.Policies) {
		do = "make the lock anew where the bundle is built, and build a new version"
	}
	text, err := toolset.Encode(e.listed)
	if err != nil {
		return []finding{broken(fmt.Errorf("the tools of the servers make no lock: %w", err), do)}
	}
	changes, err := changesSince(was, was.Pos().File, text)
	if err != nil {
		return []finding{broken(err, do)}
	}
	if len(changes) == 0 {
		return []finding{fine("the servers describe their tools as it does")}
	}
	differs := fmt.Sprintf("%s from what the servers say now, the first is: %s", count(len(changes), "difference"), changes[0])
	if e.conf.Pins == "shadow" {
		return []finding{doubtful(differs, do)}
	}
	return []finding{broken(errors.New(differs), do).exits(exitSignature)}
}
