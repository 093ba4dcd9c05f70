package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/sallyport-dev/sallyport/sdk/go/sallyporttest"
)

const (
	settings = `{"roots":{"acme":"/srv/acme","globex":"/srv/globex"},"tools":["read_file","write_file"]}`
	acme     = `{"id":"alice","type":"jwt","claims":{"tenant":"acme"}}`
)

// testCase is a call and what comes of it. The cases are in a file, so that the module that is
// built from the plugin can be held to them as well.
type testCase struct {
	Name              string
	Params, Principal json.RawMessage
	Want              string
	Edits             []string // path=JSON
	Notes             map[string]string
}

func TestRequest(t *testing.T) {
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var tests []testCase
	if err := json.Unmarshal(text, &tests); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.Name, func(t *testing.T) {
			h := sallyporttest.New(t, plugin(), sallyporttest.Options{Settings: settings})
			got := h.Request(sallyporttest.Message{Method: "tools/call", Params: string(tt.Params), Principal: string(tt.Principal)})
			if got.String() != tt.Want {
				t.Errorf("got %v, want %s", got, tt.Want)
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
		})
	}
}

func TestRequest_goesOnWithTheWholePath(t *testing.T) {
	h := sallyporttest.New(t, plugin(), sallyporttest.Options{Settings: settings})
	got := h.Request(sallyporttest.ToolCall("read_file", `{"path":"notes.txt","head":3}`).By(acme))
	if want := `{"name":"read_file","arguments":{"path":"/srv/acme/notes.txt","head":3}}`; got.Params != want {
		t.Errorf("the message as edited is %s, want %s", got.Params, want)
	}
}

func TestSettings_thatAreNoDirectoryAreRefused(t *testing.T) {
	for _, root := range []string{"srv", "/", "/srv/../acme", "/srv/"} {
		_, err := sallyporttest.Boot(plugin(), sallyporttest.Options{Settings: `{"roots":{"a/b":"` + root + `"},"tools":[]}`})
		want := "settings_refused: /roots/a~1b: write an absolute path below /, without . or .. and no / at its end"
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", root, err, want)
		}
	}
}

func TestGrant_withoutMutateDenies(t *testing.T) {
	h := sallyporttest.New(t, plugin(), sallyporttest.Options{Settings: settings, Grant: sallyporttest.Grant{Verdicts: []string{"deny"}}})
	got := h.Request(sallyporttest.ToolCall("read_file", `{"path":"notes.txt"}`).By(acme))
	if want := "deny plugin_failed: capability: the verdict mutate is not granted"; got.String() != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
