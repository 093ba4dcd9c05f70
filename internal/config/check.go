package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// check says what is wrong with a Config beyond its shape.
func (c *Config) check() source.Diagnostics {
	ds := c.checkListeners()
	ds = append(ds, c.checkNames()...)
	ds = append(ds, c.checkServers()...)
	ds = append(ds, c.checkDiscovery()...)
	ds = append(ds, c.checkRegistries()...)
	ds = append(ds, c.checkVirtual()...)
	ds = append(ds, c.checkRateLimits()...)
	ds = append(ds, c.checkPriorities()...)
	ds = append(ds, c.checkBundle()...)
	ds = append(ds, c.checkCandidate()...)
	ds = append(ds, c.checkEncrypt()...)
	ds = append(ds, c.checkReplicas()...)
	return append(ds, c.checkIdentity()...)
}

func (c *Config) checkListeners() source.Diagnostics {
	var ds source.Diagnostics
	loopback, bad := address(c.Listen)
	at := c.node.Get("listen")
	switch {
	case bad != "":
		ds = append(ds, one(at, "SP1101", bad, "write host:port, such as `127.0.0.1:8080`")...)
	case !loopback && c.TLS == nil && !c.Insecure && c.node.Get("tls") == nil:
		ds = append(ds, one(at, "SP1110", fmt.Sprintf("`%s` can be reached from other machines, without TLS", c.Listen),
			"add `tls`, listen on 127.0.0.1, or say `insecure: true` if something in front ends TLS")...)
	}
	if bad == "" && !loopback && c.Hosts == nil && c.node.Get("hosts") == nil {
		ds = append(ds, one(at, "SP1111", fmt.Sprintf("`%s` can be reached from other machines, but no `hosts` are accepted", c.Listen),
			"add `hosts` with the names that clients use, such as `hosts: [mcp.example.com]`")...)
	}
	loopback, bad = address(c.Admin.Listen)
	at = c.node.Get("admin").Get("listen")
	switch {
	case bad != "":
		ds = append(ds, one(at, "SP1101", bad, "write host:port, such as `127.0.0.1:9090`")...)
	case !loopback && !c.Admin.Insecure:
		ds = append(ds, one(at, "SP1110", fmt.Sprintf("`%s` can be reached from other machines, and the admin API asks for no credentials", c.Admin.Listen),
			"listen on 127.0.0.1, or say `insecure: true` in `admin` if only trusted machines can reach it")...)
	case c.Admin.Listen == c.Listen && !strings.HasSuffix(c.Listen, ":0"):
		if at == nil {
			at = c.node.Get("listen")
		}
		ds = append(ds, one(at, "SP1112", "both listeners have the same address", "give `admin` another port")...)
	}
	return ds
}

// address checks a listener's address, and says whether only this machine can reach it.
func address(listen string) (loopback bool, bad string) {
	host, port, err := net.SplitHostPort(listen)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || strconv.FormatUint(number, 10) != port {
		return false, fmt.Sprintf("`%s` is not an address", listen)
	}
	if host == "localhost" {
		return true, ""
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback(), ""
	}
	if host != "" && !hostForm.MatchString(host) {
		return false, fmt.Sprintf("`%s` is not an address", listen)
	}
	return false, ""
}

var hostForm = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*$`)

func (c *Config) checkNames() source.Diagnostics {
	var ds source.Diagnostics
	for i, host := range c.Hosts {
		if n := c.node.Get("hosts").Index(i); n.Kind() == source.String && !validHost(host) {
			ds = append(ds, one(n, "SP1116", fmt.Sprintf("`%s` is not a host", shown(n)), "write a name or an address, with or without a port: `mcp.example.com`")...)
		}
	}
	for i, origin := range c.Origins {
		u, err := url.Parse(origin)
		valid := origin == "*" || err == nil && httpURL(u) && u.Scheme+"://"+u.Host == origin && validHost(u.Host)
		if n := c.node.Get("origins").Index(i); n.Kind() == source.String && !valid {
			ds = append(ds, one(n, "SP1116", fmt.Sprintf("`%s` is not an origin", shown(n)), "write scheme and host only: `https://app.example`")...)
		}
	}
	if n := c.node.Get("publicURL"); n.Kind() == source.String {
		u, err := url.Parse(c.PublicURL)
		if err != nil || !httpURL(u) || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			ds = append(ds, one(n, "SP1103", fmt.Sprintf("`%s` is not the URL of a gateway", shown(n)), "write an absolute URL: `https://mcp.example.com`")...)
		}
	}
	return ds
}

