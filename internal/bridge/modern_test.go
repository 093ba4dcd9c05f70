package bridge

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

var transports = []string{"http", "lines"}

// onBoth runs a test on a legacy server over both transports.
func onBoth(t *testing.T, era mcp.Era, test func(t *testing.T, f *fake, a *Adapter)) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			f := newFake(era)
			test(t, f, f.adapter(t, transport, nil))
		})
	}
}

const info = `"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"old","version":"1"}}`

func TestAModernRequestIsTranslatedForALegacyServer(t *testing.T) {
	onBoth(t, mcp.Legacy, func(t *testing.T, f *fake, a *Adapter) {
		for _, c := range []struct {
			method, params, meta string
			sent                 string // without the id, which is ours
			status               int
			answer               string
		}{
			{
				method: "server/discover", status: 200,
				answer: `{"jsonrpc":"2.0","id":"me","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{}},"instructions":"be kind","ttlMs":0,"cacheScope":"private",` + info + `}}`,
			},
			{
				method: "tools/list", params: `"cursor":""`, status: 200,
				sent:   `"method":"tools/list","params":{"cursor":"","_meta":{}}`,
				answer: `{"jsonrpc":"2.0","id":"me","result":{"tools":[{"name":"echo","inputSchema":{"type":"object"}}],"nextCursor":"","resultType":"complete","ttlMs":0,"cacheScope":"private",` + info + `}}`,
			},
			{ // what belongs to a round that never was goes no further; vendors' members do, to the last digit
				method: "tools/call", status: 200,
				params: `"name":"echo","arguments":{"n":12345678901234567890.10,"inputResponses":1},"inputResponses":{},"x":[]`,
				meta:   `"vendor/x":1e3,"` + metaClientInfo + `":{"name":"c","version":"2"}`,
				sent:   `"method":"tools/call","params":{"name":"echo","arguments":{"n":12345678901234567890.10,"inputResponses":1},"x":[],"_meta":{"vendor/x":1e3}}`,
				answer: `{"jsonrpc":"2.0","id":"me","result":{"content":[],"structuredContent":{"n":12345678901234567890.10,"inputResponses":1},"resultType":"complete",` + info + `}}`,
			},
			{
				method: "resources/read", params: `"uri":"a:b"`, status: 200,
				sent:   `"method":"resources/read","params":{"uri":"a:b","_meta":{}}`,
				answer: `{"jsonrpc":"2.0","id":"me","error":{"code":-32602,"message":"no such resource","data":{"uri":"a:b"}}}`,
			},
			{
				method: "vendor/thing", status: 404,
				sent:   `"method":"vendor/thing","params":{"_meta":{}}`,
				answer: `{"jsonrpc":"2.0","id":"me","error":{"code":-32601,"message":"unknown method"}}`,
			},
			{method: "tasks/get", params: `"taskId":"1"`, status: 404, answer: `{"jsonrpc":"2.0","id":"me","error":{"code":-32601,"message":"Method not found: tasks/get"}}`},
			{method: "skills/list", status: 404, answer: `{"jsonrpc":"2.0","id":"me","error":{"code":-32601,"message":"Method not found: skills/list"}}`},
		} {
			g := do(t, a, modernCall("ann", c.method, c.params, c.meta))
			if g.status != c.status || g.answer != c.answer {
				t.Errorf("%s: %d %s\nwant %d %s", c.method, g.status, g.answer, c.status, c.answer)
			}
			if _, rest, _ := strings.Cut(f.latest(), ","); c.sent != "" && !strings.HasSuffix(rest, c.sent+"}") {
				t.Errorf("%s: the server got %s\nwant the end %s", c.method, f.latest(), c.sent)
			}
		}
		if f.opened-1 > 1 { // the probe's is one
			t.Errorf("%d sessions for one client", f.opened-1)
		}
	})
}

