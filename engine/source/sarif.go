package source

import (
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"slices"
)

// The parts of SARIF 2.1.0 that are written.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
		Help  sarifHelp `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifHelp struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown"`
	}
	sarifResult struct {
		Rule      string          `json:"ruleId"`
		Index     int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		Line   int `json:"startLine"`
		Column int `json:"startColumn"`
		End    int `json:"endColumn"`
	}
)

// WriteSARIF writes ds in SARIF 2.1.0, the format that code scanning reads, with the pages of their codes.
func (ds Diagnostics) WriteSARIF(w io.Writer) error {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{Name: "sallyport", Rules: []sarifRule{}}}, ColumnKind: "unicodeCodePoints", Results: []sarifResult{},
	}
	rules := &run.Tool.Driver.Rules
	for _, d := range ds {
		i := slices.IndexFunc(*rules, func(r sarifRule) bool { return r.ID == d.Code })
		if i < 0 {
			i = len(*rules)
			*rules = append(*rules, sarifRuleOf(d.Code))
		}
		run.Results = append(run.Results, d.sarif(i))
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func sarifRuleOf(id string) sarifRule {
	r := sarifRule{ID: id, Short: sarifText{id}}
	for _, c := range codes {
		if c.ID == id {
			r.Short.Text = c.Title
		}
	}
	r.Help.Markdown, _ = Page(id)
	r.Help.Text = r.Help.Markdown
	return r
}

func (d *Diagnostic) sarif(rule int) sarifResult {
	r := sarifResult{Rule: d.Code, Index: rule, Level: d.Severity.String(), Message: sarifText{d.Message}}
	if d.Severity == Info {
		r.Level = "note"
	}
	if d.Help != "" {
		r.Message.Text += "; " + d.Help
	}
	u := url.URL{Path: filepath.ToSlash(d.File)}
	if filepath.IsAbs(d.File) {
		u.Scheme = "file"
	}
	p := sarifPhysical{Artifact: sarifArtifact{u.String()}}
	if d.Line > 0 {
		p.Region = &sarifRegion{d.Line, d.Column, d.Column + max(d.Width, 1)}
	}
	r.Locations = []sarifLocation{{p}}
	return r
}
