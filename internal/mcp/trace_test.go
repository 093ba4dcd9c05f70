package mcp

import (
	"testing"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/httphead"
)

const (
	parentA = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	parentB = "00-11111111111111111111111111111111-2222222222222222-00"
)

func TestValidTraceparent(t *testing.T) {
	for s, want := range map[string]bool{
		parentA: true, parentB: true,
		"cc" + parentA[2:]: true, "cc" + parentA[2:] + "-more": true,
		"":                 false,
		parentA + "-x":     false,
		parentA[:54]:       false,
		"ff" + parentA[2:]: false, "cc" + parentA[2:] + "x": false,
		"00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
		"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g": false,
	} {
		if ValidTraceparent(s) != want {
			t.Errorf("ValidTraceparent(%q) = %t", s, !want)
		}
	}
}

func decodeOK(t testing.TB, body string) *Message {
	t.Helper()
	m := new(Message)
	if r := m.Decode([]byte(body), jsonscan.Options{}); r != nil {
		t.Fatalf("%s: %s", body, r)
	}
	return m
}

func TestTraceOf(t *testing.T) {
	head := &httphead.Head{Traceparent: []byte(parentB), Tracestate: []byte("h=1")}
	call := func(meta string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{` + meta + `}}}`
	}
	tests := []struct {
		name, body string
		head       *httphead.Head
		want       Trace
	}{
		{"in _meta", call(`"traceparent":"` + parentA + `","tracestate":"m=1"`), head, Trace{parentA, "m=1", true}},
		{"in the headers", call(``), head, Trace{parentB, "h=1", false}},
		{"malformed in _meta", call(`"traceparent":"x","tracestate":"m=1"`), head, Trace{parentB, "h=1", false}},
		{"no string in _meta", call(`"traceparent":7`), nil, Trace{}},
		{"a state that breaks lines", call(`"traceparent":"` + parentA + `","tracestate":"a\nb"`), nil, Trace{parentA, "", true}},
		{"nowhere", call(``), &httphead.Head{Traceparent: []byte("x")}, Trace{}},
	}
	for _, tt := range tests {
		if got := decodeOK(t, tt.body).TraceOf(tt.head); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	if id := (Trace{Parent: parentA}).ID(); id != "0af7651916cd43dd8448eb211c80319c" || (Trace{}).ID() != "" {
		t.Errorf("trace id %q", id)
	}
}

func TestEditTrace(t *testing.T) {
	for body, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"ping"}`:                                                      `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"traceparent":"` + parentB + `","tracestate":"h=1"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1}}`:                                     `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1,"_meta":{"traceparent":"` + parentB + `","tracestate":"h=1"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"traceparent":"x","a":1}}}`:         `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"traceparent":"` + parentB + `","a":1,"tracestate":"h=1"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"traceparent":"` + parentA + `"}}}`: "",
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`:                                        "",
	} {
		m := decodeOK(t, body)
		var e jsonscan.Edits
		changed := m.EditTrace(m.TraceOf(&httphead.Head{Traceparent: []byte(parentB), Tracestate: []byte("h=1")}), &e)
		if changed != (want != "") {
			t.Errorf("%s: changed %t", body, changed)
		}
		if got := string(m.AppendEdited(nil, &e)); changed && got != want {
			t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
}