func TestALegacyServerGetsTheHeadersOfItsEra(t *testing.T) {
	f := newFake(mcp.Legacy)
	a := f.adapter(t, "http", nil)
	do(t, a, modernCall("ann", "tools/list", "", ""))
	want := map[string]string{"MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": "session-1", "Mcp-Method": "", "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	for name, value := range want {
		if got := f.header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

func TestSessionsAreNotSharedBetweenOwnersOrCapabilities(t *testing.T) {
	f := newFake(mcp.Legacy)
	a := f.adapter(t, "http", func(o *Options) { o.Pinned = true })
	none := `"` + metaCapabilities + `":{}`
	for i, c := range []struct {
		owner, meta string
		sessions    int
	}{{"ann", "", 1}, {"ann", "", 1}, {"bob", "", 2}, {"ann", none, 3}, {"bob", "", 3}, {"ann", `"` + metaCapabilities + `":{"tasks":{}}`, 3}} {
		do(t, a, modernCall(c.owner, "tools/list", "", c.meta))
		if f.opened != c.sessions || a.Status().Sessions != c.sessions {
			t.Fatalf("call %d: %d sessions, want %d", i, f.opened, c.sessions)
		}
	}
}

func TestALostSessionIsReplacedAndNothingRunsTwice(t *testing.T) {
	for _, status := range []int{404, 400} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			f := newFake(mcp.Legacy)
			f.gone = map[int]int{404: 0, 400: 400}[status]
			a := f.adapter(t, "http", func(o *Options) { o.Pinned = true })
			for i := range 10 {
				f.mu.Lock()
				f.forget = i%2 == 1
				f.mu.Unlock()
				g := do(t, a, modernCall("ann", "tools/call", `"name":"echo","arguments":{}`, ""))
				if g.status != 200 || !strings.Contains(g.answer, `"result"`) {
					t.Fatalf("call %d: %d %s", i, g.status, g.answer)
				}
			}
			if f.count("echo") != 10 || f.opened != 6 {
				t.Errorf("10 calls ran %d times in %d sessions, want 10 in 6", f.count("echo"), f.opened)
			}
		})
	}
}

func TestAServerThatCrashesInACallRunsItOnceAndServesTheNext(t *testing.T) {
	onBoth(t, mcp.Legacy, func(t *testing.T, f *fake, a *Adapter) {
		for i := range 3 {
			c := modernCall("ann", "tools/call", `"name":"crash"`, "")
			var e *upstream.Error
			if err := a.Do(c); !errors.As(err, &e) || e.Code != upstream.Closed {
				t.Errorf("crash %d: %v", i, err)
			}
			c.Close()
			if g := do(t, a, modernCall("ann", "tools/call", `"name":"echo","arguments":{}`, "")); !strings.Contains(g.answer, `"result"`) {
				t.Errorf("after crash %d: %s", i, g.answer)
			}
			if f.count("crash") != i+1 || f.count("echo") != i+1 {
				t.Errorf("after crash %d: %d crashes and %d calls", i, f.count("crash"), f.count("echo"))
			}
		}
	})
}

func TestACallWhoseServerBreaksOffIsNotRepeated(t *testing.T) {
	f := newFake(mcp.Legacy)
	a := f.adapter(t, "http", func(o *Options) { o.Pinned = true })
	do(t, a, modernCall("ann", "tools/list", "", ""))
	runs := 0
	a.inner = &scripted{do: func(c *upstream.Call) error {
		if c.Method == "tools/call" {
			runs++
			return &upstream.Error{Code: upstream.Closed, Server: "s", Err: errors.New("gone")}
		}
		c.Status = http.StatusAccepted
		return nil
	}}
	c := modernCall("ann", "tools/call", `"name":"echo"`, "")
	defer c.Close()
	var e *upstream.Error
	if err := a.Do(c); !errors.As(err, &e) || e.Code != upstream.Closed || runs != 1 {
		t.Errorf("%v after %d runs", err, runs)
	}
}

