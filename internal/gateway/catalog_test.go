package gateway

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

func TestToolsOfAServerAreForgottenWithIt(t *testing.T) {
	g := &Gateway{catalog: newCatalog()}
	for _, l := range [][2]string{
		{"files", `{"name":"write","inputSchema":{}}`}, {"files", `{"name":"read","inputSchema":{}}`}, {"mail", `{"name":"send","inputSchema":{}}`},
	} {
		var doc jsonscan.Doc
		if err := doc.Scan([]byte(l[1]), jsonscan.Options{}); err != nil {
			t.Fatal(err)
		}
		g.catalog.learn(l[0], "", doc.Root(), false)
	}
	tools := func(server string) (all []string) {
		for _, raw := range g.Tools(server, "") {
			all = append(all, string(raw))
		}
		return all
	}
	if diff := cmp.Diff([]string{`{"name":"read","inputSchema":{}}`, `{"name":"write","inputSchema":{}}`}, tools("files")); diff != "" {
		t.Error(diff)
	}
	files, mail := g.catalog.count("files"), g.catalog.count("mail")
	g.Forget("files")
	if len(g.catalog.changes) != 1 || g.catalog.count("files") <= files || g.catalog.count("mail") <= mail {
		t.Errorf("counts of %v; files %d, was %d; mail %d, was %d", g.catalog.changes, g.catalog.count("files"), files, g.catalog.count("mail"), mail)
	}
	if got := tools("files"); got != nil || g.catalog.find(toolKey{server: "files", name: "read"}) != nil {
		t.Errorf("what is left of files: %q", got)
	}
	if got := tools("mail"); len(got) != 1 || g.catalog.bytes != len(got[0]) {
		t.Errorf("what is left of mail: %q, of %d bytes", got, g.catalog.bytes)
	}
}
