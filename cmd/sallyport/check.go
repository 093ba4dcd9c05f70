package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/lint"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/fetch"
	"github.com/sallyport-dev/sallyport/internal/overload"
	"github.com/sallyport-dev/sallyport/internal/route"
)

type checkCommand struct {
	Paths  []string `arg:"" help:"Config files, policy files, folders of policies, or bundles."`
	Output string   `short:"o" enum:"text,json,sarif" default:"text" help:"How to report: text, json or sarif."`
	Fix    bool     `help:"Mend in place what can be mended without a question."`
	Strict bool     `help:"Let warnings fail, too."`
	Cache  bool     `help:"Say of each rule whether decisions that rest on it are remembered, and by which fields."`
}

// checked is what was found in the paths of one run.
type checked struct {
	mistakes source.Diagnostics // of what doesn't compile, and warnings
	findings []lint.Finding     // of what does
	rules    []engine.RuleCaching
}

func (c checkCommand) Run(p *process) error {
	found, err := c.look(p)
	if err != nil {
		return err
	}
	if c.Fix && !found.mistakes.HasErrors() {
		mended, err := c.mend(p, found.findings)
		if err != nil {
			return err
		}
		if mended > 0 {
			if found, err = c.look(p); err != nil {
				return err
			}
		}
	}
	if err := c.print(p, found); err != nil {
		return err
	}
	return c.verdict(found)
}

func (c checkCommand) look(p *process) (all checked, err error) {
	for _, path := range c.Paths {
		found, err := check(p, path)
		if err != nil {
			return checked{}, err
		}
		all.mistakes = append(all.mistakes, found.mistakes...)
		all.findings = append(all.findings, found.findings...)
		all.rules = append(all.rules, found.rules...)
	}
	return all, nil
}

// verdict is the exit code: of mistakes before that of findings.
func (c checkCommand) verdict(found checked) error {
	if found.mistakes.HasErrors() {
		return &fail{code: exitInvalid}
	}
	least := source.Error
	if c.Strict {
		least = source.Warning
	}
	if slices.ContainsFunc(found.all(), func(d source.Diagnostic) bool { return d.Severity <= least }) {
		return &fail{code: exitLint}
	}
	return nil
}

// all are the mistakes and the findings, in order.
func (f checked) all() source.Diagnostics {
	all := slices.Clone(f.mistakes)
	for i := range f.findings {
		all = append(all, f.findings[i].Diagnostic)
	}
	return all.Sort()
}

