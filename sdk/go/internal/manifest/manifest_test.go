package manifest

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestNames_areThoseOfTheABI compares the tables here with their source, which is beside this
// module in the gateway's repository.
func TestNames_areThoseOfTheABI(t *testing.T) {
	data, err := os.ReadFile("../../../../hostapi/abi.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the module stands alone")
	}
	var source struct {
		Names []struct {
			Name, At    string
			Type        Type
			Hooks, Edit []string
		}
		Protected []string
	}
	if err == nil {
		err = json.Unmarshal(data, &source)
	}
	if err != nil {
		t.Fatal(err)
	}
	var want []Name
	for _, n := range source.Names {
		want = append(want, Name{n.Name, n.Type, n.Hooks, n.Edit, n.At})
	}
	if !reflect.DeepEqual(Names, want) {
		t.Errorf("names are\n%v\nwant\n%v", Names, want)
	}
	if !slices.Equal(Protected, source.Protected) {
		t.Errorf("protected are %v, want %v", Protected, source.Protected)
	}
}

func TestParsePath(t *testing.T) {
	for text, want := range map[string]string{
		"args": "", "args.path": ".path", `args["odd key"].x[0][*]`: `["odd key"] .x [0] [*]`, `args["0"]`: `["0"]`, `args["a]b"]`: `["a]b"]`,
		`args["\"\\\n\u0001"]`: `["\"\\\n\u0001"]`, "mcp.tool.result.content": ".content", "params._meta.x": "._meta .x",
		`request.headers["x-tenant"]`: `["x-tenant"]`, "principal.groups": "",
	} {
		p, err := ParsePath(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, s := range p.Segments {
			got = append(got, s.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: segments %v, want %s", text, got, want)
		}
	}
	for _, text := range []string{
		"", "arg", "argspath", "args.", "args..a", "args[", "args[0", "args[00]", "args[-1]", "args[a]", "args[2147483648]", `args["a"]`, `args["a b]`, `args["a b"`,
		`args["\u0041 "]`, `args["\/ "]`, "args path", "args.a b", "args.0", "principal.groups[0]", "principal.id.x", "mcp.tool.nam",
		"request.headers", "request.headers.X", `request.headers["X-Tenant"]`, "request.headers.a.b", "args" + strings.Repeat(".a", 129),
	} {
		if p, err := ParsePath(text); err == nil {
			t.Errorf("%s was read: %+v", text, p)
		}
	}
}

func TestPath_places(t *testing.T) {
	for _, tt := range []struct {
		p, q         string
		holds, meets bool
	}{
		{"args", "args.a", true, true},
		{"args.a", "args", false, true},
		{"args.a", "args.ab", false, false},
		{"args.a", "params.arguments.a.b", true, true},
		{"params", "args.a", true, true},
		{"mcp.result", "mcp.tool.result.content[0]", true, true},
		{"args.a[*]", "args.a[3].x", true, true},
		{"args.a[3]", "args.a[*]", false, true},
		{"args.a[*]", "args.a.x", false, false},
		{"args.a[1]", "args.a[2]", false, false},
		{"args", "jwt", false, false},
	} {
		p, err := ParsePath(tt.p)
		q, err2 := ParsePath(tt.q)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if p.Holds(q) != tt.holds || p.Meets(q) != tt.meets || q.Meets(p) != tt.meets {
			t.Errorf("%s and %s: holds %v, meets %v and %v", tt.p, tt.q, p.Holds(q), p.Meets(q), q.Meets(p))
		}
	}
}

func TestParse_refuses(t *testing.T) {
	const head = `{"abi":"sallyport/1","name":"t","version":"1.0.0","hooks":["request"]`
	for _, tt := range []struct{ text, want string }{
		{`[]`, "manifest: json: cannot unmarshal array into Go value of type manifest.Manifest"},
		{`{"abi":"sallyport/1","abi":"sallyport/1"}`, `manifest: "abi" stands twice in one object`},
		{head + `,"read":{}}`, `manifest: json: unknown field "read"`},
		{`{"abi":"x","name":"A","version":"1","hooks":[]}`, "manifest: abi: \"x\", not \"sallyport/1\"\nmanifest: name: \"A\": words of a-z and 0-9 with - between them\n" +
			"manifest: version: \"1\" is no semantic version, such as 1.0.0\nmanifest: hooks: none"},
		{head + `,"reads":{"response":["args"]}}`, "manifest: reads.response: the plugin doesn't have this hook"},
		{head + `,"reads":{"request":["mcp.result"]}}`, "manifest: reads.request: mcp.result is not there in this hook"},
		{head + `,"reads":{"request":["args.b","args.a"]}}`, `manifest: reads.request: "args.a" must stand before "args.b", once: the list is sorted by its bytes`},
		{head + `,"strings":{"request":["jwt"]}}`, "manifest: strings.request: jwt is not there in this hook"},
		{head + `,"writes":["args"]}`, "manifest: writes: the plugin may not return mutate: add it to verdicts"},
		{head + `,"verdicts":["mutate"]}`, "manifest: verdicts: mutate without a place to edit: add writes"},
		{head + `,"writes":["params"],"verdicts":["mutate"]}`, "manifest: writes: params holds params._meta, which can't be edited"},
		{head + `,"writes":["mcp.result"],"verdicts":["mutate"]}`, "manifest: writes: mcp.result is no part of a message that the plugin judges"},
		{head + `,"verdicts":["allow"]}`, `manifest: verdicts: "allow" is no verdict`},
		{head + `,"capabilities":["http:x"]}`, `manifest: capabilities: "http:x": write match:NAME or lookup:NAME`},
		{head + `,"state":"kept"}`, `manifest: state: "kept", not none`},
	} {
		if _, err := Parse(tt.text); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.text, err, tt.want)
		}
	}
}
