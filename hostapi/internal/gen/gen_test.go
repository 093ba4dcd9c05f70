package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../../.."

func TestGeneratedFilesAreFresh(t *testing.T) {
	s, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range outputs {
		path := filepath.Join(root, filepath.FromSlash(out.path))
		want, err := s.render(path, out.template)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is stale: run go generate ./hostapi\n%s", out.path, diff)
		}
	}
}

func TestParse_refuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"abi":1}`, `abi.json: json: cannot unmarshal number into Go struct field spec.abi of type string`},
		{`{"a":""}`, `abi.json: json: unknown field "a"`},
		{`{} {}`, `abi.json: text after the end`},
		{`{"functions":[{"name":"f","when":"never"}]}`, `abi.json: f: no stage "never"`},
		{`{"functions":[{"name":"f","when":"any","result":"int"}]}`, `abi.json: f: no type "int"`},
		{`{"functions":[{"name":"f","when":"any","feature":"x"}]}`, `abi.json: f: no feature "x"`},
		{`{"functions":[{"name":"f","when":"any","params":[["a","int"]]}]}`, `abi.json: f: a: no type "int"`},
		{`{"functions":[{"name":"f","when":"any","params":[["a","in"],["b","i32"]]}]}`, `abi.json: f: no length after a`},
		{`{"exports":[{"name":"f","when":"any","params":[["a","out"]]}]}`, `abi.json: f: no length after a`},
	} {
		_, err := parse([]byte(c.text))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}
