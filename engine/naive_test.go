package engine

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// This oracle shares nothing with what it judges: it goes through all policies as they were written, matches globs by regular
// expressions, and knows of each condition in Go what it says.

// answer is what a condition says of a message.
type answer int

const (
	no answer = iota
	yes
	broken // it fails
	beside // it is about something else
)

func is(b bool) answer {
	if b {
		return yes
	}
	return no
}

// known are conditions, with the method whose messages they are about ("": all) and what they say of those.
var known = []struct {
	when, method string
	says         func(*Request) answer
}{
	{"", "", func(*Request) answer { return yes }},
	{"", "", func(*Request) answer { return yes }},
	{"false", "", func(*Request) answer { return no }},
	{`request.mcp.backend == "ab"`, "", func(r *Request) answer { return is(r.Server == "ab") }},
	{`"dev" in principal.groups`, "", func(r *Request) answer { return is(slices.Contains(r.Principal.Groups, "dev")) }},
	{`!("dev" in principal.groups)`, "", func(r *Request) answer { return is(!slices.Contains(r.Principal.Groups, "dev")) }},
	{`mcp.method == "ping"`, "", func(r *Request) answer { return is(r.Method == "ping") }},
	{`mcp.tool.name == "ab"`, "tools/call", func(r *Request) answer { return is(r.Tool == "ab") }},
	{`mcp.prompt.name.startsWith("a")`, "prompts/get", func(r *Request) answer { return is(strings.HasPrefix(r.Prompt, "a")) }},
	{`mcp.resource.uri.endsWith("b")`, "resources/read", func(r *Request) answer { return is(strings.HasSuffix(r.Resource, "b")) }},
	{`has(args.x)`, "tools/call", func(r *Request) answer { return is(r.Arguments.Get("x").Exists()) }},
	{`args.x == 1`, "tools/call", xIsOne},
	{`args.x == 1 && mcp.tool.name == "ab"`, "tools/call", func(r *Request) answer {
		if r.Tool != "ab" {
			return no
		}
		return xIsOne(r)
	}},
	{`args.x == 1 || "dev" in principal.groups`, "", func(r *Request) answer {
		switch {
		case slices.Contains(r.Principal.Groups, "dev"):
			return yes
		case r.Method != "tools/call":
			return beside
		}
		return xIsOne(r)
	}},
}

func xIsOne(r *Request) answer {
	n, ok := r.Arguments.Get("x").Int64()
	if !ok {
		return broken
	}
	return is(n == 1)
}

// written is a policy with what its conditions say.
type written struct {
	*policy.Policy
	says []func(*Request) answer
}

func matchesGlob(pattern, name string, uri bool) bool {
	one, run := ".", ".*"
	if uri {
		one, run = "[^/]", "[^/]*"
	}
	text := regexp.QuoteMeta(pattern)
	for _, r := range [][2]string{{`\*\*`, "\x00"}, {`\*`, run}, {`\?`, one}, {"\x00", ".*"}} {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return regexp.MustCompile("(?s)^(?:" + text + ")$").MatchString(name)
}

func matchesAny(patterns []string, name string, uri bool) bool {
	return patterns == nil || slices.ContainsFunc(patterns, func(p string) bool { return matchesGlob(p, name, uri) })
}

// matches says whether a policy is about a message.
func (w *written) matches(r *Request) bool {
	m := w.Match
	return matchesAny(m.Methods, r.Method, false) && matchesAny(m.Servers, r.Server, false) &&
		(m.Tools == nil || r.Method == "tools/call" && matchesAny(m.Tools, r.Tool, false)) &&
		(m.Prompts == nil || r.Method == "prompts/get" && matchesAny(m.Prompts, r.Prompt, false)) &&
		(m.Resources == nil || r.Method == "resources/read" && matchesAny(m.Resources, r.Resource, true))
}

// oracle decides, as brief writes it.
func oracle(all []written, r *Request) string {
	type winner struct{ id, reason string }
	first := map[Effect]winner{}
	var shadow []string
	for _, w := range all {
		for i := range w.Rules {
			rule := &w.Rules[i]
			id, effect, reason := w.Name+"/"+rule.Name, rule.Effect, rule.Reason
			says := no
			if rule.Phase == r.Phase && w.matches(r) {
				says = w.says[i](r)
			}
			switch {
			case says == broken && effect == Allow && !rule.Shadow:
				continue
			case says == broken:
				effect, reason = Deny, ReasonEvaluationError
			case says != yes:
				continue
			}
			if rule.Shadow {
				shadow = append(shadow, id+" "+effect.String())
			} else if _, ok := first[effect]; !ok {
				first[effect] = winner{id, reason}
			}
		}
	}
	for _, effect := range []Effect{Deny, Approve, Allow} {
		if w, ok := first[effect]; ok {
			if w.reason == "" {
				w.reason = map[Effect]string{Deny: ReasonDeniedByRule, Approve: ReasonApprovalRequired}[effect]
			}
			return fmt.Sprintf("%s %q %q %q", effect, w.id, w.reason, shadow)
		}
	}
	if r.DefaultAllow || r.Phase == PhaseResponse {
		return fmt.Sprintf("%s %q %q %q", Allow, "", "", shadow)
	}
	return fmt.Sprintf("%s %q %q %q", Deny, "", ReasonNoRuleMatched, shadow)
}

// drawnGlobs draws a list of globs of a few letters, or nil.
func drawnGlobs(t *rapid.T, label, of string) []string {
	if rapid.IntRange(0, 3).Draw(t, label) == 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for _, c := range rapid.SliceOfN(rapid.SampledFrom([]rune(of)), 1, 4).Draw(t, "glob") {
			if c == '*' && strings.HasSuffix(b.String(), "*") && (!strings.Contains(of, "/") || strings.HasSuffix(b.String(), "**")) {
				c = 'a' // there is no such glob
			}
			b.WriteRune(c)
		}
		return b.String()
	}), 1, 3).Draw(t, label+"s")
}

