package hostapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePath_readsCanonicalPaths(t *testing.T) {
	key := func(k string) Segment { return Segment{Kind: SegmentKey, Key: k} }
	index := func(i int) Segment { return Segment{Kind: SegmentIndex, Index: i} }
	every := Segment{Kind: SegmentAny}
	for _, c := range []struct {
		text, name string
		segments   []Segment
	}{
		{`args`, "args", nil},
		{`args.path`, "args", []Segment{key("path")}},
		{`args.in`, "args", []Segment{key("in")}},
		{`args._a0Zz9`, "args", []Segment{key("_a0Zz9")}},
		{"args." + strings.Repeat("a", 4091), "args", []Segment{key(strings.Repeat("a", 4091))}},
		{`args["odd key"].x`, "args", []Segment{key("odd key"), key("x")}},
		{`args[""]`, "args", []Segment{key("")}},
		{`args["0"][0]`, "args", []Segment{key("0"), index(0)}},
		{`args["a\"b\\c/\n\u0001"]`, "args", []Segment{key("a\"b\\c/\n\x01")}},
		{"args[\"\u00e9]\u200b\x7f\"]", "args", []Segment{key("\u00e9]\u200b\x7f")}},
		{`args.items[2147483647].x`, "args", []Segment{key("items"), index(2147483647), key("x")}},
		{`mcp.tool.result.content[*].text`, "mcp.tool.result", []Segment{key("content"), every, key("text")}},
		{`mcp.tool.name`, "mcp.tool.name", nil},
		{`principal.groups`, "principal.groups", nil},
		{`principal.claims.org["a.b"]`, "principal.claims", []Segment{key("org"), key("a.b")}},
		{`jwt.sub`, "jwt", []Segment{key("sub")}},
		{`request.headers.accept`, "request.headers", []Segment{key("accept")}},
		{`request.headers["x-tenant"]`, "request.headers", []Segment{key("x-tenant")}},
		{`request.mcp.backend`, "request.mcp.backend", nil},
		{`items[*].inputSchema`, "items", []Segment{every, key("inputSchema")}},
	} {
		p, err := ParsePath(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if p.String() != c.text || p.Name().Name != c.name {
			t.Errorf("%s begins with %q and is written %s", c.text, p.Name().Name, p)
		}
		if diff := cmp.Diff(c.segments, p.Segments()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.text, diff)
		}
	}
}

