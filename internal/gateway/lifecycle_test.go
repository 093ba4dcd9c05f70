package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/federation"
)

func onDay(t testing.TB, day string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// ending has the tool old of files come to its end, on a day.
func ending(t testing.TB, today string) option {
	t.Helper()
	return func(o *Options, s *Snapshot) {
		now := onDay(t, today)
		o.Now = func() time.Time { return now }
		s.Tools = map[string]map[string]*ToolEnd{"files": {"old": {
			Deprecated: onDay(t, "2026-01-31"), Message: "It is slow.", Blocked: onDay(t, "2026-06-30"), ReplacedBy: "new",
		}}}
	}
}

const (
	oldTool  = `{"name":"old", "description":"Reads \u00e4 file","big":12345678901234567890,"inputSchema":{"type":"object"},"_meta":{"a":1.50}}`
	newTool2 = `{"name":"new","inputSchema":{"type":"object"}}`

	oldNote  = `"dev.sallyport/deprecated":{"since":"2026-01-31","message":"It is slow.","replacedBy":"new","blockedFrom":"2026-06-30"}`
	oldText  = "Deprecated since 2026-01-31. It is slow. Use `new` instead. It can't be used from 2026-06-30 on.\\n\\nReads \u00e4 file"
	oldKnown = `{"name":"old","description":"` + oldText + `","big":12345678901234567890,"inputSchema":{"type":"object"},"_meta":{"a":1.50,` + oldNote + `}}`
)

func TestToolsThatEnd(t *testing.T) {
	plain := `{"name":"old","description":"Reads ` + "\u00e4" + ` file","big":12345678901234567890,"inputSchema":{"type":"object"},"_meta":{"a":1.50}}`
	head, tail := `{"jsonrpc":"2.0","id":"a","result":{"tools":[`, newTool2+`]}}`
	done := `{"jsonrpc":"2.0","id":"a","result":{"content":[],"structuredContent":{"n":1.0}`
	for _, c := range []struct{ day, list, call string }{
		{"2026-01-30", head + plain + "," + tail, done + `}}`},
		{"2026-01-31", head + oldKnown + "," + tail, done + `,"_meta":{` + oldNote + `}}}`},
		{"2026-06-29", head + oldKnown + "," + tail, done + `,"_meta":{` + oldNote + `}}}`},
		{
			"2026-06-30", head + tail,
			"`old` can't be used since 2026-06-30. It is slow. Use `new` instead.",
		},
	} {
		w := newWorld(t, allowAll, ending(t, c.day))
		w.server.answer = answers(map[string]string{
			"tools/list": `{"tools":[` + oldTool + "," + newTool2 + `]}`, "tools/call": `{"content":[], "structuredContent":{"n":1.0}}`,
		})
		if got := w.raw(modern("tools/list", "", "")).body; got != c.list {
			t.Errorf("%s: (-want +got):\n%s", c.day, cmp.Diff(c.list, got))
		}
		got := w.raw(modern("tools/call", "old", `"name":"old","arguments":{}`)).body
		if got != c.call && (c.day != "2026-06-30" || !strings.Contains(got, `"code":40301`) || !strings.Contains(got, c.call)) {
			t.Errorf("%s: (-want +got):\n%s", c.day, cmp.Diff(c.call, got))
		}
		if got := w.raw(modern("tools/call", "new", `"name":"new","arguments":{}`)).body; got != done+`}}` {
			t.Errorf("%s: new: %s", c.day, got)
		}
	}
}

func TestToolsThatHaveEndedAreRecorded(t *testing.T) {
	w := newWorld(t, allowAll, ending(t, "2026-07-01"))
	w.raw(post(call("old", `{}`)))
	r := w.recorded(1)[0]
	if r.Kind != audit.Refusal || r.Effect != "deny" || r.Reason != "tool_blocked" || r.NotReplayable != "tool_blocked" || r.Rule != "" || r.Tool != "old" || r.Revision == "" {
		t.Errorf("%+v", r)
	}
	if sent := w.server.received(); len(sent) != 0 {
		t.Errorf("the server has seen %q", sent)
	}
	if text := scraped(t, w.Metrics); !strings.Contains(text, `sallyport_refusals_total{reason="tool_blocked"} 1`) {
		t.Error("it was not counted")
	}
}

// Whom policy hides a tool from learns nothing of its end.
func TestToolsThatHaveEndedStayHidden(t *testing.T) {
	var got []string
	for _, tool := range []string{"old", "none"} {
		w := newWorld(t, testPolicy, ending(t, "2026-07-01"))
		got = append(got, strings.ReplaceAll(w.raw(post(call(tool, `{}`))).body, tool, "TOOL"))
	}
	if got[0] != got[1] {
		t.Errorf("a tool that has ended can be told from none:\n%s\n%s", got[0], got[1])
	}
}

// Where several servers are one, tools are deprecated under the names that its clients know.
func TestToolsThatEndInViews(t *testing.T) {
	for _, policy := range []string{allowAll, allowAll + responseRule} {
		for day, want := range map[string]string{
			"2026-01-30": `{"name":"files__old","description":"Old."`,
			"2026-02-01": "{\"name\":\"files__old\",\"description\":\"Deprecated since 2026-01-31. It is slow. Use `files__new` instead. It can't be used from 2026-06-30 on.\\n\\nOld.\"",
			"2026-07-01": `"tools":[{"name":"files__new"`,
		} {
			w := newWorld(t, policy, twoServers(t, &script{answer: answers(map[string]string{"tools/list": tools("old")})}, ending(t, day)))
			w.server.answer = answers(map[string]string{
				"tools/list": `{"resultType":"complete","tools":[{"name":"old","description":"Old.","inputSchema":{"type":"object"}},` + newTool2 + `],"ttlMs":60000,"cacheScope":"public"}`,
				"tools/call": `{"resultType":"complete","content":[]}`,
			})
			for range 2 { // asked for, then remembered
				got := w.raw(modernAt("/mcp", "tools/list", "", "")).body
				if !strings.Contains(got, want) || strings.Count(got, "It is slow.") > 2 || !strings.Contains(got, `"name":"mail__old"`) {
					t.Errorf("%s: %s", day, got)
				}
			}
			got := w.raw(modernAt("/mcp", "tools/call", "files__old", `"name":"files__old","arguments":{}`)).body
			want := map[string]string{
				"2026-01-30": `"content":[]}`, "2026-02-01": `"replacedBy":"files__new"`,
				"2026-07-01": "`files__old` can't be used since 2026-06-30. It is slow. Use `files__new` instead.",
			}[day]
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s", day, got)
			}
		}
	}
}

// A replacement that the client has no name for is not named.
func TestReplacementOutsideOfTheView(t *testing.T) {
	x := &exchange{target: target{serverName: "files", view: view(t, federation.Options{
		Name: "support", Servers: map[string]federation.Selection{"files": {}},
		Tools: []federation.Tool{{Name: "open", Server: "files", Tool: "new"}},
	})}}
	for other, want := range map[string]string{"new": "It ends. Use `open` instead.", "other": "It ends.", "": "It ends."} {
		if got := x.endText(&ToolEnd{ReplacedBy: other}, "It ends."); got != want {
			t.Errorf("%q: %s", other, got)
		}
	}
}

const responseRule = `
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: answers }
match: { phase: response }
rules:
  - { name: never, when: 'mcp.method == "none"', effect: deny }
`
