package policy

import (
	"regexp"
	"strings"
	"testing"
)

func TestGlobs(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		uri     bool
		yes, no []string
	}{
		{"read_file", false, []string{"read_file"}, []string{"", "read_files", "Read_file", "xread_file"}},
		{"read_*", false, []string{"read_", "read_file", "read_a/b"}, []string{"read", "xread_"}},
		{"*", false, []string{"", "a", "a/b"}, nil},
		{"*_file", false, []string{"_file", "read_file", "a/b_file", "_file_file"}, []string{"_files"}},
		{"*", false, []string{"", "x"}, nil},
		{strings.Repeat("a?", 60) + "*z", false, []string{strings.Repeat("ab", 60) + "z"}, []string{strings.Repeat("ab", 60)}},
		{"a*b*c", false, []string{"abc", "aXbXc", "abbcc", "abcbc"}, []string{"ab", "acb"}},
		{"?", false, []string{"a", "/", "\u65e5"}, []string{"", "ab"}},
		{"file:///srv/*", true, []string{"file:///srv/", "file:///srv/a"}, []string{"file:///srv/a/b", "file:///srv"}},
		{"file:///srv/**", true, []string{"file:///srv/a/b", "file:///srv/"}, []string{"file:///srv"}},
		{"**/a*b", true, []string{"x/ab", "x/y/a1b", "/ab", "x/a/ab"}, []string{"ab", "x/a/b"}},
		{"a/?/c", true, []string{"a/b/c"}, []string{"a///c", "a//c"}},
		{"**", true, []string{"", "a/b"}, nil},
		{"*", true, []string{"", "ab"}, []string{"/", "a/b"}},
	} {
		g, err := compile(tt.pattern, tt.uri)
		if err != nil {
			t.Fatalf("%q: %v", tt.pattern, err)
		}
		for _, name := range tt.yes {
			if !g.Match(name) {
				t.Errorf("%q doesn't match %q", tt.pattern, name)
			}
		}
		for _, name := range tt.no {
			if g.Match(name) {
				t.Errorf("%q matches %q", tt.pattern, name)
			}
		}
	}
}

func TestZeroGlobMatchesNothing(t *testing.T) {
	var g Glob
	if g.Match("") || g.Match("a") || g.All() {
		t.Error("the zero Glob matches something")
	}
}

func TestInvalidGlobs(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                       "a glob cannot be empty; to match everything write `*`, or leave the list out",
		"a**":                    "`*` matches any run of characters already; `**` has a meaning in globs over resources only",
		"[a-z]":                  "`[` has no meaning in a glob; write one glob for each alternative, and `?` for any one character",
		"a b":                    "a glob cannot hold spaces or control characters; write `?` for any one character",
		"\xff":                   "a glob must be UTF-8",
		strings.Repeat("a", 256): "a glob has at most 255 characters",
	} {
		if _, err := NameGlob(pattern); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", pattern, err, want)
		}
	}
	if _, err := URIGlob("a/***"); err == nil {
		t.Error("*** is accepted")
	}
}

func TestGlobTellsWhatItIs(t *testing.T) {
	for pattern, want := range map[string][2]bool{"*": {false, true}, "read": {true, false}, "read*": {false, false}, "?": {false, false}} {
		g, err := NameGlob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if _, literal := g.Literal(); literal != want[0] || g.All() != want[1] || g.String() != pattern {
			t.Errorf("%q: literal %v, all %v", pattern, literal, g.All())
		}
	}
}

func asRegexp(pattern string, uri bool) *regexp.Regexp {
	one, run := `(?s:.)`, `(?s:.*)`
	if uri {
		one, run = `[^/]`, `[^/]*`
	}
	s := regexp.QuoteMeta(pattern)
	s = strings.NewReplacer(`\*\*`, `(?s:.*)`, `\*`, run, `\?`, one).Replace(s)
	return regexp.MustCompile(`\A` + s + `\z`)
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "aXXbYc", false)
	f.Add("**/a*b", "x/y/a1b", true)
	f.Add("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaa", false)
	f.Fuzz(func(t *testing.T, pattern, name string, uri bool) {
		g, err := compile(pattern, uri)
		if err != nil {
			return
		}
		if got, want := g.Match(name), asRegexp(pattern, uri).MatchString(name); got != want {
			t.Errorf("%q on %q (uri %v): %v, the regexp says %v", pattern, name, uri, got, want)
		}
	})
}

func BenchmarkGlobMatch(b *testing.B) {
	for _, pattern := range []string{"read_file", "read_*", "*_file", "*a*a*a*a*b"} {
		b.Run(pattern, func(b *testing.B) {
			g, err := NameGlob(pattern)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				g.Match("read_project_file")
			}
		})
	}
}
