// Package enginetest runs cases of policies: messages, and what must be decided of them. It says what differed. The cases stand in
// YAML files, and the command line and go test run them alike.
//
// A run is a function of the files: time stands still, and nothing but fuel ends a plugin, so that a slow machine decides as a fast one.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// ErrNoCases says that there was nothing to run. It is an error, because a mistyped path must not pass for a test.
var ErrNoCases = errors.New("no cases found")

// Options say what is run. The zero Options run everything.
type Options struct {
	// Run leaves out the cases whose name it doesn't match; nil runs all.
	Run *regexp.Regexp
	// Coverage says what the cases have met of the rules.
	Coverage bool
	// Mutate makes mistakes in the policies and says which of them no case finds. It takes the time of as many runs.
	Mutate bool
	// Pause is called between two pieces of the work: see engine.Options. nil does nothing.
	Pause func()
	// Previous is a snapshot from which policies are taken over where they are the same: see engine.Options. nil has none.
	Previous *engine.Snapshot
	// CacheDir is a directory for the compiled code of plugins: see wasm.Options. "" has none.
	CacheDir string
}

// Report is what came of the cases, in the order of the files.
type Report struct {
	Passed int      `json:"passed"`
	Failed int      `json:"failed"`
	Cases  []Result `json:"cases"`
	// Coverage and Mutation are there if they were asked for. Nothing is mutated if a case failed.
	Coverage *Coverage `json:"coverage,omitempty"`
	Mutation *Mutation `json:"mutation,omitempty"`
}

// Result is what came of one case.
type Result struct {
	File        string       `json:"file"`
	Line        int          `json:"line"`
	Name        string       `json:"name"` // with the values of its matrix
	Passed      bool         `json:"passed"`
	Differences []Difference `json:"differences,omitempty"`
	// Explanation says of a call that failed how it was decided.
	Explanation string `json:"explanation,omitempty"`
}

