package audit

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestViewGivesWhatReadGives(t *testing.T) {
	plugins := withPlugins()
	plugins.Kind = Refusal
	var v Viewer
	for _, of := range []*Record{full(), plugins, {Kind: Lifecycle, Time: at}, full()} {
		text := []byte(line(of))
		got, err := v.View(text)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Read(text)
		if err != nil {
			t.Fatal(err)
		}
		diff := cmp.Diff(&e.Record, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Record{}),
			cmpopts.IgnoreFields(Record{}, "Event", "Connections", "HTTPMethod", "ProtocolVersion", "Session", "RequestID", "Message", "Cause", "Shadow",
				"Status", "ErrorCode", "Decide", "Upstream", "Total", "RequestBytes", "ResponseBytes", "TraceID"),
			cmpopts.IgnoreFields(Plugin{}, "Version", "Module", "Message", "Failure", "Notes", "Labels", "Used", "Patch", "Fuel", "Time"))
		if diff != "" {
			t.Errorf("read and view (-read +view):\n%s", diff)
		}
	}
}

func TestViewRefusesWhatIsNoRecord(t *testing.T) {
	for _, text := range []string{
		``, `{}`, `[]`, `{"kind":"decision"}`, `{"time":"2026-11-22T07:08:09Z"}`, `{"time":"2026-11-22T07:08:09Z","kind":"other"}`,
		`{"time":"yesterday","kind":"decision"}`, `{"time":"2026-11-22T07:08:09Z","kind":"decision","decision_id":"x"}`,
		`{"time":"2026-11-22T07:08:09Z","kind":"decision","effect":"allow","effect":"deny"}`,
		`{"time":"2026-11-22T07:08:09Z","kind":"outcome","now":"later"}`,
	} {
		if r, err := new(Viewer).View([]byte(text)); err == nil {
			t.Errorf("%s: %+v", text, r)
		}
	}
}
