package source

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestSARIFHasWhatCodeScanningReads(t *testing.T) {
	ds := Diagnostics{
		{Code: "SP3104", File: "a b/p.yaml", Line: 3, Column: 5, Width: 2, Message: "m", Help: "h"},
		{Code: "SP3107", Severity: Info, File: "/x/p.yaml", Line: 1, Column: 1, Message: "i"},
		{Code: "SP3104", Severity: Warning, File: "c.yaml", Message: "no place"},
	}
	var b bytes.Buffer
	if err := ds.WriteSARIF(&b); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || len(run.Tool.Driver.Rules) != 2 || len(run.Results) != 3 {
		t.Fatalf("%s", b.Bytes())
	}
	first, second, third := run.Results[0], run.Results[1], run.Results[2]
	if got := *first.Locations[0].Physical.Region; got != (sarifRegion{3, 5, 7}) || first.Locations[0].Physical.Artifact.URI != "a%20b/p.yaml" ||
		first.Level != "error" || first.Message.Text != "m; h" {
		t.Errorf("%+v", first)
	}
	if second.Level != "note" || second.Index != 1 || second.Locations[0].Physical.Artifact.URI != "file:///x/p.yaml" {
		t.Errorf("%+v", second)
	}
	if third.Level != "warning" || third.Index != 0 || third.Locations[0].Physical.Region != nil {
		t.Errorf("%+v", third)
	}
	if rule := run.Tool.Driver.Rules[0]; rule.ID != "SP3104" || rule.Short.Text != "path compared as text" || rule.Help.Markdown == "" {
		t.Errorf("%+v", rule)
	}
	b.Reset()
	if err := Diagnostics(nil).WriteSARIF(&b); err != nil || !bytes.Contains(b.Bytes(), []byte(`"results": []`)) {
		t.Errorf("%s", b.Bytes())
	}
}
