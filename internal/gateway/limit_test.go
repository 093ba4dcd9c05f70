package gateway

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// limitedBy gives a world one rate limit, of n units in a day.
func limitedBy(n int64, spec limit.Spec) option {
	return func(_ *Options, s *Snapshot) { s.Limits = limits(n, spec) }
}

func limits(n int64, spec limit.Spec) *limit.Set {
	l, err := limit.New(time.Now)
	if err != nil {
		panic(err)
	}
	return setOf(l, n, spec)
}

func setOf(l *limit.Limiter, n int64, spec limit.Spec) *limit.Set {
	spec.Name, spec.Count, spec.Per, spec.Burst = "daily", 1, 24*time.Hour, n
	spec.At = func(...string) source.Pos { return source.Pos{} }
	s, ds := l.Compile([]limit.Spec{spec}, []string{"files"})
	if len(ds) > 0 {
		panic(ds)
	}
	return s
}

// noStore has a limit whose store is closed.
func noStore(lenient bool) option {
	return func(_ *Options, s *Snapshot) {
		l, err := limit.NewValkey(limit.ValkeyOptions{Address: "127.0.0.1:1", Now: time.Now})
		if err != nil {
			panic(err)
		}
		l.Close()
		s.Limits = setOf(l, 1, limit.Spec{Lenient: lenient})
	}
}

var (
	costly  = limit.Spec{Methods: []string{"tools/call"}, Cost: source.NewText(`args.path == "/srv/a" ? 2 : 1`)}
	keyless = limit.Spec{Methods: []string{"tools/call"}, Key: source.NewText("args.account")}
)

var limitExits = []exit{
	{
		name: "a call beyond what a limit ever admits", options: []option{limitedBy(1, costly)}, request: post(readAllowed), status: 429,
		body: `"id":7,"error":{"code":42901,"message":"Too many requests: the call is larger than the rate limit daily ever admits","data":{"decisionId":"`,
		kind: audit.Refusal, reason: "rate_limited",
	},
	{
		name: "the same in the style of a result", options: []option{limitedBy(1, costly), resultStyle}, request: post(readAllowed), status: 200,
		body: `"text":"Denied by policy: the call is larger than the rate limit daily ever admits"}],"isError":true`, kind: audit.Refusal, reason: "rate_limited",
	},
	{
		name: "a call of which the key can't be computed", options: []option{limitedBy(1, keyless)}, request: post(readAllowed), status: 200,
		body: `"code":40301,"message":"Denied by policy: the rate limit daily can't tell what this call counts as"`, kind: audit.Refusal, reason: "rate_limit_key",
	},
	{
		name: "a modern one", options: []option{limitedBy(1, keyless)}, request: modern("tools/call", "read_file", `"name":"read_file","arguments":{"path":"/srv/a"}`),
		status: 200, body: `"id":"a","error":{"code":40301`, kind: audit.Refusal, reason: "rate_limit_key",
	},
	{
		name: "a store that doesn't answer", options: []option{noStore(false)}, request: post(readAllowed), status: 503, header: "Retry-After: 1",
		body: `"id":7,"error":{"code":50301,"message":"The call can't be counted, and so is refused"}`, kind: audit.Refusal, reason: "rate_limit_unavailable",
	},
	{name: "a store that doesn't answer, where calls pass then", options: []option{noStore(true)}, request: post(readAllowed), status: 200, body: "done", kind: audit.Outcome, reaches: 1},
	{name: "a notification that no limit counts", options: []option{limitedBy(1, limit.Spec{}), noStore(false)}, answer: replies(202, upstream.Empty, ""), request: post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`), status: 202, kind: audit.Outcome, reaches: 1},
	{
		name: "a notification that a limit counts", options: []option{limitedBy(1, limit.Spec{Methods: []string{"notifications/*"}, Key: source.NewText("params.x")})},
		request: post(`{"jsonrpc":"2.0","method":"notifications/initialized","params":{}}`), status: 403, kind: audit.Refusal, reason: "rate_limit_key",
	},
}

func TestLimitExits(t *testing.T) {
	for _, e := range limitExits {
		t.Run(e.name, func(t *testing.T) { e.run(t) })
	}
}

func TestRateLimit_refusesWhatIsOneTooMany(t *testing.T) {
	retry := regexp.MustCompile(`"retryAfterMs":8[0-9]{7}\}`)
	for name, request := range map[string]string{
		"legacy": post(readAllowed),
		"modern": modern("tools/call", "read_file", `"name":"read_file","arguments":{"path":"/srv/a"}`),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testPolicy, limitedBy(1, limit.Spec{Key: source.NewText("principal.type")}))
			if r := w.raw(request); r.status != 200 {
				t.Fatalf("%+v", r)
			}
			r := w.raw(request)
			if r.status != 429 || !strings.Contains(r.body, `"code":42901,"message":"Too many requests: the rate limit daily is used up; try again in 8`) {
				t.Errorf("%+v", r)
			}
			if !strings.Contains(r.body, `"reason":"rate_limited","limit":"daily","remaining":0,"retryAfterMs":`) || !retry.MatchString(r.body) {
				t.Errorf("%s", r.body)
			}
			if after := r.header.Get("Retry-After"); len(after) != 5 || after[0] != '8' || r.closed {
				t.Errorf("Retry-After %q", after)
			}
			last := w.recorded(3)[2]
			if last.Kind != audit.Refusal || last.Effect != "deny" || last.Reason != "rate_limited" || last.Limit != "daily" || last.Remaining != 0 || last.Status != 429 ||
				last.Rule != "" || last.Revision == "" || last.ErrorCode != 42901 || last.NotReplayable != "rate_limited" || last.Tool != "read_file" {
				t.Errorf("%+v", last)
			}
			if n := len(w.server.received()); n != 1 {
				t.Errorf("the server has seen %d messages", n)
			}
		})
	}
}

