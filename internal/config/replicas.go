package config

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Replicas says what several gateways that serve the same clients have in common, and how they reach each other.
type Replicas struct {
	Keys      []ReplicaKey `yaml:"keys" jsonschema:"minItems=1,maxItems=8" jsonschema_description:"The keys that seal what clients carry: session ids, the state of calls that wait for their client, cursors, ids of tasks. The first seals, all of them open. Left out, each start makes its own, and what was sealed before is lost."`
	Advertise string       `yaml:"advertise" jsonschema:"minLength=1" jsonschema_description:"The URL, without a path, at which the other replicas reach this one. Left out, what waits at this one is known to it alone. A change needs a restart."`
	Peers     []string     `yaml:"peers" jsonschema:"minItems=1" jsonschema_description:"What the replicas advertise: requests are passed on to no other. Left out, to whatever a replica with the keys has advertised. A change needs a restart."`
	CA        string       `yaml:"ca" jsonschema:"minLength=1" jsonschema_description:"The file of the certificates that those of the replicas must chain to, PEM. Left out, the system's. A change needs a restart."`
}

// ReplicaKey is a key, or the file that holds it.
type ReplicaKey struct {
	Key  Key    `yaml:"key" jsonschema_description:"32 bytes in base64 or hex. Keep it out of the file with ${NAME} or file."`
	File string `yaml:"file" jsonschema:"minLength=1" jsonschema_description:"A file that holds the key, such as sallyport keys new makes."`
}

// maxAdvertise bounds what a replica advertises: it is part of what clients carry.
const maxAdvertise = 200

func (c *Config) checkReplicas() source.Diagnostics {
	var ds source.Diagnostics
	sessions, n := c.node.Get("sessions"), c.node.Get("replicas")
	if sessions.Get("key") != nil && sessions.Get("keyFile") != nil {
		ds = append(ds, one(sessions.Key("keyFile"), "SP1112", "the key is given twice", "remove `key` or `keyFile`")...)
	}
	keys := n.Get("keys")
	if keys != nil && (sessions.Get("key") != nil || sessions.Get("keyFile") != nil) {
		ds = append(ds, one(n.Key("keys"), "SP1112", "the key of `sessions` is one of the keys of all replicas", "write it here, and remove it there")...)
	}
	for i := range c.Replicas.Keys {
		switch k := keys.Index(i); {
		case k.Get("key") != nil && k.Get("file") != nil:
			ds = append(ds, one(k.Key("file"), "SP1112", "the key is given twice", "remove `key` or `file`")...)
		case k.Get("key") == nil && k.Get("file") == nil:
			ds = append(ds, one(k, "SP1112", "this is neither a key nor a file that holds one", "write `file: PATH`; `sallyport keys new PATH` makes one")...)
		}
	}
	if at := n.Get("advertise"); at.Kind() == source.String {
		ds = append(ds, checkReplica(c.Replicas.Advertise, at)...)
		switch {
		case keys == nil:
			ds = append(ds, one(n.Key("advertise"), "SP1112", "`advertise` has no meaning without `keys`", "add `keys`: without them no other replica reads what is sealed here")...)
		case c.Replicas.Peers != nil && !slices.Contains(c.Replicas.Peers, c.Replicas.Advertise):
			ds = append(ds, one(at, "SP1112", fmt.Sprintf("`%s` is not among the `peers`", shown(at)), "add it: the replicas can have the same list")...)
		}
	}
	for i, peer := range c.Replicas.Peers {
		ds = append(ds, checkReplica(peer, n.Get("peers").Index(i))...)
	}
	return ds
}

// checkReplica checks the URL of a replica. It has one spelling, since it is compared.
func checkReplica(text string, at *source.Node) source.Diagnostics {
	u, err := url.Parse(text)
	if err == nil && httpURL(u) && u.Scheme+"://"+u.Host == text && validHost(u.Host) && u.Host != "*" && len(text) <= maxAdvertise {
		return nil
	}
	return one(at, "SP1116", fmt.Sprintf("`%s` is not where a replica is reached", shown(at)), "write scheme, host and port only: `https://10.0.0.3:8443`")
}
