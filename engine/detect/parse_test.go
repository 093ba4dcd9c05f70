package detect_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/detect"
)

func found(t *testing.T, set, text string) []string {
	t.Helper()
	s, ds := detect.Parse("detectors/x.toml", []byte(set))
	if s == nil {
		t.Fatal(ds)
	}
	var out []string
	for _, m := range detect.Find[detect.Match](s, nil, []byte(text)) {
		out = append(out, s.Rules()[m.Rule]+":"+text[m.Start:m.End])
	}
	return out
}

const one = "[[rules]]\nid = 'r'\nregex = '''key=(\\w+)'''\nkeywords = ['key=']\n"

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		set, text string
		want      []string
	}{
		"a group is the secret":         {one, "key=abc KEY=x key=def", []string{"r:abc", "r:def"}},
		"the first group that is there": {"[[rules]]\nid='r'\nregex='key=(?:(x+)|(y+))'\nkeywords=['KEY']", "key=yy", []string{"r:yy"}},
		"the group that is named":       {"[[rules]]\nid='r'\nregex='(key)=(\\w+)'\nsecretGroup=2\nkeywords=['key']", "key=yy", []string{"r:yy"}},
		"no group":                      {"[[rules]]\nid='r'\nregex='key=\\w+'\nkeywords=['key']", "key=yy", []string{"r:key=yy"}},
		"entropy":                       {one + "entropy = 2", "key=aaaa key=abcd key=abcde", []string{"r:abcde"}},
		"an allowlist":                  {one + "[rules.allowlist]\nregexes=['^ab']", "key=abc key=cab", []string{"r:cab"}},
		"allowlists":                    {one + "[[rules.allowlists]]\nregexes=['^ab']\n[[rules.allowlists]]\nstopwords=['Dog']", "key=abc key=xDOGx key=cab", []string{"r:cab"}},
		"what an allowlist looks at": {
			one + "[[rules.allowlists]]\nregexTarget='match'\nregexes=['^key=a']\n[[rules.allowlists]]\nregexTarget='line'\nregexes=['# ok$']",
			"key=abc\nkey=b # ok\nkey=c",
			[]string{"r:c"},
		},
		"all of an allowlist": {
			one + "[[rules.allowlists]]\ncondition='AND'\nregexes=['^a']\nstopwords=['dog']\n[[rules.allowlists]]\ncondition='AND'\nregexes=['.']\npaths=['x']",
			"key=ab key=dog key=adog",
			[]string{"r:ab", "r:dog"},
		},
		"paths and commits allow nothing": {one + "[[rules.allowlists]]\npaths=['.*']\ncommits=['abc']", "key=a", []string{"r:a"}},
		"a list for all rules": {
			one + "[[rules]]\nid='s'\nregex='dog'\nkeywords=['dog']\n[allowlist]\nregexes=['^a','dog']", "key=a key=b dog", []string{"r:b"},
		},
		"a list for some rules": {
			one + "[[rules]]\nid='s'\nregex='dog'\nkeywords=['dog']\n[[allowlists]]\ntargetRules=['r']\nregexes=['a','dog']", "key=a key=b dog", []string{"r:b", "s:dog"},
		},
		"the set that comes with it":     {"[extend]\nuseDefault=true\n" + one, "key=a " + awsID, []string{"aws-access-key-id:" + awsID, "r:a"}},
		"without one of its rules":       {"[extend]\nuseDefault=true\ndisabledRules=['aws-access-key-id']\n" + one, "key=a " + awsID, []string{"r:a"}},
		"with another in its place":      {"[extend]\nuseDefault=true\n[[rules]]\nid='aws-access-key-id'\nregex='AKI.'\nkeywords=['aki']", "z " + awsID, []string{"aws-access-key-id:" + awsID[:4]}},
		"in base64":                      {"decodeBase64 = true\n" + one, "x a2V5PXNlY3JldDEga2V5PXNlY3JldDIuLi4= x", []string{"r:a2V5PXNlY3JldDEga2V5PXNlY3JldDIuLi4=", "r:a2V5PXNlY3JldDEga2V5PXNlY3JldDIuLi4="}},
		"in base64, by what is extended": {"[extend]\nuseDefault=true\n" + one, "a2V5PXNlY3JldDEgIGJ1dCBub3QgbXVjaCBtb3JlLg", []string{"r:a2V5PXNlY3JldDEgIGJ1dCBub3QgbXVjaCBtb3JlLg"}},
		"not in base64":                  {"decodeBase64=false\n[extend]\nuseDefault=true\n" + one, "a2V5PXNlY3JldDEgIGJ1dCBub3QgbXVjaCBtb3JlLg", nil},
		"no keywords: every text":        {"[[rules]]\nid='r'\nregex='b+'", "abba", []string{"r:bb"}},
		"a gitleaks file's other lines":  {"title='t'\nminVersion='v8.25.0'\n" + one + "description='d'\ntags=['x']", "key=1", []string{"r:1"}},
	} {
		if d := cmp.Diff(c.want, found(t, c.set, c.text)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestParse_diagnostics(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"[[rules]]\nid = 'a\n", "detectors/x.toml:2:8: error[SP6001]"},
		{"[[rules]]\nid='a'\nid='b'\n", "detectors/x.toml:3:1: error[SP6001]"},
		{"title = 't'\n", "detectors/x.toml:1:1: error[SP6002]: the set has no rules; write one under [[rules]]"},
		{one + "regx = 'x'\n", "detectors/x.toml:5:1: error[SP1002]: unknown field `regx`; did you mean `regex`?"},
		{one + "entropy = 'x'\n", "detectors/x.toml:5:1: error[SP1004]: `entropy` must be a number; it is a string"},
		{one + "tags = [1]\n", "detectors/x.toml:5:9: error[SP1004]: `tags` must hold strings; this is a number"},
		{one + "entropy = 9.0\n", "detectors/x.toml:5:1: error[SP6002]: the entropy is out of range; it is in bits a byte, from 0 to 8"},
		{"\n" + strings.Replace(one, `key=(\w+)`, `(?=key)x`, 1), "detectors/x.toml:4:1: error[SP6002]: the expression can't be used: invalid or unsupported Perl syntax: `(?=`; RE2 can't look ahead or behind: match what is around, and put the secret into a group"},
		{strings.Replace(one, `key=(\w+)`, `(k)\1`, 1), "detectors/x.toml:3:1: error[SP6002]: the expression can't be used: invalid escape sequence: `\\1`; RE2 has no references to groups"},
		{strings.Replace(one, `key=(\w+)`, `(key)?`, 1), "detectors/x.toml:3:1: error[SP6002]: the expression matches an empty text"},
		{one + "secretGroup = 2\n", "detectors/x.toml:5:1: error[SP6002]: the expression has no such group; it has 1"},
		{one + one, "detectors/x.toml:6:1: error[SP6002]: there are two rules called `r`"},
		{"[[rules]]\nid = 'a b'\nregex='x'\nkeywords=['x']", "detectors/x.toml:2:1: error[SP6002]: `a b` can't be a rule's id; an id is of letters, digits, `.`, `_` and `-`, at most 64"},
		{"[[rules]]\nid='a'\n", "detectors/x.toml:1:3: error[SP6002]: the rule `a` has no regex"},
		{"[[rules]]\nid='a'\nregex='x'\nkeywords=['x',\n 'k\u00e4']", "detectors/x.toml:5:2: error[SP6002]: the keyword `k\u00e4` is not ASCII; take a part of it that is"},
		{"[[rules]]\nid='a'\nregex='x'", "detectors/x.toml:3:1: warning[SP6003]: the rule `a` has no keywords: its expression is run over every text; give it words of which one is in every text that it is to find something in"},
		{one + "[[rules]]\nid='p'\npath='x$'", "detectors/x.toml:7:1: warning[SP6003]: the rule `p` is about files at certain paths, and finds nothing in messages; remove it, or its path"},
		{one + "[[rules.allowlists]]\ncondition='XOR'", "detectors/x.toml:6:1: error[SP1003]: `XOR` is no condition; it is OR or AND"},
		{one + "[[rules.allowlists]]\nregexTarget='lines'", "detectors/x.toml:6:1: error[SP1003]: `lines` is no target; it is secret, match or line"},
		{one + "[[allowlists]]\ntargetRules=['rr']\nregexes=['a']", "detectors/x.toml:6:14: error[SP6002]: no rule is called `rr`; did you mean `r`?"},
		{"[extend]\nuseDefault=true\ndisabledRules=['jwtt']", "detectors/x.toml:3:16: error[SP6002]: no rule is called `jwtt`; did you mean `jwt`?"},
		{"[extend]\npath='x'\n" + one, "detectors/x.toml:2:1: error[SP1002]: unknown field `path`; the fields are: useDefault, disabledRules"},
	} {
		s, ds := detect.Parse("detectors/x.toml", []byte(c.set))
		if len(ds) == 0 {
			t.Errorf("%q: accepted", c.set)
			continue
		}
		if got := ds[0].String(); !strings.HasPrefix(got, c.want) || (!strings.HasSuffix(c.want, "]") && got != c.want) {
			t.Errorf("%q:\n got %s\nwant %s", c.set, got, c.want)
		}
		if (s == nil) != ds.HasErrors() {
			t.Errorf("%q: a set and errors, or neither", c.set)
		}
	}
}

// What a set finds is known by its digest.
func TestSet_digest(t *testing.T) {
	digest := func(set string) string {
		s, ds := detect.Parse("x.toml", []byte(set))
		if s == nil {
			t.Fatal(ds)
		}
		return s.Digest()
	}
	all := []string{digest(one), digest(one + "\n"), digest("[extend]\nuseDefault=true\n" + one)}
	if slices.Sort(all); len(slices.Compact(all)) != 3 || !strings.HasPrefix(all[0], "sha256:") {
		t.Error(all)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(one)
	f.Add("[extend]\nuseDefault=true\n[[allowlists]]\ntargetRules=['jwt']\nregexes=['a']\n[[rules]]\nid.x = {a = [[1], {b = 2}]}")
	f.Fuzz(func(t *testing.T, set string) {
		s, ds := detect.Parse("x.toml", []byte(set))
		if (s == nil) != ds.HasErrors() {
			t.Errorf("a set and errors, or neither: %v", ds)
		}
		for _, d := range ds {
			if d.Line < 1 || d.Column < 1 || d.Line > strings.Count(set, "\n")+1 {
				t.Errorf("no such place: %v", d)
			}
		}
		if s != nil {
			same(t, s, "the set", "key=abc a token: x1x2")
		}
	})
}
