package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport-dev/sallyport/engine/source"
)

func yamlOf(t *testing.T, name string) *source.Node {
	t.Helper()
	roots, ds := source.Parse(name, readFile(filepath.Join(root, name)))
	if len(roots) != 1 || ds.HasErrors() {
		t.Fatal(name, ds)
	}
	return roots[0]
}

// The action builds the program and runs the script that the script ci.txtar runs, with each input in the environment under the name that
// the script reads. No input becomes a part of a command.
func TestActionRunsTheScript(t *testing.T) {
	action := yamlOf(t, ".ci/action/action.yml")
	if got := action.Find("runs", "using").Text().Value; got != "composite" {
		t.Errorf("using: %s", got)
	}
	var ran []string
	env := map[string]string{}
	for _, step := range action.Find("runs", "steps").Items() {
		run := step.Get("run").Text().Value
		if strings.Contains(run, "${{") {
			t.Errorf("an input stands in a command: %s", run)
		}
		ran = append(ran, run)
		for name, value := range step.Get("env").Fields() {
			env[name.Text().Value] = value.Text().Value
		}
	}
	if last := ran[len(ran)-1]; last != `SALLYPORT="$RUNNER_TEMP/sallyport" "$GITHUB_ACTION_PATH/policies"` {
		t.Errorf("the last step runs %s", last)
	}
	script := string(readFile(filepath.Join(root, ".ci/action/policies")))
	defaults := map[string]string{}
	for _, m := range regexp.MustCompile(`\$\{([A-Z_]+):-([^}]*)\}`).FindAllStringSubmatch(script, -1) {
		if defaults[m[1]] == "" {
			defaults[m[1]] = m[2]
		}
	}
	if defaults["SALLYPORT"] != "sallyport" {
		t.Error("the script doesn't read SALLYPORT")
	}
	delete(defaults, "SALLYPORT")
	for key, input := range action.Get("inputs").Fields() {
		is := key.Text().Value
		name := strings.ToUpper(strings.ReplaceAll(is, "-", "_"))
		if env[name] != "${{ inputs."+is+" }}" {
			t.Errorf("%s is %q in the environment", is, env[name])
		}
		byDefault, known := defaults[name]
		if byDefault == "$policies" {
			byDefault = ""
		}
		if got := input.Get("default").Text().Value; !known || got != byDefault {
			t.Errorf("%s is %q by default, and %q in the script", is, got, byDefault)
		}
		delete(defaults, name)
		delete(env, name)
	}
	if len(defaults)+len(env) > 0 {
		t.Errorf("no inputs: %v %v", defaults, env)
	}
}

// scriptAction runs what the steps of the action run, as they stand: each in a shell of its own, as a runner does, in the directory of the
// script. Steps that use other actions are theirs.
func scriptAction(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: action CODE [INPUT=VALUE...]")
	}
	repository := ts.Getenv("REPOSITORY")
	file := filepath.Join(repository, ".ci/action/action.yml")
	roots, ds := source.Parse(file, readFile(file))
	if len(roots) != 1 || ds.HasErrors() {
		ts.Fatalf("%v", ds)
	}
	inputs := map[string]string{}
	for key, input := range roots[0].Get("inputs").Fields() {
		inputs[key.Text().Value] = input.Get("default").Text().Value
	}
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		if _, known := inputs[name]; !known {
			ts.Fatalf("the action has no input %s", name)
		}
		inputs[name] = value
	}
	temp := ts.MkAbs(fmt.Sprintf("../runner-%d", time.Now().UnixNano()))
	ts.Check(os.Mkdir(temp, 0o700))
	ran := 0
	for _, step := range roots[0].Find("runs", "steps").Items() {
		run := step.Get("run").Text().Value
		if run == "" {
			continue
		}
		if ran++; step.Get("shell").Text().Value != "sh" {
			ts.Fatalf("a step runs in another shell: %s", run)
		}
		script := filepath.Join(temp, "step.sh")
		ts.Check(os.WriteFile(script, []byte(run), 0o600))
		env := []string{"GITHUB_ACTION_PATH=" + filepath.Dir(file), "RUNNER_TEMP=" + temp}
		for name, value := range step.Get("env").Fields() {
			input := strings.TrimSuffix(strings.TrimPrefix(value.Text().Value, "${{ inputs."), " }}")
			env = append(env, name.Text().Value+"="+inputs[input])
		}
		want := "0"
		if ran == actionSteps {
			want = args[0]
		}
		scriptStatus(ts, false, append([]string{want, "env"}, append(env, "sh", "-e", script)...))
	}
	if ran != actionSteps {
		ts.Fatalf("%d steps run something, want %d", ran, actionSteps)
	}
}

// actionSteps build the program, and run it.
const actionSteps = 2

// The hooks are commands that hold in the example, with the arguments that they come with.
func TestHooksRun(t *testing.T) {
	hooks := yamlOf(t, ".pre-commit-hooks.yaml")
	example := yamlOf(t, "examples/policy-repo/.pre-commit-config.yaml").Find("repos", "0", "hooks")
	var known, used []string
	for _, h := range example.Items() {
		used = append(used, h.Get("id").Text().Value)
	}
	t.Chdir(filepath.Join(root, "examples/policy-repo"))
	for _, h := range hooks.Items() {
		id := h.Get("id").Text().Value
		known = append(known, id)
		args := strings.Fields(h.Get("entry").Text().Value)
		if args[0] != "sallyport" || h.Get("language").Text().Value != "golang" || h.Get("pass_filenames").Text().Value != "false" {
			t.Errorf("%s: %v", id, args)
		}
		for _, a := range h.Get("args").Items() {
			args = append(args, a.Text().Value)
		}
		var out bytes.Buffer
		p := process{ctx: t.Context(), stdout: &out, stderr: &out, getenv: os.LookupEnv}
		if code := run(args[1:], p); code != exitOK {
			t.Errorf("%v exits with %d: %s", args, code, &out)
		}
	}
	if !slices.Equal(known, used) {
		t.Errorf("the example uses %v of %v", used, known)
	}
}
