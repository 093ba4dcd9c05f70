package audit

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// chain is a file of six records: a start, a call that was let through, one that was refused, one under way, a stop.
func chain(t *testing.T) []string {
	t.Helper()
	var w scripted
	l, err := Open(Options{Writer: &w, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]ID, 3)
	for i, s := range []string{"01KAN3Q8Z3ABCDEFGHJKMNPQR1", "01KAN3Q8Z3ABCDEFGHJKMNPQR2", "01KAN3Q8Z3ABCDEFGHJKMNPQR3"} {
		ids[i], _ = ParseID(s)
	}
	for _, r := range []*Record{
		{Kind: Lifecycle, Event: "started"},
		{Kind: Decision, DecisionID: ids[0], Effect: "allow"},
		{Kind: Outcome, DecisionID: ids[0], Status: 200},
		{Kind: Refusal, DecisionID: ids[1], Effect: "deny"},
		{Kind: Decision, DecisionID: ids[2], Effect: "allow"},
		{Kind: Lifecycle, Event: "stopped"},
	} {
		mustAppend(t, l, r, false)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(string(w.Bytes()), "\n"), "\n")
}

func TestVerifyReports(t *testing.T) {
	lines := chain(t)
	got, err := Verify(strings.NewReader(strings.Join(lines, "") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Report{
		Lines: 6, FirstSeq: 1, FirstPrev: zeroHash, LastSeq: 6, Head: got.Head, Decisions: 2, Outcomes: 1, Refusals: 1, Lifecycles: 2,
		Open: 1, FirstOpen: "01KAN3Q8Z3ABCDEFGHJKMNPQR3", Stopped: true,
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got.Head) != 64 {
		t.Errorf("Verify (-want +got):\n%s", diff)
	}
}

func TestVerifyFindsTheFirstBadLine(t *testing.T) {
	tests := []struct {
		name string
		edit func(l []string) []string
		want string
	}{
		{"edited", func(l []string) []string { l[3] = strings.Replace(l[3], "deny", "allow", 1); return l }, "line 4: record 4 is not what record 5 says it was: it was edited"},
		{"prev edited", func(l []string) []string {
			l[3] = strings.Replace(l[3], `"prev":"`, `"prev":"0`, 1)
			return l
		}, "line 4: is no decision record: not a decision record"},
		{"removed", func(l []string) []string { return append(l[:2], l[3:]...) }, "line 3: record 3 is missing before record 4"},
		{"several removed", func(l []string) []string { return append(l[:2], l[4:]...) }, "line 3: records 3 to 4 are missing before record 5"},
		{"reordered", func(l []string) []string { l[1], l[2] = l[2], l[1]; return l }, "line 2: record 2 is missing before record 3"},
		{"repeated", func(l []string) []string { l[2] = l[1]; return l }, "line 3: record 2 stands after record 2"},
		{"first removed", func(l []string) []string { return append(l[:1], l[2:]...) }, "line 2: record 2 is missing before record 3"},
		{"put in", func(l []string) []string { l[2] = "{}\n"; return l }, "line 3: is no decision record: not a decision record"},
		{"no JSON", func(l []string) []string { l[2] = "x\n"; return l }, "line 3: is no decision record: json: invalid syntax at offset 0"},
		{"a second seq", func(l []string) []string { l[2] = strings.Replace(l[2], "{", `{"x":1,`, 1); return l }, "line 3: is not as the gateway writes it: it was edited"},
		{"whitespace", func(l []string) []string { l[2] = " " + l[2]; return l }, "line 3: is not as the gateway writes it: it was edited"},
		{"unfinished", func(l []string) []string { l[5] = l[5][:40]; return l }, "line 6: the line has no end"},
		{"another chain's beginning", func(l []string) []string { l[0] = strings.Replace(l[0], `"seq":1,`, `"seq":9,`, 1); return l }, "line 1: is not the beginning of a chain"},
		{"an endless line", func(l []string) []string { l[1] = strings.Repeat("x", maxLine+2); return l }, "line 2: the line is longer than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Join(tt.edit(chain(t)), "")
			if tt.name != "unfinished" {
				text += "\n"
			}
			_, err := Verify(strings.NewReader(text))
			if err == nil || err.Error() != tt.want {
				t.Errorf("Verify = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestVerifyOfPartsAndOfTheWhole(t *testing.T) {
	lines := chain(t)
	lines[5] += "\n"
	first, err1 := Verify(strings.NewReader(strings.Join(lines[:3], "")))
	second, err2 := Verify(strings.NewReader(strings.Join(lines[3:], "")))
	if err1 != nil || err2 != nil || second.FirstSeq != first.LastSeq+1 || second.FirstPrev != first.Head {
		t.Errorf("parts: %+v, %v; %+v, %v", first, err1, second, err2)
	}
	if r, err := Verify(strings.NewReader("")); err != nil || r != (Report{}) {
		t.Errorf("Verify of nothing = %+v, %v", r, err)
	}
}

func TestFind(t *testing.T) {
	lines := chain(t)
	id, _ := ParseID("01KAN3Q8Z3ABCDEFGHJKMNPQR1")
	text := "garbage\n" + strings.Join(lines, "") + "\n{\"unfin"
	found, err := Find(strings.NewReader(text), id, nil)
	if err != nil || len(found) != 2 || found[0].Record.Kind != Decision || found[1].Record.Status != 200 {
		t.Errorf("Find = %+v, %v", found, err)
	}
	for _, other := range []string{"", "01KAN3Q8Z3ABCDEFGHJKMNPQR9"} {
		id, _ := ParseID(other)
		if found, err := Find(strings.NewReader(text), id, nil); err != nil || len(found) != 0 {
			t.Errorf("Find(%q) = %v, %v, want none", other, found, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(nil), 0, byte('x'))
	f.Add([]byte("{}\n"), 30, byte('9'))
	f.Fuzz(func(t *testing.T, extra []byte, at int, c byte) {
		lines := chain(t)
		text := []byte(strings.Join(lines, ""))
		body := len(text) - len(lines[5]) // the last line is not covered by a next one
		if at < 0 || at >= body || text[at] == c {
			t.Skip()
		}
		text[at] = c
		if _, err := Verify(bytes.NewReader(append(text, '\n'))); err == nil {
			t.Fatalf("byte %d was changed to %q and nobody saw it", at, c)
		}
		if _, err := Verify(bytes.NewReader(append([]byte(strings.Join(lines, "")+"\n"), extra...))); err == nil && len(extra) > 0 {
			t.Fatalf("%q was added and nobody saw it", extra)
		}
	})
}
