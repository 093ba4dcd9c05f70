package detect_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/detect"
)

const aboutLines = `
[[rules]]
id = 'number'
regex = 'no=\s?([0-9]+)'
keywords = ['no=']
[[rules.allowlists]]
regexTarget = 'line'
regexes = ['sample', 'test$']
`

func TestFind_listsAboutLines(t *testing.T) {
	s, ds := detect.Parse("x.toml", []byte(aboutLines))
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	for text, want := range map[string]string{
		"no=1 no=2":                                 "1 2",
		"no=1 a sample no=2\nno=3 no=4":             "3 4",
		"no=1 no=2\nno=3 sample no=4\nno=5":         "1 2 5",
		"no=1 no=\n2 sample no=3\nno=4 no=\n5 no=6": "1 4 5 6",
		"sample no=\n1 no=2\nno=3":                  "2 3",
		"no=1 no=2 test\nno=3 tests":                "3",
		"\nno=1\n\nsample\nno=2\n":                  "1 2",
	} {
		var got []string
		for _, m := range detect.Find[detect.Match](s, nil, []byte(text)) {
			got = append(got, text[m.Start:m.End])
		}
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q: %v, want %s", text, got, want)
		}
	}
}

// A long line with many matches takes a time that grows as it does: without that, the last takes minutes.
func TestFind_manyMatchesOnALine(t *testing.T) {
	s, ds := detect.Parse("x.toml", []byte(aboutLines))
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	text := []byte(strings.Repeat("no=1 ", 200_000))
	begun := time.Now()
	if n := len(detect.Find[detect.Match](s, nil, text)); n != 200_000 {
		t.Error(n, "finds")
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("%v for %d bytes", took, len(text))
	}
}