var drawnMethods = [][]string{
	nil, nil, {"tools/call"}, {"tools/*"}, {"*/call", "ping"}, {"*"}, {"prompts/get", "resources/read"}, {"*s/*"}, {"p*"}, {"re*d", "tools/call"},
}

func drawnPolicies(t *rapid.T) []written {
	var all []written
	for i := range rapid.IntRange(1, 12).Draw(t, "policies") {
		w := written{Policy: &policy.Policy{Name: fmt.Sprintf("p%02d", i)}}
		w.Match.Methods = rapid.SampledFrom(drawnMethods).Draw(t, "methods")
		w.Match.Servers = drawnGlobs(t, "server", "ab*?")
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0, 1:
			w.Match.Tools = drawnGlobs(t, "tool", "ab*?")
		case 2:
			w.Match.Prompts = drawnGlobs(t, "prompt", "ab*?")
		case 3:
			w.Match.Resources = drawnGlobs(t, "resource", "ab/*?")
		}
		for j := range rapid.IntRange(1, 3).Draw(t, "rules") {
			k := known[rapid.IntRange(0, len(known)-1).Draw(t, "when")]
			if k.method != "" && !matchesAny(w.Match.Methods, k.method, false) {
				k = known[0] // it could never apply, which is a mistake
			}
			r := policy.Rule{
				Name: fmt.Sprintf("r%d", j), When: source.NewText(k.when), Effect: rapid.SampledFrom([]Effect{Deny, Approve, Allow, Allow, Allow}).Draw(t, "effect"),
				Shadow: rapid.IntRange(0, 2).Draw(t, "shadow") == 0, Reason: rapid.SampledFrom([]string{"", "x"}).Draw(t, "reason"),
			}
			if rapid.IntRange(0, 5).Draw(t, "phase") == 0 {
				r.Phase, r.Effect = PhaseResponse, Deny
			}
			says := k.says
			if k.method != "" {
				says = func(r *Request) answer {
					if r.Method != k.method {
						return beside
					}
					return k.says(r)
				}
			}
			w.Rules, w.says = append(w.Rules, r), append(w.says, says)
		}
		all = append(all, w)
	}
	return all
}

// nameFor draws a name, mostly one that some glob of the policies matches.
func nameFor(t *rapid.T, globs []string, of string) string {
	text := rapid.StringOfN(rapid.SampledFrom([]rune(of)), 0, 4, -1).Draw(t, "name")
	if len(globs) == 0 || rapid.IntRange(0, 4).Draw(t, "any") == 0 {
		return text
	}
	glob := rapid.SampledFrom(globs).Draw(t, "of")
	return strings.NewReplacer("*", text, "?", "b").Replace(glob)
}

func drawnRequest(t *rapid.T, all []written) *Request {
	var servers, tools, prompts, resources []string
	for _, w := range all {
		servers, tools = append(servers, w.Match.Servers...), append(tools, w.Match.Tools...)
		prompts, resources = append(prompts, w.Match.Prompts...), append(resources, w.Match.Resources...)
	}
	r := &Request{
		Method:    rapid.SampledFrom([]string{"tools/call", "tools/call", "prompts/get", "resources/read", "ping"}).Draw(t, "method"),
		Server:    nameFor(t, servers, "ab"),
		Principal: &Principal{Kind: KindJWT, Groups: []string{rapid.SampledFrom([]string{"dev", "ops"}).Draw(t, "group")}},
	}
	switch r.Method {
	case "tools/call":
		r.Tool = nameFor(t, tools, "ab")
		r.Arguments = scanned(t, rapid.SampledFrom([]string{`{}`, `{"x":1}`, `{"x":1}`, `{"x":2}`}).Draw(t, "args"))
	case "prompts/get":
		r.Prompt = nameFor(t, prompts, "ab")
	case "resources/read":
		r.Resource = nameFor(t, resources, "ab/")
	case "ping":
		r.DefaultAllow = true
	}
	if rapid.IntRange(0, 4).Draw(t, "phase") == 0 {
		r.Phase = PhaseResponse
	}
	return r
}

// Whatever stands in the index, and however: a call is decided as by looking at every rule.
func TestIndex_isANaiveLoop(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := drawnPolicies(rt)
		b := &bundle.Bundle{}
		for _, w := range all {
			b.Policies = append(b.Policies, w.Policy)
		}
		s, err := Compile(context.Background(), b, Options{})
		if err != nil {
			rt.Fatal(err)
		}
		for range 16 {
			r := drawnRequest(rt, all)
			if got, want := brief(s.Decide(context.Background(), r)), oracle(all, r); got != want {
				for _, w := range all {
					rt.Logf("%s %+v %+v", w.Name, w.Match, w.Rules)
				}
				rt.Fatalf("%s %q %q %q%q%q args %s phase %s\n got %s\nwant %s",
					r.Method, r.Server, r.Principal.Groups, r.Tool, r.Prompt, r.Resource, r.Arguments.Raw(), r.Phase, got, want)
			}
		}
	})
}
