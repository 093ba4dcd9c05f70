package federation

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// hard are servers whose names, put before others, come as near to each other as names can.
var hard = []string{"a", "a-b", "a_b", "ab", "3d", "n", "n-3d", "a_3d", "x__y", "a_", "_", "3_d"}

func all(t testing.TB, servers ...string) *View {
	t.Helper()
	o := Options{Servers: map[string]Selection{}}
	for _, s := range servers {
		o.Servers[s] = Selection{All: true}
	}
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func usable() (out []string) {
	for _, s := range hard {
		if ServerName(s) {
			out = append(out, s)
		}
	}
	return out
}

// Names are one to one: what a server calls a thing comes back from what clients call it, and no two things are called the same.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"read", "_read", "__read", "b__c", "a__b", "+x", "file:///a", "ui://w/v", "ui://", "UI://x", "a+ui://x", "", "d+file:///a"} {
		f.Add(s, s+"2")
		f.Add(s, "b_"+s)
		f.Add("ui://"+s, s)
	}
	v := all(f, usable()...)
	f.Fuzz(func(t *testing.T, one, two string) {
		for _, target := range []mcp.Target{mcp.TargetTool, mcp.TargetPrompt, mcp.TargetResource} {
			seen := map[string][2]string{}
			for _, server := range v.Servers() {
				for _, own := range []string{one, two} {
					public, ok := v.Public(target, server, own)
					if !ok {
						continue
					}
					if other, twice := seen[public]; twice && other != [2]string{server, own} {
						t.Fatalf("%q is both %q and %q", public, other, [2]string{server, own})
					}
					seen[public] = [2]string{server, own}
					if s, o, ok := v.Resolve(target, public); !ok || s != server || o != own {
						t.Fatalf("%q of %q is called %q, which is %q of %q (%v)", own, server, public, o, s, ok)
					}
				}
			}
			for _, name := range []string{one, two} {
				if server, own, ok := v.Resolve(target, name); ok {
					if public, _ := v.Public(target, server, own); public != name {
						t.Fatalf("%q names %q of %q, whose name is %q", name, own, server, public)
					}
				}
			}
		}
	})
}

func TestNames(t *testing.T) {
	v := all(t, "files", "my_mail", "3d")
	for _, c := range []struct {
		target              mcp.Target
		server, own, public string
	}{
		{mcp.TargetTool, "files", "read_file", "files__read_file"},
		{mcp.TargetPrompt, "my_mail", "_x", "my_mail___x"},
		{mcp.TargetResource, "files", "file:///a/b", "files+file:///a/b"},
		{mcp.TargetResource, "my_mail", "mail://{id}", "my.mail+mail://{id}"},
		{mcp.TargetResource, "3d", "https://x.example/y", "n..3d+https://x.example/y"},
		{mcp.TargetResource, "my_mail", "ui://inbox/view.html", "ui://my_mail/inbox/view.html"},
	} {
		if public, ok := v.Public(c.target, c.server, c.own); !ok || public != c.public {
			t.Errorf("%q of %q is called %q (%v), want %q", c.own, c.server, public, ok, c.public)
		}
	}
	for _, name := range []string{"", "files", "files__", "__read", "nope__read", "files_read"} {
		if s, own, ok := v.Resolve(mcp.TargetTool, name); ok {
			t.Errorf("%q names %q of %q", name, own, s)
		}
	}
	if _, ok := v.Public(mcp.TargetTool, "files", strings.Repeat("x", MaxName)); ok {
		t.Error("a name that is too long is one")
	}
}

func glob(t testing.TB, uri bool, patterns ...string) (out []policy.Glob) {
	t.Helper()
	for _, p := range patterns {
		compile := policy.NameGlob
		if uri {
			compile = policy.URIGlob
		}
		g, err := compile(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

func TestVirtualServer(t *testing.T) {
	v, err := New(Options{
		Name: "support",
		Servers: map[string]Selection{
			"files": {Tools: glob(t, false, "read_*"), Resources: glob(t, true, "file:///docs/**")},
			"mail":  {},
		},
		Tools: []Tool{{Name: "find_mail", Server: "mail", Tool: "search", Description: "Find it."}, {Name: "look", Server: "files", Tool: "read_dir"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{
		"find_mail": {"mail", "search"}, "look": {"files", "read_dir"}, "files__read_file": {"files", "read_file"},
		"mail__search": {}, "files__read_dir": {}, "files__write": {}, "mail__send": {}, "search": {},
	} {
		if server, own, ok := v.Resolve(mcp.TargetTool, name); ok != (want[0] != "") || server != want[0] || own != want[1] {
			t.Errorf("%q names %q of %q (%v), want %q", name, own, server, ok, want)
		}
	}
	if _, _, ok := v.Resolve(mcp.TargetResource, "files+file:///etc/passwd"); ok {
		t.Error("a resource that is not selected can be read")
	}
	for list, want := range map[string][2]bool{"tools": {true, true}, "prompts": {false, false}, "resources": {true, false}, "tasks": {true, true}, "skills": {false, false}} {
		if got := [2]bool{v.Asks("files", list), v.Asks("mail", list)}; got != want {
			t.Errorf("%s: asks %v, want %v", list, got, want)
		}
	}
}

func TestNamesThatCouldMeanTwoThings(t *testing.T) {
	servers := map[string]Selection{"files": {All: true}, "mail": {}}
	for want, o := range map[string]Options{
		`server "x__y": a name with "__" in it`:                    {Servers: map[string]Selection{"x__y": {}}},
		`server "x_": a name with`:                                 {Servers: map[string]Selection{"x_": {}}},
		`tool "files__x": this is how a tool of server "files" is`: {Servers: servers, Tools: []Tool{{Name: "files__x", Server: "mail", Tool: "x"}}},
		`tool "a": the name is given twice`:                        {Servers: servers, Tools: []Tool{{Name: "a", Server: "mail", Tool: "x"}, {Name: "a", Server: "mail", Tool: "y"}}},
		`tool "x" of server "mail" has two names, "a" and "b"`:     {Servers: servers, Tools: []Tool{{Name: "a", Server: "mail", Tool: "x"}, {Name: "b", Server: "mail", Tool: "x"}}},
		`tool "a": server "nope" is not selected`:                  {Servers: servers, Tools: []Tool{{Name: "a", Server: "nope", Tool: "x"}}},
		`tool "a b": not a name`:                                   {Servers: servers, Tools: []Tool{{Name: "a b", Server: "mail", Tool: "x"}}},
	} {
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := New(Options{Servers: servers, Tools: []Tool{{Name: "files__x", Server: "files", Tool: "x", Description: "Described anew."}}}); err != nil {
		t.Errorf("a tool that keeps its name: %v", err)
	}
}
