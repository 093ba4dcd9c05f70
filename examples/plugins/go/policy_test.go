package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport/sdk/go"
	"github.com/sallyport-dev/sallyport/sdk/go/sallyporttest"
)

const (
	settings = `{"roots":{"acme":"/srv/acme","globex":"/srv/globex"},"tools":["read_file","write_file"]}`
	acme     = `{"id":"alice","type":"jwt","claims":{"tenant":"acme"}}`
)

// testCase is a call and what comes of it. The cases are in a file, so that the module that is
// built from the plugin can be held to them as well.
type testCase struct {
	Name, Tool string
	Arguments  map[string]any
	Repeat     int    // how often /. and then once /../../globex is put behind the path
	Tenant     string // of the caller; empty is one without
	Want       string
	Path       string // args.path after the edit; empty is no edit
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
			if tt.Repeat > 0 {
				tt.Arguments["path"] = tt.Arguments["path"].(string) + strings.Repeat("/.", tt.Repeat) + "/../../globex"
			}
			arguments, err := json.Marshal(tt.Arguments)
			if err != nil {
				t.Fatal(err)
			}
			principal := `{"id":"alice"}`
			if tt.Tenant != "" {
				principal = `{"id":"alice","claims":{"tenant":` + sallyport.Quote(tt.Tenant) + `}}`
			}
			h := sallyporttest.New(t, plugin(), sallyporttest.Options{Settings: settings})
			got := h.Request(sallyporttest.ToolCall(tt.Tool, string(arguments)).By(principal))
			if got.String() != tt.Want {
				t.Errorf("got %v, want %s", got, tt.Want)
			}
			var want []sallyporttest.Edit
			if tt.Path != "" {
				want = []sallyporttest.Edit{{Path: "args.path", JSON: sallyport.Quote(tt.Path)}}
			}
			if !slices.Equal(got.Edits, want) {
				t.Errorf("edits %v, want %v", got.Edits, want)
			}
		})
	}
}

func TestRequest_isRecordedWithItsTenant(t *testing.T) {
	h := sallyporttest.New(t, plugin(), sallyporttest.Options{Settings: settings})
	got := h.Request(sallyporttest.ToolCall("read_file", `{"path":"notes.txt","head":3}`).By(acme))
	if got.Notes["tenant"] != "acme" {
		t.Errorf("notes %v, want the tenant acme", got.Notes)
	}
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
