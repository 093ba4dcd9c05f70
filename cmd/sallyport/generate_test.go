package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/httphead"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// generated are the parts of the documents that the program knows better. Each stands between `<!-- generated: NAME -->` and
// `<!-- end -->`. `go test ./cmd/sallyport -run TestDocs -update` writes them.
var generated = map[string]func(*testing.T) string{
	"config":        configTable,
	"policy":        policyTable,
	"cel names":     celNames,
	"cel functions": celFunctions,
	"errors":        errorList,
	"metrics":       metricTable,
	"methods":       methodTable,
	"http rules":    httpRules,
	"json rules":    jsonRules,
	"credentials":   credentialRules,
	"cases":         caseTables,
}

var generatedPart = regexp.MustCompile(`(?s)(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)`)

func TestDocsAreFresh(t *testing.T) {
	used := map[string]bool{}
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fresh(t, name, generatedPart.ReplaceAllStringFunc(string(data), func(part string) string {
			m := generatedPart.FindStringSubmatch(part)
			generate := generated[m[2]]
			if generate == nil {
				t.Errorf("%s: nothing generates %q", name, m[2])
				return part
			}
			used[m[2]] = true
			return m[1] + "\n" + generate(t) + "\n" + m[3]
		}))
	}
	for name := range generated {
		if !used[name] {
			t.Errorf("no document shows %q", name)
		}
	}
	fresh(t, filepath.Join(root, "docs/schema/config.json"), string(config.Schema()))
	fresh(t, filepath.Join(root, "docs/schema/policy.json"), string(policy.Schema()))
	fresh(t, filepath.Join(root, "docs/schema/test.json"), string(enginetest.Schema()))
}

