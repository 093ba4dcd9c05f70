package source

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fixtures says where the fixtures of a range of codes are. Those of conditions are where conditions are compiled.
var fixtures = map[string]string{"SP10": "testdata", "SP11": "../../internal/config/testdata", "SP30": "../policy/testdata", "SP31": "../lint/testdata", "SP50": "../enginetest/testdata"}

func TestEveryCodeHasAPageAndAFixture(t *testing.T) {
	for _, c := range Codes() {
		page, ok := Page(c.ID)
		if !ok || !strings.HasPrefix(page, "# "+c.ID+": "+c.Title+"\n") {
			t.Errorf("%s: no page that begins with its title %q", c.ID, c.Title)
		}
		if !strings.Contains(page, "\n## Fix\n") {
			t.Errorf("%s: its page tells no fix", c.ID)
		}
		dir, ok := fixtures[c.ID[:4]]
		if !ok {
			continue
		}
		if c.ID == "SP1010" { // it is for those who read a file to say that it is empty
			dir = fixtures["SP30"]
		}
		if files, _ := filepath.Glob(dir + "/" + c.ID + "/*.txt"); len(files) == 0 {
			t.Errorf("%s: no fixture in %s", c.ID, dir)
		}
	}
}

func TestCodesAreInOrderAndPagesHaveCodes(t *testing.T) {
	all := Codes()
	ids := make([]string, len(all))
	for i, c := range all {
		ids[i] = c.ID
		if !regexp.MustCompile(`^SP[0-9]{4}$`).MatchString(c.ID) || c.Title == "" {
			t.Errorf("malformed: %+v", c)
		}
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error("codes are out of order or repeated")
	}
	entries, err := pages.ReadDir("pages")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if id := strings.TrimSuffix(e.Name(), ".md"); !slices.Contains(ids, id) {
			t.Errorf("pages/%s has no code", e.Name())
		}
	}
	if _, ok := Page("../codes"); ok {
		t.Error("a page for what is no code")
	}
}
