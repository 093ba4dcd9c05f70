package config

import (
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/fetch"
)

const ociScheme = "oci://"

// checkBundle checks which bundle is taken, and from where.
func (c *Config) checkBundle() source.Diagnostics {
	var ds source.Diagnostics
	b := c.node.Get("bundle")
	refuse := func(key, message, help string) {
		ds = append(ds, b.Key(key).Pos().Diagnose("SP1112", message, help))
	}
	if b.Get("trust") != nil && c.Bundle.Unsigned {
		refuse("unsigned", "`unsigned` and `trust` contradict each other", "remove `unsigned`")
	} else if b.Get("trust") != nil && b.Get("state") == nil {
		refuse("trust", "`trust` needs `state`", "name a directory: without it an old bundle, signed as well, could come back")
	}
	if n := c.node.Get("policies"); n.Kind() == source.String && fetch.Remote(c.Policies) {
		if wrong, help := fetch.Check(c.Policies); wrong != "" {
			return append(ds, one(n, "SP1103", "`"+source.Brief(fetch.Shown(c.Policies))+"`: "+wrong, help)...)
		}
	}
	try := ""
	if c.Bundle.Candidate != nil {
		try = c.Bundle.Candidate.From
	}
	oci := strings.HasPrefix(c.Policies, ociScheme) && !strings.HasPrefix(try, "http") || strings.HasPrefix(try, ociScheme) && !fetch.Remote(c.Policies)
	for _, key := range []string{"poll", "maxAge", "token", "tokenFile", "ca"} {
		switch is := b.Get(key) != nil; {
		case is && c.node.Get("policies").Kind() == source.String && !fetch.Remote(c.Policies) && (key == "maxAge" || !fetch.Remote(try)):
			refuse(key, "`"+key+"` is for a bundle that is fetched, and `policies` names a path", "remove `"+key+"`, or name a URL")
		case is && oci && strings.HasPrefix(key, "token"):
			refuse(key, "`"+key+"` is for web servers", "log in to the registry with docker or oras: credentials are read from docker's config")
		}
	}
	if b.Get("token") != nil && b.Get("tokenFile") != nil {
		refuse("tokenFile", "the token is given twice", "remove `token` or `tokenFile`")
	}
	if n := b.Get("token"); n != nil {
		ds = append(ds, checkSecret(b.Key("token"), n)...)
	}
	if age := c.Bundle.MaxAge; age != 0 && age < 2*c.Bundle.Poll {
		refuse("maxAge", "`maxAge` is less than twice `poll`", "a bundle would be too old as soon as one question has failed")
	}
	return ds
}
