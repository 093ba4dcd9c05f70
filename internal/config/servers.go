package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

var serverName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

const maxServerName = 64

func (c *Config) checkServers() source.Diagnostics {
	var ds source.Diagnostics
	servers := c.node.Get("servers")
	if found := c.node.Get("discovery") != nil; !found && servers.Kind() == source.Map && servers.Len() == 0 {
		ds = append(ds, one(servers, "SP1011", "`servers` is empty", "add a server: `files: { url: http://127.0.0.1:3001/mcp }`")...)
	} else if !found && servers == nil && c.node.Kind() == source.Map {
		ds = append(ds, one(c.node, "SP1006", "missing field `servers`", "add `servers`")...)
	}
	for key, n := range servers.Fields() {
		name := key.Text().Value
		if !serverName.MatchString(name) || len(name) > maxServerName {
			ds = append(ds, one(key, "SP1107", fmt.Sprintf("`%s` is not a valid server name", shown(key)),
				fmt.Sprintf("it is part of the URL /mcp/NAME: lower-case letters, digits, `_` and `-`; at most %d", maxServerName))...)
		}
		if n.Kind() == source.Map {
			s := c.Servers[name]
			ds = append(ds, s.check(name, key, n)...)
		}
	}
	return ds
}

// check checks the server that stands at n; key is where it is named.
func (s *Server) check(name string, key, n *source.Node) source.Diagnostics {
	var ds source.Diagnostics
	if n.Key("versions") != nil {
		ds = s.checkVersions(key, n)
	} else {
		ds = s.checkPlace("server", name, key, n)
		for _, field := range []string{"routes", "mirror"} {
			if k := n.Key(field); k != nil {
				ds = append(ds, one(k, "SP1112", fmt.Sprintf("`%s` has no meaning without `versions`", field), "remove it, or say which versions there are")...)
			}
		}
	}
	ds = append(ds, s.checkTools(n)...)
	if k := n.Key("queue"); k != nil && n.Key("maxConcurrent") == nil {
		ds = append(ds, one(k, "SP1112", "`queue` has no meaning without `maxConcurrent`", "remove it, or say how many calls the server takes at a time")...)
	}
	return ds
}

// checkPlace checks where a server is, or a version of one, which stands at n.
func (s *Server) checkPlace(what, name string, key, n *source.Node) source.Diagnostics {
	var ds source.Diagnostics
	remote, local := n.Get("url") != nil, n.Get("command") != nil
	switch {
	case remote && local:
		ds = append(ds, one(n.Key("command"), "SP1106", fmt.Sprintf("%s `%s` has both `url` and `command`", what, name), "keep one: a server is called, or run")...)
	case !remote && !local:
		ds = append(ds, one(key, "SP1106", fmt.Sprintf("%s `%s` has neither `url` nor `command`", what, name), "add `url: https://...`, or `command: [program, argument]`")...)
	}
	for _, field := range []string{"headers", "tls", "env", "cwd", "maxSessions"} {
		needs, has := "url", remote
		if slices.Contains([]string{"env", "cwd", "maxSessions"}, field) {
			needs, has = "command", local
		}
		if k := n.Key(field); k != nil && !has && (remote || local) {
			ds = append(ds, one(k, "SP1112", fmt.Sprintf("`%s` has no meaning without `%s`", field, needs), "remove it")...)
		}
	}
	if at := n.Get("url"); at.Kind() == source.String && s.URL != "" {
		ds = append(ds, s.checkURL(at)...)
	}
	if k := n.Key("tls"); k != nil && strings.HasPrefix(s.URL, "http:") {
		ds = append(ds, one(k, "SP1112", "`tls` has no meaning for an http URL", "remove it, or write https")...)
	}
	if n.Get("command").Kind() == source.List && len(s.Command) > 0 && strings.TrimSpace(s.Command[0]) == "" {
		ds = append(ds, one(n.Get("command").Index(0), "SP1011", "the command has no program", "")...)
	}
	for k, v := range n.Get("headers").Fields() {
		ds = append(ds, checkHeader(k, v)...)
		ds = append(ds, checkSecret(k, v)...)
	}
	for k, v := range n.Get("env").Fields() {
		if name := k.Text().Value; name == "" || strings.ContainsAny(name, "=\x00") {
			ds = append(ds, one(k, "SP1107", fmt.Sprintf("`%s` is not the name of an environment variable", shown(k)), "")...)
		}
		ds = append(ds, checkSecret(k, v)...)
	}
	return ds
}

// checkURL checks the URL that stands at n.
func (s *Server) checkURL(n *source.Node) source.Diagnostics {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || !httpURL(u) || strings.ContainsFunc(s.URL, func(r rune) bool { return r <= ' ' }):
		return one(n, "SP1103", fmt.Sprintf("`%s` is not an http or https URL", shown(n)), "write an absolute URL: `https://mcp.example.com/mcp`")
	case u.User != nil:
		return one(n, "SP1103", "a URL must not hold a user or password", "send credentials by `headers`: `Authorization: Bearer ${TOKEN}`")
	case strings.Contains(s.URL, "#"):
		return one(n, "SP1103", "a URL that is called has no fragment", "remove the `#` and what follows it")
	}
	return nil
}

// checkSecret refuses a secret that was never filled in.
func checkSecret(key, value *source.Node) source.Diagnostics {
	if value.Kind() != source.String || !secretName.MatchString(key.Text().Value) || !placeholder(value.Text().Value) {
		return nil
	}
	return one(value, "SP1109", fmt.Sprintf("`%s` is a placeholder, not a secret", shown(value)), "write `${NAME}` and set the environment variable")
}

// fill sets what a file left out of the server that stands at n.
func (s *Server) fill(l *Limits, n *source.Node) {
	if s.Timeout == 0 {
		s.Timeout = l.CallTimeout
	}
	if s.MaxSessions == 0 {
		s.MaxSessions = l.Sessions
	}
	s.fillTraffic(n)
}

// resolve makes the paths of a server start from dir.
func (s *Server) resolve(dir string) {
	own := []*string{&s.Cwd}
	if s.TLS != nil {
		own = append(own, &s.TLS.CA)
	}
	if len(s.Command) > 0 && strings.ContainsRune(s.Command[0], '/') {
		s.Command[0] = program(dir, s.Command[0])
	}
	join(dir, own)
}

// fillTraffic sets what a file left out of what bounds the calls of a server.
func (s *Server) fillTraffic(n *source.Node) {
	if s.MaxConcurrent > 0 && s.Queue == nil {
		s.Queue = &Queue{}
	}
	if q := s.Queue; q != nil {
		if n.Get("queue").Get("length") == nil {
			q.Length = s.MaxConcurrent
		}
		if q.Wait == 0 {
			q.Wait = Duration(5 * time.Second)
		}
	}
	if m := s.Mirror; m != nil && m.Share == 0 {
		m.Share = 100
	}
	if b := s.Breaker; b != nil {
		if b.Failures == 0 {
			b.Failures = 5
		}
		if b.Open == 0 {
			b.Open = Duration(30 * time.Second)
		}
	}
}
