package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/engine/netaddr"
)

// DialOnly opens connections to addresses of the public Internet and of those networks, and to none of a single link or of a cloud's metadata,
// whatever the networks say. What counts is the address that is dialled, after its name was resolved, at each dial: that a name meant
// another address when somebody looked is of no use.
func DialOnly(networks []netip.Prefix) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 30 * time.Second, ControlContext: func(_ context.Context, _, addr string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(addr)
		if err != nil || !dialable(to.Addr(), networks) {
			return fmt.Errorf("%s is neither of the public Internet nor of the networks in which servers that were found may be", addr)
		}
		return nil
	}}
	return d.DialContext
}

func dialable(a netip.Addr, networks []netip.Prefix) bool {
	a = a.Unmap()
	if netaddr.Local(a) || !netaddr.Public(a) && !slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return false
	}
	v4, carried := netaddr.Carried(a)
	return !carried || a.IsLoopback() || dialable(v4, networks)
}
