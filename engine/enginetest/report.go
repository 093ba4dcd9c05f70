package enginetest

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// WriteText writes the report for people: a line for each file that passed, and what differed of each case that failed.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, file := range r.byFile() {
		failed := 0
		for _, c := range file {
			if !c.Passed {
				failed++
				c.text(&b)
			}
		}
		if failed == 0 {
			fmt.Fprintf(&b, "ok    %s: %s\n", file[0].File, count(len(file)))
		}
	}
	if r.Failed > 0 {
		fmt.Fprintf(&b, "%d of %s failed\n", r.Failed, count(r.Passed+r.Failed))
	}
	r.Coverage.text(&b)
	r.Mutation.text(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *Coverage) text(b *strings.Builder) {
	if c == nil {
		return
	}
	fmt.Fprintf(b, "coverage: %.1f %%: %d of %d outcomes of conditions, %d of %d rules held\n", c.Percent(), c.Seen, c.Outcomes, c.Matched, c.Rules)
	for _, m := range c.Missing {
		fmt.Fprintf(b, "        %s: %s: %s\n", place(m.File, m.Line, m.Column), m.Of, m.What)
	}
}

func (m *Mutation) text(b *strings.Builder) {
	if m == nil {
		return
	}
	fmt.Fprintf(b, "mutants: %d of %d killed\n", m.Killed, m.Killed+len(m.Survivors))
	for _, x := range m.Survivors {
		fmt.Fprintf(b, "        %s: %s %s: no case fails\n", place(x.File, x.Line, x.Column), x.Of, x.What)
	}
}

func place(file string, line, column int) string {
	switch {
	case line == 0:
		return file
	case column == 0:
		return fmt.Sprintf("%s:%d", file, line)
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}

func (c *Result) text(b *strings.Builder) {
	fmt.Fprintf(b, "FAIL  %s:%d: %s\n", c.File, c.Line, c.Name)
	for _, d := range c.Differences {
		fmt.Fprintf(b, "        %s\n", d)
	}
	for line := range strings.Lines(c.Explanation) {
		b.WriteString(strings.TrimRight("      | "+line, " \n") + "\n")
	}
}

func count(n int) string {
	if n == 1 {
		return "1 case"
	}
	return fmt.Sprintf("%d cases", n)
}

// byFile cuts the results into those of each file.
func (r *Report) byFile() [][]Result {
	var out [][]Result
	for i, c := range r.Cases {
		if i == 0 || c.File != r.Cases[i-1].File {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], c)
	}
	return out
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteJUnit writes the report as JUnit's XML: a suite for each file. It has no times, for the same files make the same report.
func (r *Report) WriteJUnit(w io.Writer) error {
	type failure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Line    int      `xml:"line,attr"`
		Failure *failure `xml:"failure,omitempty"`
	}
	type testsuite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	doc := struct {
		XMLName  xml.Name    `xml:"testsuites"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Suites   []testsuite `xml:"testsuite"`
	}{Tests: r.Passed + r.Failed, Failures: r.Failed}
	for _, file := range r.byFile() {
		s := testsuite{Name: file[0].File, Tests: len(file)}
		for _, c := range file {
			t := testcase{Class: c.File, Name: c.Name, Line: c.Line}
			if !c.Passed {
				s.Failures++
				var b strings.Builder
				c.text(&b)
				t.Failure = &failure{Message: c.Differences[0].String(), Text: b.String()}
			}
			s.Cases = append(s.Cases, t)
		}
		doc.Suites = append(doc.Suites, s)
	}
	out, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, out)
	return err
}
