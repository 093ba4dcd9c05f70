package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// RateLimit bounds how often calls may be made.
type RateLimit struct {
	Name         string      `yaml:"name" jsonschema:"required,minLength=1" jsonschema_description:"What records and metrics call it."`
	Match        RateMatch   `yaml:"match" jsonschema_description:"The calls that it counts. Left out, all requests."`
	Key          source.Text `yaml:"key" jsonschema_description:"A CEL expression: calls of which it has the same value are counted together, such as principal.id. Left out, all calls are."`
	Rate         Rate        `yaml:"rate" jsonschema:"required" jsonschema_description:"How many units there are in how long, such as 100/1m."`
	Burst        int64       `yaml:"burst" jsonschema:"minimum=1,maximum=1000000000" jsonschema_description:"How many units may be used at once. Left out, as many as there are in the rate."`
	Cost         source.Text `yaml:"cost" jsonschema_description:"A CEL expression: how many units a call uses. Left out, 1."`
	OnStoreError string      `yaml:"onStoreError" jsonschema:"enum=deny,enum=allow" jsonschema_description:"What becomes of calls while the store doesn't answer. Left out, deny."`
}

// RateMatch narrows what a limit counts. Each list holds globs; one that is left out matches everything.
type RateMatch struct {
	Servers    []string `yaml:"servers" jsonschema:"minItems=1" jsonschema_description:"Globs over names of servers."`
	Methods    []string `yaml:"methods" jsonschema:"minItems=1" jsonschema_description:"Globs over methods, such as tools/call. Left out, all requests."`
	Tools      []string `yaml:"tools" jsonschema:"minItems=1" jsonschema_description:"Globs over names of tools."`
	Principals []string `yaml:"principals" jsonschema:"minItems=1" jsonschema_description:"Globs over ids of callers, as policies see them in principal.id."`
}

// Store says where what replicas share is kept.
type Store struct {
	Valkey *Valkey `yaml:"valkey" jsonschema_description:"A Valkey or Redis server. It keeps what rate limits have counted."`
}

// Valkey is a Valkey or Redis server.
type Valkey struct {
	Address  string    `yaml:"address" jsonschema:"required,minLength=1" jsonschema_description:"Its address, as host:port."`
	Cluster  bool      `yaml:"cluster" jsonschema_description:"It is one node of a cluster, of which it names the others."`
	Username string    `yaml:"username" jsonschema:"minLength=1" jsonschema_description:"Who the gateway is to it."`
	Password string    `yaml:"password" jsonschema:"minLength=1" jsonschema_description:"The password for it."`
	Database int       `yaml:"database" jsonschema:"minimum=0,maximum=65535" jsonschema_description:"The number of the database."`
	TLS      *StoreTLS `yaml:"tls" jsonschema_description:"Use TLS. An empty mapping does, too."`
	Timeout  Duration  `yaml:"timeout" jsonschema_description:"How long it may take to answer. Left out, 250ms."`
}

// StoreTLS says how a store's certificate is checked.
type StoreTLS struct {
	CA string `yaml:"ca" jsonschema:"minLength=1" jsonschema_description:"The file of the certificates that its certificate must chain to, PEM. Left out, the system's."`
}

// Rate is a number of units in a time, which a file spells as `100/1m`.
type Rate struct {
	Count int64
	Per   time.Duration
}

var rateForm = regexp.MustCompile(`^([0-9]{1,10})/([0-9.]+(?:ms|s|m|h))$`)

const (
	leastInterval = 10 * time.Microsecond
	longestPeriod = 366 * 24 * time.Hour
)

// DecodeNode reads r from a scalar.
func (r *Rate) DecodeNode(n *source.Node) source.Diagnostics {
	const help = "write how many in how long, such as `100/1m` or `5/1s`"
	parts := rateForm.FindStringSubmatch(n.Text().Value)
	if parts == nil || n.Kind() != source.String {
		return one(n, "SP1201", fmt.Sprintf("`%s` is not a rate", shown(n)), help)
	}
	count, _ := strconv.ParseInt(parts[1], 10, 64) // ten digits
	per, err := time.ParseDuration(parts[2])
	switch {
	case err != nil:
		return one(n, "SP1201", fmt.Sprintf("`%s` is not a rate", shown(n)), help)
	case count < 1:
		return one(n, "SP1201", "a rate of 0 admits nothing", "to refuse calls write a policy that denies them")
	case per < time.Millisecond || per > longestPeriod || per/time.Duration(count) < leastInterval:
		return one(n, "SP1201", fmt.Sprintf("`%s` is out of range", shown(n)), "at most 100000 a second, in at most 8784h")
	}
	*r = Rate{count, per}
	return nil
}

