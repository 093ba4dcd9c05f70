package sallyporttest_test

import (
	"errors"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport/sdk/go"
	"github.com/sallyport-dev/sallyport/sdk/go/sallyporttest"
)

const manifest = `{"abi":"sallyport/1","name":"t","version":"1.0.0","hooks":["request","response"],
	"reads":{"request":["args.path","mcp.prompt.name","mcp.resource.uri","mcp.tool.name","principal.type","request.headers[\"x-tenant\"]"]},
	"strings":{"request":["args"],"response":["mcp.tool.result.content","params.data"]},"writes":["args","mcp.result.content","mcp.tool.result.structuredContent"],
	"verdicts":["deny","mutate"],"settings_schema":{},"deterministic":true}`

func plugin(f func(*sallyport.Call) sallyport.Verdict) sallyport.Plugin {
	return sallyport.Plugin{Manifest: manifest, OnRequest: f, OnResponse: f}
}

// What a plugin does that its manifest, its grant or the ABI doesn't allow fails the call.
func TestHost_enforces(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(c *sallyport.Call) sallyport.Verdict
		o    sallyporttest.Options
		want string
	}{
		{
			"a read that isn't granted", func(c *sallyport.Call) sallyport.Verdict { c.Text("args.path"); return sallyport.Pass },
			sallyporttest.Options{Grant: sallyporttest.Grant{Reads: []string{"mcp.tool.name"}}},
			"capability: the field args.path was not granted",
		},
		{
			"an edit that isn't granted", func(c *sallyport.Call) sallyport.Verdict { c.SetText("args.path", ""); return sallyport.Mutate },
			sallyporttest.Options{Grant: sallyporttest.Grant{Writes: []string{"args.other"}}},
			"capability: args.path is not within the granted writes",
		},
		{
			"an edit that isn't declared", func(c *sallyport.Call) sallyport.Verdict { c.SetText("params.x", ""); return sallyport.Mutate },
			sallyporttest.Options{},
			"capability: params.x is not within the granted writes",
		},
		{
			"an edit of what isn't judged", func(c *sallyport.Call) sallyport.Verdict {
				c.SetText("mcp.result.content", "")
				return sallyport.Mutate
			},
			sallyporttest.Options{},
			"capability: mcp.result.content is not a part of the message that the hook judges",
		},
		{
			"a verdict that isn't granted", func(*sallyport.Call) sallyport.Verdict { return sallyport.Deny },
			sallyporttest.Options{Grant: sallyporttest.Grant{Verdicts: []string{}}},
			"capability: the verdict deny is not granted",
		},
		{
			"a verdict that isn't declared", func(c *sallyport.Call) sallyport.Verdict { return c.Approve("?") },
			sallyporttest.Options{},
			"capability: the verdict approve is not granted",
		},
		{
			"the time in a plugin that is deterministic", func(c *sallyport.Call) sallyport.Verdict { c.Now(); return sallyport.Pass },
			sallyporttest.Options{},
			"capability: now_ms was called, and the manifest says that the plugin is deterministic",
		},
		{"a feature that the host lacks", func(c *sallyport.Call) sallyport.Verdict {
			if c.Has(sallyport.FeaturePatch) || !c.Has(sallyport.FeatureStrings) {
				return sallyport.Pass
			}
			c.SetText("args.path", "")
			return sallyport.Mutate
		}, sallyporttest.Options{Lacks: []sallyport.Feature{sallyport.FeaturePatch}}, "abi: patch was called, and the host lacks its feature"},
		{"an edit inside another", func(c *sallyport.Call) sallyport.Verdict {
			c.SetText("args.list[0]", "")
			c.SetJSON("args.list", "[]")
			return sallyport.Mutate
		}, sallyporttest.Options{}, "abi: the edit of args.list[0] is inside that of args.list"},
		{"text that isn't UTF-8", func(c *sallyport.Call) sallyport.Verdict {
			for s := range c.Strings() {
				s.Replace("\xff")
			}
			return sallyport.Mutate
		}, sallyporttest.Options{}, "abi: str_replace: the text is not UTF-8"},
		{"too many labels", func(c *sallyport.Call) sallyport.Verdict {
			for i := range 17 {
				c.Label(strings.Repeat("a", i+1))
			}
			return sallyport.Pass
		}, sallyporttest.Options{}, "abi: more than 16 labels"},
		{"too many notes", func(c *sallyport.Call) sallyport.Verdict {
			for i := range 17 {
				c.Note(strings.Repeat("a", i+1), "")
			}
			return sallyport.Pass
		}, sallyporttest.Options{}, "abi: more than 16 notes"},
		{"too much that is said", func(c *sallyport.Call) sallyport.Verdict {
			c.Note("a", strings.Repeat("x", 1<<18))
			return sallyport.Pass
		}, sallyporttest.Options{}, "abi: more than 262144 bytes were said"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := sallyporttest.New(t, plugin(tt.do), tt.o)
			got := h.Request(sallyporttest.ToolCall("read", `{"path":"x","list":["a"]}`))
			if want := "deny plugin_failed: " + tt.want; got.String() != want || got.Verdict != sallyport.Deny {
				t.Errorf("got %v, want %s", got, want)
			}
		})
	}
}

