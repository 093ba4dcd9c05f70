package trial

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func compile(t testing.TB, rules string) *engine.Snapshot {
	t.Helper()
	b, err := bundle.FS(fstest.MapFS{"policy.yaml": {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n" + rules)}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(context.Background(), b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// message is a call in memory of its own, which is somebody else's when the call is over.
type message struct {
	doc, notes jsonscan.Doc
	text       []byte
}

func (m *message) call(t testing.TB, tool, args string) *engine.Request {
	t.Helper()
	m.text = append(m.text[:0], fmt.Sprintf(`{"name":%q,"arguments":%s}`, tool, args)...)
	if err := m.doc.Scan(m.text, jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := m.notes.Scan([]byte("{}"), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	return &engine.Request{
		Method: "tools/call", Server: "files", Tool: m.doc.Root().Get("name").Text(), Params: m.doc.Root(), Arguments: m.doc.Root().Get("arguments"),
		Annotations: m.notes.Root(), Principal: &engine.Principal{ID: "alice", Kind: engine.KindAPIKey}, Time: time.Unix(1795330800, 0),
	}
}

// spoil has other bytes in the memory of a message, as the next message would.
func (m *message) spoil() {
	copy(m.text, bytes.Repeat([]byte("x"), len(m.text)))
	m.doc.Reset()
}

func begin(t *testing.T, o Options) *Trial {
	t.Helper()
	if o.Metrics == nil {
		o.Metrics = telemetry.New(telemetry.Options{})
	}
	tr := New(o)
	t.Cleanup(func() {
		tr.Close()
		<-tr.Done()
	})
	return tr
}

// found waits until n calls have been compared or skipped.
func found(t *testing.T, tr *Trial, n uint64) Report {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		r := tr.Report()
		if r.Calls+r.Skipped >= n {
			return r
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d calls were offered, and %+v was found", n, r)
		}
	}
}

const allows = "  - { name: all, effect: allow }\n"

func TestDirections(t *testing.T) {
	for name, c := range map[string]struct {
		active, candidate string
		want              string // direction rule
		enforced          bool   // the candidate has decided
	}{
		"the same":                     {active: allows, candidate: allows},
		"the same by another rule":     {active: allows, candidate: "  - { name: other, effect: allow }\n"},
		"denied by a rule":             {active: allows, candidate: allows + "  - { name: no, effect: deny }\n", want: "allow_to_deny p/no"},
		"denied by nothing":            {active: allows, candidate: "  - { name: no, effect: allow, when: 'false' }\n", want: "allow_to_deny p/all"},
		"allowed":                      {active: "  - { name: no, effect: deny }\n", candidate: allows, want: "deny_to_allow p/all"},
		"approval":                     {active: allows, candidate: allows + "  - { name: ask, effect: approve }\n", want: "allow_to_approve p/ask"},
		"denied for another reason":    {active: "  - { name: no, effect: deny, reason: a }\n", candidate: "  - { name: no, effect: deny, reason: b }\n", want: "other_reason p/no"},
		"a rule that fails":            {active: allows, candidate: allows + "  - { name: broken, effect: deny, when: 'args.missing == 1' }\n", want: "error p/broken"},
		"a rule that allows and fails": {active: allows, candidate: "  - { name: broken, effect: allow, when: 'args.missing == 1' }\n", want: "error p/all"},
		"both fail":                    {active: "  - { name: broken, effect: deny, when: 'args.missing == 1' }\n", candidate: "  - { name: broken, effect: deny, when: 'args.missing == 1' }\n"},
		"enforced, and the same":       {active: allows, candidate: allows, enforced: true},
		"enforced, and denied":         {active: allows, candidate: "  - { name: no, effect: deny }\n", want: "allow_to_deny p/no", enforced: true},
		"enforced, and allowed":        {active: "  - { name: no, effect: deny }\n", candidate: allows, want: "deny_to_allow p/all", enforced: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Active: compile(t, c.active), Candidate: compile(t, c.candidate), Metrics: telemetry.New(telemetry.Options{})}
			o.Show = func(q *engine.Request, d *engine.Decision, id string) []byte {
				return fmt.Appendf(nil, `"%s %s %s %s"`, id, q.Tool, q.Arguments.Get("path").Text(), d.Effect)
			}
			tr := begin(t, o)
			var m message
			q := m.call(t, "read_file", `{"path":"/srv/a"}`)
			by := o.Active
			if c.enforced {
				by = o.Candidate
			}
			d := by.Decide(t.Context(), q)
			tr.Offer(q, &d, &Offered{ID: []byte("id"), Candidate: c.enforced})
			m.spoil()
			r := found(t, tr, 1)
			got := ""
			if len(r.Groups) > 0 {
				g := r.Groups[0]
				got = g.Direction + " " + g.Rule
				after := strings.TrimPrefix(g.Direction[strings.LastIndex(g.Direction, "_")+1:], "_")
				if g.Direction == failure || g.Direction == otherReason {
					after = "deny"
				}
				if want := `"id read_file /srv/a ` + after + `"`; len(g.Examples) != 1 || string(g.Examples[0].Record) != want {
					t.Errorf("examples: %s, want %s", g.Examples, want)
				}
				if g.Server != "files" || g.Tool != "read_file" || g.Count != 1 {
					t.Errorf("%+v", g)
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			count := map[bool]uint64{true: 1}
			if r.Same != count[c.want == ""] || r.Errors != count[strings.HasPrefix(c.want, failure)] || r.Same+r.Errors+r.Different != 1 || r.Enforced != count[c.enforced] {
				t.Errorf("%+v", r)
			}
			checkMetrics(t, o.Metrics, r, c.want)
		})
	}
}

// checkMetrics compares the metrics with what was found.
func checkMetrics(t *testing.T, m *telemetry.Metrics, r Report, want string) {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", http.NoBody))
	text := w.Body.String()
	direction, rule, _ := strings.Cut(want, " ")
	for line, holds := range map[string]bool{
		`sallyport_candidate_decisions_total{result="same"} 1`:                                                                       r.Same == 1,
		`sallyport_candidate_decisions_total{result="different"} 1`:                                                                  r.Different == 1,
		`sallyport_candidate_decisions_total{result="error"} 1`:                                                                      r.Errors == 1,
		`sallyport_candidate_divergences_total{direction="` + direction + `",rule="` + rule + `",server="files",tool="read_file"} 1`: r.Different == 1,
	} {
		if strings.Contains(text, line+"\n") != holds {
			t.Errorf("%s: want %v in\n%s", line, holds, text)
		}
	}
}

// A name that no server has listed is the caller's, and no label.
func TestUnknownToolsAreOthers(t *testing.T) {
	tr := begin(t, Options{Active: compile(t, allows), Candidate: compile(t, "  - { name: no, effect: deny }\n")})
	var m message
	for i := range 400 {
		q := m.call(t, fmt.Sprint("tool", i), `{}`)
		q.Annotations = jsonscan.Value{}
		d := tr.Active.Decide(t.Context(), q)
		tr.Offer(q, &d, &Offered{})
	}
	if r := found(t, tr, 400); len(r.Groups) != 1 || r.Groups[0].Tool != "other" || r.Groups[0].Count != 400 {
		t.Errorf("%+v", r)
	}
}

// What is kept is bounded, however many kinds of divergence there are.
func TestGroupsAreBounded(t *testing.T) {
	tr := begin(t, Options{Active: compile(t, allows), Candidate: compile(t, "  - { name: no, effect: deny }\n")})
	var m message
	for i := range maxGroups + 50 {
		q := m.call(t, fmt.Sprint("tool", i), `{}`)
		d := tr.Active.Decide(t.Context(), q)
		tr.Offer(q, &d, &Offered{})
	}
	r := found(t, tr, maxGroups+50)
	if len(r.Groups) != maxGroups+1 || r.Groups[0].Tool != "other" || r.Groups[0].Count != 50 || r.Groups[0].Direction != "allow_to_deny" {
		t.Errorf("%d groups, first %+v", len(r.Groups), r.Groups[0])
	}
}

// A trial goes on with what another one has found, and what that one still decides counts with it.
func TestTrialGoesOn(t *testing.T) {
	denies := "  - { name: no, effect: deny }\n"
	said := make(chan string, 2)
	o := Options{Active: compile(t, allows), Candidate: compile(t, denies), Bounds: Bounds{After: 3, Denials: 1}, Passed: func(why string) { said <- why }}
	first := begin(t, o)
	var m message
	offer := func(tr *Trial) {
		q := m.call(t, "read_file", "{}")
		d := tr.Candidate.Decide(t.Context(), q)
		tr.Offer(q, &d, &Offered{Candidate: true})
	}
	offer(first)
	found(t, first, 1)
	o.Active, o.Candidate, o.After = compile(t, allows), compile(t, denies), first
	second := begin(t, o)
	if r := second.Report(); r.Calls != 1 || r.Denied != 1 || len(r.Groups) != 1 || second.After != nil {
		t.Errorf("%+v", r)
	}
	offer(first)
	found(t, second, 2)
	offer(second)
	if r := found(t, first, 3); r.Different != 3 || r.Groups[0].Count != 3 {
		t.Errorf("%+v", r)
	}
	if why := <-said; why != "new denials: 3 of 3 calls, more than 1 %" || !first.HasPassed() || !second.HasPassed() {
		t.Error(why)
	}
}

// What finds no room is skipped and counted, and its caller goes on.
func TestSkippedForWantOfRoom(t *testing.T) {
	tr := begin(t, Options{Active: compile(t, allows), Candidate: compile(t, allows)})
	hold := make(chan struct{})
	held := make(chan struct{})
	tr.Show = func(*engine.Request, *engine.Decision, string) []byte { close(held); <-hold; return nil }
	tr.Candidate = compile(t, "  - { name: no, effect: deny, when: 'mcp.tool.name == \"odd\"' }\n"+allows)
	var m message
	offer := func(tool, args string) {
		q := m.call(t, tool, args)
		d := tr.Active.Decide(t.Context(), q)
		tr.Offer(q, &d, &Offered{})
	}
	offer("odd", "{}")
	<-held // the worker is busy
	for range maxWaiting + 7 {
		offer("read_file", "{}")
	}
	if n := tr.counts.skipped.Load(); n != 7 {
		t.Errorf("%d were skipped, want 7", n)
	}
	close(hold)
	if r := found(t, tr, maxWaiting+8); r.Calls != maxWaiting+1 || r.Skipped != 7 || r.Same != maxWaiting {
		t.Errorf("%+v", r)
	}
	offer("read_file", `{"text":"`+strings.Repeat("a", maxMessage)+`"}`)
	if r := tr.Report(); r.Skipped != 8 {
		t.Errorf("a message that is too large: %+v", r)
	}
}

func TestBytesAreBounded(t *testing.T) {
	tr := begin(t, Options{Active: compile(t, allows), Candidate: compile(t, allows)})
	const size = maxMessage - 100
	for n := range maxBytes / size {
		if tr.take(size) == nil {
			t.Fatal("no room for", n)
		}
	}
	if tr.take(size) != nil {
		t.Error("there is room beyond the bound")
	}
}

// A trial that goes wrong says so once, from so many calls on.
func TestBounds(t *testing.T) {
	for name, c := range map[string]struct {
		candidate string
		bounds    Bounds
		odd, even int
		want      string
	}{
		"denials":            {"  - { name: no, effect: deny, when: 'mcp.tool.name == \"odd\"' }\n" + allows, Bounds{After: 10, Denials: 20}, 3, 7, "new denials: 3 of 10 calls, more than 20 %"},
		"errors":             {"  - { name: no, effect: deny, when: 'mcp.tool.name == \"odd\" && args.missing == 1' }\n" + allows, Bounds{After: 10, Errors: 20}, 3, 7, "errors: 3 of 10 calls, more than 20 %"},
		"errors no denials":  {"  - { name: no, effect: deny, when: 'mcp.tool.name == \"odd\" && args.missing == 1' }\n" + allows, Bounds{After: 10, Denials: 20}, 3, 7, ""},
		"as many as allowed": {"  - { name: no, effect: deny, when: 'mcp.tool.name == \"odd\"' }\n" + allows, Bounds{After: 10, Denials: 30}, 3, 7, ""},
		"too few calls":      {"  - { name: no, effect: deny, when: 'mcp.tool.name == \"odd\"' }\n" + allows, Bounds{After: 11, Denials: 20}, 3, 7, ""},
		"no bounds":          {"  - { name: no, effect: deny }\n", Bounds{}, 3, 7, ""},
	} {
		t.Run(name, func(t *testing.T) {
			said := make(chan string, 10)
			tr := begin(t, Options{Active: compile(t, allows), Candidate: compile(t, c.candidate), Bounds: c.bounds, Passed: func(why string) { said <- why }})
			var m message
			for i := range c.even + c.odd + 5 {
				tool := "even"
				if i < c.odd {
					tool = "odd"
				}
				if i == c.even+c.odd {
					break
				}
				q := m.call(t, tool, "{}")
				d := tr.Candidate.Decide(t.Context(), q)
				tr.Offer(q, &d, &Offered{Candidate: true})
			}
			found(t, tr, uint64(c.even+c.odd))
			if tr.HasPassed() != (c.want != "") {
				t.Errorf("passed: %v; %+v", tr.HasPassed(), tr.Report())
			}
			if c.want == "" {
				return
			}
			if got := <-said; got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			q := m.call(t, "odd", "{}")
			d := tr.Candidate.Decide(t.Context(), q)
			tr.Offer(q, &d, &Offered{Candidate: true})
			found(t, tr, uint64(c.even+c.odd+1))
			if len(said) > 0 {
				t.Error("it was said twice")
			}
		})
	}
}

// A message is compared as it was, whatever its memory and its header's hold by then; headers and responses included.
func TestMessagesAreCopied(t *testing.T) {
	policy := `  - { name: all, effect: allow, when: 'request.headers["x-team"] == "a" && args.path == "/srv/a" && principal.id == "alice" && source.address == "10.0.0.1"' }
  - { name: answer, phase: response, effect: deny, when: 'mcp.tool.result.content[0].text == "secret"', reason: leak }
`
	tr := begin(t, Options{Active: compile(t, policy), Candidate: compile(t, policy+"  - { name: more, effect: allow, when: 'false' }\n")})
	var m message
	fields := []byte("Host: gw\r\nX-Team: a\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n")
	for range 50 {
		q := m.call(t, "read_file", `{"path":"/srv/a"}`)
		q.Header = func(string) string { return "a" }
		q.Source = mustAddr("10.0.0.1")
		d := tr.Active.Decide(t.Context(), q)
		if !d.Allowed() {
			t.Fatalf("%+v", d)
		}
		own := bytes.Clone(fields)
		tr.Offer(q, &d, &Offered{Method: []byte("POST"), Target: []byte("/mcp/files"), Proto: []byte("HTTP/1.1"), Fields: own})
		copy(own, bytes.Repeat([]byte("y"), len(own)))
		var answer jsonscan.Doc
		text := []byte(`{"content":[{"type":"text","text":"secret"}]}`)
		if err := answer.Scan(text, jsonscan.Options{}); err != nil {
			t.Fatal(err)
		}
		q.Phase, q.Result, q.Items, q.ItemsField = engine.PhaseResponse, answer.Root(), answer.Root().Get("content"), "content"
		if d = tr.Active.Decide(t.Context(), q); d.Reason != "leak" {
			t.Fatalf("%+v", d)
		}
		tr.Offer(q, &d, &Offered{Method: []byte("POST"), Target: []byte("/mcp/files"), Proto: []byte("HTTP/1.1"), Fields: bytes.Clone(fields)})
		copy(text, bytes.Repeat([]byte("z"), len(text)))
		m.spoil()
	}
	if r := found(t, tr, 100); r.Same != 100 {
		t.Errorf("%+v", r)
	}
}

// Callers offer while the trial ends: nothing is lost track of, and nothing runs after it.
func TestCloseWhileOffered(t *testing.T) {
	tr := New(Options{Active: compile(t, allows), Candidate: compile(t, allows), Metrics: telemetry.New(telemetry.Options{})})
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			var m message
			for range 500 {
				q := m.call(t, "read_file", "{}")
				d := tr.Active.Decide(context.Background(), q)
				tr.Offer(q, &d, &Offered{})
			}
		})
	}
	tr.Close()
	<-tr.Done()
	callers.Wait()
	if r := tr.Report(); r.Different+r.Errors > 0 || r.Calls+r.Skipped > 2000 {
		t.Errorf("%+v", r)
	}
}

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

// Every field of a request reaches the other policies.
func TestRequestsAreCopiedWhole(t *testing.T) {
	value := func(text string) jsonscan.Value {
		var d jsonscan.Doc
		if err := d.Scan([]byte(text), jsonscan.Options{}); err != nil {
			t.Fatal(err)
		}
		return d.Root()
	}
	q := engine.Request{
		Phase: engine.PhaseResponse, DefaultAllow: true, FromServer: true, Method: "m", Server: "s", Tool: "t", Prompt: "p", Resource: "r", ToolHash: "h", ItemsField: "items",
		Arguments: value(`{"a":1}`), Params: value(`{"b":2}`), Annotations: value(`{"c":3}`), Result: value(`{"d":4}`), Error: value(`{"e":5}`), Items: value(`[6]`),
		Principal: &engine.Principal{ID: "alice"}, Source: mustAddr("10.0.0.1"), Time: time.Unix(1, 2), Header: func(string) string { return "v" },
	}
	var j job
	var w worker
	fields := []byte("Host: gw\r\nX-A: v\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n")
	j.fill(&q, &engine.Decision{}, &Offered{Method: []byte("POST"), Target: []byte("/"), Proto: []byte("HTTP/1.1"), Fields: fields}, true)
	got, err := w.request(&j, &Options{}, true)
	if err != nil {
		t.Fatal(err)
	}
	show := func(q *engine.Request) []string {
		var out []string
		for i, v := 0, reflect.ValueOf(q).Elem(); i < v.NumField(); i++ {
			text := fmt.Sprint(v.Field(i).Interface())
			switch f := v.Field(i).Interface().(type) {
			case jsonscan.Value:
				text = string(f.Raw())
			case func(string) string:
				text = f("x-a")
			}
			if v.Field(i).IsZero() || text == "" {
				t.Errorf("%s is empty", v.Type().Field(i).Name)
			}
			out = append(out, v.Type().Field(i).Name+"="+text)
		}
		return out
	}
	if diff := cmp.Diff(show(&q), show(got)); diff != "" {
		t.Error(diff)
	}
}
