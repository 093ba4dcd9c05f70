package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/fetch"
	"github.com/sallyport-dev/sallyport/policies"
)

// origin is where the gateway's config and policies come from: what a reload reads again.
type origin struct {
	config    string // our own file, or ""
	mcpConfig string // a client's list of servers, or ""
	policies  string // overrides the config's policies; "" does not
	override  func(*config.Config)
	made      func() *config.Config // makes the config, in the place of a file; nil: a file has it
	pause     func()                // gives way to calls, while policies are read; nil: there are none
}

// paced is the origin, read with pauses.
func (o origin) paced(pause func()) origin {
	o.pause = pause
	return o
}

// files are the paths to watch. A path may be a directory.
func (o origin) files(c *config.Config) []string {
	var files []string
	switch {
	case o.made != nil:
	case o.mcpConfig != "":
		files = []string{o.mcpConfig}
	default:
		files = []string{o.config}
	}
	if c.Policies != "" && !fetch.Remote(c.Policies) {
		files = append(files, c.Policies)
	}
	if c.Bundle.Trust != "" {
		files = append(files, c.Bundle.Trust)
	}
	for _, k := range c.Replicas.Keys {
		if k.File != "" {
			files = append(files, k.File)
		}
	}
	if c.Sessions.KeyFile != "" {
		files = append(files, c.Sessions.KeyFile)
	}
	if k := c.Bundle.Candidate; k != nil && !fetch.Remote(k.From) {
		files = append(files, k.From)
	}
	return files
}

// readConfig reads the config; the error is a source.Diagnostics if something is wrong inside the file.
func (o origin) readConfig(lookup config.Lookup) (*config.Config, error) {
	if o.made != nil {
		return o.made(), nil
	}
	name, parse := o.config, config.Parse
	if o.mcpConfig != "" {
		name, parse = o.mcpConfig, config.FromMCPServers
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, failf(exitInvalid, "config: %w", err)
	}
	c, ds := parse(name, data, lookup)
	if ds.HasErrors() {
		return nil, ds
	}
	if o.policies != "" {
		c.Policies = o.policies
	}
	if o.override != nil {
		o.override(c)
	}
	return c, nil
}

// observing are the policies of a client's list of servers, which names none: every call is let through and recorded.
func observing() (*bundle.Bundle, error) {
	observe, err := fs.Sub(policies.FS, "observe")
	if err != nil {
		return nil, err
	}
	return bundle.FS(observe)
}

// atHand is where policies that a config names can be read without asking anybody: of what is fetched, the bundle that was active last.
func atHand(c *config.Config) (string, error) {
	switch {
	case !fetch.Remote(c.Policies):
		return c.Policies, nil
	case c.Bundle.State == "":
		return "", failf(exitInvalid, "policies: %s is fetched, and without `bundle.state` no copy is kept: name policies with --policies", fetch.Shown(c.Policies))
	}
	return bundle.StoreIn(c.Bundle.State).File(), nil
}

// compileOnce compiles policies for as long as a command runs: done lets go of them.
func compileOnce(ctx context.Context, set *bundle.Bundle, o engine.Options) (s *engine.Snapshot, done func(), err error) {
	b := new(builder)
	if o.Plugins, err = b.pluginHost(set, ""); err != nil { //nolint:contextcheck // it outlives what it is made for
		return nil, nil, err
	}
	s, err = engine.Compile(ctx, set, o)
	return s, func() { //nolint:contextcheck // closing is not to be cancelled
		s.Close()
		_ = b.close() // the command ends
	}, err
}

// readBundle tells mistakes inside policies, which are a source.Diagnostics, from a path that can't be read.
func readBundle(path string) (*bundle.Bundle, error) { return readNamed("policies", path, nil) }

// readNamed is readBundle for a path that its user has given by another name. It calls pause between two pieces of the work, unless it is nil.
func readNamed(name, path string, pause func()) (*bundle.Bundle, error) {
	b, err := bundle.OpenPaced(path, pause)
	var ds source.Diagnostics
	if err == nil || errors.As(err, &ds) {
		return b, err
	}
	return nil, failf(exitInvalid, "%s: %w", name, err)
}
