package tck

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/hostapi"
)

const differing = `{
  "args": {"a": 1},
  "expect": {
    "verdict": "mutate", "reason": ["code", "text"], "approval": "agree", "out": "x", "notes": {"k": "v"}, "labels": ["l"], "logs": [["info", "line"]],
    "after": {"a": 1, "b": "\u0041"}
  }
}`

func outcome() Outcome {
	return Outcome{
		Verdict: hostapi.VerdictMutate, Code: "code", Text: "text", Approval: "agree", Notes: map[string]string{"k": "v", "out": "x"},
		Labels: []string{"l"}, Logs: []Line{{hostapi.LevelInfo, "line"}}, After: json.RawMessage(`{"_meta":{},"arguments":{"a":1,"b":"A"}}`),
	}
}

func TestExpect_seesEveryDifference(t *testing.T) {
	var v Vector
	if err := strict([]byte(differing), &v); err != nil {
		t.Fatal(err)
	}
	if err := v.Expect.check(&v, outcome()); err != nil {
		t.Fatalf("nothing differs, and it says %v", err)
	}
	for want, change := range map[string]func(o *Outcome){
		`verdict: want "mutate", got "pass"`:                       func(o *Outcome) { o.Verdict = hostapi.VerdictPass },
		`failure: want "", got "trap (why)"`:                       func(o *Outcome) { o.Failure, o.Explained = hostapi.FailureTrap, "why" },
		`reason: want ["code" "text"], got ["other" "text"]`:       func(o *Outcome) { o.Code = "other" },
		`reason: want ["code" "text"], got ["code" ""]`:            func(o *Outcome) { o.Text = "" },
		`approval: want "agree", got ""`:                           func(o *Outcome) { o.Approval = "" },
		`notes: want ["k=v" "out=x"], got ["k=v" "out=y"]`:         func(o *Outcome) { o.Notes["out"] = "y" },
		`notes: want ["k=v" "out=x"], got ["k=v" "more=" "out=x"]`: func(o *Outcome) { o.Notes["more"] = "" },
		`labels: want ["l"], got []`:                               func(o *Outcome) { o.Labels = nil },
		`log: want ["info: line"], got ["warn: line"]`:             func(o *Outcome) { o.Logs[0].Level = hostapi.LevelWarn },
		`message after the edits: want "{\"a\":1,\"b\":\"A\"}", got "{\"b\":\"A\",\"a\":1}"`: func(o *Outcome) {
			o.After = json.RawMessage(`{"arguments":{"b":"A","a":1}}`)
		},
		`message after the edits: want "{\"a\":1,\"b\":\"A\"}", got "{\"a\":1.0,\"b\":\"A\"}"`: func(o *Outcome) {
			o.After = json.RawMessage(`{"arguments":{"a":1.0,"b":"A"}}`)
		},
		`message after the edits: want "{\"a\":1,\"b\":\"A\"}", got ""`: func(o *Outcome) { o.After = nil },
	} {
		o := outcome()
		change(&o)
		err := v.Expect.check(&v, o)
		if err == nil || err.Error() != want {
			t.Errorf("want %s\ngot  %v", want, err)
		}
	}
}

func TestExpect_ofAFailureForgetsWhatWasSaid(t *testing.T) {
	e := Expect{Failure: "trap|fuel"}
	failed := Outcome{Verdict: hostapi.VerdictDeny, Failure: hostapi.FailureFuel, Code: "plugin_failed"}
	if err := e.check(&Vector{}, failed); err != nil {
		t.Error(err)
	}
	failed.Failure = hostapi.FailureABI
	if err := e.check(&Vector{}, failed); err == nil || !strings.Contains(err.Error(), `failure: want "trap|fuel", got "abi ()"`) {
		t.Errorf("another failure: %v", err)
	}
	failed.Failure, failed.Labels = hostapi.FailureTrap, []string{"l"}
	if err := e.check(&Vector{}, failed); err == nil || err.Error() != `labels: want [], got ["l"]` {
		t.Errorf("a label of a call that failed: %v", err)
	}
}

func TestExpect_ofATrapTakesWhatARuntimeSaysOfIt(t *testing.T) {
	e := Expect{Failure: "trap"}
	dying := Outcome{
		Verdict: hostapi.VerdictDeny, Failure: hostapi.FailureTrap, Code: "plugin_failed", Logs: []Line{{hostapi.LevelError, "panic: as told"}},
	}
	if err := e.check(&Vector{}, dying); err != nil {
		t.Error(err)
	}
	want := `log: want [], got ["error: panic: as told"]`
	if err := e.check(&Vector{Module: &Module{}}, dying); err == nil || err.Error() != want {
		t.Errorf("a made module, which says what it is told to: %v", err)
	}
	e.Logs = [][2]string{{"info", "before"}}
	if err := e.check(&Vector{}, dying); err == nil {
		t.Error("a line that it was told to write is missing")
	}
}

func TestExpect_ofARefusalNamesTheThing(t *testing.T) {
	e := Expect{Load: []string{"env", "abort"}}
	if got := e.unnamed(errors.New("env.abort: no")); got != "" {
		t.Errorf("it lacks %q", got)
	}
	if got := e.unnamed(errors.New("env: no")); got != "abort" {
		t.Errorf("it lacks %q", got)
	}
}

func TestSameManifest(t *testing.T) {
	guest, err := files.ReadFile("testdata/guest.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if err := sameManifest(guest); err != nil {
		t.Error(err)
	}
	other, err := (&Module{}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := sameManifest(other); err == nil || !strings.HasPrefix(err.Error(), "the guest's manifest is not the kit's") {
		t.Errorf("another manifest: %v", err)
	}
	if err := sameManifest([]byte("\x00asm\x01\x00\x00\x00")); err == nil || err.Error() != "the guest has no manifest" {
		t.Errorf("no manifest: %v", err)
	}
}
