package httphead

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// request splits a request as fasthttp does for Read.
func request(text []byte) (method, target, proto, raw []byte, ok bool) {
	line, raw, ok := bytes.Cut(text, []byte("\r\n"))
	method, rest, ok1 := bytes.Cut(line, []byte{' '})
	i := bytes.LastIndexByte(rest, ' ')
	if !ok || !ok1 || i < 0 {
		return nil, nil, nil, nil, false
	}
	return method, rest[:i], rest[i+1:], raw, true
}

// cases reads a file of lines: words and then a quoted request.
func cases(t testing.TB, file string) (words [][]string, requests [][]byte) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.IndexByte(line, '"')
		text, err := strconv.Unquote(line[max(i, 0):])
		if err != nil {
			t.Fatalf("%s: %v: %s", file, err, line)
		}
		words = append(words, strings.Fields(line[:i]))
		requests = append(requests, []byte(text))
	}
	return words, requests
}

func TestReadRefuses(t *testing.T) {
	words, requests := cases(t, "testdata/refused.txt")
	for i, text := range requests {
		method, target, proto, raw, ok := request(text)
		if !ok {
			t.Fatalf("not a request: %q", text)
		}
		var h Head
		err := h.Read(method, target, proto, raw, Limits{})
		var refused *Error
		if !errors.As(err, &refused) {
			t.Errorf("%q: accepted, want %s", text, words[i])
			continue
		}
		got := []string{refused.Code(), strconv.Itoa(refused.Status()), strconv.Itoa(refused.Offset)}
		if diff := cmp.Diff(words[i], got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", text, diff)
		}
	}
}

func TestReadRefusesEveryRule(t *testing.T) {
	words, _ := cases(t, "testdata/refused.txt")
	seen := map[string]bool{"target_too_long": true, "headers_too_large": true, "too_many_headers": true}
	for _, w := range words {
		seen[w[0]] = true
	}
	for r := Rule(1); r < ruleCount; r++ {
		if !seen[r.String()] {
			t.Errorf("no case breaks the rule %s", r)
		}
	}
}

func TestReadAccepts(t *testing.T) {
	words, requests := cases(t, "testdata/accepted.txt")
	for i, text := range requests {
		method, target, proto, raw, _ := request(append(text, "\r\n"...))
		if bytes.HasSuffix(text, []byte("\r\n\r\n")) {
			method, target, proto, raw, _ = request(text)
		}
		var h Head
		if err := h.Read(method, target, proto, raw, Limits{}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if got := strconv.FormatInt(h.ContentLength, 10); got != words[i][0] {
			t.Errorf("%q: body length %s, want %s", text, got, words[i][0])
		}
	}
}

func TestReadBounds(t *testing.T) {
	head := "Host: a\r\nContent-Type: application/json\r\nX-Fill: y\r\n\r\n"
	tests := []struct {
		limits Limits
		target string
		want   string
	}{
		{Limits{}, "/mcp", ""},
		{Limits{Bytes: len(head), Headers: 3, Target: 4}, "/mcp", ""},
		{Limits{Bytes: len(head) - 1}, "/mcp", "httphead: the headers are too large (headers_too_large at byte 53)"},
		{Limits{Headers: 2}, "/mcp", "httphead: there are too many headers (too_many_headers at byte 41)"},
		{Limits{Target: 3}, "/mcp", "httphead: the request target is too long (target_too_long at byte 0)"},
		{Limits{}, "/" + strings.Repeat("a", 2048), "httphead: the request target is too long (target_too_long at byte 0)"},
	}
	for _, tt := range tests {
		var h Head
		err := h.Read([]byte("POST"), []byte(tt.target), []byte("HTTP/1.1"), []byte(head), tt.limits)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.limits, got, tt.want)
		}
	}
}

