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
	Directory string `yaml:"directory" jsonschema:"minLength=1" jsonschema_description:"A directory in which each file, NAME.yaml or NAME.json, is a server: what would stand under its name in servers. It is watched."`
	Probe     *Probe `yaml:"probe" jsonschema_description:"Servers are asked again and again what they speak and which tools they have. Left out, they are asked only what clients ask, and commands are started for the first call."`
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
	if d.Probe != nil && d.Probe.Every == 0 {
		d.Probe.Every = Duration(5 * time.Minute)
	}
}

func (d *Discovery) paths() []*string { return []*string{&d.Directory} }

func (c *Config) checkDiscovery() source.Diagnostics {
	n := c.node.Get("discovery")
	if n.Kind() == source.Map && n.Len() == 0 {
		return one(n, "SP1011", "`discovery` is empty", "name a directory: `discovery: { directory: ./servers.d }`")
	}
	return nil
}

// Named is a server in a file of its own, with a digest of what was written there: before variables were expanded, and whatever its layout.
type Named struct {
	Server Server
	Digest string // "sha256:<hex>"
}

// ParseServer reads a server of a file of its own, by the file's name: what would stand under its name in `servers`. Its defaults are c's.
func (c *Config) ParseServer(file string, data []byte, lookup Lookup) (Named, source.Diagnostics) {
	var out Named
	root, ds := parseOne(file, data)
	if ds.HasErrors() {
		return out, ds
	}
	if root.Kind() != source.Map {
		return out, append(ds, one(root, "SP1004", "a server must be a mapping, but this is "+root.Kind().String(), "write `url: https://...`, or `command: [program, argument]`")...)
	}
	out.Digest = digest(root)
	e := expander{lookup: lookup}
	e.tree(root)
	ds = append(ds, e.ds...)
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

func digest(n *source.Node) string {
	text, err := json.Marshal(n.Any()) // members in order
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
