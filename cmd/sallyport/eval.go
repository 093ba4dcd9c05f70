package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

type evalCommand struct {
	Thing string `arg:"" name:"server/tool" help:"The tool that is called; or prompt:SERVER/NAME, or resource:SERVER/URI, which is read."`
	Args  string `arg:"" optional:"" name:"arguments" help:"The arguments of the call: a JSON object, @FILE for one in a file, or - for standard input."`

	Expression string `short:"e" placeholder:"CEL" help:"Evaluate this on the call, in place of the policies."`
	Output     string `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
	ExitCode   bool   `help:"Exit with 6 if the call is not allowed, or the expression is not true."`

	policySource
	callerFlags
}

// Run decides one call, and explains it.
func (c evalCommand) Run(p *process) error {
	if c.Expression != "" && c.Config == "" && c.Policies == "" {
		return c.expression(p, nil)
	}
	a, done, err := c.open(p)
	if err != nil {
		return err
	}
	defer done()
	if c.Expression != "" {
		return c.expression(p, a)
	}
	r, err := c.request(p, a)
	if err != nil {
		return err
	}
	d := a.Decide(p.ctx, r)
	x := a.Explain(p.ctx, r, secretMask())
	var changes []engine.Change
	if !x.Decision.Allowed() {
		changes = a.Changes(p.ctx, r, secretMask())
	}
	write := writeEvaluation
	if c.Output == "json" {
		write = writeEvaluationJSON
	}
	if err := write(p.stdout, &d, &x, changes); err != nil {
		return err
	}
	if c.ExitCode && !d.Allowed() {
		return &fail{code: exitDenied}
	}
	return nil
}

// request is the call as the gateway would have it decided.
func (c evalCommand) request(p *process, a *asked) (*engine.Request, error) {
	t, all := thingOf(c.Thing)
	switch {
	case all || t.Server == "" || t.Name == "":
		return nil, failf(exitUsage, "%q is no tool: name it as SERVER/TOOL", c.Thing)
	case t.Kind == aTemplate:
		return nil, failf(exitUsage, "%q is a template: name a resource, as resource:SERVER/URI", c.Thing)
	case t.Kind == aResource && c.Args != "":
		return nil, failf(exitUsage, "a resource takes no arguments")
	}
	if a != nil {
		things, err := a.chosen([]string{c.Thing})
		if err != nil {
			return nil, err
		}
		t = things[0]
	}
	r, _ := t.request()
	r.Time = p.now()
	if a != nil {
		var err error
		if r.Principal, err = c.principal(a.config); err != nil {
			return nil, err
		}
	} else if c.given() {
		var err error
		if r.Principal, err = c.principal(nil); err != nil {
			return nil, err
		}
	}
	params, err := c.params(p, t)
	r.Params, r.Arguments = params, params.Get("arguments")
	return r, err
}

// params are those of the call.
func (c evalCommand) params(p *process, t thing) (jsonscan.Value, error) {
	text := []byte(c.Args)
	var err error
	switch {
	case c.Args == "":
		text = []byte("{}")
	case c.Args == "-":
		text, err = io.ReadAll(p.stdin)
	case c.Args[0] == '@':
		text, err = os.ReadFile(c.Args[1:])
	}
	if err != nil {
		return jsonscan.Value{}, failf(exitUsage, "%w", err)
	}
	doc := new(jsonscan.Doc)
	if err := doc.Scan(text, jsonscan.Options{Fold: true}); err != nil || doc.Root().Kind() != jsonscan.Object {
		if err == nil {
			err = fmt.Errorf("not a JSON object")
		}
		return jsonscan.Value{}, failf(exitUsage, "arguments: %w", err)
	}
	var params []byte
	if t.Kind == aResource {
		params = append(jsonscan.AppendQuote([]byte(`{"uri":`), t.Name), '}')
	} else {
		params = append(jsonscan.AppendQuote([]byte(`{"name":`), t.Name), `,"arguments":`...)
		params = append(doc.Root().AppendTo(params), '}')
	}
	whole := new(jsonscan.Doc)
	if err := whole.Scan(params, jsonscan.Options{Fold: true}); err != nil {
		return jsonscan.Value{}, failf(exitUsage, "arguments: %w", err)
	}
	return whole.Root(), nil
}

// expression evaluates an expression on the call.
func (c evalCommand) expression(p *process, a *asked) error {
	r, err := c.request(p, a)
	if err != nil {
		return err
	}
	env, err := condition.New(condition.Options{})
	if err != nil {
		return err
	}
	cond, ds := env.Compile(source.NewText(c.Expression), condition.Any, env.NewVariables(false))
	if cond == nil {
		return ds
	}
	frame := env.NewFrame()
	defer frame.Close()
	frame.Input = condition.Input{
		Method: r.Method, Server: r.Server, Tool: r.Tool, Prompt: r.Prompt, Resource: r.Resource, Arguments: r.Arguments, Params: r.Params, Annotations: r.Annotations,
		Principal: r.Principal, Time: r.Time,
	}
	frame.Open(p.ctx)
	x := cond.Explain(frame, secretMask())
	if c.Output == "json" {
		err = encode(p.stdout, x)
	} else {
		text := x.Text() // which ends with the error, if there is one
		if x.Error == "" {
			text += "\n= " + x.Result + "\n"
		}
		_, err = io.WriteString(p.stdout, text)
	}
	if err == nil && c.ExitCode && x.Result != "true" {
		return &fail{code: exitDenied}
	}
	return err
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeEvaluation is for people.
func writeEvaluation(w io.Writer, d *engine.Decision, x *engine.Explanation, changes []engine.Change) error {
	var b bytes.Buffer
	b.WriteString(x.Text())
	for _, o := range d.Plugins {
		fmt.Fprintf(&b, "\nplugin %s (%s): %s\n", o.Name, o.Rule.ID(), strings.Join(spoken(&o), ": "))
	}
	if d.Message != "" {
		fmt.Fprintf(&b, "\nthe caller is told: %s\n", d.Message)
	}
	if !x.Decision.Allowed() {
		_ = writeChanges(&b, changes) // a buffer takes it
	} else if !d.Allowed() {
		fmt.Fprintf(&b, "\nbut %s by %s: %s\n", d.Effect, d.Rule.ID(), d.Reason)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// spoken is what a plugin has said, without what it left out.
func spoken(o *engine.PluginOutcome) []string {
	parts := []string{o.Verdict}
	for _, s := range []string{o.Code, o.Message, o.Failure} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return parts
}

// writeEvaluationJSON is for programs.
func writeEvaluationJSON(w io.Writer, d *engine.Decision, x *engine.Explanation, changes []engine.Change) error {
	return encode(w, newEvaluated(d, x, changes))
}

// evaluated is a decision and its explanation, as programs get it: docs/can.md describes it.
type evaluated struct {
	Effect   string                 `json:"effect"`
	Rule     string                 `json:"rule,omitempty"`
	Reason   string                 `json:"reason,omitempty"`
	Message  string                 `json:"message,omitempty"`
	Cause    string                 `json:"cause,omitempty"`
	Revision string                 `json:"revision"`
	Rules    []engine.ExplainedRule `json:"rules"`
	Plugins  []evaluatedPlugin      `json:"plugins,omitempty"`
	Changes  []evaluatedChange      `json:"changes,omitempty"` // each would have allowed it, the simplest first
}

type evaluatedPlugin struct {
	Name    string `json:"name"`
	Rule    string `json:"rule"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Failure string `json:"failure,omitempty"`
}

type evaluatedChange struct {
	Fields []string `json:"fields"`
	When   string   `json:"when"`
}

func newEvaluated(d *engine.Decision, x *engine.Explanation, changes []engine.Change) *evaluated {
	out := &evaluated{Effect: d.Effect.String(), Reason: d.Reason, Message: d.Message, Revision: d.Revision, Rules: x.Rules()}
	if out.Rules == nil {
		out.Rules = []engine.ExplainedRule{}
	}
	if d.Rule != nil {
		out.Rule = d.Rule.ID()
	}
	if d.Cause != nil {
		out.Cause = secretMask()("", d.Cause.Error())
	}
	for _, o := range d.Plugins {
		out.Plugins = append(out.Plugins, evaluatedPlugin{o.Name, o.Rule.ID(), o.Verdict, o.Code, o.Message, o.Failure})
	}
	for _, c := range changes {
		out.Changes = append(out.Changes, evaluatedChange{c.Fields, c.When.String()})
	}
	return out
}
