package foreign

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// This file reads Kubernetes' ValidatingAdmissionPolicy: conditions that must hold of an object. Here the object is what a tool is given.

var admissionHelps = map[string]string{
	"oldObject": "nobody knows here what was there before", "params": "parameters are another object", "namespaceObject": "the namespace is another object",
	"authorizer": "it asks the API server", "request": "of the request only userInfo.username and userInfo.groups have a name here",
}

func (r *reader) admission(roots []*source.Node) {
	bindings := map[string][]*source.Node{}
	var policies []*source.Node
	for _, root := range roots {
		switch root.Get("kind").Text().Value {
		case "ValidatingAdmissionPolicy":
			policies = append(policies, root)
		case "ValidatingAdmissionPolicyBinding":
			of := root.Find("spec", "policyName").Text().Value
			bindings[of] = append(bindings[of], root)
		default:
			r.refuse(root.Pos(), "this is neither a ValidatingAdmissionPolicy nor a binding of one", "remove it from the copy that you import")
		}
	}
	if len(policies) == 0 {
		r.refuse(source.Pos{File: r.file, Line: 1, Column: 1, Width: 1}, "there is no ValidatingAdmissionPolicy", "")
		return
	}
	names := map[string]bool{}
	for _, n := range policies {
		as := name(n.Find("metadata", "name").Text().Value, "admission")
		if names[as] {
			r.refuse(n.Pos(), fmt.Sprintf("there are two policies called `%s`", as), "")
		}
		names[as] = true
		a := admissionPolicy{reader: r, policy: policy{name: as, servers: r.options.Servers, tools: r.options.Tools, methods: []string{"tools/call"}}}
		a.read(n, bindings[n.Find("metadata", "name").Text().Value])
		r.policies = append(r.policies, a.policy)
	}
}

// admissionPolicy reads one policy.
type admissionPolicy struct {
	*reader
	policy  policy
	words   vocabulary
	defined []string // variables that could be translated
	when    string   // the matchConditions
}

func (a *admissionPolicy) read(root *source.Node, bindings []*source.Node) {
	spec := root.Get("spec")
	if spec == nil {
		a.refuse(root.Pos(), "the policy has no `spec`", "")
		return
	}
	a.known(spec, "the policy", "failurePolicy", "matchConstraints", "matchConditions", "validations", "variables", "auditAnnotations", "paramKind")
	object := a.options.Object
	if object == "" {
		object = "args"
	}
	a.words = vocabulary{
		names: map[string]string{"object": object, "request.userInfo.username": "principal.id", "request.userInfo.groups": "principal.groups"},
		helps: admissionHelps,
		local: func(name string) bool {
			of, is, _ := strings.Cut(name, ".")
			return of == "variables" && slices.Contains(a.defined, is)
		},
	}
	if n := spec.Get("paramKind"); n != nil {
		a.refuse(n.Pos(), "the policy has parameters, which are another object", "write their values into the copy that you import")
	}
	a.policy.notes = append(a.policy.notes, "It denies only: what allows stands elsewhere. The object is "+object+".")
	a.constraints(spec.Get("matchConstraints"), root.Pos())
	if n := spec.Get("failurePolicy"); n != nil && a.word(n, "failurePolicy", "Fail", "Ignore") == "Ignore" {
		a.warn(n.Pos(), "a condition that fails denies here, whatever failurePolicy says", "")
		a.policy.notes = append(a.policy.notes, "failurePolicy was Ignore: here a condition that fails denies.")
	}
	if n := spec.Get("auditAnnotations"); n != nil {
		a.policy.notes = append(a.policy.notes, "auditAnnotations are left out: records have what the rules read.")
	}
	a.enforcement(bindings)
	a.variables(spec.Get("variables"))
	a.conditions(spec.Get("matchConditions"))
	for i, v := range spec.Get("validations").Items() {
		a.validation(i+1, v)
	}
	if len(a.policy.rules) == 0 {
		a.refuse(root.Pos(), "the policy has no `validations`", "there is nothing to import")
	}
}

// constraints say which objects the policy is about, which can't be known of tools.
func (a *admissionPolicy) constraints(n *source.Node, at source.Pos) {
	if a.options.Tools == nil {
		a.warn(at, "the policy is about the calls of all tools now", "name those that are given such objects: --tools apply_manifest")
	}
	if n == nil {
		return
	}
	var about []string
	for _, rules := range n.Get("resourceRules").Items() {
		for _, kind := range rules.Get("resources").Items() {
			about = append(about, kind.Text().Value)
		}
	}
	a.policy.notes = append(a.policy.notes, fmt.Sprintf("matchConstraints (%s) are left out: it is about all objects that the tools are given.", strings.Join(about, ", ")))
}

