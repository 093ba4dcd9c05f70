//go:build !race && !wasip1

package sallyport

import (
	"testing"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/fake"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/manifest"
)

const allocManifest = `{"abi":"sallyport/1","name":"alloc","version":"1.0.0","hooks":["request"],` +
	`"reads":{"request":["args.path","args.size","principal.groups"]},"verdicts":["deny"]}`

// A call allocates nothing that its author doesn't: garbage in a guest is pages that the host
// has to restore. The native host's own reading is the same with and without the SDK.
func TestCall_allocatesNothing(t *testing.T) {
	m, err := manifest.Parse(allocManifest)
	if err != nil {
		t.Fatal(err)
	}
	params, err := manifest.ParseJSON(`{"name":"t","arguments":{"path":"/srv/a","size":3}}`)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := manifest.ParseJSON(`["dev","ops"]`)
	if err != nil {
		t.Fatal(err)
	}
	h := &fake.Host{Manifest: m}
	h.Begin(0, &fake.Message{Method: "tools/call", Params: params, Around: map[string]*manifest.Node{"principal.groups": groups}})
	found := false
	g, err := begin(Plugin{Manifest: allocManifest, OnRequest: func(c *Call) Verdict {
		path, _ := c.Text("args.path")
		size, _ := c.Number("args.size")
		v := c.Value("principal.groups")
		for e := range v.Elems() {
			text, _ := e.Text()
			found = text == "ops"
		}
		found = found && path == "/srv/a" && size == 3 && v.Contains("dev")
		return Pass
	}}, h)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	hosts := testing.AllocsPerRun(100, func() {
		h.FieldKind(0)
		h.Field(0, buf)
		h.FieldNum(1)
		h.FieldKind(2)
		h.Field(2, buf)
	})
	all := testing.AllocsPerRun(100, func() { g.judge(0) })
	if !found {
		t.Error("the call read something else")
	}
	if all != hosts {
		t.Errorf("%v allocations, of which the host makes %v", all, hosts)
	}
}
