package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Version is one of several versions of a server: where it is, and how many of the callers it gets.
type Version struct {
	Weight  int               `yaml:"weight" jsonschema:"minimum=0,maximum=100" jsonschema_description:"The callers that come to it, in percent. Those of all versions sum to 100. Left out, 0: only routes lead to it."`
	URL     string            `yaml:"url" jsonschema:"minLength=1" jsonschema_description:"Its Streamable HTTP endpoint, http or https."`
	Headers map[string]string `yaml:"headers" jsonschema_description:"Headers sent with every request to it, such as its own credentials."`
	TLS     *ServerTLS        `yaml:"tls" jsonschema_description:"How its certificate is checked."`
	Command []string          `yaml:"command" jsonschema:"minItems=1" jsonschema_description:"A program and its arguments, which speaks MCP over stdin and stdout. No shell is involved."`
	Env     map[string]string `yaml:"env" jsonschema_description:"Environment variables of the command, beside PATH, HOME, LANG and the like. It gets no others."`
	Cwd     string            `yaml:"cwd" jsonschema:"minLength=1" jsonschema_description:"The command's working directory. Left out, the gateway's own."`
	Era     string            `yaml:"era" jsonschema:"enum=auto,enum=legacy,enum=modern" jsonschema_description:"As that of the server, which holds where it is left out."`
}

// Route leads calls to a version.
type Route struct {
	When    source.Text `yaml:"when" jsonschema:"required" jsonschema_description:"A CEL condition on the call and its caller, such as \"platform\" in principal.groups."`
	Version string      `yaml:"version" jsonschema:"required,minLength=1" jsonschema_description:"The version that serves the calls for which it holds."`
}

// Mirror says which version gets copies of calls of tools that change nothing.
type Mirror struct {
	To    string `yaml:"to" jsonschema:"required,minLength=1" jsonschema_description:"The version that gets the copies."`
	Share int    `yaml:"share" jsonschema:"minimum=1,maximum=100" jsonschema_description:"The calls that are copied, in percent. Left out, all."`
}

// Version gives a version of a server as a server of its own. What bounds its calls is the server's.
func (s *Server) Version(name string) Server {
	v := s.Versions[name]
	out := Server{
		URL: v.URL, Headers: v.Headers, TLS: v.TLS, Command: v.Command, Env: v.Env, Cwd: v.Cwd, Era: v.Era,
		Timeout: s.Timeout, MaxSessions: s.MaxSessions, MaxConcurrent: s.MaxConcurrent, Queue: s.Queue, Breaker: s.Breaker,
	}
	if v.Era == "" {
		out.Era = s.Era
	}
	return out
}

// Main is the version that most callers come to, the first by name of several. It is "" for a server without versions.
func (s *Server) Main() (name string) {
	for _, v := range slices.Sorted(maps.Keys(s.Versions)) {
		if name == "" || s.Versions[v].Weight > s.Versions[name].Weight {
			name = v
		}
	}
	return name
}

// places are the fields that say where a server is: those of a version, not of a server that has some.
var places = []string{"url", "headers", "tls", "command", "env", "cwd"}

// checkVersions checks the versions of the server that stands at n, and what leads to them.
func (s *Server) checkVersions(key, n *source.Node) source.Diagnostics {
	var ds source.Diagnostics
	for _, field := range places {
		if k := n.Key(field); k != nil {
			ds = append(ds, one(k, "SP1112", fmt.Sprintf("`%s` has no meaning beside `versions`", field), "say it in each version")...)
		}
	}
	versions := n.Get("versions")
	if versions.Kind() == source.Map && versions.Len() == 0 {
		return append(ds, one(versions, "SP1011", "`versions` is empty", "add a version: `stable: { url: https://..., weight: 100 }`")...)
	}
	sum := 0
	for name, at := range versions.Fields() {
		if !serverName.MatchString(name.Text().Value) || len(name.Text().Value) > maxServerName {
			ds = append(ds, one(name, "SP1107", fmt.Sprintf("`%s` is not a valid name of a version", shown(name)),
				fmt.Sprintf("write lower-case letters, digits, `_` and `-`; at most %d", maxServerName))...)
		}
		if at.Kind() == source.Map {
			v := s.Version(name.Text().Value)
			ds = append(ds, v.checkPlace("version", name.Text().Value, name, at)...)
		}
		sum += s.Versions[name.Text().Value].Weight
	}
	if sum != wholeWeight && versions.Kind() == source.Map && !ds.HasErrors() {
		ds = append(ds, one(n.Key("versions"), "SP1301", fmt.Sprintf("the weights of `%s` sum to %d, not to 100", key.Text().Value, sum),
			"weights are percents of the callers that no route leads elsewhere")...)
	}
	for i, r := range s.Routes {
		ds = append(ds, s.checkTarget(r.Version, n.Get("routes").Index(i).Get("version"))...)
	}
	if s.Mirror != nil {
		ds = append(ds, s.checkTarget(s.Mirror.To, n.Get("mirror").Get("to"))...)
	}
	return ds
}

const wholeWeight = 100

// checkTarget checks the name of a version that calls are led to.
func (s *Server) checkTarget(name string, at *source.Node) source.Diagnostics {
	if _, ok := s.Versions[name]; ok || at.Kind() != source.String || name == "" {
		return nil
	}
	known := slices.Sorted(maps.Keys(s.Versions))
	help := "the versions are: " + strings.Join(known, ", ")
	if word, ok := source.Suggest(name, known); ok {
		help = fmt.Sprintf("did you mean `%s`?", word)
	}
	return one(at, "SP1301", fmt.Sprintf("there is no version `%s`", shown(at)), help)
}

// resolveVersions makes the paths of versions start from dir, and has whoever knows of no versions see the main one.
func (s *Server) resolveVersions(dir string) {
	for name, v := range s.Versions {
		s.Versions[name] = v.resolve(dir)
	}
	if name := s.Main(); name != "" {
		v := s.Version(name)
		v.Versions, v.Routes, v.Mirror, v.Tools = s.Versions, s.Routes, s.Mirror, s.Tools
		*s = v
	}
}

func (v Version) resolve(dir string) Version {
	own := []*string{&v.Cwd}
	if v.TLS != nil {
		own = append(own, &v.TLS.CA)
	}
	if len(v.Command) > 0 && strings.ContainsRune(v.Command[0], '/') {
		v.Command[0] = program(dir, v.Command[0])
	}
	join(dir, own)
	return v
}
