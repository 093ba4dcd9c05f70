package condition

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// keyed are fields that conditions can read, with paths below what can have them.
var keyed = []string{
	"mcp.method", "mcp.tool.name", "mcp.tool.target", "args", "args.a", "args.a.b", `args["odd key"]`, "mcp.tool.annotations", "mcp.tool.annotations.a",
	"mcp.tool.result", "mcp.tool.result.a.b", "mcp.error", "mcp.error.a", "mcp.resource.uri", "mcp.prompt.name", "params", "params.a", "jwt", "jwt.a", "apiKey.id", "apiKey.claims.a",
	"principal.id", "principal.type", "principal.issuer", "principal.groups", "principal.roles", "principal.scopes", "principal.claims",
	"principal.claims.a.b", "source.address", "request.headers.x", `request.headers["x-y"]`, "request.mcp.backend",
}

func newKeyOf(t interface{ Fatal(...any) }, fields ...string) Key {
	k, err := NewKey(fields)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var jsons = []string{
	"", "null", "{}", "[]", "7", `"a"`, `{"a":1}`, `{"a":{"b":1}}`, `{"a":{"b":1,"c":2}}`, `{"a":{"b":null}}`, `{"a":{}}`, `{"a":[1]}`, `{"a":"b"}`,
	`{"a":true,"odd key":1}`, `{"odd key":{"a":1},"z":2}`, `{"a":1.0}`, `{"z":1}`,
}

var texts = []string{"", "a", "b", "ab", "\x01a", "tools/call"}

func inputs() *rapid.Generator[*Input] {
	return rapid.Custom(func(t *rapid.T) *Input {
		text := func(label string) string { return rapid.SampledFrom(texts).Draw(t, label) }
		json := func(label string) jsonscan.Value {
			s := rapid.SampledFrom(jsons).Draw(t, label)
			if s == "" {
				return jsonscan.Value{}
			}
			doc := new(jsonscan.Doc)
			if err := doc.Scan([]byte(s), jsonscan.Options{}); err != nil {
				t.Fatal(err)
			}
			return doc.Root()
		}
		list := func(label string) []string { return rapid.SliceOfN(rapid.SampledFrom(texts), 0, 3).Draw(t, label) }
		in := &Input{
			Method: "tools/call", Server: text("server"), Tool: text("tool"), Prompt: text("prompt"), Resource: text("resource"),
			Arguments: json("arguments"), Params: json("params"), Annotations: json("annotations"), Result: json("result"), Error: json("error"), Time: time.Unix(1, 0),
		}
		if rapid.Bool().Draw(t, "known") {
			in.Principal = &Principal{
				ID: text("id"), Kind: rapid.SampledFrom([]string{KindAnonymous, KindJWT, KindAPIKey}).Draw(t, "kind"), Issuer: text("issuer"),
				Groups: list("groups"), Roles: list("roles"), Scopes: list("scopes"), Claims: json("claims"), APIKey: text("key"),
			}
		}
		if a := rapid.SampledFrom([]string{"", "1.2.3.4", "::ffff:1.2.3.4", "::1", "fe80::1%eth0", "0.0.0.0", "::"}).Draw(t, "source"); a != "" {
			in.Source = netip.MustParseAddr(a)
		}
		if rapid.Bool().Draw(t, "headers") {
			x, y := text("x"), text("x-y")
			in.Header = func(name string) string { return map[string]string{"x": x, "x-y": y}[name] }
		}
		return in
	})
}

// seen is what conditions see of a field: the value, or the error.
func seen(t interface{ Fatal(...any) }, c *Condition, in *Input) string {
	f := c.env.NewFrame()
	defer f.Close()
	f.Input = *in
	f.Open(context.Background())
	v, err := c.value(f)
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprint("is ", v.Value())
}

// TestKey_seesWhatConditionsSee: where two messages about the same subjects have the same Key for a field, conditions see the same there.
func TestKey_seesWhatConditionsSee(t *testing.T) {
	env := newEnv(t, Options{})
	vs := env.NewVariables(true)
	slots := map[slot]bool{}
	type probe struct {
		key   Key
		conds []*Condition
	}
	var probes []probe
	for _, field := range keyed {
		n := nameOf(field)
		slots[n.slot] = true
		p := probe{key: newKeyOf(t, field)}
		asks := []string{"json.encode([" + field + "])"}
		if i := strings.LastIndexByte(field, '.'); i > 0 && !strings.HasPrefix(field, "request.mcp") && !strings.Contains(field, `["`) {
			asks = append(asks, "has("+field+")")
		}
		for _, ask := range asks {
			c, ds := env.Compile(source.NewText(ask), Any, vs)
			if ds.HasErrors() {
				t.Fatal(ask, ds)
			}
			p.conds = append(p.conds, c)
		}
		probes = append(probes, p)
	}
	for _, n := range vocabulary {
		if n.slot != noSlot && !slots[n.slot] && !n.impure {
			t.Errorf("%s is not tried", n.path)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		p := rapid.SampledFrom(probes).Draw(rt, "field")
		a, b := inputs().Draw(rt, "a"), inputs().Draw(rt, "b")
		if a.About() != b.About() || !bytes.Equal(p.key.Append(nil, a), p.key.Append(nil, b)) {
			b = a // what a message has elsewhere changes nothing
			other := inputs().Draw(rt, "other")
			for _, change := range []func(*Input){
				func(x *Input) { x.Arguments = other.Arguments }, func(x *Input) { x.Params = other.Params }, func(x *Input) { x.Result = other.Result }, func(x *Input) { x.Error = other.Error },
				func(x *Input) { x.Principal = other.Principal }, func(x *Input) { x.Source = other.Source }, func(x *Input) { x.Header = other.Header },
				func(x *Input) { x.Annotations = other.Annotations }, func(x *Input) { x.Server = other.Server },
			} {
				changed := *b
				if change(&changed); changed.About() == a.About() && bytes.Equal(p.key.Append(nil, a), p.key.Append(nil, &changed)) {
					b = &changed
				}
			}
		}
		for _, c := range p.conds {
			if x, y := seen(rt, c, a), seen(rt, c, b); x != y {
				rt.Fatalf("%s: %s, and %s for the same key %q", c.text.Value, x, y, p.key.Append(nil, a))
			}
		}
	})
}

// decoded reads what a Key has written: that it can be read back, to the last byte, is what makes it injective.
func decoded(k Key, b []byte) (out []string, err error) {
	d := keyDecoder{b: b}
	for _, r := range k.reads {
		out = append(out, d.read(r))
	}
	if len(d.b) > 0 || d.bad {
		return nil, fmt.Errorf("%d bytes left, bad %v", len(d.b), d.bad)
	}
	return out, nil
}

type keyDecoder struct {
	b   []byte
	bad bool
}

func (d *keyDecoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *keyDecoder) uint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *keyDecoder) text() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad = true
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *keyDecoder) json() string {
	out := ""
	c := d.byte()
	for ; c == keyInside; c = d.byte() {
		out += "in "
	}
	return fmt.Sprintf("%s%d %q", out, c, d.text())
}

