package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

var errBadField = errors.New("a header field would break the request")

// target is where requests go.
type target struct {
	tls  bool
	addr string // to dial
	name string // host name, for TLS
	host string // Host header
	path string // request target: path and query, as written
}

// parseTarget takes the parts out of raw. The path stays as it was written:
// normalizing it would ask for another resource.
func parseTarget(raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, err
	}
	t := target{tls: u.Scheme == "https", name: u.Hostname(), host: u.Host}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return target{}, fmt.Errorf("url %q: scheme is not http or https", raw)
	case t.name == "":
		return target{}, fmt.Errorf("url %q: no host", raw)
	case u.User != nil:
		return target{}, fmt.Errorf("url %q: credentials belong in a header", u.Redacted())
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[t.tls]
	}
	t.addr = net.JoinHostPort(t.name, port)
	_, rest, _ := strings.Cut(raw, "://")
	rest, _, _ = strings.Cut(rest, "#")
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		t.path = rest[i:]
	}
	if !strings.HasPrefix(t.path, "/") {
		t.path = "/" + t.path
	}
	for i := range len(t.path) {
		if t.path[i] <= ' ' || t.path[i] >= 0x7f {
			return target{}, fmt.Errorf("url %q: byte %d of the path must be percent-encoded", raw, i)
		}
	}
	return t, nil
}

// clientTLS is base, verifying, for one host.
func clientTLS(base *tls.Config, caFile, host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if base != nil {
		c = base.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	c.NextProtos = []string{"http/1.1"}
	if caFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", caFile)
	}
	return c, nil
}

func netDial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 30 * time.Second}
	return d.DialContext(ctx, network, addr)
}

// requestHeads prepares everything that all requests of a verb have in common.
func requestHeads(t target, operator []Field) ([3]string, error) {
	host, agent := t.host, "sallyport"
	var own []byte
	for _, f := range operator {
		switch {
		case !isToken(f.Name):
			return [3]string{}, fmt.Errorf("header %q: not a name", f.Name)
		case isOurs(f.Name):
			return [3]string{}, fmt.Errorf("header %q: the gateway sets it", f.Name)
		case strings.EqualFold(f.Name, "Host"):
			host = f.Value
		case strings.EqualFold(f.Name, "User-Agent"):
			agent = f.Value
		}
		if strings.EqualFold(f.Name, "Host") || strings.EqualFold(f.Name, "User-Agent") {
			continue
		}
		var ok bool
		if own, ok = appendField(own, f.Name, f.Value); !ok {
			return [3]string{}, fmt.Errorf("header %q: control character in its value", f.Name)
		}
	}
	var heads [3]string
	for verb, name := range [...]string{Post: "POST", Get: "GET", Delete: "DELETE"} {
		b := []byte(name + " " + t.path + " HTTP/1.1\r\n")
		fields := []Field{{"Host", host}, {"User-Agent", agent}, {"Accept-Encoding", "identity"}}
		switch Verb(verb) {
		case Post:
			fields = append(fields, Field{"Content-Type", "application/json"}, Field{"Accept", "application/json, text/event-stream"})
		case Get:
			fields = append(fields, Field{"Accept", "text/event-stream"})
		case Delete:
		}
		for _, f := range fields {
			var ok bool
			if b, ok = appendField(b, f.Name, f.Value); !ok {
				return heads, fmt.Errorf("header %q: control character in its value", f.Name)
			}
		}
		heads[verb] = string(append(b, own...))
	}
	return heads, nil
}

// isOurs names the headers that neither operator nor caller may add.
func isOurs(name string) bool {
	switch strings.ToLower(name) {
	case "accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "keep-alive",
		"mcp-protocol-version", "mcp-session-id", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// appendHead writes the head of c's request.
func (h *HTTP) appendHead(dst []byte, c *Call) ([]byte, error) {
	dst = append(dst, h.heads[c.Verb]...)
	ok := true
	field := func(name, value string) {
		var good bool
		dst, good = appendField(dst, name, value)
		ok = ok && good
	}
	if c.Version != "" {
		field("MCP-Protocol-Version", c.Version)
	}
	if c.Session != "" {
		field("Mcp-Session-Id", c.Session)
	}
	for i := range c.Header {
		field(c.Header[i].Name, c.Header[i].Value)
	}
	if !ok {
		return nil, errBadField
	}
	if c.Verb == Post {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(c.Body)), 10)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...), nil
}

// appendField writes one header line, or reports that the value would not
// stay inside it.
func appendField(dst []byte, name, value string) ([]byte, bool) {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	for i := range len(value) {
		if (value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f {
			return dst, false
		}
	}
	dst = append(dst, value...)
	return append(dst, "\r\n"...), true
}

func isToken(s string) bool {
	for i := range len(s) {
		b := s[i]
		if b <= ' ' || b >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", b) >= 0 {
			return false
		}
	}
	return s != ""
}
