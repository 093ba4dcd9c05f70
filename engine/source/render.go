package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteJSON writes ds as a JSON array, one object per Diagnostic.
func (ds Diagnostics) WriteJSON(w io.Writer) error {
	if ds == nil {
		ds = Diagnostics{}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(ds)
}

// WriteText writes ds for people: each with its line, the line before and a caret, in the order of Sort, at most limit of them (0 is all).
// src gives the content of a file, or nil when it cannot be shown; it is asked once per file.
func (ds Diagnostics) WriteText(w io.Writer, src func(file string) []byte, color bool, limit int) error {
	ds = slices.Clone(ds).Sort()
	p := printer{paint: paint(color), src: src, lines: map[string][]string{}}
	shown := ds
	if limit > 0 && len(ds) > limit {
		shown = ds[:limit]
	}
	for _, d := range shown {
		p.diagnostic(d)
	}
	p.summary(ds, len(ds)-len(shown))
	_, err := w.Write(p.out.Bytes())
	return err
}

// paint says whether to color.
type paint bool

const (
	boldRed    = "1;31"
	boldYellow = "1;33"
	boldBlue   = "1;34"
	bold       = "1"
)

func (on paint) as(style, text string) string {
	if !on {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

type printer struct {
	paint
	src   func(file string) []byte
	lines map[string][]string
	out   bytes.Buffer
}

func (p *printer) diagnostic(d Diagnostic) {
	style := [...]string{Error: boldRed, Warning: boldYellow, Info: boldBlue}[min(d.Severity, Info)]
	head := p.as(style, fmt.Sprintf("%s[%s]", d.Severity, d.Code))
	fmt.Fprintf(&p.out, "%s%s\n", head, p.as(bold, ": "+printable(d.Message)))
	gutter := 3
	if d.Line > 0 {
		gutter = max(gutter, len(strconv.Itoa(d.Line))+1)
	}
	p.place(d, gutter, style)
	if d.Help != "" {
		fmt.Fprintf(&p.out, "%*s %s %s: %s\n", gutter+1, "", p.as(boldBlue, "="), p.as(bold, "help"), printable(d.Help))
	}
	p.out.WriteByte('\n')
}

// place writes the "-->" line and the lines of the file.
func (p *printer) place(d Diagnostic, gutter int, style string) {
	if d.File == "" {
		return
	}
	where := d.File
	if d.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", d.File, d.Line, d.Column)
	}
	fmt.Fprintf(&p.out, "%*s%s %s\n", gutter-1, "", p.as(boldBlue, "-->"), printable(where))
	lines := p.fileLines(d.File)
	if d.Line < 1 || d.Line > len(lines) {
		return
	}
	at := newView(lines[d.Line-1], d.Column, d.Width)
	if d.Line > 1 {
		p.line(gutter, strconv.Itoa(d.Line-1), newView(lines[d.Line-2], 1, 1).cut(at.from).text)
	}
	p.line(gutter, strconv.Itoa(d.Line), at.text)
	p.line(gutter, "", strings.Repeat(" ", at.indent)+p.as(style, strings.Repeat("^", at.width)))
}

func (p *printer) line(gutter int, number, text string) {
	bar := p.as(boldBlue, fmt.Sprintf("%*s |", gutter+1, number))
	fmt.Fprintf(&p.out, "%s\n", strings.TrimRight(bar+" "+text, " "))
}

func (p *printer) fileLines(file string) []string {
	if lines, ok := p.lines[file]; ok {
		return lines
	}
	var data []byte
	if p.src != nil {
		data = p.src(file)
	}
	var lines []string
	if data != nil {
		lines = strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
	}
	p.lines[file] = lines
	return lines
}

func (p *printer) summary(ds Diagnostics, more int) {
	if len(ds) == 0 {
		return
	}
	if more > 0 {
		fmt.Fprintf(&p.out, "... and %d more\n\n", more)
	}
	var counts [Info + 1]int
	for _, d := range ds {
		counts[min(d.Severity, Info)]++
	}
	var parts []string
	for severity, n := range counts {
		switch {
		case n > 0 && Severity(severity) == Info:
			parts = append(parts, fmt.Sprintf("%d info", n))
		case n > 0:
			parts = append(parts, count(n, Severity(severity).String()))
		}
	}
	fmt.Fprintf(&p.out, "%s. More about one: sallyport explain %s\n", strings.Join(parts, ", "), ds[0].Code)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printable replaces what a terminal would obey instead of showing.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return cells(r) < 0 }) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if cells(r) < 0 {
			return utf8.RuneError
		}
		return r
	}, s)
}
