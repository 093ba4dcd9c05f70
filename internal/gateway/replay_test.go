package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/replay"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

const dayPolicy = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: files }
match: { methods: [tools/call], tools: [read_file] }
variables: [ { name: path, expression: 'path.clean(args.path)' } ]
rules:
  - { name: inside, effect: allow, when: 'path.within(variables.path, "/srv")' }
  - { name: hidden, effect: deny, reason: dotfile, when: 'variables.path.contains("/.")' }
  - { name: force, effect: deny, when: 'has(args.mode) && args.mode == "force"' }
  - { name: deep, effect: deny, when: 'has(args.opt) && has(args.opt.deep) && args.opt.deep.x > 10' }
  - { name: tenant, effect: deny, when: 'request.headers[?"x-tenant"] == optional.of("evil")' }
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: others }
match: { methods: [tools/call], tools: [login, admin, clock, hint, bare, unknown, big, ask] }
rules:
  - { name: login, effect: allow, when: 'mcp.tool.name == "login" && args.token != ""' }
  - { name: admin, effect: allow, when: 'mcp.tool.name == "admin" && ("ops" in principal.groups || apiKey.claims.team == "blue")' }
  - { name: clock, effect: allow, when: 'mcp.tool.name == "clock" && now.getHours() < 12' }
  - { name: hint, effect: allow, when: 'mcp.tool.name in ["hint", "bare", "unknown"] && has(mcp.tool.annotations.readOnlyHint)' }
  - { name: hints, effect: deny, when: 'mcp.tool.name in ["hint", "bare", "unknown"] && !mcp.tool.annotations.?openWorldHint.orValue(true)' }
  - { name: big, effect: allow, when: 'mcp.tool.name == "big" && args.text.size() > 0' }
  - { name: ask, effect: allow, when: 'mcp.tool.name == "ask"' }
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: mail }
match: { methods: [tools/call], tools: [mail] }
rules:
  - { name: mail, effect: allow }
  - { name: rival, effect: approve, when: 'args.to.endsWith("@rival")' }
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: odd }
match: { methods: [tools/call], tools: [odd] }
rules:
  - { name: odd, effect: allow, when: 'request.headers[args.header] == "x"' }
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: reading }
rules:
  - { name: files, effect: allow, when: 'mcp.resource.uri.startsWith("file:///srv/")' }
  - { name: greet, effect: allow, when: 'mcp.prompt.name == "greet" && params.arguments.who != "root"' }
  - { name: secret, phase: response, effect: deny, reason: secret, when: 'mcp.tool.result.content.exists(c, c.text.contains("private"))' }
  - { name: failed, phase: response, effect: deny, when: 'mcp.error.code == -32001 && source.address != ""' }
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: zz }
match: { methods: [tools/call], tools: [ask] }
rules:
  - { name: in, plugin: tck }
  - { name: out, phase: response, plugin: tck }
