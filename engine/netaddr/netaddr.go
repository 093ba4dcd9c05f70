// Package netaddr tells addresses of the public Internet from those that only mean something nearby.
package netaddr

import (
	"net/netip"
	"slices"
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

// local are the addresses of a link alone, and those at which clouds tell whoever asks from a machine what that machine may know:
// its credentials among it.
var local = prefixes(
	"169.254.0.0/16", "fe80::/10", // link-local
	"168.63.129.16/32",    // Azure
	"100.100.100.200/32",  // Alibaba
	"192.0.0.192/32",      // Oracle
	"fd00:ec2::/32",       // Amazon
	"fd20:ce::/32",        // Google
	"0.0.0.0/8", "::/128", // this machine, to some
	"224.0.0.0/4", "ff00::/8", // multicast
	"255.255.255.255/32",
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

// Public says that an address is one of the public Internet.
func Public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	if a.Is6() && !global.Contains(a) {
		return false
	}
	return !within(a, special)
}

func within(a netip.Addr, set []netip.Prefix) bool {
	return slices.ContainsFunc(set, func(p netip.Prefix) bool { return p.Contains(a) })
}

// carriers are the networks of IPv6 in which an address stands for one of IPv4, which begins at that byte.
var carriers = []struct {
	network netip.Prefix
	at      int
}{
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible
	{netip.MustParsePrefix("::ffff:0:0/96"), 12},   // IPv4-mapped
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // IPv4-translated
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},  // NAT64, local
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4
}

// Carried gives the IPv4 address that one of IPv6 stands for; not ok if there is none.
func Carried(a netip.Addr) (v4 netip.Addr, ok bool) {
	for _, c := range carriers {
		if a.Is6() && c.network.Contains(a.WithZone("")) {
			b := a.As16()
			return netip.AddrFrom4([4]byte(b[c.at : c.at+4])), true
		}
	}
	return netip.Addr{}, false
}

// Local says that an address is one of a link alone, of a cloud's metadata, or of nobody: no server of anybody's is there. It looks into
// those that carry an IPv4 address.
func Local(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || within(a, local) {
		return true
	}
	v4, ok := Carried(a)
	return ok && !loopback6(a) && within(v4, local)
}

// LocalNetwork says that all addresses of a network are Local.
func LocalNetwork(p netip.Prefix) bool {
	return slices.ContainsFunc(local, func(l netip.Prefix) bool { return l.Bits() <= p.Bits() && l.Contains(p.Addr()) })
}

func loopback6(a netip.Addr) bool { return a == netip.IPv6Loopback() }
