package plugins

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// corpus is a file of labelled messages.
type corpus struct {
	name string
	head
	cases []sample
}

// head is the first line of a corpus.
type head struct {
	About             string                                // what the messages are
	Settings          json.RawMessage                       // the plugin's
	Grant             []string                              // capabilities, such as lookup:tenants
	Tables            map[string]map[string]json.RawMessage // by name: key to value
	Precision, Recall float64                               // what must be reached
	Message           message                               // what a sample's text is put into, where it says "$"
}

// sample is another line of a corpus.
type sample struct {
	line    int
	Bad     bool    // what the plugin should find
	Kind    string  // what it is an example of; recall is reported by kind
	Text    string  // stands where the message says "$"
	Times   int     // how often; 0 is once
	Message message // parts that differ from the head's
	Want    string  // the exact answer, where that matters: pass, deny CODE, ...
	Becomes *string // of a bad text: what the plugin must make of it
	Bench   bool    // measured by BenchmarkPlugins
}

// message is what a plugin is asked about. What is left out of a sample's is the head's.
type message struct {
	Hook, Method, Server string
	Params, Result       json.RawMessage
	Principal            *struct {
		ID                    string
		Groups, Roles, Scopes []string
		Claims                json.RawMessage
	}
}

func (m message) or(head message) message {
	if m.Hook == "" {
		m.Hook = head.Hook
	}
	if m.Method == "" {
		m.Method = head.Method
	}
	if m.Server == "" {
		m.Server = head.Server
	}
	if m.Params == nil {
		m.Params = head.Params
	}
	if m.Result == nil {
		m.Result = head.Result
	}
	if m.Principal == nil {
		m.Principal = head.Principal
	}
	return m
}

// with puts a text where the message says "$".
func (m message) with(t testing.TB, text string) message {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	m.Params = bytes.ReplaceAll(m.Params, []byte(`"$"`), quoted)
	m.Result = bytes.ReplaceAll(m.Result, []byte(`"$"`), quoted)
	return m
}

// call makes what the engine would ask of it.
func (m message) call(t testing.TB) *wasm.Call {
	t.Helper()
	hook, ok := hostapi.ParseHook(m.Hook)
	if !ok {
		t.Fatalf("there is no hook %q", m.Hook)
	}
	out := &wasm.Message{
		Method: m.Method, Server: m.Server, Params: scan(t, m.Params), Result: scan(t, m.Result),
		Principal: &wasm.Principal{ID: "alice", Kind: wasm.KindJWT}, Time: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
	}
	switch m.Method {
	case "tools/call":
		out.Tool = out.Params.Get("name").Text()
	case "prompts/get":
		out.Prompt = out.Params.Get("name").Text()
	case "resources/read":
		out.Resource = out.Params.Get("uri").Text()
	case "tools/list", "prompts/list", "resources/list":
		out.Items = out.Result.Get(strings.TrimSuffix(m.Method, "/list"))
	case "resources/templates/list":
		out.Items = out.Result.Get("resourceTemplates")
	}
	if p := m.Principal; p != nil {
		out.Principal = &wasm.Principal{ID: p.ID, Kind: wasm.KindJWT, Groups: p.Groups, Roles: p.Roles, Scopes: p.Scopes, Claims: scan(t, p.Claims)}
	}
	return &wasm.Call{Hook: hook, Message: out}
}

// scan reads JSON; none is a value that is absent.
func scan(t testing.TB, text []byte) jsonscan.Value {
	t.Helper()
	if len(text) == 0 {
		return jsonscan.Value{}
	}
	d := new(jsonscan.Doc)
	if err := d.Scan(text, jsonscan.Options{}); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d.Root()
}

// corpora reads the corpora of a plugin.
func corpora(t testing.TB, dir string) (out []corpus) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "corpus/*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		out = append(out, readCorpus(t, name))
	}
	return out
}

func readCorpus(t testing.TB, name string) corpus {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := corpus{name: filepath.Base(name)}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for n := 1; lines.Scan(); n++ {
		into := any(&c.head)
		if n > 1 {
			c.cases = append(c.cases, sample{line: n})
			into = &c.cases[len(c.cases)-1]
		}
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			t.Fatalf("%s:%d: %v", name, n, err)
		}
	}
	if err := lines.Err(); err != nil || len(c.cases) == 0 {
		t.Fatalf("%s: %d cases, %v", name, len(c.cases), err)
	}
	return c
}

// score counts what a plugin found.
type score struct {
	hit, miss, alarm, quiet int
	kinds                   map[string][2]int // of the bad: found, all
}

func (s *score) add(c *sample, found bool) {
	switch {
	case c.Bad && found:
		s.hit++
	case c.Bad:
		s.miss++
	case found:
		s.alarm++
	default:
		s.quiet++
	}
	if c.Bad {
		k := s.kinds[c.Kind]
		if found {
			k[0]++
		}
		k[1]++
		s.kinds[c.Kind] = k
	}
}

func ratio(part, other int) float64 {
	if part+other == 0 {
		return 1
	}
	return float64(part) / float64(part+other)
}

func (s *score) precision() float64 { return ratio(s.hit, s.alarm) }
func (s *score) recall() float64    { return ratio(s.hit, s.miss) }

// String is the line that the plugin's README has.
func (s *score) String() string {
	bad := s.hit + s.miss
	return fmt.Sprintf("%d messages, %d of them bad: precision %.3f, recall %.3f", bad+s.alarm+s.quiet, bad, s.precision(), s.recall())
}
