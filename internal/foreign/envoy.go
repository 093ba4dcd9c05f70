package foreign

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// This file reads the authorization of Envoy AI Gateway's MCPRoute: an ordered list of rules, of which the first that matches a call of a
// tool decides. A condition that fails doesn't match. Here the order counts for nothing, so a rule that denies leaves out what a rule
// before it allows.

// envoyWords are Envoy AI Gateway's names in conditions.
var envoyWords = vocabulary{
	names: map[string]string{
		"request.mcp.method": "mcp.method", "request.mcp.backend": "mcp.tool.target", "request.mcp.tool": "mcp.tool.name", "request.mcp.params": "params",
		"request.headers": "request.headers", "request.auth.jwt.claims": "jwt", "request.auth.jwt.scopes": "principal.scopes",
	},
	scopes: true,
	helps: map[string]string{
		"request.headers_all": "a header has one value here", "request.method": "rules are about messages, not about HTTP",
		"request.path": "rules are about messages, not about HTTP", "request.host": "rules are about messages, not about HTTP",
	},
}

func (r *reader) envoy(roots []*source.Node) {
	names := map[string]bool{}
	for _, root := range roots {
		if root.Get("kind").Text().Value != "MCPRoute" {
			continue
		}
		group, _, _ := strings.Cut(root.Get("apiVersion").Text().Value, "/")
		if group != "aigateway.envoyproxy.io" {
			r.refuse(root.Pos(), "an MCPRoute of another program", "its apiVersion is aigateway.envoyproxy.io/v1beta1 or v1alpha1")
			continue
		}
		e := envoyRoute{reader: r, policy: policy{name: name(root.Find("metadata", "name").Text().Value, "route"), methods: []string{"tools/call"}}}
		if names[e.policy.name] {
			r.refuse(root.Pos(), fmt.Sprintf("there are two routes called `%s`", e.policy.name), "import one at a time")
		}
		names[e.policy.name] = true
		e.read(root.Get("spec"), root.Pos())
		r.policies = append(r.policies, e.policy)
	}
	if len(r.policies) == 0 && !r.found.HasErrors() {
		r.refuse(source.Pos{File: r.file, Line: 1, Column: 1, Width: 1}, "there is no MCPRoute", "")
	}
	if len(r.policies) > 1 {
		r.refuse(roots[0].Pos(), fmt.Sprintf("there are %d routes", len(r.policies)), "policies are for all calls, and what one route allows would be allowed on the other: import one at a time")
	}
}

// envoyRoute reads one route.
type envoyRoute struct {
	*reader
	policy policy
	given  string   // that a caller and a request are those of the route
	allows []string // of the rules up to now
}

func (e *envoyRoute) read(spec *source.Node, at source.Pos) {
	if spec == nil {
		e.refuse(at, "the route has no `spec`", "")
		return
	}
	e.known(spec, "the route", "parentRefs", "path", "headers", "backendRefs", "backendSelector", "securityPolicy")
	security := spec.Get("securityPolicy")
	e.known(security, "securityPolicy", "oauth", "apiKeyAuth", "extAuth", "authorization")
	authorization := security.Get("authorization")
	if authorization == nil {
		e.refuse(spec.Pos(), "the route has no `securityPolicy.authorization`", "there is nothing to import: every call passes there")
		return
	}
	e.policy.notes = []string{
		"Servers are to be called as backends are there. Prompts and resources, which Envoy lets through, need a rule of your own.",
		"A condition that fails in a rule that denies does deny here.",
	}
	if n := spec.Get("backendSelector"); n != nil {
		e.refuse(n.Pos(), "`backendSelector` can't be translated", "remove it from the copy that you import, and write a rule for it")
	}
	if n := security.Get("extAuth"); n != nil {
		e.refuse(n.Pos(), "`extAuth` asks another program, which can't be translated", "remove it from the copy that you import, and write a plugin for it")
	}
	if n := spec.Get("path"); n != nil && n.Text().Value != "/mcp" {
		e.warn(n.Pos(), "the route is for a path of its own: here its rules are for all calls", "")
	}
	if given := all(e.caller(security), e.headers(spec.Get("headers"))); given != "" {
		e.policy.variables = []variable{{note: "Whose calls the route is for.", name: "caller", expression: given}}
		e.given = "variables.caller"
	}
	e.backends(spec.Get("backendRefs"))
	e.authorization(authorization)
}

