package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
)

type checkCommand struct {
	Paths  []string `arg:"" help:"Config files, policy files, folders of policies, or bundles."`
	Output string   `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
}

func (c checkCommand) Run(p *process) error {
	var all source.Diagnostics
	for _, path := range c.Paths {
		ds, err := check(p, path)
		if err != nil {
			return err
		}
		all = append(all, ds...)
	}
	all = all.Sort()
	if err := c.print(p, all); err != nil {
		return err
	}
	if all.HasErrors() {
		return &fail{code: exitInvalid}
	}
	return nil
}

func (c checkCommand) print(p *process, ds source.Diagnostics) error {
	if c.Output == "json" {
		return ds.WriteJSON(p.stdout)
	}
	if len(ds) == 0 {
		fmt.Fprintln(p.stdout, "ok")
		return nil
	}
	return ds.WriteText(p.stdout, readFile, colors(*p), maxDiagnostics)
}

// check finds the mistakes in one path; the error is for a path that can't be read.
func check(p *process, path string) (source.Diagnostics, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, failf(exitUsage, "%w", err)
	}
	if info.IsDir() || isPolicy(path) || bundle.IsArchive(path) {
		return checkPolicies(p, path, nil)
	}
	o := origin{config: path}
	c, err := o.readConfig(p.getenv)
	var ds source.Diagnostics
	if errors.As(err, &ds) || err != nil {
		return ds, onlyOther(err, ds)
	}
	if c.Policies == "" {
		return source.Diagnostics{c.At("policies").Warn("SP1113", "no policies: every call will be denied", "name a folder of policies: `policies: ./policies`")}, nil
	}
	if _, err := o.givenBy(c, p.now); err != nil && bundle.IsArchive(c.Policies) {
		errors.As(err, &ds)
		return ds, onlyOther(err, ds)
	}
	return checkPolicies(p, c.Policies, serverNames(c))
}

// onlyOther gives err unless it is the diagnostics that were found.
func onlyOther(err error, ds source.Diagnostics) error {
	if len(ds) > 0 {
		return nil
	}
	return err
}

func serverNames(c *config.Config) []string {
	var names []string
	for n := range c.Servers {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// checkPolicies compiles policies; servers are those that a match may name, nil if they are not known.
func checkPolicies(p *process, path string, servers []string) (source.Diagnostics, error) {
	b, err := bundle.Open(path)
	var ds source.Diagnostics
	if err != nil {
		if errors.As(err, &ds) {
			return ds, nil
		}
		if suites, ds := enginetest.Parse(path, readFile(path)); errors.Is(err, bundle.ErrNoPolicy) && len(suites) > 0 {
			return ds, nil
		}
		return nil, failf(exitInvalid, "%w", err)
	}
	cases := casesAmong(b)
	s, done, err := compileOnce(p.ctx, b, engine.Options{Servers: servers})
	if done != nil {
		defer done()
	}
	if err != nil {
		errors.As(err, &ds)
		return append(cases, ds...), onlyOther(err, ds)
	}
	return append(cases, s.Warnings()...), nil
}

// casesAmong finds the mistakes in cases that lie among the policies. They are not run.
func casesAmong(b *bundle.Bundle) (all source.Diagnostics) {
	for _, f := range b.Files {
		if ext := filepath.Ext(f.Name); (ext == ".yaml" || ext == ".yml") && !f.IsTable() {
			_, ds := enginetest.Parse(f.Path, f.Content)
			all = append(all, ds...)
		}
	}
	return all
}

// isPolicy says whether a file holds policies: everything else is read as a config.
func isPolicy(path string) bool {
	if ext := filepath.Ext(path); ext != ".yaml" && ext != ".yml" {
		return false
	}
	nodes, _ := source.Parse(path, readFile(path))
	return len(nodes) > 0 && (nodes[0].Get("kind") != nil || nodes[0].Get("rules") != nil || nodes[0].Get("apiVersion") != nil)
}
