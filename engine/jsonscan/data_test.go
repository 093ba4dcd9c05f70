package jsonscan

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines returns the numbered lines of a testdata file, without comments.
func lines(t testing.TB, name string) map[int]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]string{}
	for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		if !strings.HasPrefix(line, "#") {
			all[i+1] = line
		}
	}
	return all
}

// literals reads Go string literals joined by " + ", each optionally repeated.
func literals(t testing.TB, s string) []byte {
	t.Helper()
	var out strings.Builder
	for {
		times := 1
		if n, rest, ok := strings.Cut(s, "*"); ok {
			if k, err := strconv.Atoi(n); err == nil {
				times, s = k, rest
			}
		}
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(strings.Repeat(text, times))
		if s = strings.TrimSpace(s[len(quoted):]); s == "" {
			return []byte(out.String())
		}
		s = strings.TrimPrefix(s, "+ ")
	}
}

func options(t testing.TB, s string) (o Options) {
	t.Helper()
	for opt := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(opt, "=")
		n, err := strconv.Atoi(value)
		switch {
		case opt == "-":
		case opt == "fold":
			o.Fold = true
		case key == "depth" && err == nil:
			o.Depth = n
		case key == "values" && err == nil:
			o.Values = n
		case key == "number" && err == nil:
			o.Number = n
		default:
			t.Fatalf("unknown option %q", opt)
		}
	}
	return o
}

type hostileCase struct {
	line    int
	outcome string // "ok" or "CODE at OFFSET"
	options Options
	src     []byte
}

func hostileCases(t testing.TB) []hostileCase {
	t.Helper()
	var cases []hostileCase
	for line, text := range lines(t, "hostile.txt") {
		f := strings.SplitN(text, " ", 4)
		if len(f) != 4 {
			continue
		}
		outcome := "ok"
		if f[0] != "ok" {
			outcome = f[0] + " at " + f[1]
		}
		cases = append(cases, hostileCase{line, outcome, options(t, f[2]), literals(t, f[3])})
	}
	return cases
}

func outcome(err error) string {
	var e *Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e):
		return e.Code.String() + " at " + strconv.Itoa(e.Offset)
	}
	return err.Error()
}

func TestScanRefusesWhatIsAmbiguous(t *testing.T) {
	var d Doc
	for _, c := range hostileCases(t) {
		err := d.Scan(c.src, c.options)
		if got := outcome(err); got != c.outcome {
			t.Errorf("hostile.txt:%d: %s, want %s", c.line, got, c.outcome)
		}
		if accepted := err == nil; d.Root().Exists() != accepted {
			t.Errorf("hostile.txt:%d: root exists: %v", c.line, d.Root().Exists())
		}
	}
}

func TestAppendToIsCompactAndLossless(t *testing.T) {
	var d Doc
	for line, text := range lines(t, "emit.txt") {
		from, to, ok := strings.Cut(text, " => ")
		if !ok {
			continue
		}
		if err := d.Scan(literals(t, from), Options{}); err != nil {
			t.Errorf("emit.txt:%d: %v", line, err)
			continue
		}
		got := string(d.Root().AppendTo([]byte("before ")))
		if diff := cmp.Diff("before "+string(literals(t, to)), got); diff != "" {
			t.Errorf("emit.txt:%d: %s", line, diff)
		}
	}
}

func place(d *Doc, path string) Value {
	v := d.Root()
	for _, name := range strings.Split(path, "/")[1:] {
		if i, err := strconv.Atoi(name); err == nil && v.Kind() == Array {
			v = v.Index(i)
			continue
		}
		v = v.Get(name)
	}
	return v
}

func TestAppendEditedWritesTheEdits(t *testing.T) {
	var d Doc
	var e Edits
	var at Value
	all := lines(t, "edits.txt")
	for line := 1; line <= len(all)+2; line++ {
		op, rest, _ := strings.Cut(all[line], " ")
		path, args, _ := strings.Cut(rest, " ")
		v := Value{}
		if op != "in" && op != "out" && op != "" {
			if v = place(&d, "/"+strings.TrimPrefix(path, "/")); path == "" {
				v = d.Root()
			}
			if !v.Exists() {
				t.Fatalf("edits.txt:%d: no %q", line, path)
			}
		}
		ok := true
		switch op {
		case "in":
			if err := d.Scan([]byte(rest), Options{}); err != nil {
				t.Fatalf("edits.txt:%d: %v", line, err)
			}
			e.Reset()
			at = d.Root()
		case "replace":
			ok = e.Replace(v, []byte(args))
		case "remove":
			ok = e.Remove(v)
		case "set":
			name, value, _ := strings.Cut(args, " ")
			ok = e.Set(v, name, []byte(value))
		case "at":
			at = v
		case "out":
			if got := string(at.AppendEdited(nil, &e)); got != rest {
				t.Errorf("edits.txt:%d: got %s, want %s", line, got, rest)
			}
		}
		if !ok {
			t.Errorf("edits.txt:%d: refused", line)
		}
	}
}
