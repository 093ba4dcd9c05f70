package condition

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/source"
)

func keyOf(t *testing.T, f *Frame, env *Env, expression string) []byte {
	t.Helper()
	key, err := compile(t, env, expression, Keyed, false).AppendKey(nil, f)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return key
}

func TestAppendKey_sameForEqualValuesOnly(t *testing.T) {
	env := newEnv(t, Options{})
	f := open(t, env, toolCall(t, `{"one":1,"float":1.0,"half":0.5,"text":"1","list":["a","b"],"joined":["ab"],"nested":[["a"],["b"]],"big":18446744073709551615,"yes":true}`), false)
	same := [][]string{
		{`1`, `1u`, `1.0`, `args.one`, `args.float`, `true ? 1 : 2`},
		{`"1"`, `args.text`},
		{`0.5`, `args.half`},
		{`-1`},
		{`18446744073709551615u`, `args.big`},
		{`true`, `args.yes`},
		{`false`},
		{`""`},
		{`[]`},
		{`["a", "b"]`, `args.list`},
		{`["ab"]`, `args.joined`},
		{`["b", "a"]`},
		{`[["a"], ["b"]]`, `args.nested`},
		{`[["a", "b"]]`},
		{`["read_file", "files"]`, `[mcp.tool.name, mcp.tool.target]`},
	}
	seen := map[string]string{}
	for _, group := range same {
		first := keyOf(t, f, env, group[0])
		for _, e := range group[1:] {
			if got := keyOf(t, f, env, e); !bytes.Equal(got, first) {
				t.Errorf("%s and %s have different keys: %q, %q", group[0], e, first, got)
			}
		}
		if other, ok := seen[string(first)]; ok {
			t.Errorf("%s and %s have the same key", group[0], other)
		}
		seen[string(first)] = group[0]
	}
}

func TestAppendKey_failures(t *testing.T) {
	env := newEnv(t, Options{})
	deep := strings.Repeat("[", 9) + "1" + strings.Repeat("]", 9)
	f := open(t, env, toolCall(t, `{"o":{"a":1},"n":null,"l":[1,{"a":1}],"deep":`+deep+`}`), false)
	for expression, want := range map[string]string{
		`args.o`:      "a key is made of strings, numbers and bools, and lists of them, but this is a ",
		`args.n`:      "a key is made of strings, numbers and bools, and lists of them, but this is a null_type",
		`args.l`:      "a key is made of strings, numbers and bools, and lists of them, but this is a ",
		`args.deep`:   "the key holds too many lists in one another",
		`args.absent`: "no such key: absent",
	} {
		key, err := compile(t, env, expression, Keyed, false).AppendKey(nil, f)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %q, %v, want an error %q", expression, key, err, want)
		}
	}
	list := open(t, env, Input{Method: "tools/list", Server: "files"}, false)
	var absent *AbsentError
	if _, err := compile(t, env, `mcp.tool.name`, Keyed, false).AppendKey(nil, list); !errors.As(err, &absent) || absent.Subject != Tool {
		t.Errorf("%v, want an AbsentError", err)
	}
}

func TestCount(t *testing.T) {
	env := newEnv(t, Options{})
	f := open(t, env, toolCall(t, `{"n":3,"whole":4.0,"half":0.5,"text":"3","huge":1e300,"list":[1,2]}`), false)
	for expression, want := range map[string]int64{`7`: 7, `args.n`: 3, `args.whole`: 4, `size(args.list)`: 2, `-2`: -2, `9u`: 9} {
		if got, err := compile(t, env, expression, Whole, false).Count(f); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", expression, got, err, want)
		}
	}
	for expression, want := range map[string]string{
		`args.half`: "0.5 is not a whole number that can be counted", `args.huge`: "1e+300 is not a whole number that can be counted",
		`args.text`: "a count must be an integer, but this is a string", `args.absent`: "no such key: absent",
		`18446744073709551615u`: "18446744073709551615 is not a whole number that can be counted",
	} {
		if got, err := compile(t, env, expression, Whole, false).Count(f); err == nil || err.Error() != want || got != 0 {
			t.Errorf("%s: %d, %v, want %q", expression, got, err, want)
		}
	}
}

func TestCompile_refusesWhatIsNoKeyAndNoCount(t *testing.T) {
	env := newEnv(t, Options{})
	for _, c := range []struct {
		expression string
		want       Want
		message    string
	}{
		{`{"a": 1}`, Keyed, "a key must be a string, a number, a bool or a list of them, but this expression is a map(string, int)"},
		{`now`, Keyed, "a key must be a string, a number, a bool or a list of them, but this expression is a timestamp"},
		{`"a"`, Whole, "a count must be an integer, but this expression is a string"},
		{`1.5`, Whole, "a count must be an integer, but this expression is a double"},
	} {
		_, ds := env.Compile(source.NewText(c.expression), c.want, env.NewVariables(false))
		if len(ds) != 1 || ds[0].Code != "SP2004" || ds[0].Message != c.message || ds[0].Help != "" {
			t.Errorf("%s: %v", c.expression, ds)
		}
	}
}

func TestAppendPlainKey_isTheKeyOfNames(t *testing.T) {
	env := newEnv(t, Options{})
	alice, long := &Principal{ID: "alice", Kind: KindJWT}, strings.Repeat("x", DefaultInputLimit+1)
	tool := toolCall(t, `{"a":"b"}`)
	tool.Principal = alice
	read := Input{Method: "resources/read", Server: "files", Resource: "file:///a", Principal: alice}
	prompt := Input{Method: "prompts/get", Server: "files", Prompt: "p", Principal: alice}
	nobody := Input{Method: "tools/list", Server: "files"}
	longest := Input{Method: "ping", Server: "files", Principal: &Principal{ID: long}}
	for _, c := range []struct {
		expression string
		plain      []Input
		other      []Input // of which it is left to CEL to say what the key is, if there is one
	}{
		{`principal.id`, []Input{tool, read, prompt}, []Input{nobody, longest}},
		{`mcp.tool.name`, []Input{tool}, []Input{read, prompt, nobody}},
		{`mcp.resource.uri`, []Input{read}, []Input{tool, prompt, nobody}},
		{`mcp.prompt.name`, []Input{prompt}, []Input{tool, read, nobody}},
		{`mcp.method`, []Input{tool, read, prompt, nobody}, nil},
		{`[principal.id, mcp.tool.target, mcp.tool.name]`, []Input{tool}, []Input{read, nobody}},
		{`[mcp.tool.target]`, []Input{tool}, nil},
		{`[]`, []Input{tool, nobody}, nil},
		{`[[principal.id]]`, nil, []Input{tool, nobody}},
		{`[?optional.of(principal.id)]`, nil, []Input{tool, nobody}},
		{`args.a`, nil, []Input{tool, nobody}},
		{`principal.groups`, nil, []Input{tool, nobody}},
		{`principal.id + mcp.method`, nil, []Input{tool, nobody}},
		{`"x"`, nil, []Input{tool, nobody}},
	} {
		key := compile(t, env, c.expression, Keyed, false)
		for i, in := range slices.Concat(c.plain, c.other) {
			got, ok := key.AppendPlainKey([]byte("before"), &in)
			want, err := []byte("before"), error(nil)
			if ok {
				want, err = key.AppendKey(want, open(t, env, in, false))
			}
			if ok != (i < len(c.plain)) || err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, message %d: %v %q, want %q (%v)", c.expression, i, ok, got, want, err)
			}
		}
	}
}
