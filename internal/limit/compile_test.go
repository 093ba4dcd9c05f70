package limit

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/source"
)

func TestCompile_reportsWhatCanNeverWork(t *testing.T) {
	l := stores[0].open(t)
	text := source.NewText
	for name, c := range map[string]struct {
		spec Spec
		want []string
	}{
		"a key of the wrong type":       {Spec{Key: text(`{"a": 1}`)}, []string{"SP2004: a key must be a string, a number, a bool or a list of them, but this expression is a map(string, int)"}},
		"a key that doesn't exist":      {Spec{Key: text(`principal.name`)}, []string{"SP2005: `principal` has no field `name`"}},
		"a key of the answer":           {Spec{Key: text(`mcp.tool.result`)}, []string{"SP2009: `mcp.tool.result` is not there yet in the request phase"}},
		"a key that is the time":        {Spec{Key: text(`string(now)`)}, []string{"SP1202: the key depends on more than the call and its caller: `now`"}},
		"a key that always fails":       {Spec{Key: text(`[1][3]`)}, []string{"SP1202: the key can't be computed: index out of bounds: 3"}},
		"a cost of nothing":             {Spec{Cost: text(`0`)}, []string{"SP1202: the cost is always 0, but must be between 1 and the burst, 10"}},
		"a cost beyond the burst":       {Spec{Cost: text(`11`)}, []string{"SP1202: the cost is always 11, but must be between 1 and the burst, 10"}},
		"a cost that always fails":      {Spec{Cost: text(`1 / 0`)}, []string{"SP1202: the cost can't be computed: division by zero"}},
		"both":                          {Spec{Key: text(`nope`), Cost: text(`"1"`)}, []string{"SP2002: unknown name `nope`", "SP2004: a count must be an integer, but this expression is a string"}},
		"a tool of a method without":    {Spec{Methods: []string{"resources/*"}, Key: text(`mcp.tool.name`)}, []string{"SP1202: the limit counts nothing: none of these methods is about a tool"}},
		"tools of a method without":     {Spec{Methods: []string{"tools/list"}, Tools: []string{"a"}}, []string{"SP1202: the limit counts nothing: none of these methods is about a tool"}},
		"a server that there isn't":     {Spec{Servers: []string{"file", "m*"}}, []string{"SP3012: no server matches `file`"}},
		"a tool where it may be absent": {Spec{Methods: []string{"resources/*", "tools/*"}, Key: text(`mcp.tool.name`)}, nil},
	} {
		c.spec.Name, c.spec.Count, c.spec.Per, c.spec.Burst = "l", 10, time.Minute, 10
		c.spec.At = func(...string) source.Pos { return source.Pos{} }
		s, ds := l.Compile([]Spec{c.spec}, []string{"files", "mail"})
		var got []string
		for _, d := range ds {
			got = append(got, d.Code+": "+d.Message)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if (s == nil) != ds.HasErrors() {
			t.Errorf("%s: a set: %v, with %v", name, s != nil, ds)
		}
	}
	if s, ds := l.Compile(nil, nil); s != nil || ds != nil {
		t.Error("no limits make a set")
	}
}

func TestRetain_forgetsLimitsThatAreGone(t *testing.T) {
	l := stores[0].open(t)
	r := call(t, "a", `{}`)
	s := compile(t, l, slow("a", 1, ""), slow("b", 1, ""))
	takeAll(t, s, r)
	l.Retain(compile(t, l, slow("b", 1, "")))
	if got := takeAll(t, compile(t, l, slow("a", 1, "")), r); got[0] != "ok" {
		t.Errorf("a limit that was gone: %s", got)
	}
	if got := takeAll(t, compile(t, l, slow("b", 1, "")), r); got[0] != "b rate_limited 0" {
		t.Errorf("a limit that stayed: %s", got)
	}
}
