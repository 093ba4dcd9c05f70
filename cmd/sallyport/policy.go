package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/lint"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/foreign"
)

type policyCommand struct {
	Import policyImportCommand `cmd:"" help:"Write policies that say what the rules of another program say, or deny more."`
}

type policyImportCommand struct {
	File    string   `arg:"" help:"The other program's file."`
	From    string   `required:"" enum:"agentgateway,envoy-ai-gateway,kubernetes-vap" help:"Whose it is: agentgateway, envoy-ai-gateway or kubernetes-vap."`
	Servers []string `placeholder:"GLOB" help:"Of kubernetes-vap: servers that the policies are about."`
	Tools   []string `placeholder:"GLOB" help:"Of kubernetes-vap: tools that the policies are about."`
	Object  string   `placeholder:"NAME" help:"Of kubernetes-vap: where the object is in a call, such as args.manifest. Default: args."`
}

// objectName is a name of something that a call has.
var objectName = regexp.MustCompile(`^(args|params)(\.[a-zA-Z_][a-zA-Z0-9_]*)*$`)

func (c policyImportCommand) Run(p *process) error {
	if c.From != foreign.Admission && len(c.Servers)+len(c.Tools)+len(c.Object) > 0 {
		return failf(exitUsage, "--servers, --tools and --object are for kubernetes-vap: other rules say it themselves")
	}
	if c.Object != "" && !objectName.MatchString(c.Object) {
		return failf(exitUsage, "--object %s: a name such as args.manifest", c.Object)
	}
	data, err := os.ReadFile(c.File)
	if err != nil {
		return failf(exitUsage, "%w", err)
	}
	text, ds := foreign.Import(c.From, c.File, data, foreign.Options{Servers: c.Servers, Tools: c.Tools, Object: c.Object})
	if ds.HasErrors() {
		return ds
	}
	if err := compiles(p.ctx, text); err != nil {
		return failf(exitInvalid, "%s can't be imported: its rules make no policy: %v", c.File, err)
	}
	if text, err = accepted(text); err != nil {
		return err
	}
	if err := ds.WriteText(p.stderr, readText, colors(*p), maxDiagnostics); err != nil {
		return err
	}
	_, err = p.stdout.Write(text)
	return err
}

// compiles says what is wrong with a policy.
func compiles(ctx context.Context, text []byte) error {
	policies, ds := policy.Parse("imported.yaml", text)
	if ds.HasErrors() {
		return ds.Err()
	}
	b := &bundle.Bundle{Policies: policies}
	s, err := engine.Compile(ctx, b, engine.Options{})
	if ds, ok := errors.AsType[source.Diagnostics](err); ok {
		return ds.Err()
	}
	s.Close() //nolint:contextcheck // closing is not to be cancelled
	return err
}

// accepted says in comments what is doubtful in policies and was so in the other program's rules, so that a check passes and nobody
// overlooks it.
func accepted(text []byte) ([]byte, error) {
	l, err := lint.New()
	if err != nil {
		return nil, err
	}
	find := func(lines []string) []lint.Finding {
		text := []byte(strings.Join(lines, ""))
		policies, _ := policy.Parse("imported.yaml", text)
		return l.Policies(policies, func(string) []byte { return text }, nil)
	}
	lines := strings.SplitAfter(string(text), "\n")
	added := map[int]string{} // after these lines
	for _, f := range find(lines) {
		if f.Severity != source.Error {
			continue
		}
		for _, at := range concerned(lines, f.Line-1) {
			comment := fmt.Sprintf("    # sallyport:ignore %s it was imported so: %s\n", f.Code, strings.ReplaceAll(f.Message, "\n", " "))
			if !strings.Contains(added[at], " "+f.Code+" ") {
				added[at] += comment
			}
		}
	}
	var out []string
	for i, line := range lines {
		out = append(append(out, line), strings.SplitAfter(added[i], "\n")...)
	}
	drop := map[int]bool{} // a rule may read a variable and have nothing to ignore
	for _, f := range find(out) {
		drop[f.Line-1] = drop[f.Line-1] || f.Code == "SP3191"
	}
	for i := range out {
		if drop[i] {
			out[i] = ""
		}
	}
	return []byte(strings.Join(out, "")), nil
}

// concerned are the lines at which the rules begin that a line is about: its own, or those that read its variable.
func concerned(lines []string, line int) []int {
	const item = "  - name: "
	at := line
	for at > 0 && !strings.HasPrefix(lines[at], item) {
		at--
	}
	rules := at + slices.Index(lines[at:], "rules:\n")
	if end := slices.Index(lines[at:], "---\n"); rules < at || end >= 0 && at+end < rules {
		return []int{at}
	}
	variable := regexp.MustCompile(`\bvariables\.` + regexp.QuoteMeta(strings.TrimSpace(strings.TrimPrefix(lines[at], item))) + `\b`)
	var out []int
	for rule, i := rules, rules; i < len(lines) && lines[i] != "---\n"; i++ {
		if strings.HasPrefix(lines[i], item) {
			rule = i
		}
		if variable.MatchString(lines[i]) && !strings.HasPrefix(lines[i], "  #") && !slices.Contains(out, rule) {
			out = append(out, rule)
		}
	}
	return out
}
