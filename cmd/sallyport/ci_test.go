package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

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
