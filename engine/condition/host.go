package condition

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/sallyport-dev/sallyport/engine/netaddr"
)

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
		return netaddr.Public(a), nil
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
	return types.Bool(netaddr.Public(ip.Addr))
}

func ipIsPrivate(args ...ref.Val) ref.Val {
	ip, ok := args[0].(ext.IP)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	return types.Bool(!netaddr.Public(ip.Addr))
}