func (d *keyDecoder) read(r keyRead) string {
	switch r.slot {
	case slotArguments, slotParams, slotAnnotations, slotResult, slotError:
		return d.json()
	case slotSource:
		out := fmt.Sprint(d.byte())
		if out != "0" {
			for range 16 {
				out += fmt.Sprintf(" %02x", d.byte())
			}
		}
		return out
	case slotJWT, slotClaims, slotKeyClaims, slotGroups, slotRoles, slotScopes, slotPrincipalID, slotPrincipalIssuer, slotPrincipalType, slotKeyID:
		switch is := d.byte(); {
		case is != keyKnown:
			return fmt.Sprint(is)
		case r.slot == slotJWT || r.slot == slotClaims || r.slot == slotKeyClaims:
			return d.json()
		case r.slot == slotGroups || r.slot == slotRoles || r.slot == slotScopes:
			out := "list"
			for n := d.uint(); n > 0 && !d.bad; n-- {
				out += fmt.Sprintf(" %q", d.text())
			}
			return out
		}
	default:
	}
	return fmt.Sprintf("%q", d.text())
}

// projected is what fields are of a message, written in another way: by formatting each value on its own.
func projected(k Key, in *Input) (out []string) {
	json := func(v jsonscan.Value, path []string) string {
		s := ""
		for ; len(path) > 0 && v.Kind() == jsonscan.Object; path = path[1:] {
			s, v = s+"in ", v.Get(path[0])
		}
		return fmt.Sprintf("%s%d %q", s, v.Kind(), v.Raw())
	}
	text := func(s string) string { return fmt.Sprintf("%q", s) }
	who := func(kind string, f func(p *Principal) string) string {
		switch p := in.Principal; {
		case p == nil:
			return fmt.Sprint(keyNobody)
		case kind != "" && p.Kind != kind:
			return fmt.Sprint(keyOther)
		default:
			return f(p)
		}
	}
	list := func(all []string) string {
		s := "list"
		for _, x := range all {
			s += " " + text(x)
		}
		return s
	}
	for _, r := range k.reads {
		out = append(out, map[slot]func() string{
			slotMethod: func() string { return text(in.Method) }, slotToolName: func() string { return text(in.Tool) },
			slotToolTarget: func() string { return text(in.Server) }, slotServer: func() string { return text(in.Server) },
			slotResourceURI: func() string { return text(in.Resource) }, slotPromptName: func() string { return text(in.Prompt) },
			slotArguments: func() string { return json(in.Arguments, r.path) }, slotParams: func() string { return json(in.Params, r.path) },
			slotAnnotations: func() string { return json(in.Annotations, r.path) }, slotResult: func() string { return json(in.Result, r.path) },
			slotError:           func() string { return json(in.Error, r.path) },
			slotJWT:             func() string { return who(KindJWT, func(p *Principal) string { return json(p.Claims, r.path) }) },
			slotKeyClaims:       func() string { return who(KindAPIKey, func(p *Principal) string { return json(p.Claims, r.path) }) },
			slotClaims:          func() string { return who("", func(p *Principal) string { return json(p.Claims, r.path) }) },
			slotKeyID:           func() string { return who(KindAPIKey, func(p *Principal) string { return text(p.APIKey) }) },
			slotPrincipalID:     func() string { return who("", func(p *Principal) string { return text(p.ID) }) },
			slotPrincipalIssuer: func() string { return who("", func(p *Principal) string { return text(p.Issuer) }) },
			slotPrincipalType:   func() string { return who("", func(p *Principal) string { return text(p.Kind) }) },
			slotGroups:          func() string { return who("", func(p *Principal) string { return list(p.Groups) }) },
			slotRoles:           func() string { return who("", func(p *Principal) string { return list(p.Roles) }) },
			slotScopes:          func() string { return who("", func(p *Principal) string { return list(p.Scopes) }) },
			slotHeaders: func() string {
				if in.Header == nil {
					return text("")
				}
				return text(in.Header(r.path[0]))
			},
			slotSource: func() string {
				if !in.Source.IsValid() {
					return "0"
				}
				s := fmt.Sprint(in.Source.Unmap().BitLen())
				for _, b := range in.Source.As16() {
					s += fmt.Sprintf(" %02x", b)
				}
				return s
			},
		}[r.slot]())
	}
	return out
}

