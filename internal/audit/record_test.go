package audit

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

var at = time.Date(2026, 11, 22, 7, 8, 9, 123456789, time.UTC)

var session = SessionHash([]byte("0123456789abcdef0123456789abcdef"))

// full is a record with every field set.
func full() *Record {
	id, _ := ParseID("01KAN3Q8Z3ABCDEFGHJKMNPQRS")
	return &Record{
		Kind: Outcome, Event: "e", Time: at, DecisionID: id, Revision: "sha256:00ff",
		PrincipalID: "alice", PrincipalKind: "jwt", Issuer: "https://idp.example", SourceAddress: "::1", Connections: 3,
		HTTPMethod: "POST", Method: "tools/call", ProtocolVersion: "2026-07-28", Session: session, RequestID: []byte(`"7"`),
		Server: "files", Version: "canary", Mirror: "next", Tool: "read_file", ToolHash: "sha256:22dd", Resource: "file:///x", Prompt: "p",
		Phase: "request", Effect: "deny", Policy: "fs-guard", Rule: "no-dotfiles", Reason: "dotfile",
		Message: `"/.env" is hidden`, Cause: "line one\nline two",
		Shadow: []Shadow{{"s", "r", "deny", "x"}, {Policy: "t", Rule: "q", Effect: "allow"}},
		Inputs: []Input{{"args.path", []byte(`"/.env"`)}, {"args.opts", []byte(`{"a":[1,2.50,null]}`)}},
		Absent: []string{"args.mode", `args["odd key"]`}, Now: at.Add(-time.Hour),
		Status: 403, ErrorCode: 40301, Decide: 1204, Upstream: 3 * time.Millisecond, Total: 3*time.Millisecond + 70,
		RequestBytes: 1024, ResponseBytes: 99, TraceID: "4bf92f3577b34da6a3ce929d0e0e4736",
	}
}

func line(r *Record) string {
	r.encode(Masker{})
	return `{"seq":1,"prev":"` + zeroHash + `",` + strings.TrimSuffix(string(r.line), "\n")
}

const zeroHash = "0000000000000000000000000000000000000000000000000000000000000000"

