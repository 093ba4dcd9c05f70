package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// FromMCPServers reads the file in which an MCP client keeps its servers: JSON, with comments and trailing commas, whose `mcpServers`
// (VS Code: `servers`) is an object of servers. What else clients keep there is passed over. The Config listens on loopback and lets anonymous
// callers in; it has no policies, which are the caller's to choose.
func FromMCPServers(file string, data []byte, lookup Lookup) (*Config, source.Diagnostics) {
	c := Default()
	c.Identity.Anonymous = "allow"
	c.Servers = map[string]Server{}
	root, ds := source.ParseJSON(file, data)
	if len(ds) > 0 {
		return &c, ds
	}
	c.node = root
	list := root.Get("mcpServers")
	if list == nil {
		list = root.Get("servers")
	}
	if list.Kind() != source.Map || list.Len() == 0 {
		at := source.Pos{File: file, Line: 1, Column: 1, Width: 1}
		if list != nil {
			at = list.Pos()
		}
		return &c, source.Diagnostics{at.Diagnose("SP1115", "the file lists no MCP servers", `it needs {"mcpServers": {"name": {"url": "https://..."}}}, or "command" and "args"`)}
	}
	e := expander{lookup: lookup, client: true}
	e.tree(list)
	ds = append(ds, e.ds...)
	names := unique{}
	for key, n := range list.Fields() {
		if n.Get("disabled").Any() == true {
			continue
		}
		name, s, found := clientServer(key, n)
		ds = append(ds, found...)
		ds = append(ds, names.add(name, key, fmt.Sprintf("the server name `%s`", name))...)
		c.Servers[name] = s
	}
	c.fill()
	c.resolve(filepath.Dir(file))
	return &c, ds.Sort()
}

// clientEntry is a server as clients spell it. Clients differ; what is not named here is passed over.
type clientEntry struct {
	Type      string            `yaml:"type" jsonschema:"enum=stdio,enum=http,enum=streamable-http,enum=streamable_http,enum=streamableHttp"`
	Command   string            `yaml:"command"`
	Args      []string          `yaml:"args"`
	Env       map[string]string `yaml:"env"`
	Cwd       string            `yaml:"cwd"`
	URL       string            `yaml:"url"`
	ServerURL string            `yaml:"serverUrl"`
	HTTPURL   string            `yaml:"httpUrl"`
	Headers   map[string]string `yaml:"headers"`
}

// clientServer reads one server.
func clientServer(key, n *source.Node) (string, Server, source.Diagnostics) {
	name := ServerName(key.Text().Value)
	var ds source.Diagnostics
	if !serverName.MatchString(name) {
		ds = append(ds, one(key, "SP1107", fmt.Sprintf("`%s` cannot be made a server name", shown(key)), "use letters and digits")...)
	}
	if n.Kind() != source.Map {
		return name, Server{}, append(ds, one(n, "SP1004", fmt.Sprintf("`%s` must be a mapping, but this is %s", shown(key), n.Kind()), "")...)
	}
	var entry clientEntry
	ds = append(ds, n.DecodeKnown(&entry)...)
	s := Server{URL: entry.URL, Headers: entry.Headers, Env: entry.Env, Cwd: entry.Cwd}
	for _, url := range []string{entry.ServerURL, entry.HTTPURL} {
		if s.URL == "" {
			s.URL = url
		}
	}
	if entry.Command != "" {
		s.Command = append([]string{entry.Command}, entry.Args...)
	}
	if len(ds) == 0 {
		ds = append(ds, s.checkClient(key, n)...)
	}
	return name, s, ds
}

// checkClient checks a server that was read from a client's file.
func (s *Server) checkClient(key, n *source.Node) source.Diagnostics {
	given := func(field string) bool { return n.Get(field) != nil }
	remote, local := given("url") || given("serverUrl") || given("httpUrl"), given("command")
	switch {
	case remote && local:
		return one(key, "SP1106", fmt.Sprintf("server `%s` has both a url and a command", shown(key)), "keep one")
	case !remote && !local:
		return one(key, "SP1106", fmt.Sprintf("server `%s` has neither a url nor a command", shown(key)), `add "url", or "command" and "args"`)
	}
	var ds source.Diagnostics
	for _, field := range []string{"url", "serverUrl", "httpUrl"} {
		if at := n.Get(field); at.Text().Value == s.URL && s.URL != "" {
			ds = append(ds, s.checkURL(at)...)
			break
		}
	}
	for k, v := range n.Get("headers").Fields() {
		ds = append(ds, checkHeader(k, v)...)
		ds = append(ds, checkSecret(k, v)...)
	}
	for k, v := range n.Get("env").Fields() {
		ds = append(ds, checkSecret(k, v)...)
	}
	return ds
}

// ServerName makes a name that can be part of a URL: "My Server" is "my-server".
func ServerName(name string) string {
	mapped := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '-'
	}, name)
	if mapped = strings.Trim(mapped, "-_"); len(mapped) > maxServerName {
		mapped = mapped[:maxServerName]
	}
	return mapped
}
