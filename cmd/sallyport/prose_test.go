package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/lint"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// Every policy, config and condition that a document shows is one, unless the document shows it as a mistake: the pages of errors,
// and a file that the next command finds mistakes in.
func TestDocsShowWhatCompiles(t *testing.T) {
	env, err := condition.New(condition.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range documents(t) {
		if d.name == "docs/errors.md" {
			continue
		}
		for _, b := range d.blocks() {
			text := b.text(d)
			var ds source.Diagnostics
			switch {
			case b.kind == "cel":
				ds = compileConditions(env, text)
			case b.kind != "yaml" || wrongOnPurpose(d, b):
			case strings.Contains(text, "kind: PolicyTest"):
				_, ds = enginetest.Parse("cases.yaml", []byte(text))
			case strings.Contains(text, "kind: Trust"):
				_, ds = bundle.ParseTrust("trust.yaml", []byte(text))
			case strings.Contains(text, "kind: Policy"):
				ds = compilePolicies(text)
			case strings.HasPrefix(text, "servers:") || strings.Contains(text, "\nservers:"):
				_, ds = config.Parse("sallyport.yaml", []byte(text), func(string) (string, bool) { return "value", true })
			default:
				_, ds = source.Parse("fragment.yaml", []byte(text))
			}
			if ds.HasErrors() {
				t.Errorf("%s:%d: %v", d.name, b.first, ds)
			}
		}
	}
}

func compileConditions(env *condition.Env, text string) (ds source.Diagnostics) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " // ")
		if line == "" {
			continue
		}
		_, found := env.Compile(source.Text{Value: line}, condition.Bool, env.NewVariables(strings.Contains(line, "mcp.tool.result")))
		ds = append(ds, found...)
	}
	return ds
}

var newLinter = sync.OnceValues(lint.New)

// What comes with the gateway has no findings.
func TestPoliciesOfTheTreeAreLintClean(t *testing.T) {
	var names []string
	for _, pattern := range []string{"policies/*/*.yaml", "examples/*/policies/*.yaml", "plugins/*/*.yaml", "plugins/*/*/*.yaml", "internal/starter/templates/*/policy.yaml"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		names = append(names, found...)
	}
	l, err := newLinter()
	if err != nil || len(names) == 0 {
		t.Fatal("no policies", err)
	}
	for _, name := range names {
		policies, _ := policy.Parse(name, readFile(name))
		for _, f := range l.Policies(policies, readFile, nil) {
			t.Error(f.Diagnostic)
		}
	}
}

func compilePolicies(text string) source.Diagnostics {
	b, err := bundle.FS(fstest.MapFS{"policy.yaml": {Data: []byte(text)}})
	if err != nil {
		return source.Diagnostics{{Message: err.Error()}}
	}
	_, err = engine.Compile(context.Background(), b, engine.Options{})
	found, ok := errors.AsType[source.Diagnostics](err)
	if err != nil && !ok {
		return source.Diagnostics{{Message: err.Error()}}
	}
	l, err := newLinter()
	if err != nil {
		return source.Diagnostics{{Message: err.Error()}}
	}
	for _, f := range l.Policies(b.Policies, b.Source, b.Lock) {
		f.Severity = source.Error // documents show what has no findings at all
		found = append(found, f.Diagnostic)
	}
	return slices.DeleteFunc(found, func(d source.Diagnostic) bool { return strings.HasPrefix(d.Code, "SP40") || d.Code == "SP6005" }) // the plugins and tables are not here
}

// wrongOnPurpose says that the commands below a file show what is wrong with it.
func wrongOnPurpose(d *document, b block) bool {
	for _, s := range d.steps {
		if s.line > b.last && s.file == "" {
			return strings.Contains(strings.Join(s.want, "\n"), "error[SP")
		}
	}
	return false
}

var (
	link     = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	treePath = regexp.MustCompile("`((?:cmd|engine|internal|examples|policies|docs|bench)/[A-Za-z0-9_./*-]*)`")
)

// Links lead somewhere, and tests and files that documents name are there.
func TestDocsNameWhatIsThere(t *testing.T) {
	tests := testNames(t)
	for _, d := range append(documents(t), rootDocuments(t)...) {
		text := strings.Join(d.lines, "\n")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(d.name), m[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", d.name, m[1])
			}
		}
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			if !tests[m[1]] {
				t.Errorf("%s: there is no test %s", d.name, m[1])
			}
		}
		for _, m := range treePath.FindAllStringSubmatch(text, -1) {
			own := slices.ContainsFunc(d.steps, func(s step) bool { return s.file == m[1] })
			if found, err := filepath.Glob(filepath.Join(root, m[1])); !own && (err != nil || len(found) == 0) {
				t.Errorf("%s: there is no %s", d.name, m[1])
			}
		}
	}
}

// rootDocuments are those that hold no commands.
func rootDocuments(t *testing.T) (docs []*document) {
	t.Helper()
	for _, name := range []string{"SECURITY.md", "CONTRIBUTING.md", "RATIONALE.md", "CHANGELOG.md"} {
		docs = append(docs, readDocument(t, filepath.Join(root, name)))
	}
	return docs
}

func testNames(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.Command("grep", "-rhoE", "--include=*_test.go", `^func (Test|Fuzz)[A-Za-z0-9_]+`, root).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		names[strings.TrimPrefix(strings.TrimSpace(line), "func ")] = true
	}
	return names
}
