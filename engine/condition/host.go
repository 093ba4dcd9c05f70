package condition

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// special are the addresses that are not of the public Internet, or that carry an IPv4
// address that might not be: the IANA special-purpose registries (RFC 6890 and successors),
// multicast, and the ways of writing an IPv4 address into an IPv6 one.
var special = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // carrier-grade NAT
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local, and the metadata services of clouds
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // IETF protocol assignments
	"192.0.2.0/24",    // documentation
	"192.31.196.0/24", // AS112
	"192.52.193.0/24", // AMT
	"192.88.99.0/24",  // 6to4 relay anycast
	"192.168.0.0/16",  // private
	"192.175.48.0/24", // AS112
	"198.18.0.0/15",   // benchmarking
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast

	"::/96",             // unspecified, loopback, IPv4-compatible
	"::ffff:0:0/96",     // IPv4-mapped
	"::ffff:0:0:0/96",   // IPv4-translated
	"64:ff9b::/96",      // NAT64
	"64:ff9b:1::/48",    // NAT64, local
	"100::/64",          // discard
	"100:0:0:1::/64",    // dummy
	"2001::/23",         // IETF protocol assignments; Teredo, ORCHID
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
	"5f00::/16",         // segment routing
	"fc00::/7",          // unique local
	"fe80::/10",         // link-local
	"fec0::/10",         // site-local
	"ff00::/8",          // multicast
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// global is all that IANA has handed out of IPv6.
var global = netip.MustParsePrefix("2000::/3")

// isPublic says that an address is one of the public Internet.
func isPublic(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	if a.Is6() && !global.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

// localNames are the top-level names that only mean something nearby.
var localNames = []string{
	"localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan",
	"home.arpa", "test", "example", "invalid", "onion", "alt",
}

// hostPublic is host.isPublic. It goes by the name alone: what a name resolves to can change
// between here and the server, and no rule can know.
func hostPublic(host string) (bool, error) {
	h := strings.ToLower(strings.TrimSuffix(host, "."))
	if strings.HasPrefix(h, "[") && strings.HasSuffix(h, "]") {
		h = h[1 : len(h)-1]
	}
	if h == "" {
		return false, errors.New("the host is empty")
	}
	if a, err := netip.ParseAddr(h); err == nil {
		return isPublic(a), nil
	}
	if strings.Trim(h, "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" {
		return false, errors.New("the host is not a plain name or address")
	}
	labels := strings.Split(h, ".")
	if len(labels) < 2 || slices.Contains(labels, "") || numeric(labels[len(labels)-1]) {
		return false, nil // a name of this network, or an address in a form that some clients take: 127.1, 0x7f.1
	}
	for _, local := range localNames {
		if h == local || strings.HasSuffix(h, "."+local) {
			return false, nil
		}
	}
	return true, nil
}

// numeric says that a last label makes WHATWG's URL parser, and inet_aton, read the host as
// an IPv4 address.
func numeric(label string) bool {
	if strings.HasPrefix(label, "0x") {
		return strings.Trim(label[2:], "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func hostIsPublic(args ...ref.Val) ref.Val { return boolOrError(hostPublic(textOf(args[0]))) }

func ipIsPublic(args ...ref.Val) ref.Val {
	ip, ok := args[0].(ext.IP)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	return types.Bool(isPublic(ip.Addr))
}

func ipIsPrivate(args ...ref.Val) ref.Val {
	ip, ok := args[0].(ext.IP)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	return types.Bool(!isPublic(ip.Addr))
}
