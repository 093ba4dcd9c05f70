package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/engine"
)

type canCommand struct {
	Things []string `arg:"" optional:"" name:"server[/tool]" help:"The tools, or servers of which all that is known is meant; prompt:SERVER/NAME, resource:SERVER/URI and template:SERVER/URI are prompts, resources and resource templates. Default: all that is known by name."`

	policySource
	callerFlags
	planOutput
}

type whoCanCommand struct {
	Thing string `arg:"" name:"server/tool" help:"The tool; or prompt:SERVER/NAME, resource:SERVER/URI, template:SERVER/URI."`

	policySource
	callerFlags
	planOutput
}

// planOutput says how plans are reported.
type planOutput struct {
	Output   string `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
	ExitCode bool   `help:"Exit with 6 if one of the answers is never."`
}

// Run says of each thing what the caller may do with it.
func (c canCommand) Run(p *process) error {
	a, done, err := c.open(p)
	if err != nil {
		return err
	}
	defer done()
	who, err := c.principal(a.config)
	if err != nil {
		return err
	}
	things, err := a.chosen(c.Things)
	if err != nil {
		return err
	}
	if len(c.Things) == 0 && a.lock == nil {
		fmt.Fprintln(p.stderr, "note: these are the tools that policies name; there is no tools.lock.json that says what other tools there are")
	}
	var rows []planned
	for _, t := range things {
		rows = append(rows, a.plan(p, t, who))
	}
	return c.report(p, rows, planned.what)
}

// Run says who may use a thing: anyone, by the conditions on the caller, and each caller that is known.
func (c whoCanCommand) Run(p *process) error {
	a, done, err := c.open(p)
	if err != nil {
		return err
	}
	defer done()
	if _, all := thingOf(c.Thing); all {
		return failf(exitUsage, "%q is no tool: name it as SERVER/TOOL", c.Thing)
	}
	things, err := a.chosen([]string{c.Thing})
	if err != nil {
		return err
	}
	callers, err := c.callers(a)
	if err != nil {
		return err
	}
	var rows []planned
	for _, who := range callers {
		rows = append(rows, a.plan(p, things[0], who))
	}
	return c.report(p, rows, planned.caller)
}

// callers are those to ask about; nil is anyone.
func (c whoCanCommand) callers(a *asked) ([]*engine.Principal, error) {
	if c.given() {
		who, err := c.principal(a.config)
		return []*engine.Principal{who}, err
	}
	all := []*engine.Principal{nil}
	if a.config == nil {
		return all, nil
	}
	if a.config.Identity.Anonymous == "allow" {
		all = append(all, &engine.Principal{Kind: engine.KindAnonymous})
	}
	for _, k := range a.config.Identity.APIKeys {
		who, err := holder(k)
		if err != nil {
			return nil, err
		}
		all = append(all, who)
	}
	return all, nil
}

// planned is what policy says of a caller and a thing.
type planned struct {
	thing    thing
	Server   string `json:"server"`
	Tool     string `json:"tool,omitempty"` // one of the four
	Prompt   string `json:"prompt,omitempty"`
	Resource string `json:"resource,omitempty"`
	Template string `json:"template,omitempty"`
	Kind     string `json:"principal.kind,omitempty"` // "": anyone
	ID       string `json:"principal.id,omitempty"`
	Verdict  string `json:"verdict"`

	Allow   string `json:"allow,omitempty"`   // when it is allowed, as CEL, unless it never is
	Approve string `json:"approve,omitempty"` // when it is allowed once a human approves
	Rule    string `json:"rule,omitempty"`    // that denies
	Reason  string `json:"reason,omitempty"`
	Cause   string `json:"cause,omitempty"`

	Rules    []string        `json:"rules,omitempty"` // that say when
	Plugins  []plannedPlugin `json:"plugins,omitempty"`
	Revision string          `json:"revision"`
}

type plannedPlugin struct {
	Name string `json:"name"`
	Rule string `json:"rule"`
	When string `json:"when"` // it is asked then
}

// plan asks what would be decided of the uses of a thing; who nil is anyone.
func (a *asked) plan(p *process, t thing, who *engine.Principal) planned {
	r, unknown := t.request()
	r.Principal = who
	out := planned{thing: t, Server: t.Server}
	*map[thingKind]*string{aTool: &out.Tool, aPrompt: &out.Prompt, aResource: &out.Resource, aTemplate: &out.Template}[t.Kind] = t.Name
	if who == nil {
		unknown = append(unknown, "principal")
	} else {
		out.Kind, out.ID = who.Kind, who.ID
	}
	plan := a.Plan(p.ctx, r, unknown, secretMask())
	out.Verdict, out.Reason, out.Revision = string(plan.Verdict()), plan.Reason, plan.Revision
	if !plan.Allow.IsNever() {
		out.Allow = plan.Allow.String()
	}
	if !plan.Approve.IsNever() {
		out.Approve = plan.Approve.String()
	}
	if plan.Rule != nil {
		out.Rule = plan.Rule.ID()
	}
	if plan.Cause != nil {
		out.Cause = secretMask()("", plan.Cause.Error())
	}
	for _, r := range plan.Rules {
		out.Rules = append(out.Rules, r.ID())
	}
	for _, x := range plan.Plugins {
		out.Plugins = append(out.Plugins, plannedPlugin{Name: x.Name, Rule: x.Rule.ID(), When: x.When.String()})
	}
	return out
}

func (r planned) what() string { return r.thing.String() }

func (r planned) caller() string {
	switch r.Kind {
	case "":
		return "anyone"
	case engine.KindAnonymous:
		return "anonymous"
	case engine.KindAPIKey:
		return r.ID + " (API key)"
	}
	return r.ID
}

// lines say when, and why not.
func (r planned) lines() []string {
	var lines []string
	switch r.Verdict {
	case string(engine.VerdictNever):
		return []string{r.never()}
	case string(engine.VerdictIf):
		if r.Allow != "" {
			lines = append(lines, r.Allow)
		}
		if r.Approve != "" {
			lines = append(lines, "with approval if "+r.Approve)
		}
	}
	for _, x := range r.Plugins {
		line := "unless plugin " + x.Name + " refuses"
		if x.When != "true" {
			line += ", which is asked if " + x.When
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		lines = []string{""}
	}
	return lines
}

func (r planned) never() string {
	text := "no rule allows it"
	if r.Rule != "" {
		text = r.Rule + ": " + r.Reason
	}
	if r.Cause != "" {
		text += " (" + r.Cause + ")"
	}
	return text
}

func (o planOutput) report(p *process, rows []planned, name func(planned) string) error {
	write := writePlans
	if o.Output == "json" {
		write = func(w io.Writer, rows []planned, _ func(planned) string) error {
			return encode(w, rows)
		}
	}
	if err := write(p.stdout, rows, name); err != nil {
		return err
	}
	for _, r := range rows {
		if o.ExitCode && r.Verdict == string(engine.VerdictNever) {
			return &fail{code: exitDenied}
		}
	}
	return nil
}

func writePlans(w io.Writer, rows []planned, name func(planned) string) error {
	names, verdicts := 0, 0
	for _, r := range rows {
		names, verdicts = max(names, utf8.RuneCountInString(name(r))), max(verdicts, len(r.Verdict))
	}
	var b strings.Builder
	for _, r := range rows {
		first, verdict := name(r), r.Verdict
		for _, line := range r.lines() {
			b.WriteString(strings.TrimRight(fmt.Sprintf("%-*s  %-*s  %s", names, first, verdicts, verdict, line), " ") + "\n")
			first, verdict = "", ""
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
