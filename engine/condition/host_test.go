package condition

import (
	"net/netip"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/netaddr"
)

func TestHostPublic(t *testing.T) {
	for _, c := range []struct{ host, want string }{
		{"example.com", "true"},
		{"EXAMPLE.com.", "true"},
		{"xn--bcher-kva.example.org", "true"},
		{"93.184.215.14", "true"},
		{"2606:4700::1111", "true"},
		{"[2606:4700::1111]", "true"},
		{"localhost", "false"},
		{"a.localhost", "false"},
		{"printer", "false"},
		{"metadata.google.internal", "false"},
		{"nas.local", "false"},
		{"x.home.arpa", "false"},
		{"127.0.0.1", "false"},
		{"127.1", "false"},
		{"0x7f.1", "false"},
		{"2130706433", "false"},
		{"0177.0.0.1", "false"},
		{"1.1.1.0x1", "false"},
		{"a..com", "false"},
		{"10.0.0.1", "false"},
		{"172.31.0.1", "false"},
		{"192.168.1.1", "false"},
		{"169.254.169.254", "false"},
		{"100.64.0.1", "false"},
		{"0.0.0.0", "false"},
		{"198.18.0.1", "false"},
		{"224.0.0.1", "false"},
		{"255.255.255.255", "false"},
		{"192.0.0.1", "false"},
		{"::1", "false"},
		{"::", "false"},
		{"::ffff:8.8.8.8", "false"},
		{"::ffff:127.0.0.1", "false"},
		{"::ffff:0:127.0.0.1", "false"},
		{"::127.0.0.1", "false"},
		{"64:ff9b::7f00:1", "false"},
		{"64:ff9b:1::1", "false"},
		{"2002:7f00:1::", "false"},
		{"2001:0:1::1", "false"},
		{"2001:db8::1", "false"},
		{"3fff::1", "false"},
		{"fc00::1", "false"},
		{"fd00:ec2::254", "false"},
		{"fe80::1", "false"},
		{"fe80::1%eth0", "false"},
		{"fec0::1", "false"},
		{"ff02::1", "false"},
		{"4000::1", "false"},
		{"", "error: the host is empty"},
		{".", "error: the host is empty"},
		{"exa mple.com", "error: the host is not a plain name or address"},
		{"b\u00fccher.de", "error: the host is not a plain name or address"},
		{"a@b.com", "error: the host is not a plain name or address"},
		{"127.0.0.1:80", "error: the host is not a plain name or address"},
	} {
		b, err := hostPublic(c.host)
		got := map[bool]string{true: "true", false: "false"}[b]
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.host, got, c.want)
		}
	}
}

// No address that the standard library knows to be near is public.
func FuzzIsPublic(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add(netip.MustParseAddr("::ffff:10.0.0.1").AsSlice())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		near := func(a netip.Addr) bool {
			return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified()
		}
		if netaddr.Public(a) && (near(a) || near(a.Unmap())) {
			t.Fatalf("%s is public", a)
		}
	})
}

func TestURL(t *testing.T) {
	env := newEnv(t, Options{})
	f := open(t, env, Input{Method: "ping"}, false)
	for _, c := range []struct{ expression, want string }{
		{`url("HTTPS://Example.COM:8443/a%20b?x=1&x=2&y#z").getScheme() == "https"`, "true"},
		{`url("HTTPS://Example.COM:8443/a").getHost() == "example.com:8443" && url("https://Example.COM:8443/").getHostname() == "example.com"`, "true"},
		{`url("https://example.com:8443/").getPort() == "8443" && url("https://example.com/").getPort() == ""`, "true"},
		{`url("https://example.com/a%20b").getEscapedPath() == "/a%20b"`, "true"},
		{`url("https://a.example/?x=1&x=2").getQuery() == {"x": ["1", "2"]}`, "true"},
		{`url("https://a.example/?x=%zz").getQuery() == {}`, "error: the query of the URL cannot be read: invalid URL escape \"%zz\""},
		{`url("http://[::1]:80/").getHostname() == "::1" && !host.isPublic(url("http://[::1]:80/").getHostname())`, "true"},
		{`url("file:///etc/passwd").getHost() == "" && url("file:///etc/passwd").getEscapedPath() == "/etc/passwd"`, "true"},
		{`url("demo://resource/1").getHost() == "resource" && isURL("urn:a:b")`, "true"},
		{`url("https://a.example") == url("https://a.example")`, "true"},
		{`isURL("https://good@evil.example") || isURL("/a/b") || isURL("http:evil.example") || isURL("http:///x") || isURL("a b")`, "false"},
		{`url("https://good@evil.example").getHost() == ""`, "error: the URL is ambiguous: it has user info"},
		{`url("https://good\\@evil.example").getHost() == ""`, "error: the URL is ambiguous: it has a backslash, white space or a control character"},
		{`url("https://b\u00fccher.de/").getHost() == ""`, "error: the URL is ambiguous: its host is not plain ASCII"},
		{`url("https://%65vil.example/").getHost() == ""`, "error: the text is not a URL"},
		{`url("nothing").getHost() == ""`, "error: the URL is not absolute"},
		{`url("https://").getHost() == ""`, "error: the URL has no host"},
		{`url("https:evil.example").getHost() == ""`, "error: the URL is ambiguous: it has no // before its host"},
	} {
		if got := outcomeOf(compile(t, env, c.expression, Bool, false), f); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expression, got, c.want)
		}
	}
}
