package workload

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestACallHasTheSizeAsked(t *testing.T) {
	for _, era := range []Era{EraLegacy, EraModern} {
		for _, size := range []int{1 << 10, 16 << 10} {
			c := NewCall(era, size)
			if len(c.Body) != size {
				t.Errorf("%s call of %d bytes has %d", era, size, len(c.Body))
			}
			var m struct {
				ID     int
				Params struct {
					Name string
					Meta map[string]any `json:"_meta"`
				}
			}
			if err := json.Unmarshal(c.Body, &m); err != nil {
				t.Fatalf("%s: %v\n%s", era, err, c.Body)
			}
			if m.ID != FirstID || m.Params.Name != Tool || string(c.Body[c.IDAt:c.IDAt+10]) != "1000000000" {
				t.Errorf("%s call: id %d, tool %q, id at %d", era, m.ID, m.Params.Name, c.IDAt)
			}
			if modern := m.Params.Meta["io.modelcontextprotocol/protocolVersion"] == Modern; modern != (era == EraModern) {
				t.Errorf("%s call has _meta %v", era, m.Params.Meta)
			}
		}
	}
}

func TestAnswersAndListsAreJSON(t *testing.T) {
	for _, era := range []Era{EraLegacy, EraModern} {
		answer := AppendAnswer(nil, era, []byte("7"))
		if !json.Valid(answer) || len(answer) < answerSize-50 || len(answer) > answerSize+50 {
			t.Errorf("%s answer of %d bytes: %s", era, len(answer), answer)
		}
		var list struct{ Tools []struct{ Name string } }
		if err := json.Unmarshal([]byte(ToolsList(era, Tools)), &list); err != nil || len(list.Tools) != Tools {
			t.Errorf("%s tools: %d, %v", era, len(list.Tools), err)
		}
	}
}

func TestOneRuleAllowsTheCall(t *testing.T) {
	for _, n := range []int{10, 1000} {
		text := Policies(n)
		if got := strings.Count(text, "effect: allow"); got != n {
			t.Errorf("Policies(%d) has %d rules", n, got)
		}
		if got := strings.Count(text, `"finance-reader" in`); got != 1 {
			t.Errorf("Policies(%d) has %d rules for the caller", n, got)
		}
		_, own, _ := strings.Cut(text, "tools: ["+Tool+"]")
		own, _, _ = strings.Cut(own, "---")
		if got := strings.Count(own, "effect: allow"); got != max(n/Tools, 1) || !strings.Contains(own, "finance-reader") {
			t.Errorf("Policies(%d): the tool has %d rules:\n%s", n, got, own)
		}
	}
}

func TestThePatientManifestIsTheSameButForItsDeadline(t *testing.T) {
	text, err := os.ReadFile("../../../" + RegoManifest)
	if err != nil {
		t.Fatal(err)
	}
	var given, patient map[string]any
	if err := errors.Join(json.Unmarshal(text, &given), json.Unmarshal([]byte(Patient(string(text))), &patient)); err != nil {
		t.Fatal(err)
	}
	given["limits"] = map[string]any{"deadline_ms": 5000.0}
	if !reflect.DeepEqual(given, patient) {
		t.Errorf("got %v\nwant %v", patient, given)
	}
}