// fresh compares a file with what it should hold, or writes it.
func fresh(t *testing.T, name, want string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if string(got) == want && err == nil {
		return
	}
	if !*update {
		t.Errorf("%s is out of date: go test ./cmd/sallyport -run TestDocsAreFresh -update", name)
		return
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// table makes a Markdown table.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) {
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	line(head)
	b.WriteString("|" + strings.Repeat(" --- |", len(head)) + "\n")
	for _, r := range rows {
		line(r)
	}
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// schema is what the tables need of a JSON Schema. Properties keep their order.
type schema struct {
	Ref, Type, Description string
	Default                json.RawMessage
	Enum, Examples         []any
	Required               []string
	Properties             object
	Items                  *schema
	AdditionalProperties   json.RawMessage
	OneOf                  []schema
	Defs                   map[string]schema `json:"$defs"`
	Pointer                string            `json:"$ref"`
}

type object struct {
	names  []string
	values map[string]schema
}

// UnmarshalJSON keeps the order of the members.
func (o *object) UnmarshalJSON(data []byte) error {
	o.values = map[string]schema{}
	d := json.NewDecoder(strings.NewReader(string(data)))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var s schema
		if err := d.Decode(&s); err != nil {
			return err
		}
		o.names = append(o.names, name.(string))
		o.values[name.(string)] = s
	}
	return nil
}

func configTable(t *testing.T) string { return schemaTable(t, config.Schema()) }
func caseTables(t *testing.T) string  { return schemaTable(t, enginetest.Schema()) }

func policyTable(t *testing.T) string { return schemaTable(t, policy.Schema()) }

func schemaTable(t *testing.T, text []byte) string {
	t.Helper()
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	s.walk("", s, &rows)
	return table([]string{"Field", "Type", "Default", "What it is"}, rows)
}

// walk lists the fields below s, whose definitions are in top.
func (s schema) walk(path string, top schema, rows *[][]string) {
	for _, name := range s.Properties.names {
		p := s.Properties.values[name].resolve(top)
		at := path + name
		text := p.Description
		if slices.Contains(s.Required, name) {
			text += " Required."
		}
		if given := s.Properties.values[name].Description; given != "" {
			text = strings.Replace(text, p.Description, given, 1)
		}
		standard := ""
		if p.Default != nil {
			standard = code(strings.Trim(string(p.Default), `"`))
		}
		*rows = append(*rows, []string{code(at), p.kind(top), standard, text})
		switch {
		case p.Properties.names != nil:
			p.walk(at+".", top, rows)
		case p.Items != nil:
			p.Items.resolve(top).walk(at+"[].", top, rows)
		default:
			if v, ok := p.values(top); ok {
				v.walk(at+".NAME.", top, rows)
			}
		}
	}
}

func (s schema) resolve(top schema) schema {
	name, ok := strings.CutPrefix(s.Pointer, "#/$defs/")
	if !ok {
		return s
	}
	out := top.Defs[name]
	if s.Description != "" {
		out.Description = s.Description
	}
	return out
}

// values is the schema of the members of a map.
func (s schema) values(top schema) (schema, bool) {
	var v schema
	if len(s.AdditionalProperties) == 0 || json.Unmarshal(s.AdditionalProperties, &v) != nil {
		return schema{}, false
	}
	return v.resolve(top), true
}

func (s schema) kind(top schema) string {
	switch {
	case s.Enum != nil:
		var words []string
		for _, e := range s.Enum {
			words = append(words, code(fmt.Sprint(e)))
		}
		return strings.Join(words, ", ")
	case slices.Contains(s.Examples, any("500ms")):
		return "duration"
	case s.Items != nil:
		return "list of " + s.Items.resolve(top).kind(top)
	case s.OneOf != nil && s.Type == "":
		return "size"
	case s.Type == "object":
		if v, ok := s.values(top); ok && v.Type != "" {
			return "map of " + v.kind(top)
		}
		return "mapping"
	}
	return s.Type
}

func celNames(*testing.T) string {
	var rows [][]string
	for _, n := range condition.Names() {
		if n.Alias != "" {
			n.Doc += "; the same as " + code(n.Alias)
		}
		if n.Response {
			n.Doc += "; response phase only"
		}
		rows = append(rows, []string{code(n.Path), code(n.Type), n.Doc})
	}
	return table([]string{"Name", "Type", "What it is"}, rows)
}

func celFunctions(*testing.T) string {
	var rows [][]string
	for _, f := range condition.Functions() {
		rows = append(rows, []string{code(f.Signature), f.Doc})
	}
	return table([]string{"Function", "What it gives"}, rows)
}

func errorList(t *testing.T) string {
	var b strings.Builder
	var rows [][]string
	for _, c := range source.Codes() {
		rows = append(rows, []string{fmt.Sprintf("[%s](#%s)", c.ID, strings.ToLower(c.ID)), c.Title})
	}
	b.WriteString(table([]string{"Code", "Meaning"}, rows))
	for _, c := range source.Codes() {
		page, ok := source.Page(c.ID)
		if !ok {
			t.Errorf("%s has no page", c.ID)
		}
		page = strings.Replace(page, "# "+c.ID+": ", "## "+c.ID+"\n\n", 1)
		page = strings.NewReplacer("\n## Example\n", "\n**Example**\n", "\n## Fix\n", "\n**Fix**\n").Replace(page)
		b.WriteString("\n" + page)
	}
	return b.String()
}

func metricTable(*testing.T) string {
	var rows [][]string
	for _, m := range telemetry.Describe() {
		var labels []string
		for _, l := range m.Labels {
			labels = append(labels, code(l))
		}
		rows = append(rows, []string{code(m.Name), m.Type, strings.Join(labels, ", "), m.Help})
	}
	return table([]string{"Metric", "Type", "Labels", "What it counts"}, rows)
}

func methodTable(*testing.T) string {
	var rows [][]string
	for _, name := range mcp.Methods() {
		m := mcp.LookupMethod(name)
		way := map[mcp.Direction]string{mcp.ToServer: "to the server", mcp.ToClient: "to the client", mcp.ToServer | mcp.ToClient: "both ways"}[m.Direction]
		var eras []string
		for _, e := range []mcp.Era{mcp.Legacy, mcp.Modern} {
			if m.In(e) {
				eras = append(eras, e.String())
			}
		}
		rule := "needs an `allow`"
		if m.DefaultAllow() {
			rule = "allowed unless a rule denies it"
		}
		rows = append(rows, []string{code(name), way, strings.Join(eras, ", "), rule})
	}
	return table([]string{"Method", "Direction", "Era", "Without a rule"}, rows)
}

func httpRules(*testing.T) string {
	var rows [][]string
	for r := httphead.Rule(1); r.String() != "unknown"; r++ {
		e := &httphead.Error{Rule: r}
		rows = append(rows, []string{code(e.Code()), fmt.Sprint(e.Status()), e.Text()})
	}
	return table([]string{"Reason", "Status", "Rule"}, rows)
}

func jsonRules(*testing.T) string {
	var rows [][]string
	for c := jsonscan.ErrorCode(1); c.String() != "unknown"; c++ {
		reason := c.String()
		if reason == "syntax" {
			reason = mcp.ReasonParseError
		}
		text := (&jsonscan.Error{Code: c}).Error()
		text, _, _ = strings.Cut(strings.TrimPrefix(text, "json: "), " at ")
		rows = append(rows, []string{code(reason), text})
	}
	return table([]string{"Reason", "What is refused"}, rows)
}

func credentialRules(*testing.T) string {
	var rows [][]string
	for _, r := range identity.Reasons() {
		e := &identity.Error{Reason: r}
		rows = append(rows, []string{code(string(r)), fmt.Sprint(e.Status()), code("WWW-Authenticate: " + e.Challenge(""))})
	}
	return table([]string{"Reason", "Status", "Challenge"}, rows)
}
