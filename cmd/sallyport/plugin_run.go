package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

type pluginRun struct {
	File     string `arg:"" help:"The .wasm file, or the plugin's directory."`
	Message  string `arg:"" optional:"" default:"-" help:"The message: a file of YAML or JSON with a call as cases have it (docs/testing.md), and a principal who sends it; - is standard input."`
	Hook     string `enum:",request,response,list" default:"" help:"The hook to call: request, response or list. Left out, it is that of the message."`
	Settings string `placeholder:"FILE" help:"The plugin's settings, a file of JSON."`
	Grant    grants `placeholder:"CAPABILITY" help:"A capability that the plugin is granted, with its file: match:NAME=FILE.toml, lookup:NAME=FILE, or match:secrets. May be repeated."`
	Output   string `short:"o" enum:"text,json" default:"text" help:"How to say it: text or json."`
}

func (c pluginRun) Run(p *process) error {
	request, err := c.message(p)
	if err != nil {
		return err
	}
	if c.File, err = moduleFile(c.File); err != nil {
		return err
	}
	module, err := readModule(c.File)
	if err != nil {
		return err
	}
	var settings []byte
	if c.Settings != "" {
		if settings, err = os.ReadFile(c.Settings); err != nil {
			return failf(exitUsage, "%w", err)
		}
	}
	config := wasm.Config{Settings: settings, CheckSettings: source.CheckJSON}
	if err := c.Grant.give(&config); err != nil {
		return err
	}
	host, err := wasm.New(wasm.Options{})
	if err != nil {
		return err
	}
	defer host.Close() //nolint:errcheck // the command ends
	plugin, err := host.Load(p.ctx, module, config)
	if err != nil {
		return unfit(c.File, err)
	}
	hook, err := c.hook(request, plugin.Info().Manifest)
	if err != nil {
		return err
	}
	var m wasm.Message
	showTo(&m, request)
	var r wasm.Result
	plugin.Call(p.ctx, &wasm.Call{Hook: hook, Message: &m}, &r)
	a := saidOf(hook, &r)
	if c.Output == "json" {
		e := json.NewEncoder(p.stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(a)
	}
	return a.write(p.stdout)
}

// message reads the message.
func (c pluginRun) message(p *process) (*engine.Request, error) {
	name, read := c.Message, os.ReadFile
	if name == "-" {
		name = "(standard input)"
		read = func(string) ([]byte, error) { return io.ReadAll(io.LimitReader(p.stdin, source.MaxSize+1)) }
	}
	data, err := read(name)
	if err != nil {
		return nil, failf(exitUsage, "%w", err)
	}
	request, ds := enginetest.ParseCall(name, data)
	if ds.HasErrors() {
		return nil, ds
	}
	return request, nil
}

// hook is the hook to call.
func (c pluginRun) hook(r *engine.Request, m *hostapi.Manifest) (hostapi.Hook, error) {
	hook := hookOf(r)
	if c.Hook != "" {
		hook, _ = hostapi.ParseHook(c.Hook) // kong has seen to it
	}
	if slices.Contains(m.Hooks, hook) {
		return hook, nil
	}
	return hook, failf(exitInvalid, "%s has no hook %s: its hooks are %s", c.File, hook, joined(m.Hooks))
}

// hookOf is the hook for a message. Of a list, which has two, it is that of the result.
func hookOf(r *engine.Request) hostapi.Hook {
	if r.Phase == engine.PhaseResponse || r.FromServer {
		return hostapi.HookResponse
	}
	return hostapi.HookRequest
}

// showTo shows a plugin what it could see of a request.
func showTo(m *wasm.Message, r *engine.Request) {
	*m = wasm.Message{
		Method: r.Method, Server: r.Server, Tool: r.Tool, Prompt: r.Prompt, Resource: r.Resource,
		Params: r.Params, Annotations: r.Annotations, Result: r.Result, Items: r.Items,
		Principal: (*wasm.Principal)(r.Principal), Source: r.Source, Header: r.Header, Time: r.Time,
	}
}

// said is what a plugin has said of a message.
type said struct {
	Hook     string            `json:"hook"`
	Verdict  string            `json:"verdict"`
	Reason   string            `json:"reason,omitempty"`
	Message  string            `json:"message,omitempty"`
	Approval string            `json:"approval,omitempty"`
	Failure  string            `json:"failure,omitempty"`
	Cause    string            `json:"cause,omitempty"`
	Trace    []string          `json:"trace,omitempty"`
	Patch    []patch           `json:"patch,omitempty"`
	Notes    map[string]string `json:"notes,omitempty"`
	Labels   []string          `json:"labels,omitempty"`
	Logs     []string          `json:"logs,omitempty"`
	Fuel     int64             `json:"fuel"`
	Micros   float64           `json:"us"`
	Memory   int               `json:"memory"`

	notes []wasm.Note
}

type patch struct {
	Op   string          `json:"op"`
	Path string          `json:"path"`
	JSON json.RawMessage `json:"json,omitempty"`
}

func saidOf(hook hostapi.Hook, r *wasm.Result) said {
	a := said{
		Hook: hook.String(), Verdict: r.Verdict().String(), Reason: r.Code, Message: r.Message, Approval: r.Approval, Labels: r.Labels,
		Failure: string(r.Failure.Type), Cause: r.Failure.Text, Trace: r.Failure.Trace,
		Fuel: r.Fuel, Micros: float64(r.Time) / float64(time.Microsecond), Memory: r.Memory, notes: r.Notes,
	}
	for _, n := range r.Notes {
		if a.Notes == nil {
			a.Notes = map[string]string{}
		}
		a.Notes[n.Key] = n.Text
	}
	for _, l := range r.Logs {
		a.Logs = append(a.Logs, l.Level.String()+": "+l.Text)
	}
	for _, x := range r.Edits {
		op := map[wasm.EditKind]string{wasm.EditReplace: "replace", wasm.EditAdd: "add", wasm.EditRemove: "remove"}[x.Kind]
		path := string(x.Path)
		if x.Item >= 0 {
			path = fmt.Sprintf("items[%d]", x.Item)
		}
		a.Patch = append(a.Patch, patch{op, path, json.RawMessage(x.JSON)})
	}
	return a
}

func (a said) write(w io.Writer) error {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-10s %s\n", name, text)
		}
	}
	line("hook", a.Hook)
	line("verdict", a.Verdict)
	line("reason", a.Reason)
	line("message", a.Message)
	line("approval", a.Approval)
	if a.Failure != "" {
		line("failure", a.Failure+": "+a.Cause)
	}
	for _, t := range a.Trace {
		line("", "at "+t)
	}
	for _, x := range a.Patch {
		line("patch", strings.TrimSpace(x.Op+" "+x.Path+" "+string(x.JSON)))
	}
	for _, n := range a.notes {
		line("note", n.Key+": "+n.Text)
	}
	line("labels", strings.Join(a.Labels, ", "))
	for _, l := range a.Logs {
		line("log", l)
	}
	line("fuel", fmt.Sprintf("%d units", a.Fuel))
	line("time", fmt.Sprintf("%.1f µs", a.Micros))
	line("memory", fmt.Sprintf("%d KiB", a.Memory>>10))
	_, err := io.WriteString(w, b.String())
	return err
}
