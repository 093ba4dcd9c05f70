package source

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const guard = "apiVersion: sallyport/v1\nrules:\n  - name: block-etc\n    effect: dney\n\twhen: a\n  - name: \u65e5\u672c\u8a9e \U0001F600 e\u0301 word\r\n"

func guardSource(string) []byte { return []byte(guard) }

func TestWriteText(t *testing.T) {
	at := func(line, col, width int) Pos { return Pos{File: "guard.yaml", Line: line, Column: col, Width: width} }
	for _, tt := range []struct {
		name string
		d    Diagnostic
		want string
	}{
		{"error", at(4, 13, 4).Diagnose("SP1003", "`dney` is not a valid effect", "did you mean `deny`?"), `
error[SP1003]: ` + "`dney`" + ` is not a valid effect
  --> guard.yaml:4:13
   3 |   - name: block-etc
   4 |     effect: dney
     |             ^^^^
     = help: did you mean ` + "`deny`" + `?

1 error. More about one: sallyport explain SP1003
`},
		{"warning on the first line, without help", at(1, 1, 10).Warn("SP1118", "nobody", ""), `
warning[SP1118]: nobody
  --> guard.yaml:1:1
   1 | apiVersion: sallyport/v1
     | ^^^^^^^^^^

1 warning. More about one: sallyport explain SP1118
`},
		{"after a tab", at(5, 2, 4).Diagnose("SP1001", "m", ""), `
error[SP1001]: m
  --> guard.yaml:5:2
   4 |     effect: dney
   5 |     when: a
     |     ^^^^

1 error. More about one: sallyport explain SP1001
`},
		{"after wide and combining characters", at(6, 20, 4).Diagnose("SP1001", "m", ""), `
error[SP1001]: m
  --> guard.yaml:6:20
   5 |     when: a
   6 |   - name: ` + "\u65e5\u672c\u8a9e \U0001F600 e\u0301" + ` word
     |                       ^^^^

1 error. More about one: sallyport explain SP1001
`},
		{"under wide characters", at(6, 11, 3).Diagnose("SP1001", "m", ""), `
error[SP1001]: m
  --> guard.yaml:6:11
   5 |     when: a
   6 |   - name: ` + "\u65e5\u672c\u8a9e \U0001F600 e\u0301" + ` word
     |           ^^^^^^

1 error. More about one: sallyport explain SP1001
`},
		{"past the end of the line", at(3, 22, 9).Diagnose("SP1001", "m", ""), `
error[SP1001]: m
  --> guard.yaml:3:22
   2 | rules:
   3 |   - name: block-etc
     |                    ^

1 error. More about one: sallyport explain SP1001
`},
		{"without a place", Pos{File: "guard.yaml"}.Diagnose("SP1010", "m", "h"), `
error[SP1010]: m
  --> guard.yaml
     = help: h

1 error. More about one: sallyport explain SP1010
`},
		{"what a terminal would obey is not written", at(99, 1, 1).Diagnose("SP1001", "a\x1b[31mb", "c\u202ed"), `
error[SP1001]: a` + "\ufffd" + `[31mb
  --> guard.yaml:99:1
     = help: c` + "\ufffd" + `d

1 error. More about one: sallyport explain SP1001
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := (Diagnostics{tt.d}).WriteText(&out, guardSource, false, 20); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWriteTextStopsAtTheLimit(t *testing.T) {
	var ds Diagnostics
	for i := 6; i >= 1; i-- {
		ds = append(ds, Pos{File: "guard.yaml", Line: i, Column: 1, Width: 1}.Diagnose("SP1001", "m", ""))
	}
	ds = append(ds, Pos{File: "a.yaml"}.Warn("SP1010", "w", ""))
	var out bytes.Buffer
	if err := ds.WriteText(&out, nil, false, 2); err != nil {
		t.Fatal(err)
	}
	want := "warning[SP1010]: w\n  --> a.yaml\n\nerror[SP1001]: m\n  --> guard.yaml:1:1\n\n... and 5 more\n\n6 errors, 1 warning. More about one: sallyport explain SP1010\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestColorsChangeNothingElse(t *testing.T) {
	ds := Diagnostics{Pos{File: "guard.yaml", Line: 4, Column: 13, Width: 4}.Diagnose("SP1003", "m", "h")}
	var plain, colored bytes.Buffer
	for out, color := range map[*bytes.Buffer]bool{&plain: false, &colored: true} {
		if err := ds.WriteText(out, guardSource, color, 0); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(colored.String(), "\x1b[1;31merror[SP1003]\x1b[0m") || !strings.Contains(colored.String(), "\x1b[1;31m^^^^\x1b[0m") {
		t.Errorf("%q", colored.String())
	}
	bare := colored.String()
	for _, code := range []string{"1;31", "1;33", "1;34", "1", "0"} {
		bare = strings.ReplaceAll(bare, "\x1b["+code+"m", "")
	}
	if bare != plain.String() {
		t.Errorf("%q\n%q", bare, plain.String())
	}
}

func TestLongLinesAreCut(t *testing.T) {
	line := strings.Repeat("a", 5000) + "BAD" + strings.Repeat("b", 5000)
	ds := Diagnostics{Pos{File: "f", Line: 2, Column: 5001, Width: 3}.Diagnose("SP1001", "m", "")}
	var out bytes.Buffer
	if err := ds.WriteText(&out, func(string) []byte { return []byte("before\n" + line) }, false, 0); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(out.String(), "\n")
	if at, caret := strings.Index(rows[3], "BAD"), strings.Index(rows[4], "^^^"); at != caret || at < 0 || len(rows[3]) > 200 || rows[2] != "   1 | ..." {
		t.Errorf("\n%s", out.String())
	}
}

func TestWriteJSON(t *testing.T) {
	ds := Diagnostics{
		Pos{File: "f.yaml", Line: 4, Column: 13, Width: 4}.Diagnose("SP1003", "<m>", "h"),
		Pos{File: "f.yaml"}.Warn("SP1010", "w", ""),
	}
	var out bytes.Buffer
	if err := ds.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{
		{"code": "SP1003", "severity": "error", "file": "f.yaml", "line": 4.0, "column": 13.0, "width": 4.0, "message": "<m>", "help": "h"},
		{"code": "SP1010", "severity": "warning", "file": "f.yaml", "message": "w"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out.Reset()
	if err := Diagnostics(nil).WriteJSON(&out); err != nil || out.String() != "[]\n" {
		t.Errorf("%q %v", out.String(), err)
	}
}

func TestSort(t *testing.T) {
	at := func(line, col, width int, code string) Diagnostic {
		return Pos{File: "f", Line: line, Column: col, Width: width}.Diagnose(code, "m", "")
	}
	ds := Diagnostics{at(3, 1, 1, "SP1001"), at(2, 9, 1, "SP2005"), at(2, 5, 9, "SP3008"), at(2, 14, 1, "SP2005"), at(2, 5, 9, "SP3008"), at(1, 9, 1, "SP1002")}
	got := ds.Sort()
	want := Diagnostics{at(1, 9, 1, "SP1002"), at(2, 5, 9, "SP3008"), at(2, 14, 1, "SP2005"), at(3, 1, 1, "SP1001")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestErrIsNilForWarnings(t *testing.T) {
	warning := Diagnostics{Pos{File: "f"}.Warn("SP1010", "w", "")}
	if warning.Err() != nil || Diagnostics(nil).Err() != nil {
		t.Error("a warning is an error")
	}
	mistake := append(warning, Pos{File: "f", Line: 1, Column: 2}.Diagnose("SP1001", "m", "h"))
	if err := mistake.Err(); err == nil || err.Error() != "f: warning[SP1010]: w\nf:1:2: error[SP1001]: m; h" {
		t.Errorf("%v", err)
	}
}
