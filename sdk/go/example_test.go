package sallyport_test

import (
	"fmt"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport/sdk/go"
	"github.com/sallyport-dev/sallyport/sdk/go/sallyporttest"
)

// A plugin's manifest is a file beside its code, which go:embed makes a string of.
const manifest = `{
  "abi": "sallyport/1", "name": "files", "version": "1.0.0",
  "hooks": ["request", "response", "list"],
  "reads": {
    "request": ["args.path", "principal.groups"],
    "list": ["items[*].name"]
  },
  "strings": {"response": ["mcp.tool.result.content[*].text"]},
  "writes": ["args.path", "mcp.tool.result.content[*].text"],
  "verdicts": ["deny", "mutate", "approve"]
}`

// load boots a plugin as a test does, where there is no testing.T.
func load(p sallyport.Plugin) *sallyporttest.Host {
	h, err := sallyporttest.Boot(p, sallyporttest.Options{})
	if err != nil {
		panic(err)
	}
	return h
}

// unused stands for the hooks that an example is not about.
func unused(*sallyport.Call) sallyport.Verdict { return sallyport.Abstain }

func unusedList(*sallyport.List) sallyport.Verdict { return sallyport.Abstain }

// A request is denied, put before a human, edited, or passed.
func ExamplePlugin() {
	onRequest := func(c *sallyport.Call) sallyport.Verdict {
		path, ok := c.Text("args.path")
		switch {
		case !ok:
			return c.Deny("no_path", "Give the argument path.")
		case strings.Contains(path, ".."):
			return c.Deny("path_outside", "Write the path without ..")
		case strings.HasPrefix(path, "/etc/") && !c.Value("principal.groups").Contains("admins"):
			return c.Approve("May a stranger read " + path + "?")
		case !strings.HasPrefix(path, "/"):
			c.SetText("args.path", "/home/"+path)
			return sallyport.Mutate
		}
		return sallyport.Pass
	}
	h := load(sallyport.Plugin{Manifest: manifest, OnRequest: onRequest, OnResponse: unused, OnList: unusedList})
	for _, arguments := range []string{`{}`, `{"path":"../x"}`, `{"path":"/etc/hosts"}`, `{"path":"notes.txt"}`, `{"path":"/srv/x"}`} {
		fmt.Println(h.Request(sallyporttest.ToolCall("read_file", arguments)))
	}
	// Output:
	// deny no_path: Give the argument path.
	// deny path_outside: Write the path without ..
	// approve: May a stranger read /etc/hosts?
	// mutate
	// pass
}

// A result's texts are masked.
func ExampleCall_Strings() {
	onResponse := func(c *sallyport.Call) sallyport.Verdict {
		verdict := sallyport.Pass
		for s := range c.Strings() {
			if before, _, found := strings.Cut(s.Text(), "password="); found {
				s.Replace(before + "password=***")
				verdict = sallyport.Mutate
			}
		}
		return verdict
	}
	h := load(sallyport.Plugin{Manifest: manifest, OnRequest: unused, OnResponse: onResponse, OnList: unusedList})
	r := h.Response(sallyporttest.ToolCall("read_file", `{}`).Answered(`{"content":[{"type":"text","text":"user=a password=b"}]}`))
	fmt.Println(r, r.Result)
	// Output:
	// mutate {"content":[{"type":"text","text":"user=a password=***"}]}
}

// Tools are left out of a list.
func ExampleList_Items() {
	onList := func(l *sallyport.List) sallyport.Verdict {
		for item := range l.Items() {
			if name, _ := item.Text("items[*].name"); strings.HasPrefix(name, "admin_") {
				item.Drop()
			}
		}
		return sallyport.Mutate // without an edit that is Pass
	}
	h := load(sallyport.Plugin{Manifest: manifest, OnRequest: unused, OnResponse: unused, OnList: onList})
	m := sallyporttest.Message{Method: "tools/list", Result: `{"tools":[{"name":"read"},{"name":"admin_reset"},{"name":"write"}]}`}
	r := h.List(m)
	fmt.Println(r, r.Result)
	// Output:
	// mutate {"tools":[{"name":"read"},{"name":"write"}]}
}

func ExampleValue() {
	v, err := sallyport.ParseJSON(`{"roots": {"acme": "/srv/acme"}, "tools": ["read", "write"]}`)
	if err != nil {
		panic(err)
	}
	for tenant, root := range v.Get("roots").Members() {
		text, _ := root.Text()
		fmt.Println(tenant, text)
	}
	fmt.Println(v.Get("tools").Contains("write"), v.Get("missing").Exists())
	// Output:
	// acme /srv/acme
	// true false
}
