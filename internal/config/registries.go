package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/fetch"
)

// Registry is where there are server.json documents, and which of them are taken.
type Registry struct {
	From      string            `yaml:"from" jsonschema:"required,minLength=1" jsonschema_description:"Where its documents are: the URL of its list, such as https://HOST/v0.1/servers, a file of them, or a directory of such files, which are watched."`
	Names     []string          `yaml:"names" jsonschema:"minItems=1" jsonschema_description:"Which of its servers are taken, as globs over their names, such as com.example/*. Those that servers names are taken, too; no others."`
	Servers   map[string]Listed `yaml:"servers" jsonschema_description:"What is settled of its servers, by the names that they have there, such as com.example/notes."`
	Poll      Duration          `yaml:"poll" jsonschema_description:"The time between two questions. Left out, 10m."`
	Token     string            `yaml:"token" jsonschema:"minLength=1" jsonschema_description:"A bearer token for the registry. Keep it out of the file with ${NAME} or tokenFile."`
	TokenFile string            `yaml:"tokenFile" jsonschema:"minLength=1" jsonschema_description:"A file that holds the token, read anew for each question."`
	CA        string            `yaml:"ca" jsonschema:"minLength=1" jsonschema_description:"The file of the certificates that the registry's certificate must chain to, PEM. Left out, the system's."`
}

// Listed is what an operator settles of a server that a registry lists.
type Listed struct {
	As        string            `yaml:"as" jsonschema:"minLength=1" jsonschema_description:"What it is called here. Left out, its name with a dash for each character that none can have."`
	Version   string            `yaml:"version" jsonschema:"minLength=1" jsonschema_description:"The version of its document that is taken. Left out, the latest."`
	Host      string            `yaml:"host" jsonschema:"minLength=1" jsonschema_description:"Where it is, as in a URL: a name, with a port if it has another than the usual. A document that says another place is not taken."`
	Headers   map[string]string `yaml:"headers" jsonschema_description:"Headers sent with every request to it, such as its own credentials. They need host."`
	Variables map[string]string `yaml:"variables" jsonschema_description:"Values of the variables that its document has, which become part of its URL and headers. They need host."`
	TLS       *ServerTLS        `yaml:"tls" jsonschema_description:"How its certificate is checked."`
	Timeout   Duration          `yaml:"timeout" jsonschema_description:"How long it may take to answer. Left out, limits.callTimeout."`
	Era       string            `yaml:"era" jsonschema:"enum=auto,enum=legacy,enum=modern" jsonschema_description:"As for a server of the config."`
}

// listedName is the form of the names that registries give: a domain backwards, a slash, a name.
var listedName = regexp.MustCompile(`^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$`)

const minListedName, maxListedName = 3, 200

// ListedName says whether a registry can list a server under a name.
func ListedName(name string) bool {
	return len(name) >= minListedName && len(name) <= maxListedName && listedName.MatchString(name)
}

// Remote says whether the registry is asked over the network.
func (r *Registry) Remote() bool { return fetch.Remote(r.From) }

// Takes gives what says whether a server of the registry is taken, by the name that it has there.
func (r *Registry) Takes() func(name string) bool {
	globs := r.globs()
	return func(name string) bool {
		if _, ok := r.Servers[name]; ok {
			return true
		}
		return slices.ContainsFunc(globs, func(g policy.Glob) bool { return g.Match(name) })
	}
}

func (r *Registry) globs() (globs []policy.Glob) {
	for _, pattern := range r.Names {
		if g, err := policy.NameGlob(pattern); err == nil { // checked
			globs = append(globs, g)
		}
	}
	return globs
}

// Wants are the questions that bring all that is taken. A registry finds servers by a part of their names.
func (r *Registry) Wants() (all []fetch.Want) {
	globs := r.globs()
	for _, name := range slices.Sorted(maps.Keys(r.Servers)) {
		version := r.Servers[name].Version
		if version == "" && slices.ContainsFunc(globs, func(g policy.Glob) bool { return g.Match(name) }) {
			continue
		}
		all = append(all, fetch.Want{Search: name, Version: version, Takes: func(is string) bool { return is == name }})
	}
	for _, g := range globs {
		all = append(all, fetch.Want{Search: literal(g.String()), Takes: g.Match})
	}
	return all
}

// literal is the longest part of a glob that stands for itself.
func literal(pattern string) string {
	parts := strings.FieldsFunc(pattern, func(r rune) bool { return r == '*' || r == '?' })
	if len(parts) == 0 {
		return ""
	}
	return slices.MaxFunc(parts, func(a, b string) int { return len(a) - len(b) })
}

func (d *Discovery) fillRegistries() {
	for i := range d.Registries {
		if r := &d.Registries[i]; r.Poll == 0 {
			r.Poll = Duration(10 * time.Minute)
		}
	}
}

// registryPaths are the paths of registries. What else their servers name is resolved beside them.
func (d *Discovery) registryPaths() (paths []*string) {
	for i := range d.Registries {
		r := &d.Registries[i]
		paths = append(paths, &r.TokenFile, &r.CA)
		if !r.Remote() {
			paths = append(paths, &r.From)
		}
		for _, s := range r.Servers {
			if s.TLS != nil {
				paths = append(paths, &s.TLS.CA)
			}
		}
	}
	return paths
}