func TestHost_appliesEdits(t *testing.T) {
	h := sallyporttest.New(t, plugin(func(c *sallyport.Call) sallyport.Verdict {
		c.SetJSON("args.new", `{"a":[1]}`)
		c.SetText("args.list[1]", "first")
		c.SetText("args.list[1]", "B")
		c.Remove("args.list[0]")
		c.Remove("args.gone")
		return sallyport.Mutate
	}), sallyporttest.Options{})
	got := h.Request(sallyporttest.ToolCall("t", `{"gone":1,"list":["a","b","c"],"n":1.50}`))
	if want := `{"name":"t","arguments":{"list":["B","c"],"n":1.50,"new":{"a":[1]}}}`; got.Params != want {
		t.Errorf("got %s, want %s (%v)", got.Params, want, got)
	}
	if len(got.Edits) != 4 {
		t.Errorf("%d edits, want 4: the later edit of a place counts", len(got.Edits))
	}
}

func TestHost_forgetsEditsOfADenial(t *testing.T) {
	h := sallyporttest.New(t, plugin(func(c *sallyport.Call) sallyport.Verdict {
		c.SetText("args.path", "y")
		return c.Deny("no", "No.")
	}), sallyporttest.Options{})
	got := h.Request(sallyporttest.ToolCall("t", `{"path":"x"}`))
	if got.String() != "deny no: No." || got.Edits != nil || got.Params != `{"name":"t","arguments":{"path":"x"}}` {
		t.Errorf("got %v with %v: %s", got, got.Edits, got.Params)
	}
}

// Names are absent from messages that aren't about them.
func TestHost_showsWhatTheMessageHas(t *testing.T) {
	h := sallyporttest.New(t, plugin(func(c *sallyport.Call) sallyport.Verdict {
		out := ""
		for _, f := range []string{"mcp.tool.name", "mcp.prompt.name", "mcp.resource.uri", "principal.type", `request.headers["x-tenant"]`} {
			text, ok := c.Text(f)
			if !ok {
				text = "-"
			}
			out += text + " "
		}
		return c.Deny("seen", out)
	}), sallyporttest.Options{})
	tool := sallyporttest.ToolCall("read", "")
	tool.Headers = map[string]string{"x-tenant": "acme"}
	for _, tt := range []struct {
		m    sallyporttest.Message
		want string
	}{
		{tool, "read - - anonymous acme "},
		{sallyporttest.Message{Method: "prompts/get", Params: `{"name":"p"}`, Principal: `{"type":"jwt"}`}, "- p - jwt - "},
		{sallyporttest.Message{Method: "resources/read", Params: `{"uri":"file:///x"}`}, "- - file:///x anonymous - "},
		{sallyporttest.Message{Method: "ping"}, "- - - anonymous - "},
	} {
		if got := h.Request(tt.m); got.Text != tt.want {
			t.Errorf("%s: got %v, want %s", tt.m.Method, got, tt.want)
		}
	}
}

func TestHost_enumeratesGrantedStrings(t *testing.T) {
	paths := func(c *sallyport.Call) sallyport.Verdict {
		out := ""
		for s := range c.Strings() {
			out += s.Path() + "=" + s.Text() + " "
		}
		return c.Deny("seen", out)
	}
	m := sallyporttest.ToolCall("t", `{"b":"1","a":["2",{"x y":"3"},4]}`)
	for _, tt := range []struct {
		granted []string
		want    string
	}{
		{nil, `args.b=1 args.a[0]=2 args.a[1]["x y"]=3 `},
		{[]string{"args.a[*]"}, `args.a[0]=2 args.a[1]["x y"]=3 `},
		{[]string{"mcp.result.content"}, ""},
	} {
		h := sallyporttest.New(t, plugin(paths), sallyporttest.Options{Grant: sallyporttest.Grant{Strings: tt.granted}})
		if got := h.Request(m); got.Text != tt.want {
			t.Errorf("granted %v: got %q, want %q", tt.granted, got.Text, tt.want)
		}
	}
	h := sallyporttest.New(t, plugin(paths), sallyporttest.Options{})
	notification := sallyporttest.Message{Method: "notifications/message", Params: `{"data":"y"}`}
	if got := h.Response(notification); got.Text != "params.data=y " {
		t.Errorf("of a notification: got %q", got.Text)
	}
	m.Params = `{"data":"the request's"}`
	if got := h.Response(m.Answered(`{"content":[{"text":"x"}]}`)); got.Text != "mcp.tool.result.content[0].text=x " {
		t.Errorf("of a result: got %q", got.Text)
	}
}

func TestBoot_refuses(t *testing.T) {
	refused := errors.New("not so")
	for _, tt := range []struct {
		name   string
		plugin sallyport.Plugin
		o      sallyporttest.Options
		want   string
	}{
		{"settings that are no object", plugin(nop), sallyporttest.Options{Settings: "[]"}, "sallyporttest: the settings are no JSON object"},
		{
			"settings that Validate refuses",
			sallyport.Plugin{Manifest: manifest, OnRequest: nop, OnResponse: nop, Validate: func(sallyport.Value) error { return refused }},
			sallyporttest.Options{},
			"settings_refused: not so",
		},
		{"settings that Configure refuses", sallyport.Plugin{Manifest: manifest, OnRequest: nop, OnResponse: nop, Configure: func(sallyport.Value) error {
			return &sallyport.SettingsError{Path: "/a", Message: "not so"}
		}}, sallyporttest.Options{}, "settings_refused: /a: not so"},
		{
			"a self-test that fails",
			sallyport.Plugin{Manifest: manifest, OnRequest: nop, OnResponse: nop, SelfTest: func() error { return refused }},
			sallyporttest.Options{},
			"self_test_failed: not so",
		},
		{
			"a plugin without a function",
			sallyport.Plugin{Manifest: manifest, OnRequest: nop},
			sallyporttest.Options{},
			"sallyport: the manifest declares the hook response, for which the plugin has no function",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := sallyporttest.Boot(tt.plugin, tt.o); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func nop(*sallyport.Call) sallyport.Verdict { return sallyport.Pass }