func TestParsePath_refusesOtherSpellings(t *testing.T) {
	roots := "apiKey, args, items, jwt, mcp, params, principal, request, source"
	for _, c := range []struct{ text, want string }{
		{``, `"": byte 0: no name begins so: begin with one of ` + roots},
		{`.args`, `".args": byte 0: no name begins so: begin with one of ` + roots},
		{`arg.x`, `"arg.x": byte 0: no name begins so: begin with one of ` + roots},
		{`now`, `"now": byte 0: now is not a field: call now_ms`},
		{`mcp.tool.arguments.path`, `"mcp.tool.arguments.path": byte 0: mcp.tool.arguments is another spelling of args: write args.path`},
		{`token.sub`, `"token.sub": byte 0: token is another spelling of jwt: write jwt.sub`},
		{`server`, `"server": byte 0: server is another spelling of request.mcp.backend: write request.mcp.backend`},
		{`source`, `"source": byte 0: no value has this name: one of source.address`},
		{`apiKey["id"]`, `"apiKey[\"id\"]": byte 0: no name begins so: begin with one of ` + roots},
		{`apiKey.name`, `"apiKey.name": byte 0: no value has this name: one of apiKey.claims, apiKey.id`},
		{`mcp.tool.name.x`, `"mcp.tool.name.x": byte 13: mcp.tool.name is a text, which has no parts: write mcp.tool.name`},
		{`principal.groups[0]`, `"principal.groups[0]": byte 16: principal.groups is read whole: write principal.groups`},
		{`request.headers`, `"request.headers": byte 15: request.headers cannot be read whole: name one header in lower case: request.headers["x-tenant"]`},
		{`request.headers.Accept`, `"request.headers.Accept": byte 15: the names of headers are in lower case here: write request.headers.accept`},
		{`request.headers.a.b`, `"request.headers.a.b": byte 17: a header is a text, found by its name: write request.headers["x-tenant"]`},
		{`request.headers[0]`, `"request.headers[0]": byte 15: a header is a text, found by its name: write request.headers["x-tenant"]`},
		{`args["path"]`, `"args[\"path\"]": byte 4: the key has a shorter spelling: write .path`},
		{`args["\u000a"]`, `"args[\"\\u000a\"]": byte 4: the key has a shorter spelling: write ["\n"]`},
		{`args["\u001F"]`, `"args[\"\\u001F\"]": byte 4: the key has a shorter spelling: write ["\u001f"]`},
		{`args["\/"]`, `"args[\"\\/\"]": byte 4: the key has a shorter spelling: write ["/"]`},
		{`args["\u00e9"]`, `"args[\"\\u00e9\"]": byte 4: a key in brackets has no end or a bad escape: write ["key"], with \" and \\ escaped`},
		{`args["\x41"]`, `"args[\"\\x41\"]": byte 4: a key in brackets has no end or a bad escape: write ["key"], with \" and \\ escaped`},
		{"args[\"a\nb\"]", `"args[\"a\nb\"]": byte 4: a key in brackets has no end or a bad escape: write ["key"], with \" and \\ escaped`},
		{`args["\u00`, `"args[\"\\u00": byte 4: a key in brackets has no end or a bad escape: write ["key"], with \" and \\ escaped`},
		{`args["\u004`, `"args[\"\\u004": byte 4: a key in brackets has no end or a bad escape: write ["key"], with \" and \\ escaped`},
		{`args["\u0041"]`, `"args[\"\\u0041\"]": byte 4: the key has a shorter spelling: write .A`},
		{`args["\x0041"]`, `"args[\"\\x0041\"]": byte 4: a key in brackets has no end or a bad escape: write ["key"], with \" and \\ escaped`},
		{`args["a`, `"args[\"a": byte 4: a key in brackets has no end or a bad escape: write ["key"], with \" and \\ escaped`},
		{`args["a"`, `"args[\"a\"": byte 4: a key in brackets has no end or a bad escape: write ["key"], with \" and \\ escaped`},
		{`args["a\`, `"args[\"a\\": byte 4: a key in brackets has no end or a bad escape: write ["key"], with \" and \\ escaped`},
		{`args.`, `"args.": byte 5: no key after the dot: write ["..."] around a key that is not letters, digits and _`},
		{`args.0`, `"args.0": byte 5: no key after the dot: write ["..."] around a key that is not letters, digits and _`},
		{`args.a-b`, `"args.a-b": byte 6: a segment can't begin so: write .key, ["odd key"], [0] or [*]`},
		{`args x`, `"args x": byte 4: a segment can't begin so: write .key, ["odd key"], [0] or [*]`},
		{`args[]`, `"args[]": byte 4: no index between brackets: write [0], [*] or ["key"]`},
		{`args[01]`, `"args[01]": byte 4: no index between brackets: write [0], [*] or ["key"]`},
		{`args[+1]`, `"args[+1]": byte 4: no index between brackets: write [0], [*] or ["key"]`},
		{`args[-1]`, `"args[-1]": byte 4: no index between brackets: write [0], [*] or ["key"]`},
		{`args[2147483648]`, `"args[2147483648]": byte 4: no index between brackets: write [0], [*] or ["key"]`},
		{`args[0`, `"args[0": byte 4: no index between brackets: write [0], [*] or ["key"]`},
		{`args['a']`, `"args['a']": byte 4: no index between brackets: write [0], [*] or ["key"]`},
		{"args.\xff", `"args.\xff": byte 0: the path is not UTF-8: write it in UTF-8`},
		{"args" + strings.Repeat(".a", 129), `"args` + strings.Repeat(".a", 129) + `": byte 260: the path is too deep: at most 128 segments after args`},
		{strings.Repeat("a", 5000), `"` + strings.Repeat("a", 32) + `...": byte 4096: the path is too long: at most 4096 bytes`},
	} {
		_, err := ParsePath(c.text)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func mustPath(t testing.TB, text string) Path {
	t.Helper()
	p, err := ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPath_holdsAndMeetsByPlace(t *testing.T) {
	for _, c := range []struct {
		p, q         string
		holds, meets bool
	}{
		{`args`, `args`, true, true},
		{`args`, `args.a.b`, true, true},
		{`args.a`, `args`, false, true},
		{`args.a`, `args.b`, false, false},
		{`args.a`, `args.ab`, false, false},
		{`args`, `jwt`, false, false},
		{`args["0"]`, `args[0]`, false, false},
		{`args.l[*]`, `args.l[3].x`, true, true},
		{`args.l[3]`, `args.l[*].x`, false, true},
		{`args.l[*].x`, `args.l[3]`, false, true},
		{`args.l[*].x`, `args.l[*].y`, false, false},
		{`args.l[*]`, `args.l.x`, false, false},
		{`params`, `args.a`, true, true},
		{`params.arguments`, `args`, true, true},
		{`args`, `params.arguments.a`, true, true},
		{`args`, `params`, false, true},
		{`args`, `params.name`, false, false},
		{`mcp.result`, `mcp.tool.result.content`, true, true},
		{`mcp.tool.result.content[*]`, `mcp.result.content[0].text`, true, true},
	} {
		p, q := mustPath(t, c.p), mustPath(t, c.q)
		if got := p.Holds(q); got != c.holds {
			t.Errorf("%s holds %s: %v", p, q, got)
		}
		if p.Meets(q) != c.meets || q.Meets(p) != c.meets {
			t.Errorf("%s and %s meet: %v, %v; want %v", p, q, p.Meets(q), q.Meets(p), c.meets)
		}
	}
	for _, q := range []Path{{}, mustPath(t, "args")} {
		if (Path{}).Holds(q) || (Path{}).Meets(q) || q.Holds(Path{}) {
			t.Errorf("no path holds or meets %q", q)
		}
	}
}

func TestPath_wildIsMoreThanOnePlace(t *testing.T) {
	for text, want := range map[string]bool{`items[*].name`: true, `items[0].name`: false, `args["*"]`: false} {
		if got := mustPath(t, text).Wild(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestPath_textRoundTrips(t *testing.T) {
	var p Path
	if err := p.UnmarshalText([]byte(`args["a b"]`)); err != nil {
		t.Fatal(err)
	}
	text, err := p.MarshalText()
	if err != nil || string(text) != `args["a b"]` {
		t.Errorf("%s, %v", text, err)
	}
	if err := p.UnmarshalText([]byte(`arg`)); err == nil || p.String() != `args["a b"]` {
		t.Errorf("a bad text made %s, %v", p, err)
	}
	if _, err := (Path{}).MarshalText(); err == nil {
		t.Error("no path has a text")
	}
}

// write writes a path anew from its parts.
func write(name string, segments []Segment) string {
	b := []byte(name)
	for _, s := range segments {
		switch s.Kind {
		case SegmentKey:
			b = AppendKey(b, s.Key)
		case SegmentIndex:
			b = AppendIndex(b, s.Index)
		case SegmentAny:
			b = append(b, "[*]"...)
		}
	}
	return string(b)
}

// A path is what its parts spell, one spelling a place, and the fix of another is one.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{`args.path`, `args["odd key"][0].x`, `args["\u0001\"\\"]`, `items[*]`, `request.headers["x-a"]`, `mcp.tool.arguments.a`, `args["a"]`} {
		f.Add(s, "key", 7)
	}
	f.Fuzz(func(t *testing.T, text, key string, index int) {
		if made := write("args", []Segment{{Key: key}, {Kind: SegmentIndex, Index: index & 0xffff}}); len(made) <= LimitPathBytes {
			p, err := ParsePath(made)
			if valid := strings.ToValidUTF8(key, "") == key; valid != (err == nil) {
				t.Fatalf("%q: %v", made, err)
			}
			if err == nil && (p.Segments()[0].Key != key || p.Segments()[1].Index != index&0xffff) {
				t.Fatalf("%q: %v", made, p.Segments())
			}
		}
		p, err := ParsePath(text)
		if err != nil {
			if !p.IsZero() {
				t.Fatalf("%q is an error and %v", text, p)
			}
			return
		}
		if got := write(p.Name().Name, p.Segments()); got != text {
			t.Fatalf("%q is also spelled %q", text, got)
		}
		if !p.Holds(p) || !p.Meets(p) {
			t.Fatalf("%q doesn't hold itself", text)
		}
		if n := len(p.Segments()); n > 0 {
			up := mustPathOrZero(write(p.Name().Name, p.Segments()[:n-1]))
			if !up.IsZero() && (!up.Holds(p) || p.Holds(up) || !p.Meets(up)) {
				t.Fatalf("%q and %q", up, p)
			}
		}
	})
}

func mustPathOrZero(text string) Path {
	p, _ := ParsePath(text) // request.headers alone is none
	return p
}

func ExampleParsePath() {
	p, err := ParsePath(`args["odd key"][0].x`)
	fmt.Println(p.Name().Name, len(p.Segments()), err)
	_, err = ParsePath(`mcp.tool.arguments.path`)
	fmt.Println(err)
	// Output:
	// args 3 <nil>
	// "mcp.tool.arguments.path": byte 0: mcp.tool.arguments is another spelling of args: write args.path
}
