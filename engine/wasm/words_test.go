package wasm_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

func TestWhatAGuestSaysGoesIntoTheResult(t *testing.T) {
	for name, c := range map[string]struct {
		verdict int32
		want    string
	}{
		"deny":    {1, `deny second "two"`},
		"pass":    {0, "pass"},
		"approve": {3, `approve approval "really?"`},
	} {
		t.Run(name, func(t *testing.T) {
			p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
			say(p, "reason", nothing, "first", "one")
			say(p, "reason", nothing, "second", "two")
			say(p, "approve", nothing, "sure?")
			say(p, "approve", nothing, "really?")
			say(p, "note", nothing, "k1", "v1")
			say(p, "note", nothing, "k.2-3_", "bad \xff\xf0\x9f\x98\x80")
			say(p, "note", nothing, "k1", "v2")
			say(p, "label", nothing, "pii")
			say(p, "label", nothing, "pii")
			say(p, "label", nothing, "0")
			say(p, "log", 1, "hello")
			say(p, "log", 7, "unknown level")
			say(p, "log", -1, "")
			r := p.Return(c.verdict)
			if got := sum(r); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if diff := cmp.Diff([]wasm.Note{{Key: "k1", Text: "v2"}, {Key: "k.2-3_", Text: "bad \ufffd\U0001f600"}}, r.Notes); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"pii", "0"}, r.Labels); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]wasm.Line{{Level: 1, Text: "hello"}, {Level: 3, Text: "unknown level"}, {Level: 3}}, r.Logs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOfAFailureOnlyNotesAndLogStay(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	say(p, "reason", nothing, "mine", "text")
	say(p, "label", nothing, "l")
	say(p, "note", nothing, "k", "v")
	say(p, "log", 0, "line")
	say(p, "patch", 0, "args.path", "1")
	say(p, "fail", nothing, "can't \xff judge\x00")
	r := p.Return(2)
	if got, want := sum(r), "deny trap: the guest gave up: can't \ufffd judge\x00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if r.Code != wasm.CodeFailed || r.Message != "" || r.Labels != nil || r.Edits != nil || len(r.Notes) != 1 || len(r.Logs) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestTextsAreCutAfterTheLastWholeCharacter(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	long := strings.Repeat("a", hostapi.LimitTextBytes-1) + "\u00e9bc"
	say(p, "reason", nothing, "long", long)
	if got, want := p.Return(1).Message, long[:hostapi.LimitTextBytes-1]; got != want {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-4:])
	}
}

func TestMisspelledAndSuperfluousWordsFail(t *testing.T) {
	long := strings.Repeat("a", 101)
	for _, c := range []struct {
		f     string
		texts []string
		want  string
	}{
		{"reason", []string{"", "x"}, `abi: "" is not a code of a reason`},
		{"reason", []string{"Upper", "x"}, `abi: "Upper" is not a code of a reason`},
		{"reason", []string{"1st", "x"}, `abi: "1st" is not a code of a reason`},
		{"reason", []string{"a b", "x"}, `abi: "a b" is not a code of a reason`},
		{"reason", []string{long, "x"}, `abi: "` + long[:100] + `" is not a code of a reason`},
		{"reason", []string{long[:100], "x"}, "0"},
		{"note", []string{"", "x"}, `abi: "" is not a key of a note`},
		{"note", []string{"a/b", "x"}, `abi: "a/b" is not a key of a note`},
		{"note", []string{long[:65], "x"}, `abi: "` + long[:65] + `" is not a key of a note`},
		{"note", []string{"9", "x"}, "0"},
		{"label", []string{"\x00"}, `abi: "\x00" is not a label`},
		{"label", []string{long[:64]}, "0"},
	} {
		p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
		_, f := say(p, c.f, nothing, c.texts...)
		if got := made(0, f); got != c.want {
			t.Errorf("%s(%q): %s, want %s", c.f, c.texts, got, c.want)
		}
	}
	for f, want := range map[string]string{"note": "abi: more than 16 notes", "label": "abi: more than 16 labels"} {
		p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
		texts := []string{"", "x"}
		if f == "label" {
			texts = texts[:1]
		}
		for i := range 17 {
			texts[0] = fmt.Sprint("k", i)
			_, failure := say(p, f, nothing, texts...)
			if got := made(0, failure); i < 16 && got != "0" || i == 16 && got != want {
				t.Errorf("%s %d: %s", f, i, got)
			}
		}
	}
}

