package upstream

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestDialable(t *testing.T) {
	networks := func(texts ...string) (out []netip.Prefix) {
		for _, s := range texts {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	for _, c := range []struct {
		addr     string
		networks []netip.Prefix
		want     bool
	}{
		{"8.8.8.8", nil, true},
		{"2606:4700::1111", nil, true},
		{"127.0.0.1", nil, false},
		{"::1", nil, false},
		{"10.0.0.1", nil, false},
		{"::ffff:10.0.0.1", nil, false},
		{"::ffff:8.8.8.8", nil, true},
		{"100.64.0.1", nil, false},
		{"fd12::1", nil, false},
		{"127.0.0.1", networks("127.0.0.0/8"), true},
		{"::ffff:127.0.0.1", networks("127.0.0.0/8"), true},
		{"::1", networks("::1/128"), true},
		{"10.0.0.1", networks("127.0.0.0/8", "10.0.0.0/24"), true},
		{"10.0.1.1", networks("127.0.0.0/8", "10.0.0.0/24"), false},
		{"169.254.169.254", networks("0.0.0.0/0"), false},
		{"::ffff:169.254.169.254", networks("0.0.0.0/0", "::/0"), false},
		{"64:ff9b::a9fe:a9fe", networks("::/0"), false},
		{"64:ff9b::a00:1", networks("64:ff9b::/96"), false}, // 10.0.0.1, which is not listed
		{"64:ff9b::a00:1", networks("64:ff9b::/96", "10.0.0.0/8"), true},
		{"64:ff9b::808:808", networks("64:ff9b::/96"), true},
		{"2002:a00:1::1", networks("::/0"), false},
		{"fe80::1", networks("::/0"), false},
		{"fd00:ec2::254", networks("::/0"), false},
		{"100.100.100.200", networks("100.64.0.0/10"), false},
		{"168.63.129.16", nil, false},
		{"0.0.0.0", networks("0.0.0.0/0"), false},
	} {
		if got := dialable(netip.MustParseAddr(c.addr), c.networks); got != c.want {
			t.Errorf("%s with %v: %v, want %v", c.addr, c.networks, got, c.want)
		}
	}
}

// A name is resolved when it is dialled, and what it is resolved to is what is checked: that of a name as that of an address, at each dial.
func TestFoundServersAreDialledWhereTheyMayBe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	inside := DialOnly([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	for _, host := range []string{"127.0.0.1", "localhost"} {
		for range 2 {
			conn, err := DialOnly(nil)(context.Background(), "tcp", net.JoinHostPort(host, port))
			if err == nil {
				conn.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "neither of the public Internet nor of the networks") {
				t.Errorf("%s: %v", host, err)
			}
		}
	}
	conn, err := inside(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if conn, err := inside(context.Background(), "tcp", "169.254.169.254:80"); err == nil || !strings.Contains(err.Error(), "169.254.169.254:80 is neither") {
		if err == nil {
			conn.Close()
		}
		t.Errorf("metadata: %v", err)
	}
}
