package lint

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/golden"
)

// lint lints one file, which must be policies without mistakes.
func lint(t testing.TB, name string, data []byte) []Finding {
	t.Helper()
	policies, ds := policy.Parse(name, data)
	if len(ds) > 0 {
		t.Fatalf("%v", ds)
	}
	return sharedLinter(t).Policies(policies, func(string) []byte { return data }, nil)
}

var newLinter = sync.OnceValues(New)

func sharedLinter(t testing.TB) *Linter {
	t.Helper()
	l, err := newLinter()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func diagnostics(found []Finding) (ds source.Diagnostics) {
	for _, f := range found {
		ds = append(ds, f.Diagnostic)
	}
	return ds
}

// Each testdata/<code>/*.yaml has beside it what `sallyport check` prints of it, and what is left of it once what can be mended is.
func TestFindings(t *testing.T) {
	files, err := filepath.Glob("testdata/SP*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, "testdata/"), func(t *testing.T) {
			data := read(t, file)
			found := lint(t, filepath.Base(file), data)
			code := filepath.Base(filepath.Dir(file))
			var out bytes.Buffer
			var changes []source.Change
			hit := false
			for _, f := range found {
				hit = hit || f.Code == code
				changes = append(changes, f.Fix...)
			}
			if !hit {
				t.Errorf("no %s among:\n%v", code, diagnostics(found))
			}
			if err := diagnostics(found).WriteText(&out, func(string) []byte { return data }, false, 0); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, strings.TrimSuffix(file, ".yaml")+".txt", out.Bytes())
			if len(changes) > 0 {
				fixed := source.Apply(data, changes)
				golden.Compare(t, strings.TrimSuffix(file, ".yaml")+".fixed", fixed)
				for _, f := range lint(t, filepath.Base(file), fixed) {
					if f.Fix != nil {
						t.Errorf("not mended: %s", f.Diagnostic)
					}
				}
			}
		})
	}
}

func TestNothingIsFoundInWhatIsRight(t *testing.T) {
	files, _ := filepath.Glob("testdata/clean/*.yaml")
	for _, file := range files {
		for _, f := range lint(t, file, read(t, file)) {
			t.Error(f.Diagnostic)
		}
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The examples of the pages cause their codes, and their fixes cause nothing.
func TestPagesShowTheFindingAndItsFix(t *testing.T) {
	for _, c := range source.Codes() {
		page, _ := source.Page(c.ID)
		blocks := strings.Split(page, "```yaml\n")
		if !strings.HasPrefix(c.ID, "SP31") {
			for _, block := range blocks[min(2, len(blocks)):] { // the fixes of mistakes
				if good, _, _ := strings.Cut(block, "```"); strings.Contains(good, "kind: Policy\n") {
					for _, f := range lint(t, c.ID, []byte(good)) {
						t.Errorf("%s: its fix has a finding: %s", c.ID, f.Diagnostic)
					}
				}
			}
			continue
		}
		if len(blocks) != 3 {
			t.Fatalf("%s: its page has no example and fix", c.ID)
		}
		bad, _, _ := strings.Cut(blocks[1], "```")
		good, _, _ := strings.Cut(blocks[2], "```")
		hit := false
		for _, f := range lint(t, "bad.yaml", []byte(bad)) {
			hit = hit || f.Code == c.ID
		}
		if !hit {
			t.Errorf("%s: its example doesn't cause it", c.ID)
		}
		if left := lint(t, "good.yaml", []byte(good)); len(left) > 0 {
			t.Errorf("%s: its fix has findings:\n%v", c.ID, diagnostics(left))
		}
		if _, ok := levels[c.ID]; !ok {
			t.Errorf("%s has no level", c.ID)
		}
	}
}