func TestLogLinesAreBounded(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	for i := range 70 {
		say(p, "log", 0, fmt.Sprint("line ", i))
	}
	if r := p.Return(0); len(r.Logs) != 64 || r.LogsDropped != 6 || r.Logs[63].Text != "line 63" {
		t.Errorf("%d lines, %d dropped", len(r.Logs), r.LogsDropped)
	}
}

func TestArgumentsOutsideOfTheMemoryFail(t *testing.T) {
	for _, c := range []struct {
		f    string
		args []uint64
		want string
	}{
		{"log", []uint64{0, 65535, 2}, "argument of 2 bytes at 65535 lies outside of the memory of 65536 bytes"},
		{"log", []uint64{0, 0xffffffff, 2}, "argument of 2 bytes at 4294967295 lies outside of the memory of 65536 bytes"},
		{"label", []uint64{0, 0xffffffff}, "argument of 4294967295 bytes at 0 lies outside of the memory of 65536 bytes"},
		{"patch", []uint64{0, 0, 4, 65536, 1}, "argument of 1 bytes at 65536 lies outside of the memory of 65536 bytes"},
		{"lookup", []uint64{1, 65536, 1, 0, 0}, "argument of 1 bytes at 65536 lies outside of the memory of 65536 bytes"},
		{"str_replace", []uint64{0, 70000, 1}, "argument of 1 bytes at 70000 lies outside of the memory of 65536 bytes"},
	} {
		p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
		if _, f := p.Call(c.f, c.args...); f.Type != hostapi.FailureABI || f.Text != c.want {
			t.Errorf("%s%v: %+v", c.f, c.args, f)
		}
	}
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	if _, f := p.Call("log", 0, 0xffffffff, 0); f.Type != "" {
		t.Errorf("an empty argument far away: %+v", f)
	}
}

func TestDetectors(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	found := func(what uint64) string {
		n, f := p.Call("match", 2, what, buf, size)
		if f.Type != "" {
			return string(f.Type) + ": " + f.Text
		}
		if int32(n) < 0 {
			return fmt.Sprint(int32(n))
		}
		return fmt.Sprintf("% x", p.Memory()[buf:buf+n])
	}
	for what, want := range map[uint64]string{
		absent:     "05 00 00 00 14 00 00 00 00 00 00 00 18 00 00 00 19 00 00 00 01 00 00 00", // -1: the string 0
		absent - 1: "",                                                                        // the string 1
		absent - 7: "-1",                                                                      // there is no string 7
		7:          "",                                                                        // args.path
		0:          "-1",                                                                      // apiKey.id
		3:          "-2",                                                                      // args.limit, a number
		1:          "-2",
	} {
		if got := found(what); got != want {
			t.Errorf("match of %d: %s, want %s", int32(what), got, want)
		}
	}
	for rule, want := range map[uint64]string{0: "email", 1: "digits", 2: "absent", absent: "absent"} {
		if got := bytesOf(t, p, "match_rule", 2, rule); got != want {
			t.Errorf("rule %d is %s, want %s", int32(rule), got, want)
		}
	}
	l := probe(t, everyGrant(t), hostapi.HookList, &wasm.Message{Items: scan(t, `[{"name":"x"}]`)})
	if n, _ := l.Call("match", 2, 1, buf, size); n != wrongType {
		t.Errorf("match of a field of items gives %d", int32(n))
	}
}