func (c *Config) checkRegistries() source.Diagnostics {
	if c.Discovery == nil {
		return nil
	}
	var ds source.Diagnostics
	names, places := unique{}, unique{}
	for i := range c.Discovery.Registries {
		n := c.node.Get("discovery").Get("registries").Index(i)
		if n.Kind() != source.Map {
			continue
		}
		r := &c.Discovery.Registries[i]
		ds = append(ds, r.check(n)...)
		ds = append(ds, places.add(r.From, n.Get("from"), fmt.Sprintf("the registry `%s`", source.Brief(fetch.Shown(r.From))))...)
		for key, at := range n.Get("servers").Fields() {
			name := key.Text().Value
			s := r.Servers[name]
			ds = append(ds, s.check(name, key, at)...)
			if as := at.Get("as"); as.Kind() == source.String {
				ds = append(ds, names.add(s.As, as, fmt.Sprintf("the name `%s`", s.As))...)
			}
		}
	}
	return ds
}

// check checks the registry that stands at n.
func (r *Registry) check(n *source.Node) source.Diagnostics {
	var ds source.Diagnostics
	if r.From != "" && r.Remote() {
		if wrong, help := fetch.CheckListing(r.From); wrong != "" {
			ds = append(ds, one(n.Get("from"), "SP1103", "`"+source.Brief(fetch.Shown(r.From))+"`: "+wrong, help)...)
		}
	}
	for _, key := range []string{"poll", "token", "tokenFile", "ca"} {
		if k := n.Key(key); k != nil && r.From != "" && !r.Remote() {
			ds = append(ds, one(k, "SP1112", "`"+key+"` is for a registry that is asked, and `from` names a path", "remove it, or name a URL")...)
		}
	}
	if n.Get("token") != nil && n.Get("tokenFile") != nil {
		ds = append(ds, one(n.Key("tokenFile"), "SP1112", "the token is given twice", "remove `token` or `tokenFile`")...)
	}
	if token := n.Get("token"); token != nil {
		ds = append(ds, checkSecret(n.Key("token"), token)...)
	}
	if n.Get("names") == nil && n.Get("servers").Len() == 0 {
		ds = append(ds, one(n, "SP1006", "nothing says which servers of the registry are taken", "add `names`, such as `names: [com.example/*]`, or `servers`")...)
	}
	for i, pattern := range r.Names {
		if _, err := policy.NameGlob(pattern); err != nil {
			ds = append(ds, one(n.Get("names").Index(i), "SP1107", fmt.Sprintf("`%s` can't select servers: %v", source.Brief(pattern), err), "write names as the registry gives them: `com.example/*`")...)
		}
	}
	return ds
}

// check checks what is settled of a server; it stands at n, and its name at key.
func (s *Listed) check(name string, key, n *source.Node) source.Diagnostics {
	var ds source.Diagnostics
	if !ListedName(name) {
		ds = append(ds, one(key, "SP1107", fmt.Sprintf("`%s` is not the name of a server in a registry", source.Brief(name)), "write it as the registry does: `com.example/notes`")...)
	}
	if n.Kind() != source.Map {
		return ds
	}
	if as := n.Get("as"); as.Kind() == source.String && !ValidName(s.As) {
		ds = append(ds, one(as, "SP1107", fmt.Sprintf("`%s` is not a valid server name", shown(as)),
			fmt.Sprintf("it is part of the URL /mcp/NAME: lower-case letters, digits, `_` and `-`; at most %d", maxServerName))...)
	}
	if host := n.Get("host"); host.Kind() == source.String && (s.Host == "*" || !validHost(s.Host)) {
		ds = append(ds, one(host, "SP1116", fmt.Sprintf("`%s` is not a host", shown(host)), "write a name or an address, with or without a port: `mcp.example.com`")...)
	}
	for _, field := range []string{"headers", "variables"} {
		if k := n.Key(field); k != nil && n.Get("host") == nil {
			ds = append(ds, one(k, "SP1006", "missing field `host`, where `"+field+"` may be sent", "add the host of the server: whoever writes its document could have them sent anywhere else")...)
		}
	}
	for k, v := range n.Get("headers").Fields() {
		ds = append(ds, checkHeader(k, v)...)
		ds = append(ds, checkSecret(k, v)...)
	}
	for k, v := range n.Get("variables").Fields() {
		ds = append(ds, checkSecret(k, v)...)
	}
	return ds
}

// Remote makes a server of what somebody else has written: a URL, and headers. Nothing in it is expanded. pos is what mistakes are about.
func (c *Config) Remote(pos source.Pos, name, url string, headers map[string]string, settled Listed) (Server, source.Diagnostics) {
	var out Server
	is := map[string]any{"url": url}
	if len(headers) > 0 {
		is["headers"] = headers
	}
	if settled.TLS != nil {
		is["tls"] = map[string]string{"ca": settled.TLS.CA}
	}
	text, err := json.Marshal(is)
	if err != nil {
		return out, source.Diagnostics{pos.Diagnose("SP1103", "the server can't be written down: "+err.Error(), "")}
	}
	root, ds := source.ParseJSON(pos.File, text)
	if !ds.HasErrors() {
		ds = append(ds, root.Decode(&out)...)
		ds = append(ds, out.check(name, root, root)...)
		out.Timeout, out.Era = settled.Timeout, settled.Era
		out.fill(&c.Limits, root)
	}
	for i, d := range ds {
		ds[i] = pos.Diagnose(d.Code, d.Message, d.Help)
		ds[i].Severity = d.Severity
	}
	return out, ds
}
