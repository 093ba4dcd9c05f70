package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// document is a Markdown file as it is tested.
//
//   - A ```console block is run: lines that begin with "$ " are commands (one that ends in a backslash goes on in the next line), the
//     lines below are what the command prints, standard error included. A line "..." stands for any lines, "[...]" in a line for any
//     text. Decision ids, times and hashes match any other. The commands of a document share one shell. A command may fail only if
//     the next one is `echo $?`.
//   - A block below a comment `<!-- file: NAME -->` is written to that file, in the folder that the shell is in.
//   - A command that ends in & goes on in the background; the next one runs when what it serves can be reached.
type document struct {
	name  string // from the root of the tree
	lines []string
	steps []step
}

// step is a command or a file.
type step struct {
	line    int // 1-based
	command string
	file    string
	want    []string // what a command prints, or what a file holds
	end     int      // the index of the line after want
}

var fileMark = regexp.MustCompile(`^<!-- file: (\S+) -->$`)

// documents are all that hold commands.
func documents(t *testing.T) []*document {
	t.Helper()
	var docs []*document
	for _, pattern := range []string{"README.md", "docs/*.md", "examples/*/README.md", "plugins/*/README.md", "policies/*/README.md"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, name := range names {
			docs = append(docs, readDocument(t, name))
		}
	}
	return docs
}

func readDocument(t *testing.T, name string) *document {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		t.Fatal(err)
	}
	d := &document{name: rel, lines: strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")}
	for _, b := range d.blocks() {
		switch mark := fileMark.FindStringSubmatch(b.above); {
		case mark != nil:
			d.steps = append(d.steps, step{line: b.first, file: mark[1], want: d.lines[b.first:b.last], end: b.last})
		case b.kind == "console":
			d.commands(b)
		}
	}
	return d
}

// block is a fenced block: lines[first:last], below a fence with the kind's name.
type block struct {
	kind, above string
	first, last int
}

func (d *document) blocks() []block {
	var out []block
	for i := 0; i < len(d.lines); i++ {
		kind, ok := strings.CutPrefix(d.lines[i], "```")
		if !ok {
			continue
		}
		b := block{kind: kind, first: i + 1, last: i + 1}
		if i > 0 {
			b.above = d.lines[i-1]
		}
		for b.last < len(d.lines) && d.lines[b.last] != "```" {
			b.last++
		}
		out = append(out, b)
		i = b.last
	}
	return out
}

func (b block) text(d *document) string { return strings.Join(d.lines[b.first:b.last], "\n") + "\n" }

func (d *document) commands(b block) {
	for i := b.first; i < b.last; {
		command, ok := strings.CutPrefix(d.lines[i], "$ ")
		s := step{line: i + 1, command: command}
		for i++; ok && strings.HasSuffix(s.command, `\`) && i < b.last; i++ {
			s.command += "\n" + d.lines[i]
		}
		start := i
		for i < b.last && !strings.HasPrefix(d.lines[i], "$ ") {
			i++
		}
		s.want, s.end = d.lines[start:i], i
		if ok {
			d.steps = append(d.steps, s)
		}
	}
}

// replace puts other lines in the place of what a command prints, for -update.
func (d *document) replace(s step, got []string) {
	from := s.end - len(s.want)
	d.lines = slices.Concat(d.lines[:from:from], got, d.lines[s.end:])
	grown := len(got) - len(s.want)
	for i := range d.steps {
		if d.steps[i].line > s.line {
			d.steps[i].line += grown
			d.steps[i].end += grown
		}
	}
}

// changing is what differs from run to run, and is compared by its form alone.
var changing = []struct {
	form *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\b01[0-9A-HJKMNP-TV-Z]{24}\b`), "<decision id>"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "<hash>"},
	{regexp.MustCompile(`\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)`), "<time>"},
	{regexp.MustCompile(`_us":\d+(\.\d+)?`), `_us":<time>`},
	{regexp.MustCompile(`go1\.\d+(\.\d+)?\b`), "<go>"},
}

func uniform(text string) string {
	for _, c := range changing {
		text = c.form.ReplaceAllString(text, c.name)
	}
	return text
}

// agree says whether what was printed is what the document says.
func agree(want []string, got string) bool {
	var pattern strings.Builder
	pattern.WriteString("^")
	for _, line := range want {
		if line == "..." {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		parts := strings.Split(uniform(strings.TrimRight(line, " ")), "[...]")
		for i, p := range parts {
			parts[i] = regexp.QuoteMeta(p)
		}
		pattern.WriteString(strings.Join(parts, ".*?") + `\n`)
	}
	pattern.WriteString("$")
	var text strings.Builder
	for _, line := range printed(got) {
		text.WriteString(uniform(line) + "\n")
	}
	return regexp.MustCompile(pattern.String()).MatchString(text.String())
}

// printed is what was printed, by lines, without what no reader sees.
func printed(got string) []string {
	got = strings.ReplaceAll(strings.TrimRight(got, "\r\n"), "\r\n", "\n")
	if got == "" {
		return nil
	}
	lines := strings.Split(got, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

func TestWhatDocumentsSayIsCompared(t *testing.T) {
	for _, tt := range []struct {
		name, want, got string
		agree           bool
	}{
		{"the same", "a\nb", "a\nb\n", true},
		{"another line", "a\nb", "a\nc\n", false},
		{"a line too many", "a", "a\nb\n", false},
		{"nothing", "", "", true},
		{"not nothing", "", "a\n", false},
		{"any lines", "a\n...", "a\nb\nc\n", true},
		{"any lines between", "a\n...\nd", "a\nb\nc\nd", true},
		{"not any line after them", "a\n...\nd", "a\nb\nc\nd\ne", false},
		{"any text", "id [...]!", "id 17!", true},
		{"text outside of it", "id [...]!", "id 17?", false},
		{"signs of patterns", "a.b(c)", "a.b(c)", true},
		{"signs of patterns are themselves", "a.b", "axb", false},
		{"decision ids", "01M815E46YM2253FT1R7VMZ8MJ", "01M815E47726HQCSK761K1MYQA", true},
		{"times", "2026-11-22T08:19:50Z x", "2027-01-02T03:04:05.123Z x", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if agree(printed(tt.want), tt.got) != tt.agree {
				t.Errorf("want agreement of %q and %q to be %v", tt.want, tt.got, tt.agree)
			}
		})
	}
}

func write(t *testing.T, name string, lines []string) {
	t.Helper()
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
