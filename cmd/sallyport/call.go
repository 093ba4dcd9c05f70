package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

type callCommand struct {
	Tool      string `arg:"" name:"server/tool" help:"The tool."`
	Arguments string `arg:"" optional:"" default:"{}" help:"Its arguments, a JSON object."`
	Config    string `short:"c" placeholder:"FILE" env:"SALLYPORT_CONFIG" help:"The config file. Default: ./sallyport.yaml."`
	URL       string `placeholder:"URL" help:"Call through the gateway that serves this URL, not in this process."`
	KeyEnv    string `placeholder:"VARIABLE" help:"With --url: the environment variable that holds the key or token of the caller."`
	Output    string `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
	callerFlags
}

// Run makes one call, for real: it is decided, recorded and carried out as that of any client.
func (c callCommand) Run(p *process) error {
	server, tool, ok := strings.Cut(c.Tool, "/")
	if !ok || server == "" || tool == "" {
		return failf(exitUsage, "%q is no tool: name it as SERVER/TOOL", c.Tool)
	}
	var doc jsonscan.Doc
	if err := doc.Scan([]byte(c.Arguments), jsonscan.Options{}); err != nil {
		return failf(exitUsage, "the arguments: %w", err)
	}
	if doc.Root().Kind() != jsonscan.Object {
		return failf(exitUsage, "the arguments are no JSON object")
	}
	gate, done, err := c.gate(p, server)
	if err != nil {
		return err
	}
	l := &lister{ctx: p.ctx, server: gate, now: p.now}
	result, err := callTool(l, tool, string(doc.Root().AppendTo(nil)))
	said := c.report(p, result, err)
	return errors.Join(said, gate.Close(), done())
}

// gate is the gateway, as a client of the server sees it.
func (c callCommand) gate(p *process, server string) (upstream.Server, func() error, error) {
	if c.URL != "" {
		return c.remote(p, server)
	}
	if c.KeyEnv != "" {
		return nil, nil, failf(exitUsage, "--key-env is for --url: in this process, say who calls by --as WHO")
	}
	o := origin{config: c.Config, override: func(f *config.Config) { f.Log.Level = "error" }}
	if o.config == "" {
		o.config = "sallyport.yaml"
	}
	conf, err := o.readConfig(p.getenv)
	if err != nil {
		return nil, nil, err
	}
	_, known := conf.Servers[server]
	if _, virtual := conf.Virtual[server]; !known && !virtual {
		return nil, nil, failf(exitUsage, "%s has no server %q: it has %s", o.config, server, strings.Join(serverNames(conf), ", "))
	}
	b := new(builder)
	if b.only, err = c.who(conf); err != nil {
		return nil, nil, err
	}
	inner := *p
	inner.stdout = p.stderr // where records go without a file
	l, err := startLocal(inner, o, b)
	if err != nil {
		return nil, nil, err
	}
	gate, err := l.server(server)
	if err != nil {
		return nil, nil, errors.Join(err, l.close())
	}
	return gate, l.close, nil
}

func (c callCommand) who(conf *config.Config) (*engine.Principal, error) {
	if !c.given() {
		if conf.Identity.Anonymous != "allow" {
			return nil, failf(exitUsage, "who calls? Say --as WHO: anonymous calls are denied")
		}
		return &engine.Principal{Kind: engine.KindAnonymous}, nil
	}
	return c.principal(conf)
}

// remote is a gateway that runs already.
func (c callCommand) remote(p *process, server string) (upstream.Server, func() error, error) {
	if c.given() {
		return nil, nil, failf(exitUsage, "a gateway that runs knows callers by their credentials: give --key-env, not --as")
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, nil, failf(exitUsage, "--url: not the URL of a gateway: %s", c.URL)
	}
	o := upstream.HTTPOptions{URL: strings.TrimSuffix(strings.TrimSuffix(c.URL, "/"), "/mcp") + "/mcp/" + server, Timeout: listTime, Now: p.now}
	if c.KeyEnv != "" {
		key, ok := p.getenv(c.KeyEnv)
		if !ok || key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, nil, failf(exitUsage, "--key-env: the variable %s holds no key", c.KeyEnv)
		}
		o.Header = []upstream.Field{{Name: "Authorization", Value: "Bearer " + key}}
	}
	gate, err := upstream.NewHTTP("gateway", o)
	if err != nil {
		return nil, nil, failf(exitUsage, "--url: %w", err)
	}
	return gate, func() error { return nil }, nil
}

// callTool calls a tool as clients do, who ask for the list of tools first.
func callTool(l *lister, tool, arguments string) (jsonscan.Value, error) {
	if err := l.open(); err != nil {
		return jsonscan.Value{}, err
	}
	defer l.leave()
	listed, err := l.tools()
	if err != nil {
		return jsonscan.Value{}, err
	}
	var mirrored []mcp.HeaderParam
	for _, t := range listed {
		if t.Get("name").TextIs(tool) {
			mirrored = mcp.HeaderParams(t.Get("inputSchema"))
		}
	}
	params := `{"name":` + string(jsonscan.AppendQuote(nil, tool)) + `,"arguments":` + arguments + `}`
	return l.result(l.call("tools/call", params, mirrored))
}

// report prints what came of the call. A denial is exit code 6.
func (c callCommand) report(p *process, result jsonscan.Value, err error) error {
	var r *refused
	switch {
	case err == nil:
	case errors.As(err, &r):
		return c.reportError(p, r)
	default:
		return &fail{code: exitUnreachable, err: err}
	}
	denial := result.Get("_meta").Get(mcp.DecisionMetaKey)
	failed, _ := result.Get("isError").Bool()
	if c.Output == "json" {
		fmt.Fprintf(p.stdout, "{\"result\":%s}\n", result.AppendTo(nil))
	} else if !denial.Exists() {
		printResult(p.stdout, result)
	}
	switch {
	case denial.Exists():
		return c.denied(p, denial)
	case failed:
		return &fail{code: exitUnexpected}
	}
	return nil
}

func (c callCommand) reportError(p *process, r *refused) error {
	if c.Output == "json" && r.answer.Exists() {
		fmt.Fprintf(p.stdout, "{\"error\":%s}\n", r.answer.AppendTo(nil))
	}
	switch {
	case r.code == mcp.CodeDenied:
		return c.denied(p, r.answer.Get("data"))
	case r.status == 401 || r.status == 403:
		return failf(exitDenied, "the gateway lets this caller in nowhere: %w", r)
	case r.status >= 500:
		return failf(exitUnreachable, "%w", r)
	}
	return failf(exitUnexpected, "%w\nA tool that policy hides is answered as one that doesn't exist: `sallyport can` says which it is.", r)
}

// denied says by what, as far as the config lets callers know.
func (c callCommand) denied(p *process, d jsonscan.Value) error {
	if c.Output == "json" {
		return &fail{code: exitDenied}
	}
	by := ""
	if rule := d.Get("rule").Text(); rule != "" {
		by = " by " + rule
	}
	fmt.Fprintf(p.stdout, "denied%s: %s\n", by, d.Get("reason").Text())
	if m := d.Get("message").Text(); m != "" {
		fmt.Fprintln(p.stdout, m)
	}
	fmt.Fprintf(p.stdout, "decision %s\n", d.Get("decisionId").Text())
	return &fail{code: exitDenied}
}

// printResult prints the texts of a result, and the rest of it as JSON.
func printResult(w io.Writer, result jsonscan.Value) {
	if terminal(w) {
		w = plainText{w}
	}
	texts := 0
	for part := range result.Get("content").Elems() {
		if part.Get("type").TextIs("text") {
			fmt.Fprintln(w, strings.TrimSuffix(part.Get("text").Text(), "\n"))
			texts++
			continue
		}
		fmt.Fprintf(w, "%s\n", part.AppendTo(nil))
	}
	if s := result.Get("structuredContent"); s.Exists() && texts == 0 {
		fmt.Fprintf(w, "%s\n", s.AppendTo(nil))
	}
	if t := result.Get("resultType"); t.Exists() && !t.TextIs("complete") {
		fmt.Fprintf(w, "%s\n", result.AppendTo(nil))
	}
}

// plainText keeps what a server says from steering a terminal.
type plainText struct{ w io.Writer }

func (t plainText) Write(b []byte) (int, error) {
	safe := strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, string(b))
	if _, err := io.WriteString(t.w, safe); err != nil {
		return 0, err
	}
	return len(b), nil
}
