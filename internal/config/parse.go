package config

import (
	"path/filepath"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/fetch"
)

// Parse reads a config file. It returns the Config with defaults filled in, and every mistake found; one with errors must not be used.
// file is where relative paths start from, and what messages name.
func Parse(file string, data []byte, lookup Lookup) (*Config, source.Diagnostics) {
	c := Default()
	roots, ds := source.Parse(file, data)
	top := source.Pos{File: file, Line: 1, Column: 1, Width: 1}
	switch {
	case len(ds) > 0 && len(roots) == 0:
		return &c, ds
	case len(roots) == 0:
		return &c, source.Diagnostics{top.Diagnose("SP1010", "the config is empty", "it needs at least `servers`")}
	case len(roots) > 1:
		ds = append(ds, roots[1].Pos().Diagnose("SP1009", "a config is one YAML document", "remove the `---` and what follows it"))
	}
	c.node = roots[0]
	e := expander{lookup: lookup}
	e.tree(c.node)
	ds = append(ds, e.ds...)
	ds = append(ds, c.node.Decode(&c)...)
	ds = append(ds, c.check()...)
	c.fill()
	c.resolve(filepath.Dir(file))
	return &c, ds.Sort()
}

// resolve makes the paths of a Config start from dir.
func (c *Config) resolve(dir string) {
	paths := []*string{&c.Audit.File, &c.Sessions.KeyFile, &c.Plugins.Cache, &c.Bundle.Trust, &c.Bundle.State, &c.Bundle.TokenFile, &c.Bundle.CA, &c.Replicas.CA}
	if c.Bundle.Candidate != nil && !fetch.Remote(c.Bundle.Candidate.From) {
		paths = append(paths, &c.Bundle.Candidate.From)
	}
	if c.Audit.Encrypt != nil {
		paths = append(paths, &c.Audit.Encrypt.File)
	}
	for i := range c.Replicas.Keys {
		paths = append(paths, &c.Replicas.Keys[i].File)
	}
	if c.TLS != nil {
		paths = append(paths, &c.TLS.Cert, &c.TLS.Key)
	}
	if v := c.Store.Valkey; v != nil && v.TLS != nil {
		paths = append(paths, &v.TLS.CA)
	}
	if d := c.Discovery; d != nil {
		paths = append(paths, d.paths()...)
	}
	if !fetch.Remote(c.Policies) {
		paths = append(paths, &c.Policies)
	}
	for i := range c.Identity.JWT {
		if jwks := &c.Identity.JWT[i].JWKS; !strings.Contains(*jwks, "://") {
			paths = append(paths, jwks)
		}
	}
	for name, s := range c.Servers {
		s.resolve(dir)
		s.resolveVersions(dir)
		c.Servers[name] = s
	}
	join(dir, paths)
}

// program makes the path of a program start from dir and stay a path: a bare name would be looked up in PATH.
func program(dir, p string) string {
	join(dir, []*string{&p})
	if !strings.ContainsRune(p, '/') {
		return "./" + p
	}
	return p
}

func join(dir string, paths []*string) {
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}
