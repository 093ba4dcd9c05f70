package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Discovery says where there are servers beside those of the config.
type Discovery struct {
	Directory  string     `yaml:"directory" jsonschema:"minLength=1" jsonschema_description:"A directory in which each file, NAME.yaml or NAME.json, is a server: what would stand under its name in servers. It is watched."`
	API        *API       `yaml:"api" jsonschema_description:"Operators may put servers by the admin API. Left out, they may not."`
	Quarantine *bool      `yaml:"quarantine" jsonschema_description:"Servers of the directory serve nobody until an operator has approved them. Left out, true. Those of other sources always need that."`
	State      string     `yaml:"state" jsonschema:"minLength=1" jsonschema_description:"The file in which approvals are kept, and the servers that were put by the admin API."`
	Networks   []Network  `yaml:"networks" jsonschema_description:"Where servers that were found may be beside the public Internet, such as 10.0.0.0/8. The config's own servers may be anywhere."`
	Registries []Registry `yaml:"registries" jsonschema:"minItems=1" jsonschema_description:"Registries of MCP servers, whose server.json documents say where servers are."`
	Probe      *Probe     `yaml:"probe" jsonschema_description:"Servers are asked again and again what they speak and which tools they have. Left out, they are asked only what clients ask, and commands are started for the first call."`
}

// Quarantines says whether servers of the directory wait for an operator.
func (d *Discovery) Quarantines() bool { return d.Quarantine == nil || *d.Quarantine }

// API says what operators may put by the admin API.
type API struct {
	Commands bool `yaml:"commands" jsonschema_description:"They may put commands, which the gateway runs. Left out, only URLs."`
}

// Probe says how often servers are asked about themselves.
type Probe struct {
	Every Duration `yaml:"every" jsonschema_description:"The time between two questions. Left out, 5m."`
}

// fillDiscovery sets what a file left out of discovery.
func (c *Config) fillDiscovery() {
	d := c.Discovery
	if d == nil {
		return
	}
	d.fillRegistries()
	if d.Probe != nil && d.Probe.Every == 0 {
		d.Probe.Every = Duration(5 * time.Minute)
	}
}

// Watched are the files and directories in which servers are found.
func (d *Discovery) Watched() (all []string) {
	if d.Directory != "" {
		all = append(all, d.Directory)
	}
	for i := range d.Registries {
		if r := &d.Registries[i]; !r.Remote() {
			all = append(all, r.From)
		}
	}
	return all
}

func (d *Discovery) paths() []*string { return append(d.registryPaths(), &d.Directory, &d.State) }

func (c *Config) checkDiscovery() source.Diagnostics {
	n := c.node.Get("discovery")
	if n.Kind() == source.Map && n.Len() == 0 {
		return one(n, "SP1011", "`discovery` is empty", "name a directory: `discovery: { directory: ./servers.d, state: ./servers.json }`")
	}
	d := c.Discovery
	if d == nil {
		return nil
	}
	if d.State != "" || n.Get("state") != nil {
		return nil
	}
	switch {
	case d.API != nil:
		return one(n.Key("api"), "SP1112", "`api` needs `state`", "add `state: FILE`, in which the servers and their approvals are kept")
	case len(d.Registries) > 0:
		return one(n.Key("registries"), "SP1112", "`registries` needs `state`", "add `state: FILE`, in which approvals are kept")
	case d.Directory != "" && d.Quarantines():
		return one(n.Key("directory"), "SP1112", "`directory` needs `state`",
			"add `state: FILE`, in which approvals are kept; or `quarantine: false`, if whoever can write there may add servers")
	}
	return nil
}

// Named is a server in a file of its own, with what was written there: before variables were expanded, and whatever its layout.
type Named struct {
	Server  Server
	Written json.RawMessage // with its members in order
	Digest  string          // of that: "sha256:<hex>"
}

// ParseServer reads a server of a file of its own, by the file's name: what would stand under its name in `servers`. Its defaults are c's.
func (c *Config) ParseServer(file string, data []byte, lookup Lookup) (Named, source.Diagnostics) {
	return c.parseNamed(file, data, func(root *source.Node) source.Diagnostics {
		e := expander{lookup: lookup}
		e.tree(root)
		return e.ds
	})
}

// ParsePut is ParseServer for a server that somebody has sent who may say which servers there are, and not what the gateway runs, reads or
// knows: no variable is expanded.
func (c *Config) ParsePut(file string, data []byte) (Named, source.Diagnostics) {
	return c.parseNamed(file, data, c.checkPut)
}

