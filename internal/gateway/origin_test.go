package gateway

import "testing"

func TestNames(t *testing.T) {
	loopback := Names{}
	public := Names{Hosts: []string{"gw.example", "other.example:8443", "[2001:db8::1]"}}
	web := Names{Hosts: []string{"gw.example"}, Origins: []string{"https://app.example"}}
	for _, c := range []struct {
		names        Names
		host, origin string
		hostOK, ok   bool
	}{
		{loopback, "localhost:8080", "http://localhost:3000", true, true},
		{loopback, "127.0.0.1:8080", "http://127.0.0.1", true, true},
		{loopback, "127.8.9.1", "https://[::1]:9", true, true},
		{loopback, "[::1]:8080", "null", true, false},
		{loopback, "LOCALHOST", "http://evil.example", true, false},
		{loopback, "evil.example", "http://localhost.evil.example", false, false},
		{loopback, "localhost.evil.example:8080", "http://evil.example/localhost", false, false},
		{loopback, "127.0.0.1.evil.example", "http://localhost@evil.example", false, false},
		{loopback, "", "", false, false},
		{loopback, "[::1", "http://localhost/", false, false},
		{loopback, "[::1]x", "file://localhost", false, false},
		{public, "GW.example:99", "https://gw.example", true, true},
		{public, "other.example:8443", "https://other.example:8443", true, true},
		{public, "other.example", "https://other.example", false, false},
		{public, "[2001:db8::1]:80", "https://[2001:db8::1]", true, true},
		{public, "localhost", "http://localhost", false, false},
		{web, "gw.example", "https://app.example", true, true},
		{web, "gw.example", "https://gw.example", true, false},
		{Names{Hosts: []string{"*"}, Origins: []string{"*"}}, "any.example", "null", true, true},
	} {
		if got := c.names.allowsHost(c.host); got != c.hostOK {
			t.Errorf("%+v allows host %q: %v, want %v", c.names, c.host, got, c.hostOK)
		}
		if got := c.names.allowsOrigin(c.origin); got != c.ok {
			t.Errorf("%+v allows origin %q: %v, want %v", c.names, c.origin, got, c.ok)
		}
	}
}