func TestRecordLine(t *testing.T) {
	want := `{"seq":1,"prev":"` + zeroHash + `","time":"2026-11-22T07:08:09.123456789Z","kind":"outcome","event":"e",` +
		`"decision_id":"01KAN3Q8Z3ABCDEFGHJKMNPQRS","revision":"sha256:00ff",` +
		`"principal":{"kind":"jwt","id":"alice","issuer":"https://idp.example"},"source.address":"::1","connections":3,` +
		`"http.request.method":"POST","mcp.method.name":"tools/call","mcp.protocol.version":"2026-07-28","mcp.session.id":"` + session.String() + `",` +
		`"jsonrpc.request.id":"7","server":"files","server_version":"canary","mirror":"next","gen_ai.tool.name":"read_file","tool_hash":"sha256:22dd","mcp.resource.uri":"file:///x","gen_ai.prompt.name":"p",` +
		`"phase":"request","now":"2026-11-22T06:08:09.123456789Z","effect":"deny","policy":"fs-guard","rule":"no-dotfiles","reason":"dotfile",` +
		`"message":"\"/.env\" is hidden","cause":"line one\nline two",` +
		`"shadow":[{"policy":"s","rule":"r","effect":"deny","reason":"x"},{"policy":"t","rule":"q","effect":"allow"}],` +
		`"inputs":{"args.path":"/.env","args.opts":{"a":[1,2.50,null]}},"absent":["args.mode","args[\"odd key\"]"],` +
		`"http.response.status_code":403,"rpc.response.status_code":40301,` +
		`"decide_us":1.204,"upstream_us":3000.000,"total_us":3000.070,"request_bytes":1024,"response_bytes":99,` +
		`"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}`
	if diff := cmp.Diff(want, line(full())); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

func TestReadGivesBackTheRecord(t *testing.T) {
	e, err := Read([]byte(line(full())))
	if err != nil {
		t.Fatal(err)
	}
	want := Entry{Seq: 1, Prev: zeroHash, Record: *full()}
	if diff := cmp.Diff(want, e, cmpopts.IgnoreUnexported(Record{})); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}

func TestEmptyFieldsAreLeftOut(t *testing.T) {
	want := `{"seq":1,"prev":"` + zeroHash + `","time":"2026-11-22T07:08:09.123456789Z","kind":"refusal"}`
	if got := line(&Record{Kind: Refusal, Time: at}); got != want {
		t.Errorf("line = %s, want %s", got, want)
	}
}

func TestInputs(t *testing.T) {
	long := `"` + strings.Repeat("x", MaxInputs) + `"`
	tests := []struct {
		name   string
		record Record
		want   string
	}{
		{"whitespace is dropped, numbers and escapes keep their value", Record{Inputs: []Input{{"a", []byte("{ \"k\" : [ 1e3 , -0 ,\n\"\\u0041\" ] }")}}}, `"inputs":{"a":{"k":[1e3,-0,"A"]}}`},
		{"a secret in a value is masked and marked", Record{Inputs: []Input{{"args", []byte(`{"password":["a",{"b":1}],"n":1}`)}}}, `"inputs":{"args":{"password":"[redacted]","n":1}},"not_replayable":"inputs_masked"`},
		{"a secret under an escaped name is masked", Record{Inputs: []Input{{"args", []byte(`{"pass\u0077ord" : "hunter2"}`)}}}, `"inputs":{"args":{"password":"[redacted]"}},"not_replayable":"inputs_masked"`},
		{"an input with a secret's name is masked", Record{Inputs: []Input{{"args.api_key", []byte(`"v"`)}}}, `"inputs":{"args.api_key":"[redacted]"},"not_replayable":"inputs_masked"`},
		{"what does not fit is left out whole", Record{Inputs: []Input{{"a", []byte(long)}, {"b", []byte("1")}}}, `"inputs":{"b":1},"inputs_truncated":true,"not_replayable":"inputs_truncated"`},
		{"what is no JSON is left out", Record{Inputs: []Input{{"a", []byte(`{"x":`)}, {"b", []byte(`1 2`)}, {"c", []byte("\"\n\"")}, {"d", []byte("01")}}}, `"inputs":{},"inputs_truncated":true,"not_replayable":"inputs_truncated"`},
		{"a huge secret is not read to its end", Record{Inputs: []Input{{"a", []byte(`{"password":"` + strings.Repeat("x", maxSource) + `"}`)}}}, `"inputs":{},"inputs_truncated":true,"not_replayable":"inputs_truncated"`},
		{"a name that would be changed", Record{Inputs: []Input{{"a", []byte(`{"ghp_0123456789abcd":1,"ghp_0123456789abce":2}`)}, {"b", []byte(`{"\ud800":1}`)}, {"c", []byte("2")}}}, `"inputs":{"c":2},"inputs_truncated":true,"not_replayable":"inputs_truncated"`},
		{"the gateway's own mark stays", Record{Inputs: []Input{{"token", []byte(`1`)}}, NotReplayable: "clock"}, `"inputs":{"token":"[redacted]"},"not_replayable":"clock"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.record.Kind, tt.record.Time = Decision, at
			got := strings.TrimSuffix(strings.SplitN(line(&tt.record), `"kind":"decision",`, 2)[1], "}")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("inputs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequestIDStaysWhatItWas(t *testing.T) {
	tests := []struct{ id, want string }{
		{`17`, `,"jsonrpc.request.id":17}`},
		{`"17"`, `,"jsonrpc.request.id":"17"}`},
		{`9007199254740993`, `,"jsonrpc.request.id":9007199254740993}`},
		{`{"a":1}`, `"kind":"refusal"}`},
		{`x`, `"kind":"refusal"}`},
	}
	for _, tt := range tests {
		if got := line(&Record{Kind: Refusal, Time: at, RequestID: []byte(tt.id)}); !strings.HasSuffix(got, tt.want) {
			t.Errorf("id %s: line = %s, want it to end in %s", tt.id, got, tt.want)
		}
	}
}

func TestTextCannotActOnItsReader(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"line breaks", "a\r\nb", `a\r\nb`},
		{"C0 and DEL", "a\x00\x1b[2J\x7f", `a\u0000\u001b[2J\u007f`},
		{"C1", "a\u009b0m", `a\u009b0m`},
		{"separators", "a\u2028b\u2029", `a\u2028b\u2029`},
		{"bidi controls", "\u202eexe.\u2066\u200f", `\u202eexe.\u2066\u200f`},
		{"zero width and byte order mark", "a\u200b\ufeff", `a\u200b\ufeff`},
		{"tag characters", "a\U000e0041", `a\udb40\udc41`},
		{"other letters stay", "caf\u00e9 \u65e5\u672c \U0001f600", "caf\u00e9 \u65e5\u672c \U0001f600"},
		{"bytes that are no UTF-8", "a\xff\xc3", `a\ufffd\ufffd`},
		{"quotes", `"\`, `\"\\`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := Masker{}.appendString(nil, tt.text, MaxText)
			if string(got) != `"`+tt.want+`"` {
				t.Errorf("appendString(%q) = %s, want %q", tt.text, got, tt.want)
			}
		})
	}
}

