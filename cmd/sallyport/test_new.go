package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/replay"
)

// newCase writes a file of cases with one case: that what was decided in a record is decided so again.
func newCase(p *process, id string, places explainCommand) error {
	parsed, ok := audit.ParseID(strings.ToUpper(id))
	if !ok {
		return failf(exitUsage, "--new-from: %q is not a decision id", id)
	}
	file, policies, err := places.places(p)
	if err != nil {
		return err
	}
	r, err := findRecord(file, parsed, places.Reader)
	if err != nil {
		return err
	}
	if r.Sealed {
		return failf(exitUsage, "what was in the message of %s is sealed: --identity FILE opens it", id)
	}
	if r.Revision == "" {
		return failf(exitUsage, "%s was refused before any policy was asked: %s", id, r.Reason)
	}
	text, err := caseOf(r, policies)
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.stdout, text)
	return err
}

// flow builds a mapping of YAML in one line, whose values are JSON.
type flow struct{ b strings.Builder }

func (f *flow) json(key, value string) {
	if value == "" {
		return
	}
	if f.b.Len() > 0 {
		f.b.WriteString(", ")
	}
	f.b.WriteString(key + ": " + value)
}

func (f *flow) text(key, value string) {
	if value != "" {
		f.json(key, quoted(value))
	}
}

func (f *flow) value(key string, v jsonscan.Value) {
	if v.Exists() {
		f.json(key, string(v.AppendTo(nil)))
	}
}

func (f *flow) String() string { return "{ " + f.b.String() + " }" }

func quoted(s string) string { return string(jsonscan.AppendQuote(nil, s)) }

// caseOf writes the case. Only what rules have read is recorded, so its arguments are those.
func caseOf(r *audit.Record, policies string) (string, error) {
	var made replay.Builder
	if _, err := made.Request(r); err != nil {
		return "", err
	}
	in := made.Inputs()
	var b strings.Builder
	b.WriteString("apiVersion: sallyport/v1\nkind: PolicyTest\n")
	fmt.Fprintf(&b, "policies: [%s]\n", quoted(policies))
	fmt.Fprintf(&b, "now: %s\n", r.Time.UTC().Format(time.RFC3339Nano))
	fmt.Fprintf(&b, "principals:\n  caller: %s\ncases:\n", callerOf(r, in))
	if r.NotReplayable != "" {
		fmt.Fprintf(&b, "  # The record does not hold all that was decided on (%s): add what is missing.\n", r.NotReplayable)
	}
	what := r.Method
	for _, name := range []string{r.Tool, r.Prompt, r.Resource} {
		if name != "" {
			what = name
		}
	}
	fmt.Fprintf(&b, "  - name: %s\n    call: %s\n", quoted(what+", as decided in "+string(r.DecisionID[:])), callOf(r, in))
	var expect flow
	expect.text("effect", r.Effect)
	rule := ""
	if r.Rule != "" {
		rule = r.Policy + "/" + r.Rule
	}
	expect.json("rule", quoted(rule))
	expect.text("reason", r.Reason)
	fmt.Fprintf(&b, "    expect: %s\n", &expect)
	return b.String(), nil
}

func callerOf(r *audit.Record, in jsonscan.Value) string {
	var who flow
	who.text("type", r.PrincipalKind)
	who.text("id", r.PrincipalID)
	who.text("issuer", r.Issuer)
	for _, list := range []string{"groups", "roles", "scopes"} {
		who.value(list, in.Get(list))
	}
	who.value("claims", in.Get("claims"))
	return who.String()
}

func callOf(r *audit.Record, in jsonscan.Value) string {
	var call flow
	call.json("as", "caller")
	if r.Method == "tools/call" {
		call.text("tool", r.Server+"/"+r.Tool)
		call.value("args", in.Path("params", "arguments"))
	} else {
		call.text("server", r.Server)
		call.text("method", r.Method)
		call.json("params", paramsOf(r, in))
	}
	call.value("annotations", in.Get("annotations"))
	call.value("headers", in.Get("headers"))
	call.text("source", r.SourceAddress)
	if r.Phase == "response" {
		result := in.Get("result")
		if !result.Exists() {
			call.json("result", "{}")
		}
		call.value("result", result)
	}
	return call.String()
}

// paramsOf are the params that rules have read, and what the message is about.
func paramsOf(r *audit.Record, in jsonscan.Value) string {
	var params flow
	params.text("name", r.Prompt)
	params.text("uri", r.Resource)
	for name, v := range in.Get("params").Members() {
		if r.Prompt == "" && r.Resource == "" || !name.TextIs("name") && !name.TextIs("uri") {
			params.value(quoted(name.Text()), v)
		}
	}
	if params.b.Len() == 0 {
		return ""
	}
	return params.String()
}
