package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
)

const maxName = 100

var (
	nameForm     = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)
	reasonForm   = regexp.MustCompile(`^[a-z][a-z0-9_.-]*$`)
	variableForm = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// reserved are the words that CEL's grammar keeps for itself.
var reserved = strings.Fields("as break const continue else false for function if import in let loop namespace null package return true var void while")

// check says what is wrong with a policy beyond its shape.
func (p *Policy) check() source.Diagnostics {
	ds := checkName(p.Name, "policy", p.node.Get("metadata").Get("name"))
	ds = append(ds, p.checkMatch()...)
	ds = append(ds, p.checkVariables()...)
	if rules := p.node.Get("rules"); rules.Kind() == source.List && rules.Len() == 0 {
		ds = append(ds, rules.Pos().Diagnose("SP3009", "the policy has no rules", "add a rule, or remove the policy"))
	}
	seen := map[string]int{}
	for i := range p.Rules {
		r := &p.Rules[i]
		ds = append(ds, r.check()...)
		name := r.node.Get("name")
		if line, twice := seen[r.Name]; twice && r.Name != "" {
			ds = append(ds, name.Pos().Diagnose("SP3002", fmt.Sprintf("rule name `%s` is used twice in this policy", source.Brief(r.Name)),
				fmt.Sprintf("it is first used on line %d", line)))
		} else {
			seen[r.Name] = name.Pos().Line
		}
	}
	return ds
}

// checkName checks a name that stands at n.
func checkName(name, what string, n *source.Node) source.Diagnostics {
	if n.Kind() != source.String || nameForm.MatchString(name) && len(name) <= maxName {
		return nil
	}
	return source.Diagnostics{n.Pos().Diagnose("SP3010", fmt.Sprintf("`%s` is not a valid %s name", source.Brief(name), what),
		fmt.Sprintf("a name begins with a letter or digit and goes on with letters, digits, `_`, `.` and `-`; at most %d", maxName))}
}

func (r *Rule) check() source.Diagnostics {
	ds := checkName(r.Name, "rule", r.node.Get("name"))
	if n := r.node.Get("reason"); n.Kind() == source.String && (!reasonForm.MatchString(r.Reason) || len(r.Reason) > maxName) {
		ds = append(ds, n.Pos().Diagnose("SP3011", fmt.Sprintf("`%s` is not a valid reason", source.Brief(r.Reason)),
			fmt.Sprintf("a reason is for machines: a lower-case letter, then lower-case letters, digits, `_`, `.` and `-`; at most %d", maxName)))
	}
	ds = append(ds, r.checkPlugin()...)
	effect := r.node.Get("effect")
	if r.Phase == Response && r.Effect != Deny {
		ds = append(ds, effect.Pos().Diagnose("SP3004", fmt.Sprintf("`%s` has no meaning in the response phase", r.Effect),
			"a response is let through unless a rule denies it; use `deny`, or `phase: request`"))
	}
	if message := r.node.Key("message"); message != nil && r.Effect == Allow && r.Plugin == "" {
		ds = append(ds, message.Pos().Diagnose("SP3005", "nobody sees the message of a rule that allows",
			"remove it, or use `reason`, which is recorded"))
	}
	return ds
}

// checkPlugin says whether the rule has an effect or a plugin, and what goes with it.
func (r *Rule) checkPlugin() source.Diagnostics {
	if r.node.Key("plugin") == nil {
		if r.node.Kind() == source.Map && r.node.Key("effect") == nil {
			return source.Diagnostics{r.node.Pos().Diagnose("SP1006", "a rule needs an `effect`, or a `plugin` that says it", "add `effect: allow`, `deny` or `approve`")}
		}
		return r.refuse("is for rules with a plugin", "name the `plugin`, or remove it", "config", "grant")
	}
	return append(r.refuse("and `plugin` exclude each other", "the plugin says the effect", "effect"),
		r.refuse("and `plugin` exclude each other", "the plugin gives its own", "reason", "message")...)
}

// refuse reports the fields that the rule has of those given.
func (r *Rule) refuse(why, help string, fields ...string) source.Diagnostics {
	var ds source.Diagnostics
	for _, name := range fields {
		if key := r.node.Key(name); key != nil {
			ds = append(ds, key.Pos().Diagnose("SP3013", fmt.Sprintf("`%s` %s", name, why), help))
		}
	}
	return ds
}

// lists returns the globs of a match by the name of their field.
func (m *Match) lists() map[string][]string {
	return map[string][]string{"servers": m.Servers, "methods": m.Methods, "tools": m.Tools, "prompts": m.Prompts, "resources": m.Resources}
}

