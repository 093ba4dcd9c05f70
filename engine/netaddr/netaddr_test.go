package netaddr

import (
	"net/netip"
	"testing"
)

func TestAddresses(t *testing.T) {
	const public, near, local = "public", "near", "local"
	for text, want := range map[string]string{
		"8.8.8.8": public, "2606:4700::1111": public, "1.1.1.1": public,
		"127.0.0.1": near, "::1": near, "10.1.2.3": near, "172.16.0.1": near, "192.168.1.1": near, "100.64.0.1": near, "fd12::1": near, "fec0::1": near,
		"::ffff:10.0.0.1": near, "::ffff:127.0.0.1": near, "64:ff9b::808:808": near, "2002:808:808::1": near, "2001:0:808:808::": near,
		"169.254.169.254": local, "169.254.0.1": local, "fe80::1": local, "fe80::1%eth0": local, "fd00:ec2::254": local, "fd20:ce::254": local,
		"168.63.129.16": local, "100.100.100.200": local, "192.0.0.192": local, "0.0.0.0": local, "0.1.2.3": local, "::": local, "224.0.0.1": local, "255.255.255.255": local,
		"::ffff:169.254.169.254": local, "::169.254.169.254": local, "::ffff:0:169.254.169.254": local, "64:ff9b::a9fe:a9fe": local, "64:ff9b:1::a9fe:a9fe": local,
		"2002:a9fe:a9fe::1": local, "::ffff:0.0.0.0": local, "2002:a83f:8110::": local,
	} {
		a := netip.MustParseAddr(text)
		got := near
		switch {
		case Local(a):
			got = local
		case Public(a):
			got = public
		}
		if got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	if Public(netip.Addr{}) || !Local(netip.Addr{}) {
		t.Error("no address is one of somebody's")
	}
}

// The public addresses that Local refuses are those of metadata only.
func TestCarried(t *testing.T) {
	for text, want := range map[string]string{
		"::ffff:10.0.0.1": "10.0.0.1", "64:ff9b::a00:1": "10.0.0.1", "64:ff9b:1::a00:1": "10.0.0.1", "2002:a00:1::5": "10.0.0.1",
		"2606:4700::1111": "", "10.0.0.1": "", "fd00::1": "",
	} {
		got, ok := Carried(netip.MustParseAddr(text))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s carries %s, %v; want %q", text, got, ok, want)
		}
	}
}
