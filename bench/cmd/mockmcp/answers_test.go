package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/bench/internal/workload"
)

func TestACallIsAnsweredTheSameHoweverItIsWritten(t *testing.T) {
	a := newAnswers(workload.Tools)
	for _, era := range []workload.Era{workload.EraLegacy, workload.EraModern} {
		body := workload.NewCall(era, 1024).Body
		if _, ok := a.callID(body); !ok {
			t.Errorf("the %s call isn't recognised by its first bytes", era)
		}
		want := string(workload.AppendAnswer(nil, era, []byte("1000000000")))
		spaced := []byte(strings.Replace(string(body), `{"jsonrpc"`, `{ "jsonrpc"`, 1))
		for _, b := range [][]byte{body, spaced} {
			if got, method := a.append(nil, b); string(got) != want || method != "tools/call" {
				t.Errorf("%s: %s %s\nwant %s", era, method, got, want)
			}
		}
	}
}

func TestEveryMethodHasAnAnswer(t *testing.T) {
	modern := `{"io.modelcontextprotocol/protocolVersion":"` + workload.Modern + `"}`
	tests := []struct{ name, in, want string }{
		{"ping", `{"jsonrpc":"2.0","id":"a","method":"ping"}`, `"id":"a","result":{}`},
		{"legacy list", `{"jsonrpc":"2.0","id":1,"method":"prompts/list"}`, `"result":{"prompts":[]}`},
		{"modern list", `{"jsonrpc":"2.0","id":1,"method":"prompts/list","params":{"_meta":` + modern + `}}`, `"cacheScope":"public","prompts":[]`},
		{"initialize", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`, `"protocolVersion":"2025-11-25"`},
		{"initialize at an older revision", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}`, `"protocolVersion":"2025-06-18"`},
		{"initialize at an unknown revision", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2031-01-01"}}`, `"protocolVersion":"2025-11-25"`},
		{"discover", `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":` + modern + `}}`, `"supportedVersions":["2026-07-28"`},
		{"unknown", `{"jsonrpc":"2.0","id":1,"method":"x"}`, `"code":-32601`},
		{"not JSON", `{`, `"code":-32700`},
		{"notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, ``},
	}
	a := newAnswers(workload.Tools)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := a.append(nil, []byte(tt.in))
			if !strings.Contains(string(got), tt.want) || (tt.want == "") != (len(got) == 0) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if len(got) > 0 && !json.Valid(got) {
				t.Errorf("not JSON: %s", got)
			}
		})
	}
}

func TestLinesAreAnsweredWithLines(t *testing.T) {
	in := `{"jsonrpc":"2.0","id":1,"method":"ping"}` + "\n" + `{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n" + `{"jsonrpc":"2.0","id":2,"method":"ping"}` + "\n"
	want := `{"jsonrpc":"2.0","id":1,"result":{}}` + "\n" + `{"jsonrpc":"2.0","id":2,"result":{}}` + "\n"
	var out strings.Builder
	if err := converse(newAnswers(workload.Tools), strings.NewReader(in), &out); err != nil || out.String() != want {
		t.Errorf("%v, got %s\nwant %s", err, out.String(), want)
	}
}
