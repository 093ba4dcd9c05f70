package condition

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/source"
)

var update = flag.Bool("update", false, "write the golden files")

// TestDiagnostics holds testdata/diagnostics/*.txt: expressions, each with what is said of it.
// A line "-- response" or "-- message" before an expression sets what it is compiled as.
func TestDiagnostics(t *testing.T) {
	env := newEnv(t, Options{})
	files, err := filepath.Glob("testdata/diagnostics/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for block := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
			out.WriteString(diagnosed(env, block) + "\n\n")
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
}

// diagnosed returns a block with what is said of its expression written anew.
func diagnosed(env *Env, block string) string {
	var expression []string
	head := ""
	for line := range strings.SplitSeq(block, "\n") {
		switch {
		case strings.HasPrefix(line, "-- "):
			head = line + "\n"
		case strings.HasPrefix(line, "| "):
			expression = append(expression, line[2:])
		}
	}
	text := strings.Join(expression, "\n")
	vs := env.NewVariables(strings.Contains(head, "response"))
	for _, v := range [][2]string{{"path", "path.clean(args.path)"}, {"late", "mcp.tool.result.x"}} {
		vs.Add(v[0], source.NewText(v[1]))
	}
	want := Bool
	if strings.Contains(head, "message") {
		want = Text
	}
	_, ds := env.Compile(source.NewText(text), want, vs)
	var out strings.Builder
	out.WriteString(head)
	for i, line := range expression {
		out.WriteString("| " + line + "\n")
		for _, d := range ds {
			if d.Line != i+1 {
				continue
			}
			out.WriteString("  " + strings.Repeat(" ", d.Column-1) + strings.Repeat("^", d.Width) + " " + d.Code + ": " + d.Message)
			if d.Help != "" {
				out.WriteString("; " + d.Help)
			}
			out.WriteString("\n")
		}
	}
	if len(ds) == 0 {
		out.WriteString("  accepted\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// Every expression that is refused has a diagnostic inside its own text.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{`args.x == 1`, `mcp.tol`, `path.clen("`, "a &&\n b.c(", `[1].all(x, x.y`, `"é" + args.ü`, `has(mcp.tool)`, `1/0 > 1`, `variables.x`} {
		f.Add(s)
	}
	env := newEnv(f, Options{})
	vs := env.NewVariables(false)
	frame := env.NewFrame()
	frame.Input = Input{Method: "tools/call"}
	frame.Open(f.Context())
	f.Fuzz(func(t *testing.T, s string) {
		c, ds := env.Compile(source.NewText(s), Bool, vs)
		if (c == nil) != ds.HasErrors() {
			t.Fatalf("condition %v, diagnostics %v", c, ds)
		}
		lines := strings.Split(s, "\n")
		for _, d := range ds {
			if d.Line < 1 || d.Line > len(lines) || d.Column < 1 || d.Width < 1 || d.Column+d.Width > len([]rune(lines[d.Line-1]))+2 {
				t.Fatalf("%q: %+v is not inside", s, d)
			}
		}
		if c != nil {
			_, _ = c.Test(frame)
			_ = c.Explain(frame, nil).Text()
		}
	})
}
