package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/policy"
)

// alike are values that something between the message and the rule could take for each other.
var alike = []string{
	`null`, `false`, `""`, `[]`, `{}`, `0`, `-0`, `0.0`, `-0.0`, `0e0`, `-0e-5`, `"0"`, `1`, `1.0`, `1e0`, `10e-1`, `"1"`, `true`, `"true"`, `[1]`, `[1.0]`, `["1"]`, `[[1]]`, `{"x":1}`, `{"x":{}}`, `{"x":null}`,
	`9007199254740992`, `9007199254740993`, `9007199254740992.0`, `9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`, `18446744073709551615`, `18446744073709551616`,
	`1e308`, `1.7976931348623157e308`, `5e-324`, `1e-400`,
	`"a"`, `"\u0061"`, `"A"`, `"a "`, `" a"`, `"a\u0000"`, `"\u00e9"`, `"e\u0301"`, `"\ufeff"`, `"\ud83d\ude00"`, `"NaN"`, `"a,b"`, `["a","b"]`, `["a,b"]`, `["ab",""]`, `["a",["b"]]`, `["b","a"]`, `[ "a","b"]`,
}

// Decisions on values that are alike are those that are made without a cache, whatever was remembered before.
func TestCache_tellsValuesApart(t *testing.T) {
	values := slices.Clone(alike)
	for _, n := range []int{126, 127, 128, 129, 4095, 4096, 4097} { // around the lengths where keys are written or kept in another way
		values = append(values, `"`+strings.Repeat("x", n)+`"`, `"`+strings.Repeat("x", n-1)+`y"`)
	}
	for _, when := range []string{
		`type(args.x) == int`, `type(args.x) == double`, `has(args.x)`, `args.x == null`, `args.x == 1`, `1.0 / double(args.x) < 0.0`, `string(args.x) == "0"`, `args.x == 9007199254740992.0`,
		`size(args.x) == 127`, `args.x == "a"`, `string(args.x).endsWith("y")`, `args.?x.orValue("none") == "none"`, `args.x.x == 1`, `has(args.x.x)`, `dyn(args) == {}`, `"a" in args.x`, `args.x[0] == "a"`,
	} {
		same := comparing(t, rule1("allow", Allow, when), rule1("deny", Deny, "args.y == 2"))
		ask := func(text string) {
			r := &Request{Method: "tools/call", Server: "s", Tool: "t"}
			if text != "" {
				r.Arguments = scanned(t, text)
			}
			same(r, fmt.Sprintf("%s of %.80s", when, text))
		}
		for range 2 {
			for _, v := range values {
				ask(`{"y":1,"x":` + v + `}`)
				ask(`{"x":` + v + `,"y":1}`)
				ask(v)
			}
			ask(`{"y":1}`)
			ask(``)
		}
	}
}

// comparing returns what compares decisions by rules, from the cache and by a route that is known, with those that are made without a cache.
func comparing(t *testing.T, rules ...policy.Rule) func(r *Request, what string) {
	t.Helper()
	ps := []*policy.Policy{{Name: "p", Rules: rules}}
	plain, err := Compile(t.Context(), &bundle.Bundle{Policies: ps, Revision: "r"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := remembersRules(t, rules...)
	return func(r *Request, what string) {
		if got, want := whole(travelled(t, s, r)), whole(plain.Decide(t.Context(), r)); got != want {
			t.Errorf("%s: %s\nwithout cache: %s", what, got, want)
		}
	}
}

// The same of what is known of the caller and the connection.
func TestCache_tellsCallersApart(t *testing.T) {
	requests := []func(r *Request){
		func(*Request) {},
		func(r *Request) { r.Principal = &Principal{} },
		func(r *Request) { r.Principal = &Principal{Groups: []string{}} },
		func(r *Request) { r.Principal = &Principal{Groups: []string{""}} },
		func(r *Request) { r.Principal = &Principal{Groups: []string{"a", "b"}} },
		func(r *Request) { r.Principal = &Principal{Groups: []string{"a,b"}} },
		func(r *Request) { r.Principal = &Principal{Groups: []string{"ab", ""}} },
		func(r *Request) { r.Principal = &Principal{Roles: []string{"a", "b"}} },
		func(r *Request) { r.Principal = &Principal{Groups: []string{"a"}, Roles: []string{"b"}} },
		func(r *Request) { r.Principal = &Principal{ID: "a", Kind: KindAnonymous} },
		func(r *Request) { r.Principal = &Principal{ID: "a", Kind: KindJWT} },
		func(r *Request) { r.Principal = &Principal{ID: "a", Kind: KindAPIKey, APIKey: "k"} },
		func(r *Request) { r.Principal = &Principal{ID: "a", Kind: KindJWT, APIKey: "k"} },
		func(r *Request) { r.Principal = &Principal{Kind: KindJWT, Claims: scanned(t, `{"sub":"a"}`)} },
		func(r *Request) { r.Principal = &Principal{Kind: KindAPIKey, Claims: scanned(t, `{"sub":"a"}`)} },
		func(r *Request) { r.Principal = &Principal{Kind: KindJWT, Claims: scanned(t, `{"sub":null}`)} },
		func(r *Request) { r.Principal = &Principal{Kind: KindJWT, Claims: jsonscan.Value{}} },
		func(r *Request) { r.Header = func(string) string { return "" } },
		func(r *Request) { r.Header = func(string) string { return "a" } },
		func(r *Request) { r.Header = func(string) string { return "a, a" } },
		func(r *Request) { r.Header = func(string) string { return "A" } },
		func(r *Request) { r.Source = netip.MustParseAddr("10.0.0.1") },
		func(r *Request) { r.Source = netip.MustParseAddr("10.0.0.2") },
		func(r *Request) { r.Source = netip.MustParseAddr("::ffff:10.0.0.1") },
		func(r *Request) { r.Source = netip.MustParseAddr("::10.0.0.1") },
		func(r *Request) { r.Source = netip.MustParseAddr("fe80::1%eth0") },
		func(r *Request) { r.Source = netip.MustParseAddr("fe80::1%eth1") },
		func(r *Request) { r.Source = netip.MustParseAddr("fe80::2") },
	}
	for _, when := range []string{
		`size(principal.groups) == 2 && principal.groups[0] == "a"`, `"b" in principal.roles`, `principal.groups == principal.roles`,
		`principal.id == "a"`, `principal.type == "jwt"`, `apiKey.id == "k"`, `jwt.sub == "a"`, `has(jwt.sub)`, `jwt == {}`, `apiKey.claims.sub == "a"`,
		`request.headers[?"x"].orValue("") == "a"`, `has(request.headers.x)`, `source.address == "10.0.0.1"`, `source.address == "fe80::1"`,
	} {
		same := comparing(t, rule1("allow", Allow, `true`), rule1("deny", Deny, when))
		for range 2 {
			for i, change := range requests {
				r := &Request{Method: "tools/call", Server: "s", Tool: "t"}
				change(r)
				same(r, fmt.Sprintf("%s of request %d", when, i))
			}
		}
	}
}
