package mcp

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/httphead"
)

var update = flag.Bool("update", false, "write what is got into testdata")

// transcript is one case of a file: header lines, a body, and what comes of it.
type transcript struct{ name, head, body, want string }

// transcripts reads a file of cases:
//
//	=== what the case shows
//	Header: value
//	---
//	body, or go:"body" as a Go string
//	---
//	what comes of it
func transcripts(t testing.TB, file string) (preface string, out []transcript) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split("\n"+string(data), "\n=== ")
	for _, p := range parts[1:] {
		name, rest, _ := strings.Cut(p, "\n")
		head, rest, ok1 := cutLine(rest)
		body, want, ok2 := cutLine(rest)
		if !ok1 || !ok2 {
			t.Fatalf("%s: %s: a part is missing", file, name)
		}
		out = append(out, transcript{name, head, body, strings.TrimSuffix(want, "\n")})
	}
	return parts[0][1:], out
}

func cutLine(s string) (before, after string, ok bool) {
	before, after, ok = strings.Cut("\n"+s+"\n", "\n---\n")
	return strings.TrimPrefix(before, "\n"), strings.TrimSuffix(after, "\n"), ok
}

func (c transcript) bytes(t testing.TB) []byte {
	if q, ok := strings.CutPrefix(c.body, "go:"); ok {
		s, err := strconv.Unquote(q)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		return []byte(s)
	}
	return []byte(c.body)
}

// posted gives the head of a POST with the case's headers; "-" is no head.
func (c transcript) posted(t testing.TB) *httphead.Head {
	t.Helper()
	if c.head == "-" {
		return nil
	}
	raw := "Host: a\r\nContent-Type: application/json\r\n"
	for line := range strings.Lines(c.head) {
		raw += strings.TrimSuffix(line, "\n") + "\r\n"
	}
	h := new(httphead.Head)
	if err := h.Read([]byte("POST"), []byte("/mcp"), []byte("HTTP/1.1"), []byte(raw), httphead.Limits{}); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	return h
}

// outcome renders what a client's message comes to.
func outcome(m *Message, body []byte, h *httphead.Head) string {
	r := m.Decode(body, jsonscan.Options{Depth: 16})
	if r == nil {
		r = m.Check(h)
	}
	if r != nil {
		return fmt.Sprintf("refused %d %s\n%s", r.Status, r.Reason, m.AppendRefusal(nil, r))
	}
	var b strings.Builder
	describe(&b, m)
	for i := range m.Batch {
		b.WriteString("\n  ")
		describe(&b, &m.Batch[i])
	}
	for _, h := range m.AppendHeaders(nil) {
		fmt.Fprintf(&b, "\n%s: %s", h.Name, h.Value)
	}
	return b.String() + "\n" + string(m.AppendTo(nil))
}

var kindNames = map[Kind]string{KindRequest: "request", KindNotification: "notification", KindResponse: "response", KindBatch: "batch"}

var targetNames = map[Target]string{TargetTool: "tool", TargetPrompt: "prompt", TargetResource: "resource", TargetTask: "task"}

func describe(b *strings.Builder, m *Message) {
	fmt.Fprintf(b, "%s %s %s", m.Era, m.Version, kindNames[m.Kind])
	if m.ID != nil {
		fmt.Fprintf(b, " id=%s", m.ID)
	}
	if m.Method != "" {
		fmt.Fprintf(b, " %s known=%t", m.Method, m.Spec != nil)
	}
	if m.Target != TargetNone {
		fmt.Fprintf(b, " %s=%q", targetNames[m.Target], m.Name)
	}
	for name, v := range map[string]jsonscan.Value{"arguments": m.Arguments} {
		if v.Exists() {
			fmt.Fprintf(b, " %s=%s", name, v.AppendTo(nil))
		}
	}
	if m.ProgressToken.Exists() {
		fmt.Fprintf(b, " token=%s", m.ProgressToken.Raw())
	}
}

func TestMessagesFromClients(t *testing.T) {
	files, _ := filepath.Glob("testdata/client_*.txt")
	if len(files) == 0 {
		t.Fatal("no cases")
	}
	var m Message // one for all, as the gateway pools them
	for _, file := range files {
		preface, cases := transcripts(t, file)
		var rewritten strings.Builder
		rewritten.WriteString(preface)
		for _, c := range cases {
			got := outcome(&m, c.bytes(t), c.posted(t))
			fmt.Fprintf(&rewritten, "\n=== %s\n%s---\n%s\n---\n%s\n", c.name, lines(c.head), c.body, got)
			if diff := cmp.Diff(strings.Split(c.want, "\n"), strings.Split(got, "\n")); diff != "" && !*update {
				t.Errorf("%s: %s (-want +got)\n%s", filepath.Base(file), c.name, diff)
			}
		}
		if *update {
			if err := os.WriteFile(file, []byte(strings.TrimPrefix(rewritten.String(), "\n")), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func lines(s string) string {
	if s == "" {
		return ""
	}
	return s + "\n"
}