func (p *Policy) checkMatch() source.Diagnostics {
	var ds source.Diagnostics
	var methods []Glob
	for list, patterns := range p.Match.lists() {
		for i, pattern := range patterns {
			n := p.node.Find("match", list, strconv.Itoa(i))
			g, err := compile(pattern, list == "resources")
			switch {
			case n.Kind() != source.String:
			case err != nil:
				problem, help, _ := strings.Cut(err.Error(), "; ")
				ds = append(ds, n.Pos().Diagnose("SP3006", fmt.Sprintf("`%s` is not a valid glob: %s", source.Brief(pattern), problem), help))
			case list == "methods":
				methods = append(methods, g)
				ds = append(ds, checkMethod(g, n.Pos())...)
			}
		}
	}
	return append(ds, p.checkTargets(methods, len(ds) == 0)...)
}

// checkMethod reports a method that MCP doesn't have. One of a family that MCP doesn't have either may be a vendor's: that is a warning.
func checkMethod(g Glob, at source.Pos) source.Diagnostics {
	if knownMethod(g) {
		return nil
	}
	message := fmt.Sprintf("no method of MCP matches `%s`", g)
	if word, ok := source.Suggest(g.String(), Methods()); ok {
		return source.Diagnostics{at.Diagnose("SP3003", message, fmt.Sprintf("did you mean `%s`?", word))}
	}
	if foreign(g.String()) {
		return source.Diagnostics{at.Warn("SP3003", message, "the rules will apply only if a server has a method of its own by that name")}
	}
	return source.Diagnostics{at.Diagnose("SP3003", message, "the methods are those of the specification, such as `tools/call`")}
}

// checkTargets reports lists that no call can meet together: a call names a tool, or a prompt, or a resource.
func (p *Policy) checkTargets(methods []Glob, valid bool) source.Diagnostics {
	if !valid {
		return nil
	}
	var ds source.Diagnostics
	given := ""
	lists := p.Match.lists()
	for _, list := range []string{"tools", "prompts", "resources"} {
		if lists[list] == nil {
			continue
		}
		at := p.node.Get("match").Key(list).Pos()
		switch {
		case given != "":
			ds = append(ds, at.Diagnose("SP3012", fmt.Sprintf("no call has both `%s` and `%s`", given, list), "write a policy for each"))
		case methods != nil && !reaches(methods, list):
			ds = append(ds, at.Diagnose("SP3012", fmt.Sprintf("none of the methods of this match has `%s`", list),
				fmt.Sprintf("remove `%s`, or add a method that has them", list)))
		}
		given = list
	}
	return ds
}

func (p *Policy) checkVariables() source.Diagnostics {
	var ds source.Diagnostics
	defined := map[string]int{} // the index of each variable's definition
	for i, v := range p.Variables {
		n := p.node.Find("variables", strconv.Itoa(i)).Get("name")
		switch first, twice := defined[v.Name]; {
		case n.Kind() != source.String:
		case !variableForm.MatchString(v.Name) || slices.Contains(reserved, v.Name):
			ds = append(ds, n.Pos().Diagnose("SP3010", fmt.Sprintf("`%s` is not a valid variable name", source.Brief(v.Name)),
				"a variable begins with a letter or `_`, goes on with letters, digits and `_`, and is no word of CEL's own"))
		case twice:
			ds = append(ds, n.Pos().Diagnose("SP3007", fmt.Sprintf("variable `%s` is defined twice", v.Name),
				fmt.Sprintf("it is first defined on line %d", p.node.Find("variables", strconv.Itoa(first)).Get("name").Pos().Line)))
		default:
			defined[v.Name] = i
		}
	}
	for i, v := range p.Variables {
		for _, ref := range references(v.Expression.Value) {
			if at, ok := defined[ref.name]; ok && at >= i {
				ds = append(ds, early(v, ref, at == i))
			}
		}
	}
	return ds
}

// early reports a variable that reads one that has no value yet.
func early(v Variable, ref reference, itself bool) source.Diagnostic {
	message, help := fmt.Sprintf("variable `%s` is used before its definition", ref.name), fmt.Sprintf("move `%s` above `%s`", ref.name, v.Name)
	if itself {
		message, help = fmt.Sprintf("variable `%s` is defined by itself", ref.name), "a variable sees only those above it"
	}
	return v.Expression.Diagnose("SP3008", ref.line, ref.col, ref.width, message, help)
}