func TestProgressAndLogReachTheClientThatAskedForThem(t *testing.T) {
	const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"tok","progress":1}}`
	const low = `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"low"}}`
	const high = `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"high"}}`
	onBoth(t, mcp.Legacy, func(t *testing.T, _ *fake, a *Adapter) {
		for _, c := range []struct {
			meta string
			want []string
		}{
			{"", nil},
			{`"progressToken":"tok"`, []string{progress}},
			{`"` + metaLogLevel + `":"debug"`, []string{low, high}},
			{`"` + metaLogLevel + `":"warning","progressToken":"tok"`, []string{progress, high}},
		} {
			g := do(t, a, modernCall("ann", "tools/call", `"name":"chatty"`, c.meta))
			if d := cmp.Diff(c.want, g.events); d != "" {
				t.Errorf("%s: %s", c.meta, d)
			}
		}
	})
}

func TestAnAnswerThatHasToBeFetchedIsFetched(t *testing.T) {
	f := newFake(mcp.Legacy)
	a := f.adapter(t, "http", nil)
	want := `{"jsonrpc":"2.0","id":"me","result":{"content":[],"resultType":"complete",` + info + `}}`
	if g := do(t, a, modernCall("ann", "tools/call", `"name":"poll"`, "")); g.answer != want || f.count("poll") != 1 {
		t.Errorf("%s after %d runs", g.answer, f.count("poll"))
	}
	params := `"name":"poll","arguments":{"ask":1}`
	_, state := required(t, do(t, a, modernCall("ann", "tools/call", params, "")))
	g := do(t, a, modernCall("ann", "tools/call", params+`,"inputResponses":{"input-1":{"action":"accept"}},"requestState":"`+state+`"`, ""))
	if g.answer != want || f.count("poll") != 2 {
		t.Errorf("%s after %d runs", g.answer, f.count("poll"))
	}
}

func TestAClientThatLeavesCancelsTheCall(t *testing.T) {
	onBoth(t, mcp.Legacy, func(t *testing.T, f *fake, a *Adapter) {
		c := modernCall("ann", "tools/call", `"name":"slow"`, "")
		ended := make(chan error, 1)
		go func() { ended <- a.Do(c) }()
		eventually(t, "the call runs", func() bool { return f.count("slow") == 1 })
		c.Cancel()
		var e *upstream.Error
		if err := <-ended; !errors.As(err, &e) || e.Code != upstream.Canceled {
			t.Errorf("%v", err)
		}
		c.Close()
		eventually(t, "the server hears of it", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.cancelled) == 1
		})
	})
}

// required reads a result that asks for input.
func required(t *testing.T, g got) (requests jsonscan.Value, state string) {
	t.Helper()
	var doc jsonscan.Doc
	if err := doc.Scan([]byte(g.answer), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	result := doc.Root().Get("result")
	if !result.Get("resultType").TextIs("input_required") {
		t.Fatalf("no input is required: %s", g.answer)
	}
	return result.Get("inputRequests"), strings.Clone(result.Get("requestState").Text())
}

func TestWhatAServerAsksInTheMiddleOfACallIsAnsweredInTheNextRound(t *testing.T) {
	onBoth(t, mcp.Legacy, func(t *testing.T, f *fake, a *Adapter) {
		requests, state := required(t, do(t, a, modernCall("ann", "tools/call", `"name":"ask"`, "")))
		if got := string(requests.Raw()); got != `{"input-1":{"method":"elicitation/create","params":{"message":"who?","requestedSchema":{"type":"object","properties":{}}}}}` {
			t.Errorf("asked for %s", got)
		}
		// Without an answer the client is asked again.
		requests, state = required(t, do(t, a, modernCall("ann", "tools/call", `"name":"ask","requestState":"`+state+`","inputResponses":{"other":{}}`, "")))
		if !requests.Get("input-1").Exists() {
			t.Fatalf("asked again for %s", requests.Raw())
		}
		g := do(t, a, modernCall("ann", "tools/call", `"name":"ask","inputResponses":{"input-1":{"action":"accept","content":{"n":1.50}}},"requestState":"`+state+`"`, ""))
		if want := `"structuredContent":{"jsonrpc":"2.0","id":"ask-1","result":{"action":"accept","content":{"n":1.50}}},"resultType":"complete"`; !strings.Contains(g.answer, want) || !strings.HasPrefix(g.answer, `{"jsonrpc":"2.0","id":"me",`) {
			t.Errorf("%s", g.answer)
		}
		if f.count("ask") != 1 {
			t.Errorf("the call ran %d times", f.count("ask"))
		}
		// Its state is used up.
		g = do(t, a, modernCall("ann", "tools/call", `"name":"ask","inputResponses":{"input-1":{"action":"accept"}},"requestState":"`+state+`"`, ""))
		if !strings.Contains(g.answer, `"code":-32602`) || f.count("ask") != 1 {
			t.Errorf("a state was taken twice: %s", g.answer)
		}
	})
}

func TestSeveralQuestionsAreAnsweredHoweverManyRoundsItTakes(t *testing.T) {
	onBoth(t, mcp.Legacy, func(t *testing.T, f *fake, a *Adapter) {
		params := `"name":"askTwo"`
		g := do(t, a, modernCall("ann", "tools/call", params, ""))
		for round := 0; strings.Contains(g.answer, "input_required"); round++ {
			if round > 2 {
				t.Fatalf("round %d: %s", round, g.answer)
			}
			requests, state := required(t, g)
			var answers []string
			for c := requests.Cursor(); c.Next(); {
				answers = append(answers, string(c.Name().Raw())+`:{"for":`+string(c.Value().Get("method").Raw())+`}`)
			}
			g = do(t, a, modernCall("ann", "tools/call", params+`,"requestState":"`+state+`","inputResponses":{`+strings.Join(answers, ",")+`}`, ""))
		}
		if !strings.Contains(g.answer, `{"for":"elicitation/create"}`) || !strings.Contains(g.answer, `{"for":"roots/list"}`) || f.count("askTwo") != 1 {
			t.Errorf("%s after %d runs", g.answer, f.count("askTwo"))
		}
	})
}

func TestAServerThatMayNotAskIsToldSo(t *testing.T) {
	onBoth(t, mcp.Legacy, func(t *testing.T, _ *fake, a *Adapter) {
		g := do(t, a, modernCall("ann", "tools/call", `"name":"ask"`, `"`+metaCapabilities+`":{}`))
		if !strings.Contains(g.answer, `"id":"ask-1","error":{"code":-32601`) {
			t.Errorf("%s", g.answer)
		}
	})
}

func TestAParkedCallIsNobodyElses(t *testing.T) {
	f := newFake(mcp.Legacy)
	a := f.adapter(t, "http", func(o *Options) { o.Pinned = true })
	_, state := required(t, do(t, a, modernCall("ann", "tools/call", `"name":"ask"`, "")))
	answer := `,"inputResponses":{"input-1":{"action":"accept"}},"requestState":"`
	for name, c := range map[string]*upstream.Call{
		"another owner":   modernCall("bob", "tools/call", `"name":"ask"`+answer+state+`"`, ""),
		"another tool":    modernCall("ann", "tools/call", `"name":"echo"`+answer+state+`"`, ""),
		"other arguments": modernCall("ann", "tools/call", `"name":"ask","arguments":{"a":1}`+answer+state+`"`, ""),
		"another method":  modernCall("ann", "prompts/get", `"name":"ask"`+answer+state+`"`, ""),
		"an altered one":  modernCall("ann", "tools/call", `"name":"ask"`+answer+"A"+state[1:]+`"`, ""),
		"a longer one":    modernCall("ann", "tools/call", `"name":"ask"`+answer+state+`A"`, ""),
		"none at all":     modernCall("ann", "tools/call", `"name":"ask"`+answer+`"`, ""),
	} {
		if name == "an altered one" && state[0] == 'A' {
			continue
		}
		if g := do(t, a, c); !strings.Contains(g.answer, `"code":-32602`) {
			t.Errorf("%s resumed the call: %s", name, g.answer)
		}
	}
	if g := do(t, a, modernCall("ann", "tools/call", `"name":"ask"`+answer+state+`"`, "")); !strings.Contains(g.answer, `"complete"`) || f.count("ask") != 1 {
		t.Errorf("its own state did not: %s", g.answer)
	}
}

func TestParkedCallsHaveABoundAndATime(t *testing.T) {
	f := newFake(mcp.Legacy)
	a := f.adapter(t, "http", func(o *Options) { o.Pinned, o.Parked, o.AnswerWait = true, 1, 300*time.Millisecond })
	required(t, do(t, a, modernCall("ann", "tools/call", `"name":"ask"`, "")))
	full := do(t, a, modernCall("ann", "tools/call", `"name":"ask"`, ""))
	if !strings.Contains(full.answer, "input_required") && !strings.Contains(full.answer, "too many calls wait for input") {
		t.Errorf("%s", full.answer)
	}
	eventually(t, "the parked call is cancelled", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.cancelled) == 2
	})
	a.lot.mu.Lock()
	defer a.lot.mu.Unlock()
	if n := len(a.lot.works); n != 0 {
		t.Errorf("%d calls are still parked", n)
	}
}