// TestKey_isInjective: what is written can be read back, whatever fields stand one behind the other.
func TestKey_isInjective(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := newKeyOf(rt, rapid.SliceOfN(rapid.SampledFrom(keyed), 0, 8).Draw(rt, "fields")...)
		in := inputs().Draw(rt, "input")
		got, err := decoded(k, k.Append(nil, in))
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(projected(k, in), got); diff != "" {
			rt.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

// FuzzKey: no two messages write the same, unless the fields are the same.
func FuzzKey(f *testing.F) {
	f.Add("a", "b", "c", "", []byte(`{"a":1}`), []byte(`{"a":"1"}`), uint8(3))
	f.Add("", "ab", "", "a", []byte(`{"a":{"b":[]}}`), []byte(`{"a":[{"b":1}]}`), uint8(0))
	f.Add("\x00", "\x01", "tools/call", "\x00\x01", []byte(`{}`), []byte(`null`), uint8(255))
	f.Fuzz(func(t *testing.T, a, b, c, d string, x, y []byte, bits uint8) {
		k := newKeyOf(t, "mcp.tool.name", "args.a.b", "principal.groups", "mcp.method", "jwt.a", "principal.id", "request.headers.x", "params")
		build := func(a, b, c string, x, y []byte, bits uint8) *Input {
			in := &Input{Method: a, Tool: b, Arguments: scanAny(x), Params: scanAny(y), Header: func(string) string { return c }}
			if bits&1 != 0 {
				in.Principal = &Principal{ID: a, Groups: []string{b, c}[:bits>>1&1+bits>>2&1], Claims: scanAny(x)}
			}
			if bits&8 != 0 && in.Principal != nil {
				in.Principal.Kind = KindJWT
			}
			return in
		}
		one, two := build(a, b, c, x, y, bits), build(b, c, d, y, x, bits>>4)
		for _, in := range []*Input{one, two} {
			got, err := decoded(k, k.Append(nil, in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(projected(k, in), got); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		}
		if same := slices.Equal(projected(k, one), projected(k, two)); same != bytes.Equal(k.Append(nil, one), k.Append(nil, two)) {
			t.Fatalf("%q and %q", projected(k, one), projected(k, two))
		}
	})
}

func scanAny(text []byte) jsonscan.Value {
	doc := new(jsonscan.Doc)
	if doc.Scan(text, jsonscan.Options{}) != nil {
		return jsonscan.Value{}
	}
	return doc.Root()
}

func TestNewKey_refusesWhatIsNotKnownBefore(t *testing.T) {
	for field, want := range map[string]string{
		"now": "now is the time", "request.headers[*]": "request.headers[*] is any header", "request.headers": "request.headers is any header",
		"nothing.here": "nothing.here is no field",
	} {
		if _, err := NewKey([]string{"mcp.method", field}); err == nil || err.Error() != want {
			t.Errorf("%s: %v", field, err)
		}
	}
}
