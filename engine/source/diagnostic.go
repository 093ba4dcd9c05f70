// Package source reads YAML with exact positions and says what is wrong with it.
//
// Every mistake becomes a [Diagnostic]: a stable code, a place that an editor can open, a message and one line of help. A code has
// a page (see [Page]) that explains it. Positions are 1-based; columns and widths count Unicode code points, as cel-go's do.
package source

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a Diagnostic stops its file from being used. The zero value does.
type Severity uint8

// The severities.
const (
	Error   Severity = iota // the file cannot be used; of a lint finding, it should not be
	Warning                 // the file can be used, and is likely not what its author meant
	Info                    // the file does what its author meant, and could do it better
)

// String returns "error", "warning" or "info".
func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Info:
		return "info"
	case Error:
	}
	return "error"
}

// MarshalText writes the severity as String does.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes. What is neither is an error.
func (s *Severity) UnmarshalText(text []byte) error {
	*s = Error
	for _, known := range []Severity{Warning, Info} {
		if string(text) == known.String() {
			*s = known
		}
	}
	return nil
}

// Pos is a place in a file: Width code points of one line. The zero Pos is no place; a Line of 0 means that only the file is known.
type Pos struct {
	File                string
	Line, Column, Width int
}

// Diagnose returns an error at p. Line breaks in message and help become spaces.
func (p Pos) Diagnose(code, message, help string) Diagnostic {
	return Diagnostic{Code: code, File: p.File, Line: p.Line, Column: p.Column, Width: p.Width, Message: oneLine(message), Help: oneLine(help)}
}

func oneLine(s string) string {
	if !strings.ContainsAny(s, "\n\r") {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

// Brief shortens a value for use in a message: one line, at most 60 characters.
func Brief(value string) string {
	s := strings.Join(strings.Fields(value), " ")
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return s
}

// Warn returns a warning at p.
func (p Pos) Warn(code, message, help string) Diagnostic {
	d := p.Diagnose(code, message, help)
	d.Severity = Warning
	return d
}

// Diagnostic is one mistake in one file. Line and Column are 1-based, Column and Width count code points; a Line of 0 means that the
// mistake has no place inside the file. Message and Help are one line each.
type Diagnostic struct {
	Code     string   `json:"code"` // a code of Codes, such as "SP1002"
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Width    int      `json:"width,omitempty"`
	Message  string   `json:"message"`
	Help     string   `json:"help,omitempty"`
}

// Pos returns the place of d.
func (d Diagnostic) Pos() Pos {
	return Pos{File: d.File, Line: d.Line, Column: d.Column, Width: d.Width}
}

// String returns d on one line: "file:4:13: error[SP1003]: message; help".
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Line, d.Column)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "%s[%s]: %s", d.Severity, d.Code, d.Message)
	if d.Help != "" {
		b.WriteString("; " + d.Help)
	}
	return b.String()
}

// Diagnostics are the mistakes found in one run. As an error it stands for those of severity Error; see Err.
type Diagnostics []Diagnostic //nolint:errname // a list first, an error only if one of them is

// Err returns ds as an error when it holds one of severity Error, and nil otherwise.
func (ds Diagnostics) Err() error {
	if !ds.HasErrors() {
		return nil
	}
	return ds
}

// Error returns one line per Diagnostic.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// HasErrors says whether one of ds is of severity Error.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}

// Compare orders diagnostics by file and position, then errors first.
func Compare(a, b Diagnostic) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
		cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
}

// Sort orders ds by file and position and returns it without repetitions: equal diagnostics, and CEL's report (SP20xx) about text that
// a policy rule (SP30xx) already reported.
func (ds Diagnostics) Sort() Diagnostics {
	slices.SortStableFunc(ds, Compare)
	known := slices.Clone(ds)
	ds = slices.DeleteFunc(ds, func(d Diagnostic) bool {
		return strings.HasPrefix(d.Code, "SP20") && slices.ContainsFunc(known, func(p Diagnostic) bool {
			return strings.HasPrefix(p.Code, "SP30") && p.Severity == Error && p.covers(d)
		})
	})
	return slices.Compact(ds)
}

func (d Diagnostic) covers(other Diagnostic) bool {
	return d.File == other.File && d.Line == other.Line && d.Column <= other.Column && other.Column < d.Column+max(d.Width, 1)
}
