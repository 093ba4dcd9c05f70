package condition

import (
	"os"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// TestExplain holds testdata/explain.txt: expressions, each with the drawing of its values.
func TestExplain(t *testing.T) {
	const file = "testdata/explain.txt"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	env := newEnv(t, Options{})
	vs := env.NewVariables(false)
	if ds := vs.Add("path", source.NewText(`path.clean(args.path)`)); len(ds) > 0 {
		t.Fatal(ds)
	}
	f := open(t, env, toolCall(t, `{"path":"/etc/passwd","limit":5,"token":"hunter2","tags":["a","b"],"text":"line\nline","nested":{"token":"hunter2"}}`), false)
	f.SetVariables(vs)
	mask := func(path, value string) string {
		if strings.HasSuffix(path, ".token") {
			return "(masked)"
		}
		return strings.ReplaceAll(value, "hunter2", "*****")
	}
	var out strings.Builder
	for block := range strings.SplitSeq(string(data), "\n\n") {
		expression, _, _ := strings.Cut(block, "\n=\n")
		expression = strings.TrimSpace(expression)
		c, ds := env.Compile(source.NewText(expression), Bool, vs)
		if len(ds) > 0 {
			t.Fatal(expression, ds)
		}
		out.WriteString(expression + "\n=\n" + c.Explain(f, mask).Text() + "\n")
	}
	got := strings.TrimSpace(out.String()) + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got != string(data) {
		t.Errorf("%s differs:\n%s", file, got)
	}
}

// A condition at rest has no second program, and asking for it twice at once is no race.
func TestExplain_isMadeOnDemand(t *testing.T) {
	env := newEnv(t, Options{})
	c := compile(t, env, `args.limit > 1`, Bool, false)
	if c.trace != nil {
		t.Error("the tracing program was made at load")
	}
	done := make(chan string)
	for range 4 {
		go func() {
			f := env.NewFrame()
			f.Input = Input{Method: "tools/call"}
			f.Open(t.Context())
			defer f.Close()
			done <- c.Explain(f, nil).Error
		}()
	}
	for range 4 {
		if got := <-done; got != "no such key: limit" {
			t.Error(got)
		}
	}
}

// What a condition is explained by is of one message: a part that is not evaluated now has no value, whatever it had before.
func TestExplain_showsNothingOfBefore(t *testing.T) {
	env := newEnv(t, Options{})
	c := compile(t, env, `args.a == 1 || args.b == 2`, Bool, false)
	explain := func(args string) string {
		f := open(t, env, toolCall(t, args), false)
		var shown []string
		for _, p := range c.Explain(f, nil).Parts {
			shown = append(shown, p.Path+"="+p.Value)
		}
		return strings.Join(shown, " ")
	}
	for range 3 {
		for args, want := range map[string]string{
			`{"a":0,"b":2}`: "args.a=0 =false =true args.b=2 =true",
			`{"a":1,"b":3}`: "args.a=1 =true =true",
			`{"a":0}`:       "args.a=0 =false =error: no such key: b args.b=error: no such key: b =error: no such key: b",
		} {
			if got := explain(args); got != want {
				t.Errorf("%s: %q, want %q", args, got, want)
			}
		}
	}
}