// validHost checks a host with or without a port.
func validHost(host string) bool {
	if host == "*" {
		return true
	}
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		name = h
	}
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return ip.IsValid()
	}
	return hostForm.MatchString(name)
}

func httpURL(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

func (c *Config) checkIdentity() source.Diagnostics {
	var ds source.Diagnostics
	identity := c.node.Get("identity")
	if c.node.Kind() == source.Map && c.Identity.Anonymous == "deny" && len(c.Identity.APIKeys)+len(c.Identity.JWT) == 0 {
		at := c.node.Pos()
		if key := c.node.Key("identity"); key != nil {
			at = key.Pos()
		}
		ds = append(ds, at.Warn("SP1118", "nobody can call: there are no API keys and no issuers, and anonymous calls are denied",
			"add `identity: { anonymous: allow }` to try the gateway on this machine"))
	}
	keys, ids, hashes := identity.Get("apiKeys"), unique{}, unique{}
	for i, k := range c.Identity.APIKeys {
		n := keys.Index(i)
		ds = append(ds, ids.add(k.ID, n.Get("id"), fmt.Sprintf("the API key `%s`", k.ID))...)
		ds = append(ds, hashes.add(string(k.Hash[:]), n.Get("hash"), "the hash of this API key")...)
	}
	tokens, ids := c.node.Get("admin").Get("tokens"), unique{}
	for i, t := range c.Admin.Tokens {
		n := tokens.Index(i)
		ds = append(ds, ids.add(t.ID, n.Get("id"), fmt.Sprintf("the operator `%s`", t.ID))...)
		ds = append(ds, hashes.add(string(t.Hash[:]), n.Get("hash"), "the hash of this token")...)
	}
	issuers := unique{}
	for i, j := range c.Identity.JWT {
		n := identity.Get("jwt").Index(i)
		ds = append(ds, issuers.add(j.Issuer, n.Get("issuer"), fmt.Sprintf("the issuer `%s`", j.Issuer))...)
		ds = append(ds, checkJWKS(j.JWKS, n.Get("jwks"))...)
	}
	return ds
}

// checkJWKS checks where keys are fetched from: whoever can change them on the way can sign tokens.
func checkJWKS(jwks string, n *source.Node) source.Diagnostics {
	if n.Kind() != source.String || !strings.Contains(jwks, "://") {
		return nil
	}
	u, err := url.Parse(jwks)
	if err == nil && httpURL(u) && u.User == nil && (u.Scheme == "https" || loopbackHost(u.Hostname())) {
		return nil
	}
	return one(n, "SP1103", fmt.Sprintf("`%s` is not where keys can be read from", shown(n)), "write a file, or an https URL; http only to this machine")
}

func loopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// unique remembers where identifiers are.
type unique map[string]int

func (u unique) add(id string, n *source.Node, what string) source.Diagnostics {
	if n.Kind() != source.String || id == "" || id == string(make([]byte, len(id))) {
		return nil // reported already
	}
	if line, twice := u[id]; twice {
		return one(n, "SP1113", what+" is given twice", fmt.Sprintf("it is first given on line %d", line))
	}
	u[id] = n.Pos().Line
	return nil
}

var forbiddenHeaders = []string{
	"accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host", "keep-alive", "last-event-id",
	"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

var headerForm = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// checkHeader checks a header that is sent to a server.
func checkHeader(key, value *source.Node) source.Diagnostics {
	name, lower := key.Text().Value, strings.ToLower(key.Text().Value)
	switch {
	case !headerForm.MatchString(name):
		return one(key, "SP1114", fmt.Sprintf("`%s` is not a header name", shown(key)), "")
	case slices.Contains(forbiddenHeaders, lower) || strings.HasPrefix(lower, "mcp-"):
		return one(key, "SP1114", fmt.Sprintf("the gateway writes `%s` itself", name), "remove it")
	case value.Kind() == source.String && strings.IndexFunc(value.Text().Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) >= 0:
		return one(value, "SP1114", fmt.Sprintf("the value of `%s` holds a line break or another control character", name), "a header is one line")
	}
	return nil
}