// mend makes the changes that findings are certain of, and says how many.
func (c checkCommand) mend(p *process, findings []lint.Finding) (mended int, err error) {
	changes := map[string][]source.Change{}
	counts := map[string]int{}
	for _, f := range findings {
		if f.Fix != nil {
			changes[f.File] = append(changes[f.File], f.Fix...)
			counts[f.File]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		data, err := os.ReadFile(name)
		if err != nil {
			return mended, failf(exitUsage, "%w", err)
		}
		after := source.Apply(data, changes[name])
		if _, ds := policy.Parse(name, after); ds.HasErrors() {
			return mended, fmt.Errorf("%s: mended, it would not be a policy: %w", name, ds.Err())
		}
		if err := replaceFile(name, after); err != nil {
			return mended, failf(exitUnexpected, "%w", err)
		}
		mended += counts[name]
		fmt.Fprintf(p.stderr, "%s: mended %d\n", name, counts[name])
	}
	return mended, nil
}

func (c checkCommand) print(p *process, found checked) error {
	ds := found.all()
	if c.Cache && c.Output == "text" {
		writeRules(p.stdout, found.rules)
	}
	switch {
	case c.Output == "json" && c.Cache:
		return writeCaching(p.stdout, ds, found.rules)
	case c.Output == "json":
		return ds.WriteJSON(p.stdout)
	case c.Output == "sarif":
		return ds.WriteSARIF(p.stdout)
	case len(ds) == 0:
		fmt.Fprintln(p.stdout, "ok")
		return nil
	}
	return ds.WriteText(p.stdout, func(name string) []byte { return lint.Mask(ds, name, readFile(name)) }, colors(*p), maxDiagnostics)
}

// check finds the mistakes in one path; the error is for a path that can't be read.
func check(p *process, path string) (checked, error) {
	info, err := os.Stat(path)
	if err != nil {
		return checked{}, failf(exitUsage, "%w", err)
	}
	if info.IsDir() || isPolicy(path) || bundle.IsArchive(path) {
		return checkPolicies(p, path, nil)
	}
	o := origin{config: path}
	c, err := o.readConfig(p.getenv)
	var ds source.Diagnostics
	if errors.As(err, &ds) || err != nil {
		return checked{mistakes: ds}, onlyOther(err, ds)
	}
	servers := (&builder{getenv: p.getenv, now: p.now, log: slog.New(slog.DiscardHandler)}).discover(c, nil, nil, nil)
	c = servers.Into(c)
	found, err := checkConfigured(p, o, c)
	if err != nil {
		return checked{}, err
	}
	found.mistakes = append(found.mistakes, servers.All()...)
	if ds, err = limitMistakes(p, c); err != nil {
		return checked{}, err
	}
	_, wrong := route.Compile(splitSpecs(c))
	_, unfit := overload.Compile(prioritySpecs(c))
	found.mistakes = slices.Concat(found.mistakes, ds, wrong, unfit)
	tried, err := checkCandidate(p, o, c)
	if err != nil {
		return checked{}, err
	}
	found.mistakes, found.findings = append(found.mistakes, tried.mistakes...), append(found.findings, tried.findings...)
	return found, nil
}

// checkCandidate finds the mistakes for which a candidate would not be tried, and lints it.
func checkCandidate(p *process, o origin, c *config.Config) (checked, error) {
	k := c.Bundle.Candidate
	if k == nil || fetch.Remote(k.From) { // what is there now needn't be there when it is fetched
		return checked{}, nil
	}
	var ds source.Diagnostics
	g, err := o.candidateBy(c, &candidate{config: *k}, p.now())
	if err != nil {
		errors.As(err, &ds)
		return checked{mistakes: ds}, onlyOther(err, ds)
	}
	found, err := checkPolicies(p, k.From, serverNames(c))
	if err != nil || g.archive == nil || found.mistakes.HasErrors() {
		return found, err
	}
	if _, err = prove(p.ctx, g.set, proving, enginetest.Options{}); err != nil {
		errors.As(err, &ds)
		found.mistakes = append(found.mistakes, ds...)
	}
	return found, onlyOther(err, ds)
}

// checkConfigured finds the mistakes in the policies that a config names.
func checkConfigured(p *process, o origin, c *config.Config) (checked, error) {
	var ds source.Diagnostics
	if c.Policies == "" {
		none := c.At("policies").Warn("SP1113", "no policies: every call will be denied", "name a folder of policies: `policies: ./policies`")
		return checked{mistakes: source.Diagnostics{none}}, nil
	}
	if fetch.Remote(c.Policies) { // what is there now needn't be there when it is fetched
		return checked{}, nil
	}
	if _, err := o.givenBy(p.ctx, c, p.now); err != nil && (bundle.IsArchive(c.Policies) || c.Bundle.Trust != "") {
		errors.As(err, &ds)
		return checked{mistakes: ds}, onlyOther(err, ds)
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

// checkPolicies compiles policies, and lints those that compile; servers are those that a match may name, nil if they are not known.
func checkPolicies(p *process, path string, servers []string) (checked, error) {
	b, err := bundle.Open(path)
	var ds source.Diagnostics
	if err != nil {
		if errors.As(err, &ds) {
			return checked{mistakes: ds}, nil
		}
		if suites, ds := enginetest.Parse(path, readFile(path)); errors.Is(err, bundle.ErrNoPolicy) && len(suites) > 0 {
			return checked{mistakes: ds}, nil
		}
		return checked{}, failf(exitInvalid, "%w", err)
	}
	cases := casesAmong(b)
	s, done, err := compileOnce(p.ctx, b, engine.Options{Servers: servers})
	if done != nil {
		defer done()
	}
	if err != nil {
		errors.As(err, &ds)
		return checked{mistakes: append(cases, ds...)}, onlyOther(err, ds)
	}
	l, err := lint.New()
	if err != nil {
		return checked{}, err
	}
	found := checked{mistakes: append(cases, s.Warnings()...), findings: l.Policies(b.Policies, b.Source, b.Lock), rules: s.Caching()}
	if bundle.IsArchive(path) {
		for i := range found.findings {
			found.findings[i].Fix = nil // what it was made of is to be mended
		}
	}
	return found, nil
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