func read(t testing.TB, text string) *Head {
	t.Helper()
	method, target, proto, raw, ok := request([]byte(text))
	if !ok {
		t.Fatalf("not a request: %q", text)
	}
	h := new(Head)
	if err := h.Read(method, target, proto, raw, Limits{}); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestReadCaptures(t *testing.T) {
	_, requests := cases(t, "testdata/accepted.txt")
	h := read(t, string(requests[len(requests)-1]))
	got := map[string]string{
		"method": string(h.Method), "path": string(h.Path), "host": string(h.Host),
		"authorization": string(h.Authorization), "key": string(h.APIKey),
		"version": string(h.ProtocolVersion), "mcp-method": string(h.MCPMethod), "mcp-name": string(h.MCPName),
		"traceparent": string(h.Traceparent), "tracestate": string(h.Tracestate),
		"param 0": string(h.Params[0].Name) + "=" + string(h.Params[0].Value),
		"param 1": string(h.Params[1].Name) + "=" + string(h.Params[1].Value),
	}
	want := map[string]string{
		"method": "POST", "path": "/mcp", "host": "a", "authorization": "Bearer t", "key": "k",
		"version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "=?base64?YQ==?=",
		"traceparent": "00-1", "tracestate": "a=1", "param 0": "Mcp-Param-Tenant_Id=1", "param 1": "Mcp-Param-B=",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if h.Origin != nil || h.SessionID != nil || h.Query != nil {
		t.Errorf("absent headers are not nil: %q %q %q", h.Origin, h.SessionID, h.Query)
	}
}

func TestReadForgetsTheHeadBefore(t *testing.T) {
	_, requests := cases(t, "testdata/accepted.txt")
	h := read(t, string(requests[len(requests)-1]))
	if err := h.Read([]byte("GET"), []byte("/"), []byte("HTTP/1.1"), []byte("Host: b\r\n\r\n"), Limits{}); err != nil {
		t.Fatal(err)
	}
	fresh := new(Head)
	if err := fresh.Read([]byte("GET"), []byte("/"), []byte("HTTP/1.1"), []byte("Host: b\r\n\r\n"), Limits{}); err != nil {
		t.Fatal(err)
	}
	opt := cmp.Transformer("lengths", func(f []Field) []Field { return append([]Field{}, f...) })
	if diff := cmp.Diff(fresh, h, cmp.AllowUnexported(Head{}), opt); diff != "" {
		t.Errorf("a used Head differs from a fresh one (-fresh +used)\n%s", diff)
	}
}

func TestGetGivesPolicyNoSecretsAndNoMirrors(t *testing.T) {
	_, requests := cases(t, "testdata/accepted.txt")
	h := read(t, string(requests[len(requests)-1]))
	for name, want := range map[string]string{
		"x-forwarded-for": "1.2.3.4, 5.6.7.8", "content-type": "application/json", "host": "a", "absent": "",
		"authorization": "", "Authorization": "", "cookie": "", "x-api-key": "", "proxy-authorization": "",
		"x_api_key": "", "mcp_name": "", "X-Api-\u212aey": "", "coo\u212aie": "",
		"mcp-method": "", "mcp-name": "", "Mcp-Name": "", "mcp-protocol-version": "", "mcp-param-b": "", "mcp-session-id": "",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("Get(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestAccepts(t *testing.T) {
	for accept, want := range map[string]string{
		"":                                    "json sse",
		"application/json, text/event-stream": "json sse",
		"TEXT/Event-Stream;q=0.5 , application/json;q=1.000": "json sse",
		"application/json":                             "json",
		"text/event-stream":                            "sse",
		"*/*":                                          "json sse",
		"*/*;q=0":                                      "",
		"*/*, text/event-stream;q=0":                   "json",
		"text/event-stream;q=0.000, */*":               "json",
		"application/*;q=0, */*;q=0.1":                 "sse",
		"text/*":                                       "sse",
		"application/json;q=0":                         "",
		"application/json; Q = 0":                      "",
		"application/json;q=nonsense":                  "",
		"application/json;q=1.1":                       "",
		"application/json;q=2":                         "",
		"application/json;x=\"a, text/event-stream\"":  "json",
		"application/json;x=\"\\\", text/event-stream": "json",
		"application/json;q=":                          "",
		"application/json;q=0.0001":                    "",
		"text/event-stream;x=\"a\\b\";q=0, */*":        "json",
		"text/event-stream;q=0, text/event-stream":     "sse",
		",, application/json":                          "json",
		"text/html":                                    "",
		"application/jsonp":                            "",
	} {
		head := "GET / HTTP/1.1\r\nHost: a\r\n"
		if accept != "" {
			head += "Accept: " + accept + "\r\n"
		}
		json, sse := read(t, head+"\r\n").Accepts()
		var got []string
		if json {
			got = append(got, "json")
		}
		if sse {
			got = append(got, "sse")
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("Accept: %s: %q, want %q", accept, s, want)
		}
	}
}

// FuzzHead holds Read to net/http: what Read accepts, net/http reads alike.
func FuzzHead(f *testing.F) {
	for _, file := range []string{"testdata/refused.txt", "testdata/accepted.txt"} {
		_, requests := cases(f, file)
		for _, r := range requests {
			f.Add(r)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		method, target, proto, raw, ok := request(text)
		var h Head
		if !ok || h.Read(method, target, proto, raw, Limits{}) != nil {
			return
		}
		if !bytes.HasSuffix(text, []byte("\r\n\r\n")) {
			text = append(bytes.Clone(text), "\r\n"...)
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
		if err != nil {
			t.Fatalf("%q: net/http refuses: %v", text, err)
		}
		if req.Method != string(h.Method) || req.RequestURI != string(h.Target) || req.Host != string(h.Host) ||
			req.URL.EscapedPath() != string(h.Path) || req.URL.RawQuery != string(h.Query) {
			t.Errorf("%q: another request line: %s %s %s, have %s %s %s", text, req.Method, req.RequestURI, req.Host, h.Method, h.Target, h.Host)
		}
		if req.ContentLength != h.ContentLength || (h.ContentLength == -1) != (len(req.TransferEncoding) == 1) {
			t.Errorf("%q: another body: %d %v, have %d", text, req.ContentLength, req.TransferEncoding, h.ContentLength)
		}
		same(t, req, &h)
	})
}

func same(t *testing.T, req *http.Request, h *Head) {
	t.Helper()
	captured := map[string][]byte{
		"Origin": h.Origin, "Authorization": h.Authorization, "X-Api-Key": h.APIKey,
		"Mcp-Protocol-Version": h.ProtocolVersion, "Mcp-Method": h.MCPMethod, "Mcp-Name": h.MCPName,
		"Mcp-Session-Id": h.SessionID, "Last-Event-Id": h.LastEventID, "Traceparent": h.Traceparent,
		"Tracestate": h.Tracestate, "Content-Type": h.contentType, "Cookie": h.cookie,
	}
	for _, p := range h.Params {
		captured[http.CanonicalHeaderKey(string(p.Name))] = p.Value
	}
	for name, value := range captured {
		var want []string
		if value != nil {
			want = []string{string(value)}
		}
		if diff := cmp.Diff(want, req.Header[name]); diff != "" {
			t.Errorf("net/http reads %s otherwise (-have +net/http)\n%s", name, diff)
		}
	}
	for name, values := range req.Header {
		if withheld(name) || name == "Cache-Control" { // net/http makes one of Pragma
			continue
		}
		if got := h.Get(name); got != strings.Join(values, ", ") {
			t.Errorf("Get(%s) = %q, net/http reads %q", name, got, values)
		}
	}
}
