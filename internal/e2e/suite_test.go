package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// outcome is what a conformance suite found: the checks of each scenario, in order
// of their text.
type outcome map[string][]check

// check is one thing that a scenario looked at.
type check struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
	Error  string `json:"errorMessage"`
}

func (c check) String() string { return c.ID + " " + c.Name + " " + c.Status }

// suite runs a conformance suite of an npm package and returns what it found. It
// exits with 1 when a check fails, which is a finding like any other.
func (p peers) suite(t *testing.T, pkg string, env []string, args ...string) outcome {
	t.Helper()
	dir := t.TempDir()
	args = append([]string{p.script(pkg + "/dist/index.js")}, args...)
	cmd := exec.CommandContext(t.Context(), p.bin("node"), append(args, "-o", dir)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		err = nil
	}
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, tail(string(out)))
	}
	o, err := readOutcome(dir)
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, tail(string(out)))
	}
	return o
}

// A scenario's directory is named after it and the time.
var scenarioDir = regexp.MustCompile(`^(?:server-)?(.+)-\d{4}-\d\d-\d\dT[-\d]+Z$`)

func readOutcome(dir string) (outcome, error) {
	o := outcome{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "checks.json" {
			return err
		}
		name, err := filepath.Rel(dir, filepath.Dir(path))
		if err != nil {
			return err
		}
		m := scenarioDir.FindStringSubmatch(filepath.ToSlash(name))
		if m == nil {
			return fmt.Errorf("no scenario is in %s", name)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var checks []check
		if err := json.Unmarshal(b, &checks); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		slices.SortFunc(checks, func(a, b check) int { return strings.Compare(a.String(), b.String()) })
		o[m[1]] = checks
		return nil
	})
	return o, err
}

func (o outcome) scenarios() []string { return slices.Sorted(maps.Keys(o)) }

// bad lists the checks that failed.
func (o outcome) bad() []string {
	var lines []string
	for _, s := range o.scenarios() {
		for _, c := range o[s] {
			if c.Status == "FAILURE" {
				lines = append(lines, fmt.Sprintf("%s: %v: %s", s, c, c.Error))
			}
		}
	}
	return lines
}

// differences says where got isn't want, check for check.
func differences(want, got outcome) []string {
	var lines []string
	all := outcome{}
	maps.Copy(all, want)
	maps.Copy(all, got)
	for _, s := range all.scenarios() {
		switch {
		case want[s] == nil:
			lines = append(lines, s+": only through the gateway")
		case got[s] == nil:
			lines = append(lines, s+": not through the gateway")
		default:
			for _, c := range without(want[s], got[s]) {
				lines = append(lines, fmt.Sprintf("%s: - %v %s", s, c, c.Error))
			}
			for _, c := range without(got[s], want[s]) {
				lines = append(lines, fmt.Sprintf("%s: + %v %s", s, c, c.Error))
			}
		}
	}
	return lines
}

// without returns the checks of a that b doesn't have, each as often as it lacks.
func without(a, b []check) []check {
	left := map[string]int{}
	for _, c := range b {
		left[c.String()]++
	}
	var only []check
	for _, c := range a {
		if left[c.String()]--; left[c.String()] < 0 {
			only = append(only, c)
		}
	}
	return only
}

func TestDifferencesAreFoundCheckForCheck(t *testing.T) {
	a := check{ID: "a", Name: "A", Status: "SUCCESS"}
	failed := check{ID: "a", Name: "A", Status: "FAILURE", Error: "why"}
	want := outcome{"same": {a}, "worse": {a, a}, "gone": {a}}
	got := outcome{"same": {a}, "worse": {a, failed}, "new": {a}}
	lines := []string{
		"gone: not through the gateway",
		"new: only through the gateway",
		"worse: - a A SUCCESS ",
		"worse: + a A FAILURE why",
	}
	if d := differences(want, got); !slices.Equal(d, lines) {
		t.Errorf("got %q", d)
	}
	if d := differences(want, want); d != nil {
		t.Errorf("an outcome differs from itself: %q", d)
	}
}

func TestAnOutcomeIsReadFromItsDirectories(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"server-ping-2026-11-22T07-28-20-478Z":          `[{"id":"b","name":"B","status":"SUCCESS"},{"id":"a","name":"A","status":"FAILURE","errorMessage":"no"}]`,
		"auth/basic-2020-cimd-2026-11-22T07-28-38-974Z": `[]`,
	} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "checks.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o, err := readOutcome(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := o.scenarios(); !slices.Equal(got, []string{"auth/basic-2020-cimd", "ping"}) {
		t.Errorf("scenarios: %q", got)
	}
	if got := o.bad(); !slices.Equal(got, []string{"ping: a A FAILURE: no"}) || o["ping"][0].ID != "a" {
		t.Errorf("bad: %q of %v", got, o["ping"])
	}
}
