package main

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

// What was recorded under a name that is no identifier is found again under it.
func TestRequestOfARecord(t *testing.T) {
	q, err := requestOf(&audit.Record{Method: "tools/call", Tool: "t", Inputs: []audit.Input{
		{Name: `args["odd key"]`, JSON: []byte(`1`)},
		{Name: "args.path", JSON: []byte(`"/srv"`)},
		{Name: `request.headers["x-tenant"]`, JSON: []byte(`"acme"`)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(q.Arguments.Raw()); got != `{"odd key":1,"path":"/srv"}` {
		t.Errorf("arguments %s", got)
	}
	if got := q.Header("x-tenant"); got != "acme" {
		t.Errorf("header %q", got)
	}
}