// caller is who gets as far as the rules.
func (e *envoyRoute) caller(security *source.Node) string {
	if oauth := security.Get("oauth"); oauth != nil {
		return `principal.type == "jwt" && principal.issuer == ` + literalOf(e.text(oauth.Get("issuer"), "issuer"))
	}
	if security.Get("apiKeyAuth") != nil {
		return `principal.type == "api_key"`
	}
	return ""
}

// headers are those by which a request is one of the route.
func (e *envoyRoute) headers(n *source.Node) string {
	var out []string
	for _, h := range n.Items() {
		e.known(h, "a header", "name", "value", "type")
		e.word(h.Get("type"), "the type of a header", "Exact")
		header := strings.ToLower(e.text(h.Get("name"), "the name of a header"))
		if slices.Contains(hidden, header) || strings.HasPrefix(header, "mcp-") {
			e.refuse(h.Pos(), fmt.Sprintf("conditions don't see the header `%s`", header), "remove it from the copy that you import")
		}
		out = append(out, fmt.Sprintf("request.headers[%s] == %s", literalOf(header), literalOf(e.text(h.Get("value"), "the value of a header"))))
	}
	return all(out...)
}

// backends are the servers, and which of their tools there are.
func (e *envoyRoute) backends(n *source.Node) {
	if n.Len() == 0 {
		e.refuse(e.at(n), "the route has no `backendRefs`", "")
	}
	for _, b := range n.Items() {
		server := e.text(b.Get("name"), "the name of a backend")
		if server == "" || strings.ContainsAny(server, `*?[]{}\`) {
			e.refuse(b.Pos(), "the backend has no name that a server can have", "")
		}
		e.policy.servers = append(e.policy.servers, server)
		selector := b.Get("toolSelector")
		if selector == nil {
			continue
		}
		e.known(selector, "toolSelector", "include", "includeRegex", "exclude", "excludeRegex")
		include := e.tools(selector, "include", "includeRegex")
		exclude := e.tools(selector, "exclude", "excludeRegex")
		var out []string
		if len(include) > 0 {
			out = append(out, not(either(include)))
		}
		if out = append(out, exclude...); len(out) > 0 {
			e.policy.rules = append(e.policy.rules, rule{
				origin: fmt.Sprintf("line %d: toolSelector", selector.Pos().Line), name: "tools-of-" + name(server, "backend"),
				when: all("mcp.tool.target == "+literalOf(server), either(out)), effect: "deny", reason: "tool_not_selected",
			})
		}
	}
}

func (e *envoyRoute) at(n *source.Node) source.Pos {
	if n == nil {
		return source.Pos{File: e.file, Line: 1, Column: 1, Width: 1}
	}
	return n.Pos()
}

// tools are conditions on the name of a tool, one for names and one for each expression.
func (e *envoyRoute) tools(n *source.Node, exact, regex string) []string {
	var out []string
	if names := e.texts(n.Get(exact), exact); len(names) > 0 {
		out = append(out, "mcp.tool.name in "+listOf(names))
	}
	for _, x := range e.texts(n.Get(regex), regex) {
		when := "mcp.tool.name.matches(" + literalOf(x) + ")"
		if _, problem := e.translate(`"".matches(`+literalOf(x)+`)`, &envoyWords, condition.Bool, nil); problem != "" {
			e.refuse(n.Get(regex).Pos(), fmt.Sprintf("`%s` is not a regular expression", source.Brief(x)), "")
		}
		out = append(out, when)
	}
	return out
}

func (e *envoyRoute) authorization(n *source.Node) {
	e.known(n, "authorization", "rules", "defaultAction")
	rules := n.Get("rules")
	if rules != nil && rules.Kind() != source.List {
		e.refuse(rules.Pos(), "`rules` is a list", "")
	}
	for i, r := range rules.Items() {
		e.rule(i+1, r)
	}
	if e.word(n.Get("defaultAction"), "defaultAction", "Deny", "Allow") == "Allow" {
		e.policy.rules = append(e.policy.rules, rule{origin: "defaultAction: Allow", name: "default", when: e.given, effect: "allow"})
	}
	if len(e.policy.rules) == 0 {
		e.policy.rules = []rule{{note: []string{"There is no rule that allows."}, name: "nothing", effect: "deny", reason: "not_translated"}}
	}
}

func (e *envoyRoute) rule(number int, n *source.Node) {
	e.known(n, "a rule", "source", "target", "cel", "action")
	action := strings.ToLower(e.word(n.Get("action"), "action", "Allow", "Deny"))
	out := rule{origin: fmt.Sprintf("line %d: rule %d", n.Pos().Line, number), name: action + "-" + strconv.Itoa(number), effect: action}
	cel := n.Get("cel")
	theirs := strings.TrimSpace(e.text(cel, "cel"))
	ours, problem := "", ""
	if theirs != "" {
		ours, problem = e.translate(theirs, &envoyWords, condition.Bool, nil)
	}
	when := all(e.target(n.Get("target")), e.source(n.Get("source")), ours)
	switch {
	case problem != "" && action == "allow":
		e.warn(cel.Pos(), "a rule that allows is left out: "+problem, "allow what it is to allow in a rule of your own")
		e.policy.notes = append(e.policy.notes, fmt.Sprintf("Line %d allows, and is left out: %s", n.Pos().Line, problem), theirs)
		return
	case problem != "":
		e.warn(cel.Pos(), "a rule that denies denies more now: "+problem, "say in it what it is to deny")
		out.note = []string{"Not translated, so it denies whatever this says: " + problem, theirs}
	}
	if action == "allow" {
		if when != "" {
			v := variable{name: "rule_" + strconv.Itoa(number), expression: when}
			e.policy.variables = append(e.policy.variables, v)
			when = "variables." + v.name
		}
		e.allows = append(e.allows, when)
		out.when = all(e.given, when)
	} else {
		out.when, out.reason = when, "denied"
		if strings.Contains(when, "principal.scopes") {
			e.warn(n.Pos(), "a rule that denies reads scopes: here the claim `scp` counts only where there is no `scope`", "see that tokens have one of them")
		}
		if len(e.allows) > 0 && !slices.Contains(e.allows, "") {
			out.note = append(out.note, "Rules before it allow first.")
			out.when = all(when, not(either(e.allows)))
		} else if len(e.allows) > 0 {
			return // a rule before it allows everything
		}
	}
	e.policy.rules = append(e.policy.rules, out)
}

// target is a condition on the tool; "" for all.
func (e *envoyRoute) target(n *source.Node) string {
	e.known(n, "target", "tools")
	tools := n.Get("tools")
	var out []string
	for _, t := range tools.Items() {
		e.known(t, "a tool", "backend", "tool")
		out = append(out, fmt.Sprintf("mcp.tool.target == %s && mcp.tool.name == %s", literalOf(e.text(t.Get("backend"), "backend")), literalOf(e.text(t.Get("tool"), "tool"))))
	}
	if n != nil && len(out) == 0 {
		e.refuse(n.Pos(), "the target has no `tools`", "")
	}
	return either(append([]string(nil), out...))
}

// source is a condition on the caller's token; "" for all.
func (e *envoyRoute) source(n *source.Node) string {
	e.known(n, "source", "jwt")
	token := n.Get("jwt")
	e.known(token, "jwt", "scopes", "claims")
	var out []string
	for _, s := range e.texts(token.Get("scopes"), "scopes") {
		out = append(out, literalOf(s)+" in principal.scopes")
	}
	for _, c := range token.Get("claims").Items() {
		out = append(out, e.claim(c))
	}
	if n != nil && len(out) == 0 {
		e.refuse(n.Pos(), "the source has neither `jwt.scopes` nor `jwt.claims`", "")
	}
	return all(out...)
}

// claim is a condition on one claim. A claim that is not there doesn't match.
func (e *envoyRoute) claim(n *source.Node) string {
	e.known(n, "a claim", "name", "valueType", "values")
	values := e.texts(n.Get("values"), "values")
	if len(values) == 0 {
		e.refuse(n.Pos(), "the claim has no `values`", "")
	}
	path := []string{"jwt"}
	for part := range strings.SplitSeq(e.text(n.Get("name"), "the name of a claim"), ".") {
		if part == "scope" || part == "scp" {
			e.refuse(n.Pos(), "scopes are not claims here", "write them into `scopes`")
		}
		path = append(path, "[?"+literalOf(part)+"]")
	}
	if e.word(n.Get("valueType"), "valueType", "String", "StringArray") == "String" {
		return strings.Join(path, "") + ".orValue(dyn(null)) in " + listOf(values)
	}
	value := strings.Join(path, "") + ".orValue(dyn([]))"
	return fmt.Sprintf("%s.exists(v, v == %s || v in %s)", listOf(values), value, value)
}

// literalOf writes a text in CEL.
func literalOf(s string) string { return string(jsonscan.AppendQuote(nil, s)) }

func listOf(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = literalOf(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// name makes a name for a policy or a rule of another program's.
func name(s, otherwise string) string {
	s = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_.-", c) {
			return c
		}
		return '-'
	}, s)
	s = strings.TrimLeft(s, "_.-")
	if s == "" {
		return otherwise
	}
	return s[:min(len(s), 80)]
}