func TestAnErrorThatSendsTheClientToAURLBecomesARound(t *testing.T) {
	onBoth(t, mcp.Legacy, func(t *testing.T, f *fake, a *Adapter) {
		requests, state := required(t, do(t, a, modernCall("ann", "tools/call", `"name":"url"`, "")))
		if got := string(requests.Raw()); got != `{"input-1":{"method":"elicitation/create","params":{"mode":"url","url":"https://x.example/","message":"log in"}}}` {
			t.Errorf("asked for %s", got)
		}
		g := do(t, a, modernCall("ann", "tools/call", `"name":"url","requestState":"`+state+`","inputResponses":{"input-1":{"action":"decline"}}`, ""))
		if !strings.Contains(g.answer, `"code":-32603`) || f.count("url") != 1 {
			t.Errorf("declined: %s", g.answer)
		}
		do(t, a, modernCall("ann", "tools/call", `"name":"url","requestState":"`+state+`","inputResponses":{"input-1":{"action":"accept"}}`, ""))
		if f.count("url") != 2 {
			t.Errorf("accepted, but the call ran %d times", f.count("url"))
		}
		if g := do(t, a, modernCall("ann", "tools/call", `"name":"url"`, `"`+metaCapabilities+`":{}`)); !strings.Contains(g.answer, `"code":-32042`) {
			t.Errorf("a client that can't be sent anywhere: %s", g.answer)
		}
	})
}
