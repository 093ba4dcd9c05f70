// Package foreign reads the rules of other programs and writes policies that say the same. What can't be said is said more strictly, and
// never passed over: a rule that allows is left out, one that denies denies more, and a warning names it; or the file is refused.
package foreign

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// The programs whose rules can be read.
const (
	AgentGateway = "agentgateway"
	EnvoyAI      = "envoy-ai-gateway"
	Admission    = "kubernetes-vap"
)

// Options say what a file doesn't. Only the rules of Kubernetes need any: they know nothing of servers and tools.
type Options struct {
	Servers, Tools []string // that the policies are about, as globs; nil: all
	Object         string   // the condition's name of what a tool is given to be admitted; "" is args
}

// The codes of diagnostics.
const (
	codeRefused = "SP9001" // the file, or a part without which the rest would allow more
	codeChanged = "SP9002" // a part that is not the same any more
)

// Import reads a file of another program and returns policies. The diagnostics of a file that is imported are warnings.
func Import(from, file string, data []byte, o Options) ([]byte, source.Diagnostics) {
	roots, ds := source.Parse(file, data)
	if ds.HasErrors() {
		return nil, ds
	}
	env, err := condition.New(condition.Options{})
	if err != nil {
		return nil, source.Diagnostics{source.Pos{File: file}.Diagnose(codeRefused, err.Error(), "")}
	}
	r := &reader{file: file, env: env, options: o}
	switch from {
	case AgentGateway:
		r.agentGateway(roots)
	case EnvoyAI:
		r.envoy(roots)
	case Admission:
		r.admission(roots)
	default:
		r.refuse(source.Pos{File: file, Line: 1, Column: 1, Width: 1}, fmt.Sprintf("rules of `%s` can't be read", from), "")
	}
	if r.found.HasErrors() {
		return nil, r.found.Sort()
	}
	return write(file, from, r.policies), r.found.Sort()
}

// reader reads one file.
type reader struct {
	file     string
	env      *condition.Env
	options  Options
	policies []policy
	found    source.Diagnostics
}

// policy is what is written.
type policy struct {
	name, about string
	notes       []string // comments
	shadow      bool
	servers     []string
	methods     []string
	tools       []string
	variables   []variable
	rules       []rule
}

type variable struct {
	note, name, expression string
}

type rule struct {
	note                    []string // comments
	name, when, effect      string
	reason, message, origin string // origin is the place in the other file
}

func (r *reader) refuse(at source.Pos, message, help string) {
	r.found = append(r.found, at.Diagnose(codeRefused, message, help))
}

func (r *reader) warn(at source.Pos, message, help string) {
	r.found = append(r.found, at.Warn(codeChanged, message, help))
}

// known refuses fields of a part of which all must be understood.
func (r *reader) known(n *source.Node, what string, names ...string) {
	if n != nil && n.Kind() != source.Map {
		r.refuse(n.Pos(), fmt.Sprintf("%s is a mapping, but this is %s", what, n.Kind()), "")
		return
	}
	for key := range n.Fields() {
		if name := key.Text().Value; !slices.Contains(names, name) {
			r.refuse(key.Pos(), fmt.Sprintf("%s has a field `%s`, which is not understood", what, source.Brief(name)), "what it says would be lost; understood are: "+strings.Join(names, ", "))
		}
	}
}

// texts reads a list of texts.
func (r *reader) texts(n *source.Node, what string) []string {
	var out []string
	if n != nil && n.Kind() != source.List {
		r.refuse(n.Pos(), fmt.Sprintf("%s is a list, but this is %s", what, n.Kind()), "")
		return nil
	}
	for _, item := range n.Items() {
		if item.Kind() != source.String {
			r.refuse(item.Pos(), fmt.Sprintf("%s has texts, but this is %s", what, item.Kind()), "")
			continue
		}
		out = append(out, item.Text().Value)
	}
	return out
}

// text reads a text; a missing one is "".
func (r *reader) text(n *source.Node, what string) string {
	if n == nil {
		return ""
	}
	if n.Kind() != source.String {
		r.refuse(n.Pos(), fmt.Sprintf("%s is a text, but this is %s", what, n.Kind()), "")
	}
	return n.Text().Value
}

// word reads one of several words; a missing one is the first.
func (r *reader) word(n *source.Node, what string, words ...string) string {
	text := r.text(n, what)
	if n == nil {
		return words[0]
	}
	if !slices.Contains(words, text) {
		r.refuse(n.Pos(), fmt.Sprintf("%s is `%s`, which is not understood", what, source.Brief(text)), "understood are: "+strings.Join(words, ", "))
	}
	return text
}

// vocabulary is what another program calls things in its conditions.
type vocabulary struct {
	// names are the other program's, dotted, each with ours. What begins with one goes on as it does there.
	names map[string]string
	// helps say of other names why they can't be translated.
	helps map[string]string
	// whole are those of names with which nothing goes on: they can only be asked for.
	whole []string
	// local says of a name that it is defined in the file.
	local func(string) bool
	// scopes says that scopes are no claims there.
	scopes bool
}

// translate says a condition in our names; problem is why it can't be said. variables are declared in the policy before it.
func (r *reader) translate(text string, v *vocabulary, want condition.Want, variables []variable) (out, problem string) {
	out, problem = v.rename(text)
	if problem != "" {
		return "", problem
	}
	for _, one := range []string{out, "!(\n" + out + "\n)"} { // it stands by itself, and so it can be a part of another
		if want != condition.Bool {
			one = out
		}
		if _, ds := r.env.Compile(source.NewText(one), want, r.variables(variables)); ds.HasErrors() {
			return "", ds[0].Message
		}
	}
	return out, ""
}

func (r *reader) variables(all []variable) *condition.Variables {
	vs := r.env.NewVariables(false)
	for _, v := range all {
		vs.Add(v.name, source.NewText(v.expression)) //nolint:errcheck // what is wrong with it has been said
	}
	return vs
}

// about are the subjects that a condition reads: it says nothing of messages without them.
func (r *reader) about(text string) []string {
	c, _ := r.env.Compile(source.NewText(text), condition.Bool, r.env.NewVariables(false))
	if c == nil {
		return nil
	}
	var out []string
	for subject, name := range map[condition.Subjects]string{condition.Tool: "mcp.tool", condition.Prompt: "mcp.prompt", condition.Resource: "mcp.resource"} {
		if c.Subjects()&subject != 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// group makes a condition a part of another, whatever it is made of: it may end in a comment.
func group(text string) string {
	if strings.Contains(text, "\n") || strings.Contains(text, "//") {
		return "(\n" + text + "\n)"
	}
	return "(" + text + ")"
}

// not is what holds where a condition doesn't.
func not(text string) string { return "!" + group(text) }

// all is what holds where all of the conditions do; no conditions give "".
func all(conditions ...string) string { return joined(conditions, " && ", "||", "?", "\n", "//") }

// either is what holds where one of the conditions does.
func either(conditions []string) string { return joined(conditions, " || ", "?", "\n", "//") }

// joined joins conditions, those in groups that have something which holds them together less.
func joined(conditions []string, by string, loose ...string) string {
	conditions = slices.DeleteFunc(slices.Clone(conditions), func(s string) bool { return s == "" })
	if len(conditions) == 1 {
		return conditions[0]
	}
	for i, c := range conditions {
		if slices.ContainsFunc(loose, func(s string) bool { return strings.Contains(c, s) }) {
			conditions[i] = group(c)
		}
	}
	return strings.Join(conditions, by)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
