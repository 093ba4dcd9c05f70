package engine

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Callers of whom an Audience writes the same see the same, whatever else is known of them and whenever it is.
func TestAudience_seesTheSame(t *testing.T) {
	groups := []string{"dev", "ops"}
	rapid.Check(t, func(rt *rapid.T) {
		s, _ := compiled(rt, policies().Draw(rt, "policies"))
		r := requests().Draw(rt, "request")
		r.Phase, r.Result, r.Error, r.DefaultAllow, r.Arguments = PhaseRequest, jsonscan.Value{}, jsonscan.Value{}, false, jsonscan.Value{}
		a, ok := s.Audience(r.Method, r.Server)
		if !ok {
			return
		}
		other := *r
		other.Time = r.Time.Add(time.Hour)
		switch rapid.IntRange(0, 3).Draw(rt, "differs in") {
		case 0:
			other.Principal = nil
		case 1:
			other.Principal = &Principal{Kind: KindJWT, Groups: groups[:rapid.IntRange(0, 2).Draw(rt, "groups")], Claims: r.Principal.Claims}
		case 2:
			other.Principal = &Principal{Kind: KindJWT, Groups: r.Principal.Groups, Claims: scanned(rt, `{"role":"dev","more":1}`)}
		default:
			other.Source, other.Header = netip.MustParseAddr("10.0.0.1"), func(string) string { return "x" }
		}
		if !bytes.Equal(a.Append(nil, r), a.Append(nil, &other)) {
			return
		}
		if v, w := s.Visible(context.Background(), r), s.Visible(context.Background(), &other); v.Allowed() != w.Allowed() {
			rt.Fatalf("%+v and %+v are the same to %+v\n%s, %s", r, other, a, brief(v), brief(w))
		}
	})
}

// An Audience has what the rules read that have a say in the list, and nothing of what is listed.
func TestAudience_isWhatRulesRead(t *testing.T) {
	who := func() *Request {
		return &Request{
			Method: "tools/call", Server: "files", Source: netip.MustParseAddr("10.0.0.1"), Header: func(name string) string { return name },
			Principal: &Principal{ID: "alice", Kind: KindJWT, Groups: []string{"dev"}, Claims: scanned(t, `{"sub":"alice","team":"a"}`)},
		}
	}
	change := map[string]func(*Request){
		"id":     func(r *Request) { r.Principal.ID = "bob" },
		"groups": func(r *Request) { r.Principal.Groups = nil },
		"team":   func(r *Request) { r.Principal.Claims = scanned(t, `{"sub":"alice","team":"b"}`) },
		"source": func(r *Request) { r.Source = netip.MustParseAddr("10.0.0.2") },
		"header": func(r *Request) { r.Header = func(string) string { return "" } },
		"nobody": func(r *Request) { r.Principal = nil },
	}
	for _, tt := range []struct {
		match, rule string
		want        string // the changes that it tells apart; "-" if there is no Audience
	}{
		{``, ``, ""},
		{``, `effect: allow`, ""},
		{``, `when: 'args.x == 1 && mcp.tool.name == "a" && params.y == 1 && mcp.tool.annotations.z == 1 && mcp.method == "m"', effect: allow`, ""},
		{``, `when: '"dev" in principal.groups && args.x == 1', effect: allow`, "groups nobody"},
		{``, `when: 'jwt.team == "a"', effect: deny`, "nobody team"},
		{``, `when: 'source.address == "10.0.0.1" || principal.id == "x"', effect: approve`, "id nobody source"},
		{``, `when: 'request.headers["x-tenant"] == "a"', effect: allow`, "header"},
		{``, `when: 'request.headers[args.name] == "a"', effect: allow`, "-"},
		{``, `when: 'now.getHours() == 12', effect: allow`, "-"},
		{``, `when: 'now.getHours() == 12', effect: deny, enforcement: shadow`, ""},
		{``, `when: 'now.getHours() == 12', effect: deny, phase: response`, ""},
		{`servers: [mail]`, `when: 'now.getHours() == 12', effect: allow`, ""},
		{`methods: [prompts/get]`, `when: 'now.getHours() == 12', effect: allow`, ""},
		{`servers: ["f*"], methods: ["tools/*"]`, `when: 'now.getHours() == 12', effect: allow`, "-"},
		{``, `effect: approve, message: '"at %s".format([now])'`, ""},
	} {
		policy := "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nmatch: { " + tt.match + " }\nrules:\n  - { name: none, when: 'false', effect: allow }\n"
		if tt.rule != "" {
			policy += "  - { name: r, " + tt.rule + " }\n"
		}
		b, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte(policy)}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Compile(t.Context(), b, Options{})
		if err != nil {
			t.Fatalf("%s: %v", tt.rule, err)
		}
		got := "-"
		if a, ok := s.Audience("tools/call", "files"); ok {
			var tells []string
			before := a.Append(nil, who())
			for _, name := range []string{"groups", "header", "id", "nobody", "source", "team"} {
				r := who()
				change[name](r)
				if !bytes.Equal(before, a.Append(nil, r)) {
					tells = append(tells, name)
				}
			}
			got = strings.Join(tells, " ")
		}
		if got != tt.want {
			t.Errorf("%s %s: tells apart %q, want %q", tt.match, tt.rule, got, tt.want)
		}
	}
	var none *Snapshot
	if a, ok := none.Audience("tools/call", "files"); !ok || fmt.Sprint(a) != fmt.Sprint(Audience{}) {
		t.Error(a, ok)
	}
}
