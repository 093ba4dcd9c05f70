package main

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/sdk/go/sallyporttest"
)

// testCase is a message and what the plugin does with it. internal/e2e of the gateway's module
// holds the plugin's Wasm module to the same cases.
type testCase struct {
	Name, Hook, Method        string
	Params, Result, Principal json.RawMessage
	Want                      string   // of a failure only its type, if no text follows
	Edits                     []string // path=JSON
	Notes                     map[string]string
	Labels                    []string
}

var options = sallyporttest.Options{
	Settings: `{"mode":"strict"}`,
	Tables:   map[string]map[string]string{"tenants": {"alice": `"acme"`, "bob": `{"tenant":"globex"}`}},
	Detectors: map[string][]sallyporttest.Detector{"pii": {
		{Name: "email", Pattern: regexp.MustCompile(`[a-z]+@[a-z]+\.com`)},
		{Name: "number", Pattern: regexp.MustCompile(`[0-9]{5}`)},
	}},
	Now: time.Date(2026, 11, 22, 10, 0, 0, 123e6, time.UTC),
}

func TestCases(t *testing.T) {
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var tests []testCase
	if err := json.Unmarshal(text, &tests); err != nil {
		t.Fatal(err)
	}
	h := sallyporttest.New(t, plugin(), options)
	for _, tt := range tests {
		t.Run(tt.Name, func(t *testing.T) { tt.check(t, tt.ask(h)) })
	}
}

func (tt testCase) ask(h *sallyporttest.Host) sallyporttest.Result {
	m := sallyporttest.Message{Method: tt.Method, Params: string(tt.Params), Result: string(tt.Result), Principal: string(tt.Principal)}
	if m.Method == "" {
		m.Method = "tools/call"
	}
	switch tt.Hook {
	case "response":
		return h.Response(m)
	case "list":
		return h.List(m)
	}
	return h.Request(m)
}

func (tt testCase) check(t *testing.T, got sallyporttest.Result) {
	t.Helper()
	text := got.String()
	if got.Failure != nil {
		text = "failed " + got.Failure.String()
		if !strings.Contains(tt.Want, ":") {
			text = "failed " + got.Failure.Type
		}
	}
	if text != tt.Want {
		t.Errorf("got %s, want %s (%v)", text, tt.Want, got.Failure)
	}
	var edits []string
	for _, e := range got.Edits {
		edits = append(edits, e.Path+"="+e.JSON)
	}
	if !slices.Equal(edits, tt.Edits) {
		t.Errorf("edits %v, want %v", edits, tt.Edits)
	}
	if !maps.Equal(got.Notes, tt.Notes) {
		t.Errorf("notes %v, want %v", got.Notes, tt.Notes)
	}
	if !slices.Equal(got.Labels, tt.Labels) {
		t.Errorf("labels %v, want %v", got.Labels, tt.Labels)
	}
}

func TestBoot(t *testing.T) {
	for mode, want := range map[string]string{
		"invalid": "settings_refused: /mode: no such mode",
		"unfit":   "settings_refused: unfit",
		"broken":  "self_test_failed: broken",
	} {
		o := options
		o.Settings = `{"mode":"` + mode + `"}`
		if _, err := sallyporttest.Boot(plugin(), o); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", mode, err, want)
		}
	}
}