// parseNamed reads a server of a file of its own. What was written there is prepared before it is decoded.
func (c *Config) parseNamed(file string, data []byte, prepare func(*source.Node) source.Diagnostics) (Named, source.Diagnostics) {
	var out Named
	root, ds := parseOne(file, data)
	if ds.HasErrors() {
		return out, ds
	}
	if root.Kind() != source.Map {
		return out, append(ds, one(root, "SP1004", "a server must be a mapping, but this is "+root.Kind().String(), "write `url: https://...`, or `command: [program, argument]`")...)
	}
	out.write(root)
	ds = append(ds, prepare(root)...)
	ds = append(ds, root.Decode(&out.Server)...)
	name := NameOfFile(file)
	if !ValidName(name) {
		ds = append(ds, top(file).Diagnose("SP1107", fmt.Sprintf("`%s` is not a valid server name", source.Brief(name)),
			fmt.Sprintf("it is part of the URL /mcp/NAME: lower-case letters, digits, `_` and `-`; at most %d", maxServerName)))
	}
	for _, field := range []string{"versions", "routes"} {
		if k := root.Key(field); k != nil {
			ds = append(ds, one(k, "SP1112", "a server in a file of its own has no `"+field+"`", "write it in the config")...)
		}
	}
	ds = append(ds, out.Server.check(name, root, root)...)
	out.Server.fill(&c.Limits, root)
	out.Server.resolve(filepath.Dir(file))
	return out, ds.Sort()
}

// checkPut refuses what only the gateway's own files may say.
func (c *Config) checkPut(root *source.Node) source.Diagnostics {
	var ds source.Diagnostics
	refuse := func(n *source.Node, message, help string) { ds = append(ds, one(n, "SP1413", message, help)...) }
	root.Walk(func(n *source.Node) {
		if n.Kind() == source.String && strings.Contains(n.Text().Value, "${") {
			refuse(n, "variables are not expanded in what the admin API is given", "write the value itself, or have the server stand in a file of the gateway")
			n.Discard()
		}
	})
	if k := root.Key("tls"); k != nil {
		refuse(k, "a server that is put has no `tls`: it names a file of the gateway's machine", "have the server stand in a file of the gateway")
	}
	if k := root.Key("command"); k != nil && !c.Discovery.API.Commands {
		refuse(k, "a server that is put is no command: the gateway would run it", "give it a `url`; or say `commands: true` in `discovery.api`, if operators may run programs here")
		return ds
	}
	for _, n := range []*source.Node{root.Get("command").Index(0), root.Get("cwd")} {
		if path := n.Text().Value; (n != root.Get("command").Index(0) || strings.Contains(path, "/")) && n.Kind() == source.String && !filepath.IsAbs(path) {
			refuse(n, fmt.Sprintf("`%s` doesn't say where it starts", source.Brief(path)), "write an absolute path, or the name of a program in PATH")
		}
	}
	return ds
}

// NameOfFile is the name of the server that a file is.
func NameOfFile(file string) string {
	base := filepath.Base(file)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// ValidName says whether a server can have a name, which is part of a URL.
func ValidName(name string) bool { return serverName.MatchString(name) && len(name) <= maxServerName }

func top(file string) source.Pos { return source.Pos{File: file, Line: 1, Column: 1, Width: 1} }

// parseOne reads a file of one document.
func parseOne(file string, data []byte) (*source.Node, source.Diagnostics) {
	if filepath.Ext(file) == ".json" {
		return source.ParseJSON(file, data)
	}
	roots, ds := source.Parse(file, data)
	switch {
	case len(roots) == 0 && len(ds) > 0:
		return nil, ds
	case len(roots) == 0:
		return nil, source.Diagnostics{top(file).Diagnose("SP1010", "the file is empty", "it needs `url` or `command`")}
	case len(roots) > 1:
		ds = append(ds, roots[1].Pos().Diagnose("SP1009", "a server is one YAML document", "give each server a file of its own"))
	}
	return roots[0], ds
}

func (n *Named) write(root *source.Node) {
	text, err := json.Marshal(root.Any())
	if err != nil { // then there is no digest by which it could be approved
		return
	}
	sum := sha256.Sum256(text)
	n.Written, n.Digest = text, "sha256:"+hex.EncodeToString(sum[:])
}