// Difference is one thing that is not as the case expects.
type Difference struct {
	What string `json:"what"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// Run runs the cases of files, and of the files below directories. Its error is a source.Diagnostics with every mistake, if the cases or
// the policies have any, or wraps ErrNoCases.
func Run(ctx context.Context, paths []string, o Options) (*Report, error) {
	suites, err := Load(paths)
	if err != nil {
		return nil, err
	}
	return run(ctx, suites, o)
}

// RunBundle runs the cases that lie among the policies of a bundle, on what is in it: the paths that they name must not lead out. Its error
// is as that of Run; a bundle without cases is ErrNoCases.
func RunBundle(ctx context.Context, b *bundle.Bundle, o Options) (*Report, error) {
	var suites []*Suite
	var found source.Diagnostics
	for _, f := range b.Files {
		if !f.IsPolicy() {
			continue
		}
		some, ds := Parse(f.Path, f.Content)
		for _, s := range some {
			s.of, s.dir = b, path.Dir(f.Name)
		}
		suites, found = append(suites, some...), append(found, ds...)
	}
	if found = found.Sort(); found.HasErrors() {
		return nil, found
	}
	if len(suites) == 0 {
		return nil, ErrNoCases
	}
	return run(ctx, suites, o)
}

func run(ctx context.Context, suites []*Suite, o Options) (*Report, error) {
	host, err := wasm.New(wasm.Options{Now: func() time.Time { return time.Time{} }, EjectFailures: -1, CacheDir: o.CacheDir}) //nolint:contextcheck // it outlives what it is made for
	if err != nil {
		return nil, err
	}
	r := &runner{host: host, options: o, report: &Report{Cases: []Result{}}}
	if err = r.run(ctx, suites); err == nil {
		err = r.judge(ctx, suites)
	}
	r.close() //nolint:contextcheck // closing is not to be cancelled
	if err != nil {
		return nil, err
	}
	if len(r.report.Cases) == 0 {
		return nil, fmt.Errorf("%w: none is called so", ErrNoCases)
	}
	return r.report, nil
}

// Test runs the cases of files and directories as tests of t.
func Test(t *testing.T, paths ...string) {
	t.Helper()
	report, err := Run(t.Context(), paths, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Cases {
		t.Run(c.Name, func(t *testing.T) {
			for _, d := range c.Differences {
				t.Errorf("%s:%d: %s: got %s, want %s", c.File, c.Line, d.What, d.Got, d.Want)
			}
		})
	}
}

// maxFiles bounds the files that are looked at.
const maxFiles = 4096

// Load reads files of cases, and those below directories. Its error is as that of Run.
func Load(paths []string) ([]*Suite, error) {
	var suites []*Suite
	var found source.Diagnostics
	var empty []string
	for _, p := range paths {
		files, err := files(p)
		if err != nil {
			return nil, err
		}
		before := len(suites)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			some, ds := Parse(file, data)
			suites, found = append(suites, some...), append(found, ds...)
		}
		if len(suites) == before {
			empty = append(empty, p)
		}
	}
	if found = found.Sort(); found.HasErrors() {
		return nil, found
	}
	if len(empty) > 0 {
		return nil, fmt.Errorf("%w in %s: a document of cases has `kind: %s`", ErrNoCases, strings.Join(empty, ", "), Kind)
	}
	return suites, nil
}

// others are directories of tools, which are not looked into.
var others = []string{"node_modules", "target", "vendor"}

// files lists a file, or the YAML files below a directory.
func files(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	var out []string
	root := path + string(filepath.Separator) // a link to a directory is followed
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != root && (strings.HasPrefix(entry.Name(), ".") || entry.IsDir() && slices.Contains(others, entry.Name())):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case !entry.IsDir() && (filepath.Ext(name) == ".yaml" || filepath.Ext(name) == ".yml"):
			out = append(out, name)
		}
		if len(out) > maxFiles {
			return fmt.Errorf("%s: more than %d files", path, maxFiles)
		}
		return nil
	})
	return out, err
}

// runner runs suites on one host, so that they share plugins.
type runner struct {
	host      *wasm.Host
	options   Options
	report    *Report
	bundles   []*bundle.Bundle
	snapshots []*engine.Snapshot
}

func (r *runner) close() {
	for _, s := range r.snapshots {
		s.Close()
	}
	_ = r.host.Close() // nothing was written
}

// run compiles everything before it decides anything, so that all mistakes show at once.
func (r *runner) run(ctx context.Context, suites []*Suite) error {
	var found source.Diagnostics
	for _, s := range suites {
		snapshot, err := r.compile(ctx, s)
		if ds, ok := errors.AsType[source.Diagnostics](err); ok {
			found = append(found, ds...)
		} else if err != nil {
			return err
		}
		r.snapshots = append(r.snapshots, snapshot)
	}
	if found = found.Sort(); found.HasErrors() {
		return found
	}
	for i, s := range suites {
		for _, c := range r.selected(s) {
			if r.options.Pause != nil {
				r.options.Pause()
			}
			result := c.run(ctx, r.snapshots[i])
			result.File, result.Line, result.Name, result.Passed = s.File, c.line, c.name, len(result.Differences) == 0
			if result.Passed {
				r.report.Passed++
			} else {
				r.report.Failed++
			}
			r.report.Cases = append(r.report.Cases, result)
		}
	}
	return ctx.Err()
}

// selected are the cases of a suite that are to be run.
func (r *runner) selected(s *Suite) []*single {
	if r.options.Run == nil {
		return s.cases
	}
	var out []*single
	for _, c := range s.cases {
		if r.options.Run.MatchString(c.name) {
			out = append(out, c)
		}
	}
	return out
}

// judge says how much the cases test.
func (r *runner) judge(ctx context.Context, suites []*Suite) error {
	if r.options.Coverage {
		var met covered
		for i, s := range suites {
			met.suite(ctx, r.snapshots[i], r.selected(s))
		}
		r.report.Coverage = met.report()
	}
	if r.options.Mutate && r.report.Failed == 0 {
		var err error
		if r.report.Mutation, err = r.mutate(ctx, suites); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (r *runner) compile(ctx context.Context, s *Suite) (*engine.Snapshot, error) {
	b, err := s.Bundle()
	if err != nil {
		return nil, err
	}
	r.bundles = append(r.bundles, b)
	if found := s.named.in(b); len(found) > 0 {
		return nil, found
	}
	o := engine.Options{Plugins: r.host, Lacking: s.named.lacking(), Pause: r.options.Pause, Previous: r.options.Previous}
	if len(r.snapshots) > 0 && (o.Previous == nil || len(b.Modules) > 0) { // plugins are on this host; conditions are all in what was compiled before
		o.Previous = r.snapshots[len(r.snapshots)-1]
	}
	return engine.Compile(ctx, b, o)
}
