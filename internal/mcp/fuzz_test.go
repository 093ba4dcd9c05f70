package mcp

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// seeds gives the body of every case in testdata.
func seeds(f *testing.F) {
	files, _ := filepath.Glob("testdata/client_*.txt")
	for _, file := range files {
		_, cases := transcripts(f, file)
		for _, c := range cases {
			f.Add(c.bytes(f))
		}
	}
}

// laxCall is a call as a server on encoding/json reads it: names in any case, the
// last of two.
type laxCall struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name      string          `json:"name"`
		URI       string          `json:"uri"`
		TaskID    string          `json:"taskId"`
		Arguments json.RawMessage `json:"arguments"`
		Meta      map[string]any  `json:"_meta"`
		Ref       struct {
			Name string `json:"name"`
			URI  string `json:"uri"`
		} `json:"ref"`
	} `json:"params"`
}

func (c *laxCall) name(m *Message) string {
	switch {
	case m.Target == TargetNone || m.Target == TargetRef:
		return ""
	case m.Spec.Target == TargetRef && m.Target == TargetPrompt:
		return c.Params.Ref.Name
	case m.Spec.Target == TargetRef:
		return c.Params.Ref.URI
	case m.Target == TargetResource:
		return c.Params.URI
	case m.Target == TargetTask:
		return c.Params.TaskID
	}
	return c.Params.Name
}

// FuzzDecode: what is sent on reads as what was judged, to this package and to a
// server on encoding/json.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		var m, again Message
		if m.Decode(body, jsonscan.Options{}) != nil || m.Check(nil) != nil {
			return
		}
		sent := m.AppendTo(nil)
		if r := again.Decode(sent, jsonscan.Options{}); r != nil {
			t.Fatalf("%q was sent on as %q, which is refused: %s", body, sent, r)
		}
		if r := again.Check(nil); r != nil {
			t.Fatalf("%q was sent on as %q, which is refused: %s", body, sent, r)
		}
		if m.Kind != again.Kind || m.Method != again.Method || m.Name != again.Name || m.Target != again.Target ||
			m.Era != again.Era || m.Version != again.Version || !bytes.Equal(m.ID, again.ID) {
			t.Fatalf("%q was sent on as %q, which is another message", body, sent)
		}
		if m.Kind == KindRequest || m.Kind == KindNotification {
			readsAlike(t, sent, &m)
		}
	})
}

func readsAlike(t *testing.T, sent []byte, m *Message) {
	t.Helper()
	var lax laxCall
	if err := json.Unmarshal(sent, &lax); err != nil {
		return // it refuses a member of another type: no call
	}
	if lax.Method != m.Method || !bytes.Equal(lax.ID, m.ID) || lax.name(m) != m.Name {
		t.Fatalf("encoding/json reads %q as %s %q of %s, judged as %s %q of %s", sent, lax.Method, lax.name(m), lax.ID, m.Method, m.Name, m.ID)
	}
	if claimed, _ := lax.Params.Meta["io.modelcontextprotocol/protocolVersion"].(string); (claimed != "") != (m.Era == Modern) {
		t.Fatalf("encoding/json reads another era in %q, judged as %s", sent, m.Era)
	}
	if args := lax.Params.Arguments; !bytes.Equal(args, m.Arguments.AppendTo(nil)) && string(args) != "null" {
		t.Fatalf("encoding/json reads the arguments of %q as %s, judged as %s", sent, args, m.Arguments.AppendTo(nil))
	}
}

// FuzzDecodeServer: what a server sent is sent on as it was read.
func FuzzDecodeServer(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		var m, again Message
		if m.DecodeServer(body, jsonscan.Options{}) != nil {
			return
		}
		sent := m.AppendTo(nil)
		if r := again.DecodeServer(sent, jsonscan.Options{}); r != nil {
			t.Fatalf("%q was sent on as %q, which is refused: %s", body, sent, r)
		}
		if m.Kind != again.Kind || m.Method != again.Method || !bytes.Equal(m.ID, again.ID) ||
			!bytes.Equal(m.Result.AppendTo(nil), again.Result.Raw()) || !bytes.Equal(m.Error.AppendTo(nil), again.Error.Raw()) {
			t.Fatalf("%q was sent on as %q, which is another message", body, sent)
		}
	})
}
