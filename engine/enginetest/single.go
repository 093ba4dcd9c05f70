package enginetest

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// single is one case, all values put in.
type single struct {
	name    string
	line    int
	request *engine.Request   // of a call
	list    []*engine.Request // what is asked of each tool
	mocks   *standIns
	want    want
}

// want is what a case expects; nil and false where it says nothing.
type want struct {
	effect        string
	rule, reason  *string
	message       *like
	args, patched jsonscan.Value
	labels        []string
	saysLabels    bool
	notes         map[string]*like
	visible       []string
}

// like is what a text must be like.
type like struct {
	equals, contains *string
	matches          *regexp.Regexp
}

// who is a caller.
type who struct{ principal *engine.Principal }

var anonymous = &who{&engine.Principal{Kind: engine.KindAnonymous}}

func (v *values) principal(p principal, n *source.Node) *who {
	kind := p.Type
	if kind == "" {
		kind = engine.KindJWT
	}
	claims := []byte("{")
	member := func(name string, json []byte) {
		if len(claims) > 1 {
			claims = append(claims, ',')
		}
		claims = append(append(jsonscan.AppendQuote(claims, name), ':'), json...)
	}
	for _, c := range [][2]string{{"sub", p.ID}, {"iss", p.Issuer}} {
		if kind == engine.KindJWT && c[1] != "" && p.Claims.node.Get(c[0]) == nil {
			member(c[0], jsonscan.AppendQuote(nil, c[1]))
		}
	}
	at := n.Pos()
	if p.Claims.given() {
		at = p.Claims.node.Pos()
		v.object(p.Claims, "claims")
		for name, x := range p.Claims.node.Fields() {
			member(name.Text().Value, appendJSON(nil, x, v))
		}
	}
	out := &engine.Principal{
		ID: p.ID, Kind: kind, Issuer: p.Issuer, Groups: p.Groups, Roles: p.Roles, Scopes: p.Scopes,
		Claims: v.scan(at, append(claims, '}'), "claims", jsonscan.Options{}),
	}
	if kind == engine.KindAPIKey {
		out.APIKey = p.ID
	}
	return &who{out}
}

// common is what calls and lists have.
func (b *builder) common(as source.Text, headers map[string]source.Text, from, now source.Text, v *values) engine.Request {
	r := engine.Request{Time: b.now}
	if !now.IsZero() {
		r.Time = v.time(now)
	}
	name := v.text(as)
	if w, ok := b.principals[name]; ok {
		r.Principal = w.principal
	} else {
		known := slices.DeleteFunc(slices.Sorted(maps.Keys(b.principals)), func(s string) bool { return s == "" })
		help := "the principals are: " + strings.Join(known, ", ")
		if word, ok := source.Suggest(name, known); ok {
			help = fmt.Sprintf("did you mean `%s`?", word)
		} else if len(known) == 0 {
			help = "add it to `principals`"
		}
		v.report(as.Pos(), "SP5002", fmt.Sprintf("no principal is called `%s`", source.Brief(name)), help)
	}
	all := make(map[string]string, len(headers))
	for name, text := range headers {
		if strings.ToLower(name) != name {
			v.report(text.Pos(), "SP5004", fmt.Sprintf("the header `%s` is not in lower case", source.Brief(name)), "rules read headers by their lower-case names: write "+strings.ToLower(name))
		}
		all[name] = v.text(text)
	}
	r.Header = func(name string) string { return all[name] }
	if !from.IsZero() {
		var err error
		if r.Source, err = netip.ParseAddr(v.text(from)); err != nil {
			v.report(from.Pos(), "SP5004", fmt.Sprintf("`%s` is not an IP address", source.Brief(from.Value)), "write one such as 192.0.2.7 or 2001:db8::1")
		}
	}
	return r
}

// request is the message of a call.
func (b *builder) request(c *call, v *values) *engine.Request {
	r := b.common(c.As, c.Headers, c.Source, c.Now, v)
	fold := jsonscan.Options{Fold: c.From.Value != "server"}
	if !c.Tool.IsZero() {
		r.Method = "tools/call"
		var tool string
		r.Server, tool = v.target(c.Tool)
		params := append(jsonscan.AppendQuote([]byte(`{"name":`), tool), `,"arguments":`...)
		at := c.Tool.Pos()
		if c.Args.given() && v.object(c.Args, "args") {
			at = c.Args.node.Pos()
			params = appendJSON(params, c.Args.node, v)
		} else {
			params = append(params, "{}"...)
		}
		r.Params = v.scan(at, append(params, '}'), "args", fold)
	} else {
		r.Server, r.Method = v.text(c.Server), v.text(c.Method)
		if r.Params = v.json(c.Params, "params", fold); !r.Params.Exists() {
			r.Params = v.scan(c.Method.Pos(), []byte("{}"), "params", fold)
		}
	}
	r.FromServer = c.From.Value == "server" && strings.HasPrefix(r.Method, "notifications/")
	m := methods[r.Method]
	r.DefaultAllow = m.allowed
	setTarget(&r, m.about)
	r.Annotations = v.json(c.Annotations, "annotations", jsonscan.Options{})
	if c.Result.given() {
		r.Phase, r.Result = engine.PhaseResponse, v.json(c.Result, "result", jsonscan.Options{})
		if m.list != "" {
			r.ItemsField, r.Items = m.list, r.Result.Get(m.list)
		}
	}
	if c.Error.given() {
		r.Phase, r.Error = engine.PhaseResponse, v.json(c.Error, "error", jsonscan.Options{})
	}
	return &r
}

