package config

import (
	"fmt"
	"net/netip"

	"github.com/sallyport-dev/sallyport/engine/netaddr"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// Network is a set of addresses that a file spells as `10.0.0.0/8`, or as one address.
type Network netip.Prefix

// DecodeNode reads w from a scalar.
func (w *Network) DecodeNode(n *source.Node) source.Diagnostics {
	const help = "write addresses as `10.0.0.0/8` or `fd00:1::/32`, or one address"
	text := n.Text().Value
	p, err := netip.ParsePrefix(text)
	if a, oneErr := netip.ParseAddr(text); oneErr == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	switch {
	case err != nil || n.Kind() != source.String:
		return one(n, "SP1412", fmt.Sprintf("`%s` is not a network", shown(n)), help)
	case p != p.Masked():
		return one(n, "SP1412", fmt.Sprintf("`%s` has bits beyond its length", shown(n)), fmt.Sprintf("write `%s`", p.Masked()))
	case p.Addr().Is4In6():
		return one(n, "SP1412", fmt.Sprintf("`%s` is a network of IPv4 in IPv6's form", shown(n)), "write it as one of IPv4: `10.0.0.0/8`")
	case netaddr.LocalNetwork(p):
		return one(n, "SP1412", fmt.Sprintf("no server is in `%s`: it is link-local, or of a cloud's metadata", shown(n)), "remove it")
	}
	*w = Network(p)
	return nil
}