var limitName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]*$`)

func (c *Config) checkRateLimits() source.Diagnostics {
	var ds source.Diagnostics
	list, names := c.node.Get("rateLimits"), unique{}
	for i := range c.RateLimits {
		l, n := &c.RateLimits[i], list.Index(i)
		ds = append(ds, names.name(l.Name, n.Get("name"), "limit")...)
		ds = append(ds, l.Match.check(n.Get("match"))...)
		burst := n.Get("burst")
		if l.Burst > 0 && l.Rate.Count > 0 && time.Duration(l.Burst) > longestPeriod/(l.Rate.Per/time.Duration(l.Rate.Count)) {
			ds = append(ds, one(burst, "SP1201", fmt.Sprintf("at this rate a burst of %d takes more than a year", l.Burst), "make it smaller")...)
		}
		if k := n.Key("onStoreError"); k != nil && c.node.Get("store").Get("valkey") == nil {
			ds = append(ds, one(k, "SP1112", "`onStoreError` has no meaning without a `store`", "remove it: what is counted in the process can always be read")...)
		}
	}
	return append(ds, c.checkStore()...)
}

// name checks what records and metrics call a thing of some kind.
func (u unique) name(name string, at *source.Node, kind string) source.Diagnostics {
	if at.Kind() == source.String && (!limitName.MatchString(name) || len(name) > maxServerName) {
		return one(at, "SP1107", fmt.Sprintf("`%s` is not a valid name of a %s", shown(at), kind),
			fmt.Sprintf("write lower-case letters, digits, `_`, `.` and `-`; at most %d", maxServerName))
	}
	return u.add(name, at, fmt.Sprintf("the %s `%s`", kind, name))
}

func (c *Config) checkStore() source.Diagnostics {
	n := c.node.Get("store").Get("valkey")
	if n.Kind() != source.Map || c.Store.Valkey == nil {
		return nil
	}
	var ds source.Diagnostics
	if at := n.Get("address"); at.Kind() == source.String {
		host, port, err := net.SplitHostPort(c.Store.Valkey.Address)
		number, portErr := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || portErr != nil || number == 0 {
			ds = append(ds, one(at, "SP1101", fmt.Sprintf("`%s` is not an address", shown(at)), "write host:port, such as `valkey.internal:6379`")...)
		}
	}
	if c.Store.Valkey.Cluster && c.Store.Valkey.Database != 0 {
		ds = append(ds, one(n.Get("database"), "SP1112", "a cluster has no `database` but 0", "leave it out")...)
	}
	if key := n.Key("password"); key != nil {
		ds = append(ds, checkSecret(key, n.Get("password"))...)
	}
	return ds
}

// check checks the globs, as those of policies are.
func (m *RateMatch) check(n *source.Node) source.Diagnostics {
	var ds source.Diagnostics
	for _, list := range []struct {
		field string
		globs []string
	}{{"servers", m.Servers}, {"methods", m.Methods}, {"tools", m.Tools}, {"principals", m.Principals}} {
		for i, pattern := range list.globs {
			at := n.Get(list.field).Index(i)
			g, err := policy.NameGlob(pattern)
			switch {
			case at.Kind() != source.String:
			case err != nil:
				problem, help, _ := strings.Cut(err.Error(), "; ")
				ds = append(ds, one(at, "SP3006", fmt.Sprintf("`%s` is not a valid glob: %s", shown(at), problem), help)...)
			case list.field == "methods":
				ds = append(ds, checkMethod(g, at)...)
			}
		}
	}
	return ds
}

// checkMethod reports a glob that no method of the protocol matches.
func checkMethod(g policy.Glob, at *source.Node) source.Diagnostics {
	if slices.ContainsFunc(policy.Methods(), g.Match) {
		return nil
	}
	help := "the methods are those of the specification, such as `tools/call`"
	if word, ok := source.Suggest(g.String(), policy.Methods()); ok {
		help = fmt.Sprintf("did you mean `%s`?", word)
	}
	return one(at, "SP3003", fmt.Sprintf("no method of MCP matches `%s`", g), help)
}