func TestLongTextIsCutBetweenRunes(t *testing.T) {
	got, _ := Masker{}.appendString(nil, "abc\u65e5\u672c", 5)
	if want := "\"abc\u2026\""; string(got) != want {
		t.Errorf("appendString = %s, want %s", got, want)
	}
	for _, limit := range []int{21, 22, 24, 28, 60, 70} {
		secret := strings.Repeat("x", 20) + " ghp_" + canary + strings.Repeat("y", 5000)
		if got, _ = (Masker{}).appendString(nil, secret, limit); strings.Contains(string(got), "g") && !strings.Contains(string(got), Redacted) {
			t.Errorf("a bound of %d leaves the beginning of a secret: %s", limit, got)
		}
	}
	got, _ = Masker{}.appendString(nil, strings.Repeat("\u65e5", 5000), 7)
	if want := "\"\u65e5\u65e5\u2026\""; string(got) != want {
		t.Errorf("appendString = %s, want %s", got, want)
	}
}

func TestBoundHoldsAroundSecrets(t *testing.T) {
	got, _ := Masker{}.appendString(nil, "aaaa AKIA0123456789abcdef bbbbbbbb", 8)
	if want := "\"aaaa [redacted] bb\u2026\""; string(got) != want {
		t.Errorf("appendString = %s, want %s", got, want)
	}
}

func TestPlainIsWhatNeedsNoEscape(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			s := []byte("abcdefghijklmnopqrst")
			s[at] = byte(c)
			if got, want := plain(string(s)), byteClass[c]&byteEscape == 0; got != want {
				t.Fatalf("plain(%q) = %v, want %v", s, got, want)
			}
		}
	}
}

func TestResetKeepsNothing(t *testing.T) {
	r := full()
	r.encode(Masker{})
	r.Reset()
	if diff := cmp.Diff(Record{Shadow: []Shadow{}, Inputs: []Input{}, Absent: []string{}}, *r, cmpopts.IgnoreUnexported(Record{})); diff != "" {
		t.Errorf("after Reset (-want +got):\n%s", diff)
	}
	if s := r.Shadow[:1][0]; s != (Shadow{}) || r.Inputs[:1][0].JSON != nil || r.Absent[:1][0] != "" {
		t.Error("Reset keeps a caller's bytes alive")
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("read_file", "file:///x?password=a", "cause: Bearer abcdefgh", []byte(`{"token":"x","a":[1,"\ud83d\ude00"]}`), []byte(`"id"`))
	f.Add("a\u202eb", "https://u:p@h/", "-----BEGIN RSA PRIVATE KEY-----\nx", []byte(`"\u001b"`), []byte(`1`))
	f.Add(strings.Repeat("xsk-", 1000), strings.Repeat("://u", 1000), strings.Repeat("basic a=\"", 500), []byte(`1e999`), []byte(`"\ud800"`))
	f.Fuzz(func(t *testing.T, tool, uri, cause string, input, id []byte) {
		r := &Record{
			Kind: Refusal, Time: at, Tool: tool, Resource: uri, Cause: cause + " ghp_" + canary, Server: uri, Message: "token=" + canary,
			RequestID: id, Inputs: []Input{{Name: tool, JSON: input}, {Name: "args", JSON: []byte(`{"x":"` + "ghp_" + canary + `"}`)}},
		}
		text := line(r)
		if strings.Contains(text, canary) {
			t.Fatalf("the canary got out: %s", text)
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) || hidden(r) }); i >= 0 || !utf8.ValidString(text) {
			t.Fatalf("raw control character at %d: %q", i, text)
		}
		e, err := Read([]byte(text))
		if err != nil && !ambiguous(tool, input) {
			t.Fatalf("Read(%s): %v", text, err)
		}
		if err != nil {
			t.Skip("the gateway refuses such a message before it is recorded")
		}
		again := e.Record
		if diff := cmp.Diff(text, line(&again)); diff != "" && !strings.Contains(text, Redacted) {
			t.Fatalf("written again (-first +second):\n%s", diff)
		}
	})
}

// ambiguous says whether the input breaks what Input asks for.
func ambiguous(name string, input []byte) bool {
	var d jsonscan.Doc
	return d.Scan(input, jsonscan.Options{Depth: 250}) != nil || name == "args"
}