// setTarget finds in the params what the message is about.
func setTarget(r *engine.Request, about string) {
	switch about {
	case "tool":
		r.Tool, r.Arguments = r.Params.Get("name").Text(), r.Params.Get("arguments")
	case "prompt":
		r.Prompt = r.Params.Get("name").Text()
	case "resource":
		r.Resource = r.Params.Get("uri").Text()
	case "ref":
		r.Prompt, r.Resource = r.Params.Path("ref", "name").Text(), r.Params.Path("ref", "uri").Text()
	}
}

// list asks of each tool what a list is filtered by.
func (b *builder) list(l *list, v *values, n *source.Node) []*engine.Request {
	shared := b.common(l.As, l.Headers, l.Source, l.Now, v)
	var out []*engine.Request
	names := map[string]bool{}
	for _, t := range l.Tools {
		r := shared
		r.Method = "tools/call"
		r.Server, r.Tool = v.target(t)
		name := v.text(t)
		names[name] = true
		if a, ok := l.Annotations[name]; ok {
			r.Annotations = v.json(a, "annotations", jsonscan.Options{})
		}
		out = append(out, &r)
	}
	for key := range n.Get("annotations").Fields() {
		if name := key.Text().Value; !names[name] {
			v.report(key.Pos(), "SP5002", fmt.Sprintf("`%s` is none of the tools", source.Brief(name)), "add it to `tools`, or remove it")
		}
	}
	return out
}

var effects = []string{"allow", "deny", "approve"}

// want is what a case expects.
func (b *builder) want(x *expect, v *values) want {
	w := want{effect: v.text(x.Effect), saysLabels: x.Labels != nil}
	if !x.Effect.IsZero() && !slices.Contains(effects, w.effect) {
		help := "expected one of: " + strings.Join(effects, ", ")
		if word, ok := source.Suggest(w.effect, effects); ok {
			help = fmt.Sprintf("did you mean `%s`? (%s)", word, help)
		}
		v.report(x.Effect.Pos(), "SP1003", fmt.Sprintf("`%s` is not a valid effect", source.Brief(w.effect)), help)
	}
	w.rule, w.reason = v.given(x.Rule), v.given(x.Reason)
	w.args = v.json(x.Args, "args", jsonscan.Options{})
	w.patched = v.json(x.Patched, "patched", jsonscan.Options{})
	if x.Message != nil {
		w.message = v.like(*x.Message)
	}
	if x.Labels != nil {
		w.labels = slices.Sorted(slices.Values(texts(*x.Labels, v)))
	}
	if x.Notes != nil {
		w.notes = map[string]*like{}
	}
	for key, m := range x.Notes {
		w.notes[key] = v.like(m)
	}
	return w
}

func (v *values) given(t source.Text) *string {
	if t.IsZero() {
		return nil
	}
	s := v.text(t)
	return &s
}

func (v *values) like(m matcher) *like {
	l := &like{equals: v.given(m.Equals), contains: v.given(m.Contains)}
	if !m.Matches.IsZero() {
		var err error
		if l.matches, err = regexp.Compile(v.text(m.Matches)); err != nil {
			v.report(m.Matches.Pos(), "SP5004", fmt.Sprintf("`%s` is not a regular expression: %v", source.Brief(m.Matches.Value), err), "RE2's syntax holds; quote what is to stand for itself with a backslash")
		}
	}
	return l
}

// method is what a case needs to know of a method.
type method struct {
	allowed bool   // unless a rule denies it
	about   string // tool, prompt, resource or ref: what its params name
	list    string // the member of its result that holds the items of a list
}

// methods are those of the protocol that are not plain calls about nothing. The engine knows none; a test holds them to the gateway's.
var methods = map[string]method{
	"initialize": {allowed: true}, "ping": {allowed: true}, "server/discover": {allowed: true},
	"tools/list": {allowed: true, list: "tools"}, "tools/call": {about: "tool"},
	"prompts/list": {allowed: true, list: "prompts"}, "prompts/get": {about: "prompt"},
	"resources/list": {allowed: true, list: "resources"}, "resources/templates/list": {allowed: true, list: "resourceTemplates"},
	"resources/read": {about: "resource"}, "resources/subscribe": {about: "resource"}, "resources/unsubscribe": {about: "resource"},
	"resources/directory/read": {about: "resource", list: "resources"}, "completion/complete": {about: "ref"},
	"skills/list": {allowed: true, list: "skills"}, "skills/get": {about: "resource"}, "tasks/list": {allowed: true, list: "tasks"},
	"notifications/initialized": {allowed: true}, "notifications/roots/list_changed": {allowed: true}, "notifications/cancelled": {allowed: true},
	"notifications/progress": {allowed: true}, "notifications/message": {allowed: true}, "notifications/tools/list_changed": {allowed: true},
	"notifications/prompts/list_changed": {allowed: true}, "notifications/resources/list_changed": {allowed: true},
	"notifications/resources/updated": {allowed: true, about: "resource"}, "notifications/elicitation/complete": {allowed: true},
	"notifications/subscriptions/acknowledged": {allowed: true}, "notifications/tasks/status": {allowed: true}, "notifications/tasks": {allowed: true},
}
