package policy

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Envs returns the names that a policy's env may have, the default first.
func Envs() []string { return []string{"2026-11"} }

// cases is the kind of documents that may stand beside policies, or among them: what must be decided by them. See engine/enginetest.
const cases = "PolicyTest"

// about is the kind of the document that says what a directory is as a bundle. See engine/bundle.
const about = "Bundle"

// Parse reads a file of policies. Documents of cases, and those about a bundle, are passed over. It returns what could be read of every policy, so that a caller can look for more mistakes in the same run, and
// all mistakes found; policies that come with errors must not be used. Conditions are not compiled here.
func Parse(file string, data []byte) ([]*Policy, source.Diagnostics) {
	return ParsePaced(file, data, func() {})
}

// ParsePaced is Parse, which calls pause between two pieces of the work.
func ParsePaced(file string, data []byte, pause func()) ([]*Policy, source.Diagnostics) {
	roots, ds := source.ParsePaced(file, data, pause)
	if len(roots) == 0 && len(ds) == 0 {
		ds = append(ds, source.Pos{File: file, Line: 1, Column: 1, Width: 1}.Diagnose("SP1010", "the file holds no policy",
			"write a document with `kind: Policy`, or remove the file"))
	}
	var policies []*Policy
	for _, root := range roots {
		pause()
		if kind := root.Get("kind"); kind.Kind() == source.String && kind.Text().Value != "Policy" {
			if kind.Text().Value != cases && kind.Text().Value != about {
				ds = append(ds, otherKind(kind))
			}
			continue
		}
		var doc document
		ds = append(ds, root.Decode(&doc)...)
		p := doc.policy(file, root)
		ds = append(ds, p.check()...)
		policies = append(policies, p)
	}
	ds = append(ds, Conflicts(policies)...)
	return policies, ds.Sort()
}

// otherKind reports a document of which nothing is known but that it is no policy.
func otherKind(kind *source.Node) source.Diagnostic {
	help := "expected Policy"
	value := kind.Text().Value
	if word, ok := source.Suggest(value, []string{"Policy", cases}); ok {
		help = fmt.Sprintf("did you mean `%s`?", word)
	}
	return kind.Pos().Diagnose("SP1003", fmt.Sprintf("`%s` is not a valid kind", source.Brief(value)), help)
}

// Conflicts reports the names that two of the policies share. Rule ids must tell policies apart.
func Conflicts(policies []*Policy) source.Diagnostics {
	var ds source.Diagnostics
	first := map[string]*Policy{}
	for _, p := range policies {
		if p.Name == "" {
			continue
		}
		if other, ok := first[p.Name]; ok {
			ds = append(ds, p.At("metadata", "name").Diagnose("SP3001", fmt.Sprintf("policy name `%s` is used twice", source.Brief(p.Name)),
				"it is first used in "+place(other.At("metadata", "name"))))
			continue
		}
		first[p.Name] = p
	}
	return ds
}

func place(p source.Pos) string { return p.File + ":" + strconv.Itoa(p.Line) }

func (d *document) policy(file string, root *source.Node) *Policy {
	p := &Policy{
		File: file, Name: d.Metadata.Name, Owner: d.Metadata.Owner, Description: d.Metadata.Description, Annotations: d.Metadata.Annotations,
		Env: d.Env, Shadow: d.Enforcement == "shadow", node: root,
		Match: Match{
			Servers: d.Match.Servers, Methods: d.Match.Methods, Tools: d.Match.Tools, Prompts: d.Match.Prompts, Resources: d.Match.Resources,
			Phase: phaseOf(d.Match.Phase, Request),
		},
	}
	if p.Env == "" {
		p.Env = Envs()[0]
	}
	for _, v := range d.Variables {
		p.Variables = append(p.Variables, Variable(v))
	}
	for i, r := range d.Rules {
		p.Rules = append(p.Rules, Rule{
			Name: r.Name, When: r.When, Reason: r.Reason, Message: r.Message, node: root.Get("rules").Index(i),
			Phase: phaseOf(r.Phase, p.Match.Phase), Effect: effectOf(r.Effect), Plugin: r.Plugin, Config: r.Config, Grant: r.Grant,
			Shadow: r.Enforcement == "shadow" || r.Enforcement == "" && p.Shadow,
		})
	}
	return p
}

func phaseOf(word string, otherwise Phase) Phase {
	i := slices.Index([]string{"request", "response"}, word)
	if i < 0 {
		return otherwise
	}
	return Phase(i)
}

func effectOf(word string) Effect {
	switch word {
	case "allow":
		return Allow
	case "approve":
		return Approve
	}
	return Deny
}