func TestMatchesAreInOrderAndApart(t *testing.T) {
	type m = wasm.Match
	for name, c := range map[string]struct{ found, want []m }{
		"in order":           {[]m{{1, 2, 0}, {2, 4, 1}}, []m{{1, 2, 0}, {2, 4, 1}}},
		"out of order":       {[]m{{5, 6, 0}, {1, 2, 0}}, []m{{1, 2, 0}, {5, 6, 0}}},
		"the first stays":    {[]m{{2, 9, 0}, {1, 3, 1}}, []m{{1, 3, 1}}},
		"the longer stays":   {[]m{{1, 3, 0}, {1, 4, 1}}, []m{{1, 4, 1}}},
		"the lower stays":    {[]m{{1, 3, 1}, {1, 3, 0}}, []m{{1, 3, 0}}},
		"empty ones go":      {[]m{{1, 1, 0}, {3, 2, 0}, {4, 5, 0}}, []m{{4, 5, 0}}},
		"impossible ones go": {[]m{{-1, 2, 0}, {1, 11, 0}, {1, 2, 2}, {1, 2, -1}}, []m{}},
	} {
		if diff := cmp.Diff(c.want, wasm.Tidy(c.found, 10, 2)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTables(t *testing.T) {
	c := everyGrant(t)
	generations := 0
	c.Tables = func() wasm.Tables {
		generations++
		v := scan(t, fmt.Sprintf(`{"g":%d,"long":{"id":7,"list":[ 1 ]},"text":"a\u0062",%q:1,%q:1}`, generations, strings.Repeat("k", 1024), strings.Repeat("k", 1025)))
		return wasm.Tables{"tenants": func(key string) jsonscan.Value { return v.Get(key) }}
	}
	pl := plugin(t, everything(), c)
	atLoad := generations
	for range 2 {
		p := wasm.NewProbe(pl, hostapi.HookRequest, rich(t))
		find := func(key string) string { return bytesOf(t, p, "lookup", append([]uint64{1}, give(p, key)...)...) }
		first := find("g")
		for key, want := range map[string]string{"g": first, "long": `{"id":7,"list":[1]}`, "text": "ab", "none": "absent", "": "absent", strings.Repeat("k", 1024): "1", strings.Repeat("k", 1025): "absent"} {
			if got := find(key); got != want {
				t.Errorf("%.10s of %d bytes is %s, want %s", key, len(key), got, want)
			}
		}
		p.Return(0)
	}
	if generations != atLoad+2 {
		t.Errorf("two calls took %d generations", generations-atLoad)
	}
}

func TestCapabilitiesThatAreNotGrantedFail(t *testing.T) {
	for _, c := range []struct {
		f    string
		id   uint64
		want string
	}{
		{"match", 3, "capability: match:secret is not granted"},
		{"match", 1, "capability: capability 1 is lookup:tenants, which is not of the kind match"},
		{"match", 4, "capability: capability 4 is not declared: there are 4"},
		{"match_rule", 3, "capability: match:secret is not granted"},
		{"lookup", 0, "capability: lookup:secret is not granted"},
		{"lookup", 2, "capability: capability 2 is match:pii, which is not of the kind lookup"},
		{"lookup", absent, "capability: capability -1 is not declared: there are 4"},
	} {
		p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
		if _, f := p.Call(c.f, c.id, 0, 0, 0, 0); made(0, f) != c.want {
			t.Errorf("%s %d: %+v, want %s", c.f, int32(c.id), f, c.want)
		}
	}
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	for id, want := range map[uint64]uint64{0: 0, 1: 1, 2: 1, 3: 0, 4: 0, absent: 0} {
		if got, _ := p.Call("granted", id); got != want {
			t.Errorf("granted(%d) is %d", int32(id), got)
		}
	}
}

func TestFeaturesAndTime(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	for id, want := range map[uint64]uint64{0: 0, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 0, absent: 0} {
		if got, _ := p.Call("feature", id); got != want {
			t.Errorf("feature(%d) is %d", int32(id), got)
		}
	}
	if got, _ := p.Call("now_ms"); got != uint64(decided.UnixMilli()) {
		t.Errorf("now is %d", got)
	}
	m := (&module{}).manifest(strings.Replace(simpleManifest, `"hooks"`, `"deterministic":true,"hooks"`, 1))
	m.mem(1, 1)
	m.fun("sp_on_request", ":i", "", i32(0))
	p = wasm.NewProbe(plugin(t, m, wasm.Config{}), hostapi.HookRequest, rich(t))
	defer p.Return(0)
	if p.Call("clock_time_get", 0, 0, 200); !bytes.Equal(p.Memory()[200:208], make([]byte, 8)) {
		t.Errorf("a deterministic plugin sees the time % x", p.Memory()[200:208])
	}
	timeless := rich(t)
	timeless.Time = time.Time{}
	q := probe(t, everyGrant(t), hostapi.HookRequest, timeless)
	if got, _ := q.Call("now_ms"); got != 0 {
		t.Errorf("no time is %d", int64(got))
	}
	if _, f := p.Call("now_ms"); f.Type != hostapi.FailureCapability || f.Text != "now_ms is not for a plugin that says it is deterministic" {
		t.Errorf("%+v", f)
	}
}
