package gateway

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Names lists the hosts and origins that may be named in a request. A browser that was told that our address is evil.example's
// names evil.example, and is refused: that is all that stands between a web page and a gateway on the user's own machine.
type Names struct {
	// Hosts are host names or addresses, with or without a port ("gw.example", "gw.example:8443", "[::1]"); without one, any port will do.
	// "*" is every host. Empty means the loopback names.
	Hosts []string
	// Origins are web origins ("https://app.example"); "*" is every origin. Empty means the origins whose host is in Hosts.
	Origins []string
}

// allowsHost compares a Host header, whatever its case.
func (n Names) allowsHost(host string) bool {
	name, port := splitHost(host)
	if name == "" {
		return false
	}
	if len(n.Hosts) == 0 {
		return isLoopback(name)
	}
	return slices.ContainsFunc(n.Hosts, func(allowed string) bool {
		want, wantPort := splitHost(allowed)
		return allowed == "*" || strings.EqualFold(name, want) && (wantPort == "" || wantPort == port)
	})
}

// allowsOrigin compares an Origin header. "null", which sandboxed pages send, is an origin like any other, and so refused unless listed.
func (n Names) allowsOrigin(origin string) bool {
	if len(n.Origins) > 0 {
		return slices.ContainsFunc(n.Origins, func(allowed string) bool { return allowed == "*" || strings.EqualFold(allowed, origin) })
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	return n.allowsHost(u.Host)
}

// splitHost splits "name:port"; brackets around an address are dropped. A value that is neither has no name.
func splitHost(s string) (name, port string) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", ""
		}
		rest := s[end+1:]
		if rest != "" && rest[0] != ':' {
			return "", ""
		}
		return s[1:end], strings.TrimPrefix(rest, ":")
	}
	if i := strings.IndexByte(s, ':'); i >= 0 && i == strings.LastIndexByte(s, ':') {
		return s[:i], s[i+1:]
	}
	return s, ""
}

func isLoopback(name string) bool {
	if strings.EqualFold(name, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.IsLoopback()
}