`

// dayBundle compiles policies with the kit's plugin.
func dayBundle(t *testing.T, text string) *engine.Snapshot {
	t.Helper()
	module, err := os.ReadFile("../../hostapi/tck/testdata/guest.wasm")
	if err != nil {
		t.Fatal(err)
	}
	host, err := wasm.New(wasm.Options{EjectFailures: -1})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.FS(fstest.MapFS{"guest.wasm": {Data: module}, "p.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(context.Background(), b, engine.Options{Plugins: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := host.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// dayServer answers by what it is asked.
func dayServer(c *upstream.Call) error {
	answer := `"result":{"content":[{"type":"text","text":"done"}]}`
	switch body := string(c.Body); {
	case strings.Contains(body, "tools/list"):
		answer = `"result":{"tools":[{"name":"hint","inputSchema":{},"annotations":{"readOnlyHint":true,"openWorldHint":true}},{"name":"bare","inputSchema":{},"annotations":{}},{"name":"read_file","inputSchema":{}}]}`
	case strings.Contains(body, "private"):
		answer = `"result":{"content":[{"type":"text","text":"a private thing"}]}`
	case strings.Contains(body, "broken"):
		answer = `"error":{"code":-32001,"message":"broken"}`
	case strings.Contains(body, "strange"):
		answer = `"error":{"code":-32002,"message":"strange"}`
	}
	return says(200, `{"jsonrpc":"2.0","id":$ID,`+answer+`}`)(c)
}

// dayCalls are what callers do in a day, each kind in some of its forms.
var dayCalls = []func(r *rand.Rand) string{
	func(r *rand.Rand) string {
		path := pick(r, "/srv/a", "/srv/.env", "/etc/passwd", "/srv/../etc/shadow", "/srv/private", "/srv/broken", "/srv/strange", "/srv/\u00e9\u202e")
		return post(call("read_file", fmt.Sprintf(`{"path":%q%s%s}`, path, pick(r, "", `, "mode" : "force"`, `,"mode":1`), pick(r, "", `,"opt":"text"`, `,"opt":{"deep":{"x":11}}`, `,"opt":{"deep":{"x":1.5}}`, `,"opt":{}`, `,"opt":null`))),
			pick(r, "X-Other: 1", "X-Tenant: evil", "X-Tenant: good"))
	},
	func(r *rand.Rand) string { return post(call("read_file", pick(r, `{}`, `{"path":7}`, `{"path":"x"}`))) },
	func(r *rand.Rand) string { return post(call("login", pick(r, `{"token":"t"}`, `{"token":""}`))) },
	func(r *rand.Rand) string {
		return post(call("admin", `{}`), pick(r, "X-Other: 1", "X-API-Key: ops", "X-API-Key: blue", "X-API-Key: none"))
	},
	func(*rand.Rand) string { return post(call("clock", `{}`)) },
	func(r *rand.Rand) string { return post(call(pick(r, "hint", "bare", "unknown"), `{}`)) },
	func(r *rand.Rand) string {
		return post(call("mail", fmt.Sprintf(`{"to":%q}`, pick(r, "a@home", "b@rival"))))
	},
	func(*rand.Rand) string { return post(call("big", `{"text":"`+strings.Repeat("x", 5000)+`"}`)) },
	func(r *rand.Rand) string {
		do := pick(r, `{}`, `{"verdict":1}`, `{"do":"approve","text":"?","verdict":3}`, `{"verdict":4}`, `{"do":"trap"}`, tckMutate)
		return post(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ask","arguments":{"object":{}},"_meta":{"tck":` + do + `}}}`)
	},
	func(r *rand.Rand) string {
		return post(`{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"` + pick(r, "file:///srv/a", "file:///etc/a", "file:///srv/private") + `"}}`)
	},
	func(r *rand.Rand) string {
		return post(`{"jsonrpc":"2.0","id":7,"method":"prompts/get","params":{"name":"` + pick(r, "greet", "other") + `"` + pick(r, ``, `,"arguments":{"who":"root"}`, `,"arguments":{"who":"ann"}`) + `}}`)
	},
	func(r *rand.Rand) string {
		return post(`{"jsonrpc":"2.0","id":7,"method":"` + pick(r, "tools/list", "ping") + `"}`)
	},
	func(*rand.Rand) string { return post(call("odd", `{"header":"x-tenant"}`)) },
	func(*rand.Rand) string { return post(call("read_file", `{"path":"/srv/a","path":"/etc"}`)) },
	func(*rand.Rand) string { return post(call("nobody_allows", `{}`)) },
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// day has a gateway serve a day of calls, rounds of each kind, and gives its records.
func day(t *testing.T, rounds int) []byte {
	var clock atomic.Int64
	clock.Store(time.Date(2026, 11, 21, 0, 0, 0, 1, time.UTC).UnixNano())
	keys := []identity.APIKey{
		{ID: "ops", Hash: sum("ops"), Claims: []byte(`{"groups":["ops"]}`)},
		{ID: "blue", Hash: sum("blue"), Claims: []byte(`{"team":"blue"}`)},
		{ID: "none", Hash: sum("none")},
	}
	who, err := identity.New(identity.Options{AnonymousAllow: true, Keys: keys, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := dayBundle(t, dayPolicy)
	w := newWorld(t, allowAll, func(o *Options, snap *Snapshot) {
		o.RecordResults, o.Now = true, func() time.Time { return time.Unix(0, clock.Load()) }
		snap.Policy, snap.Identity = s, who
	})
	w.server.answer = dayServer
	step := 24 * time.Hour / time.Duration(rounds*len(dayCalls)+1)
	r := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		for _, request := range dayCalls {
			clock.Add(int64(step))
			w.raw(request(r))
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		w.records.mu.Lock()
		lines := bytes.Clone(w.records.lines.Bytes())
		w.records.mu.Unlock()
		done := bytes.Count(lines, []byte(`"kind":"outcome"`)) + bytes.Count(lines, []byte(`"kind":"refusal"`))
		switch {
		case done >= rounds*len(dayCalls):
			return lines
		case time.Now().After(deadline):
			t.Fatalf("%d of %d calls have ended", done, rounds*len(dayCalls))
		}
	}
}

func replayOf(t *testing.T, s *engine.Snapshot, records []byte) *replay.Report {
	t.Helper()
	report, err := replay.Run(t.Context(), s, []io.Reader{bytes.NewReader(records)}, replay.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What was decided is decided so again, or it is said that nobody can know.
func TestADayReplaysWithoutAFlip(t *testing.T) {
	const rounds = 30
	records := day(t, rounds)
	report := replayOf(t, dayBundle(t, dayPolicy), records)
	if len(report.Flips) != 0 || report.OtherRule != 0 || report.Unreadable != 0 {
		t.Fatalf("%s", asJSON(t, report))
	}
	want := map[string]int{
		"inputs_masked":    rounds, // login
		"inputs_truncated": rounds, // big
		"inputs_unknown":   rounds, // odd
	}
	if got := asJSON(t, report.NotReplayable); got != asJSON(t, want) {
		t.Errorf("not replayable: %s", got)
	}
	if report.NoPolicy != rounds { // the message with two paths
		t.Errorf("refused before policy: %d", report.NoPolicy)
	}
	answers := bytes.Count(records, []byte(`"phase":"response"`))
	if want := len(dayCalls)*rounds + answers; report.Decisions != want || report.Replayed != want-4*rounds || answers < rounds {
		t.Errorf("%d decisions, %d replayed, %d of answers; want %d", report.Decisions, report.Replayed, answers, want)
	}
}

func TestADayReplaysOnOtherPolicies(t *testing.T) {
	const rounds = 30
	records := day(t, rounds)
	decided := func(rule string) int { return bytes.Count(records, []byte(`"rule":"`+rule+`","reason":`)) }
	for _, tt := range []struct {
		name, old, now string
		check          func(r *replay.Report) bool
	}{
		{"a deny that is gone", "- { name: secret, phase: response, effect: deny", "- { name: secret, phase: response, enforcement: shadow, effect: deny", func(r *replay.Report) bool {
			return r.NewAllows == decided("secret") && r.NewDenies == 0 && r.NewAllows > 0
		}},
		{"an approval that is a denial", "- { name: rival, effect: approve", "- { name: rival, effect: deny", func(r *replay.Report) bool {
			return r.NewDenies == decided("rival") && r.NewAllows == 0 && r.Flips[0].Was == "approve" && r.Flips[0].IsRule == "mail/rival" && r.NewDenies > 0
		}},
		{"the clock", "now.getHours() < 12", "now.getHours() < 24", func(r *replay.Report) bool {
			return r.NewAllows == rounds/2 && r.NewDenies == 0 && len(r.Flips) == 1 && r.Flips[0].Name == "clock" && len(r.Flips[0].Examples) == 3
		}},
		{"another field", "args.to.endsWith", "args.cc.endsWith", func(r *replay.Report) bool {
			return r.NotReplayable["inputs_not_recorded"] == rounds && r.NewAllows+r.NewDenies == 0
		}},
		{"another plugin", "{ name: in, plugin: tck }", "{ name: in, plugin: tck, config: { mode: x } }", func(r *replay.Report) bool {
			return r.NotReplayable["plugin_changed"] == rounds && r.NewAllows+r.NewDenies == 0
		}},
		{"no plugin", "  - { name: in, plugin: tck }\n", "", func(r *replay.Report) bool {
			return r.NewAllows == decided("in") && r.NewDenies == 0 && r.NewAllows > 0
		}},
	} {
		if !strings.Contains(dayPolicy, tt.old) {
			t.Fatal(tt.name)
		}
		report := replayOf(t, dayBundle(t, strings.Replace(dayPolicy, tt.old, tt.now, 1)), records)
		if !tt.check(report) {
			t.Errorf("%s: %s", tt.name, asJSON(t, report))
		}
	}
}
