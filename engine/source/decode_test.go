package source

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-dev/sallyport/internal/golden"
)

// sample has a field of every type that Decode reads, and every tag that it heeds.
type sample struct {
	Name    string            `yaml:"name" jsonschema:"required,minLength=1"`
	Text    Text              `yaml:"text" jsonschema:"minLength=1"`
	Color   string            `yaml:"color" jsonschema:"enum=red,enum=green"`
	Colors  []string          `yaml:"colors" jsonschema:"enum=red,enum=green"`
	Only    string            `yaml:"only" jsonschema:"enum=this"`
	Count   int               `yaml:"count" jsonschema:"minimum=1"`
	Ratio   float64           `yaml:"ratio" jsonschema:"minimum=0,maximum=10"`
	Big     int64             `yaml:"big"`
	Flag    bool              `yaml:"flag"`
	Tags    []string          `yaml:"tags" jsonschema:"minItems=1"`
	Inner   part              `yaml:"inner"`
	Pointer *part             `yaml:"pointer"`
	Labels  map[string]string `yaml:"labels"`
	List    []item            `yaml:"list"`
	Any     any               `yaml:"any"`
	Own     int               // not in files
}

type part struct {
	Size int `yaml:"size" jsonschema:"maximum=10"`
}

type item struct {
	Name  string `yaml:"name" jsonschema:"required"`
	Color string `yaml:"color" jsonschema:"required,enum=red"`
}

func decodeSample(file string, data []byte) (sample, Diagnostics) {
	s := sample{Own: 7, Count: 5}
	roots, ds := Parse(file, data)
	for _, root := range roots {
		ds = append(ds, root.Decode(&s)...)
	}
	return s, ds
}

// Each testdata/<code>/*.yaml causes that code, and has what WriteText says of it beside it.
func TestMistakesAreReported(t *testing.T) {
	files, err := filepath.Glob("testdata/SP*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	golden.Mistakes(t, files, func(to io.Writer, name string, data []byte) error {
		_, ds := decodeSample(name, data)
		return ds.WriteText(to, func(string) []byte { return data }, false, 0)
	})
}

func TestDecodeReadsEveryType(t *testing.T) {
	data, err := os.ReadFile("testdata/valid/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, ds := decodeSample("all.yaml", data)
	want := sample{
		Name: "x", Text: NewText("a\n  b\n"), Color: "red", Colors: []string{"green"}, Only: "this", Count: 3, Ratio: 0.5, Big: 9007199254740993, Flag: true,
		Tags: []string{"x", "12"}, Inner: part{2}, Pointer: &part{3}, Labels: map[string]string{"a": "b", "c d": "e"}, Own: 7,
		Any: map[string]any{"a": []any{1.0, true, nil, "x", 2.5}},
	}
	if got.List == nil || got.List[0].Name != "y" {
		t.Errorf("list: %+v", got.List)
	}
	if len(ds) != 1 || ds[0].Code != "SP1006" {
		t.Errorf("want only the item's missing color: %v", ds)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Text{}), cmpopts.IgnoreFields(sample{}, "List")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatTheFileLeavesOutKeepsItsValue(t *testing.T) {
	got, ds := decodeSample("f", []byte("name: x\n"))
	if len(ds) > 0 || got.Count != 5 || got.Own != 7 || got.Pointer != nil {
		t.Errorf("%+v, %v", got, ds)
	}
}

func TestDecodeKnownPassesOverUnknownFields(t *testing.T) {
	roots, _ := Parse("f", []byte("name: x\nother: 1\ninner: { other: 2, size: 3 }\n"))
	var s sample
	if ds := roots[0].DecodeKnown(&s); len(ds) > 0 || s.Name != "x" || s.Inner.Size != 3 {
		t.Errorf("%+v, %v", s, ds)
	}
}

func TestReportedValuesAreNotReportedAgain(t *testing.T) {
	_, ds := decodeSample("f", []byte("name: !x y\ncolor: !z w\n"))
	if len(ds) != 2 {
		t.Errorf("%v", ds)
	}
}

func TestMistakesAreBounded(t *testing.T) {
	data := "name: x\n" + strings.Repeat("- ", 0) + "labels:\n"
	for i := range 500 {
		data += "  k" + strings.Repeat("x", i) + ": 1\n"
	}
	if _, ds := decodeSample("f", []byte(data)); len(ds) != maxMistakes {
		t.Errorf("%d mistakes", len(ds))
	}
}

// Whoever writes a file chooses how many mistakes it has, and may write it on one line: what is not reported must cost nothing.
func TestMistakesThatAreNotReportedCostNothing(t *testing.T) {
	allocs := func(mistakes int) float64 {
		var b strings.Builder
		for i := range mistakes {
			fmt.Fprintf(&b, `"f%d":0,`, i)
		}
		fields := b.String()
		root, ds := ParseJSON("f", []byte(`{"list":[`+strings.Repeat("0,", mistakes)+`],`+fields+`}`))
		if ds.HasErrors() {
			t.Fatal(ds)
		}
		return testing.AllocsPerRun(1, func() {
			var into struct {
				List []string `yaml:"list"`
			}
			root.Decode(&into)
		})
	}
	if few, many := allocs(maxMistakes), allocs(20*maxMistakes); many > 2*few {
		t.Errorf("%v allocations for %d mistakes, %v for %d", few, 2*maxMistakes, many, 40*maxMistakes)
	}
}

func TestTooManyBytes(t *testing.T) {
	_, ds := Parse("f", bytes.Repeat([]byte("#\n"), MaxSize/2+1))
	want := "f:1:1: error[SP1008]: the file has 4194306 bytes; at most 4194304 are read; split it into several files"
	if ds.Error() != want {
		t.Errorf("%v", ds)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"name", "when", "effect", "reason", "message", "apiKeys", "deny"}
	for word, want := range map[string]string{
		"mesage": "message", "efect": "effect", "whne": "when", "api_keys": "apiKeys", "APIKEYS": "apiKeys", "dney": "deny", "nam": "name",
		"zzz": "", "": "", "x": "", "name": "", "completely": "",
	} {
		got, ok := Suggest(word, known)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", word, got, ok, want)
		}
	}
}