// enforcement is what bindings do with a policy. Without one in the file it denies.
func (a *admissionPolicy) enforcement(bindings []*source.Node) {
	enforced := len(bindings) == 0
	for _, b := range bindings {
		spec := b.Get("spec")
		actions := a.texts(spec.Get("validationActions"), "validationActions")
		enforced = enforced || slices.Contains(actions, "Deny")
		if n := spec.Get("paramRef"); n != nil {
			a.refuse(n.Pos(), "the binding has parameters, which are another object", "write their values into the copy that you import")
		}
		if n := spec.Get("matchResources"); n != nil {
			a.warn(n.Pos(), "the binding is about some objects only: here the policy is about all", "")
		}
	}
	if !enforced {
		a.policy.shadow = true
		a.policy.notes = append(a.policy.notes, "No binding denies by it.")
	}
}

// variables translates them. One that can't be is left out, and so is what reads it.
func (a *admissionPolicy) variables(n *source.Node) {
	for _, v := range n.Items() {
		a.known(v, "a variable", "name", "expression")
		theirs, is := a.text(v.Get("expression"), "an expression"), a.text(v.Get("name"), "the name of a variable")
		ours, problem := a.translate(theirs, &a.words, condition.Any, a.policy.variables)
		if problem != "" {
			a.warn(v.Pos(), fmt.Sprintf("the variable `%s` is left out: %s", source.Brief(is), problem), "")
			a.policy.notes = append(a.policy.notes, fmt.Sprintf("The variable %s is left out: %s", is, problem), theirs)
			continue
		}
		a.policy.variables = append(a.policy.variables, variable{name: is, expression: ours})
		a.defined = append(a.defined, is)
	}
}

// conditions say of which objects the validations must hold. One that can't be translated counts as holding of all.
func (a *admissionPolicy) conditions(n *source.Node) {
	var out []string
	for _, c := range n.Items() {
		a.known(c, "a match condition", "name", "expression")
		theirs := a.text(c.Get("expression"), "an expression")
		ours, problem := a.translate(theirs, &a.words, condition.Bool, a.policy.variables)
		if problem != "" {
			a.warn(c.Pos(), "a match condition is left out, so the policy is about more: "+problem, "")
			a.policy.notes = append(a.policy.notes, "A match condition is left out: "+problem, theirs)
			continue
		}
		out = append(out, ours)
	}
	a.when = all(out...)
}

// reasons are ours, by theirs.
var reasons = map[string]string{"": "invalid", "Invalid": "invalid", "Forbidden": "forbidden", "Unauthorized": "unauthorized", "RequestEntityTooLarge": "too_large"}

// validation is a rule that denies what it doesn't hold of.
func (a *admissionPolicy) validation(number int, n *source.Node) {
	a.known(n, "a validation", "expression", "message", "messageExpression", "reason")
	theirs := a.text(n.Get("expression"), "an expression")
	ours, problem := a.translate(theirs, &a.words, condition.Bool, a.policy.variables)
	out := rule{
		origin: fmt.Sprintf("line %d", n.Pos().Line), name: "validation-" + strconv.Itoa(number), effect: "deny",
		reason: reasons[a.word(n.Get("reason"), "reason", sorted(reasons)...)],
	}
	if text := a.text(n.Get("message"), "message"); text != "" {
		out.message = literalOf(text)
	}
	if m := n.Get("messageExpression"); m != nil {
		said, problem := a.translate(a.text(m, "messageExpression"), &a.words, condition.Text, a.policy.variables)
		if problem == "" {
			out.message = said
		} else {
			out.note = append(out.note, "messageExpression is left out: "+problem, a.text(m, "messageExpression"))
		}
	}
	if problem != "" {
		a.warn(n.Pos(), "a validation denies everything now: "+problem, "say in it what must hold, or nothing will pass")
		out.note = append(out.note, "Not translated, so it denies: "+problem, theirs)
		out.reason, out.when = "not_translated", a.when
	} else {
		out.when = all(a.when, not(ours))
		if strings.Contains(theirs, "userInfo") {
			a.warn(n.Pos(), "it is about the users of a cluster: here they are principals", "see that they are called the same")
		}
	}
	a.policy.rules = append(a.policy.rules, out)
}