func TestRateLimit_detail(t *testing.T) {
	w := newWorld(t, testPolicy, limitedBy(1, costly), noDetail)
	if r := w.raw(post(readAllowed)); strings.Contains(r.body, "daily") || !strings.Contains(r.body, `"message":"Too many requests","data":{"decisionId":"`) {
		t.Errorf("%s", r.body)
	}
}

func TestRateLimit_denialsUseUpNothing(t *testing.T) {
	w := newWorld(t, testPolicy, limitedBy(1, limit.Spec{}))
	var got []string
	for _, request := range []string{call("read_file", `{"path":"/srv/.env"}`), call("rm", `{}`), readAllowed, call("rm", `{}`), readAllowed} {
		r := w.raw(post(request))
		got = append(got, fmt.Sprint(r.status, " ", strings.Contains(r.body, "Unknown tool")))
	}
	// A hidden tool is unknown before a limit is used up, and after.
	want := []string{"200 false", "200 true", "200 false", "200 true", "429 false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRateLimit_countsEachMessageOfABatch(t *testing.T) {
	w := newWorld(t, testPolicy, limitedBy(2, limit.Spec{}))
	var calls []string
	for _, id := range []string{"7", "8", "9"} {
		calls = append(calls, strings.Replace(readAllowed, `"id":7`, `"id":`+id, 1))
	}
	batch := "[" + strings.Join(calls, ",") + "]"
	r := w.raw(post(batch, "MCP-Protocol-Version: 2025-03-26"))
	if r.status != 200 || strings.Count(r.body, `"done"`) != 2 || strings.Count(r.body, `"code":42901`) != 1 {
		t.Errorf("%+v", r)
	}
	records := w.recorded(5)
	if last := records[len(records)-1]; len(records) != 5 || last.Reason != "rate_limited" || last.Limit != "daily" {
		t.Errorf("%d records, the last is %+v", len(records), last)
	}
}

func TestRateLimit_answersOfClientsAreNotCounted(t *testing.T) {
	w := newWorld(t, testPolicy, noStore(false))
	r := w.raw(post(`{"jsonrpc":"2.0","id":1,"result":{}}`))
	if r.status != 400 || !strings.Contains(r.body, "nobody waits") {
		t.Errorf("%+v", r)
	}
}

func TestRateLimit_countsTheCallOfTheServer(t *testing.T) {
	spec := limit.Spec{Servers: []string{"files"}, Tools: []string{"read_file"}}
	w := newWorld(t, viewPolicy, twoServers(t, &script{answer: says(200, okResult)}, limitedBy(2, spec)))
	w.server.answer = says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"complete","content":[]}}`)
	var got []string
	for _, request := range []string{
		modernAt("/mcp", "tools/call", "files__read_file", readParams),
		modernAt("/mcp/files", "tools/call", "read_file", `"name":"read_file","arguments":{"path":"/srv/a"}`),
		modernAt("/mcp/support", "tools/call", "open", `"name":"open","arguments":{"path":"/srv/a"}`),
	} {
		r := w.raw(request)
		got = append(got, fmt.Sprint(r.status, " ", r.header.Get("Retry-After") != ""))
	}
	if diff := cmp.Diff([]string{"200 false", "200 false", "429 true"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if last := w.recorded(5)[4]; last.Reason != "rate_limited" || last.Server != "files" || last.Tool != "read_file" || last.Limit != "daily" {
		t.Errorf("%+v", last)
	}
}

func TestRateLimit_countsEachPartOfAList(t *testing.T) {
	w := newWorld(t, viewPolicy, twoServers(t, &script{answer: answers(map[string]string{"tools/list": tools("send")})}, limitedBy(2, limit.Spec{Methods: []string{"tools/list"}})))
	w.server.answer = answers(map[string]string{"tools/list": tools("read_file")})
	list := modernAt("/mcp", "tools/list", "", "")
	if r := w.raw(list); r.status != 200 || len(r.names(t, "tools", "name")) != 2 {
		t.Errorf("%+v", r)
	}
	if r := w.raw(list); r.status == 200 || !strings.Contains(r.body, `"error"`) {
		t.Errorf("%+v", r)
	}
	refused := 0
	for _, r := range w.recorded(6) {
		if r.Kind == audit.Refusal && r.Reason == "rate_limited" && r.Limit == "daily" {
			refused++
		}
	}
	if refused != 2 {
		t.Errorf("%d records of parts that were refused, want 2", refused)
	}
}
