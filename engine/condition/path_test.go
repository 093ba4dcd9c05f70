package condition

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCleanPath(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"/srv/a", "/srv/a"},
		{"/srv/./a//b/../c", "/srv/a/c"},
		{"a/b", "a/b"},
		{"/..", "/"},
		{"..", ".."},
		{"a/../..", ".."},
		{"/", "/"},
		{"/srv/100%", "/srv/100%"},
		{"/srv/50%off", "/srv/50%off"},
		{"/srv/...a", "/srv/...a"},
		{"/a:b", "/a:b"},
		{"/ü", "/ü"},
		{".env", ".env"},
		{"", "error: the path is empty"},
		{"//host/share", "error: the path is ambiguous: it has two leading slashes"},
		{"~/x", "error: the path is ambiguous: it has a leading ~"},
		{"C:/x", "error: the path is ambiguous: it has a drive letter"},
		{"file:///etc/passwd", "error: the path is ambiguous: it has a URL, not a path"},
		{`/srv\..\etc`, "error: the path is ambiguous: it has a backslash"},
		{"/srv/%2e%2e/etc", "error: the path is ambiguous: it has a percent escape"},
		{"/srv%2fetc", "error: the path is ambiguous: it has a percent escape"},
		{"/srv/%252e%252e/etc", "error: the path is ambiguous: it has a percent escape"},
		{"/srv/%u002e%u002e/etc", "error: the path is ambiguous: it has a percent escape"},
		{"/srv/a\x00.txt", "error: the path is ambiguous: it has a control character"},
		{"/srv/a\n", "error: the path is ambiguous: it has a control character"},
		{"/srv/\xff", "error: the path is ambiguous: it has invalid UTF-8"},
		{"/srv/\uff0e\uff0e/etc", "error: the path is ambiguous: it has U+FF0E, which may be taken for a dot, a slash or a percent sign"},
		{"/srv/\u2025/etc", "error: the path is ambiguous: it has U+2025, which may be taken for a dot, a slash or a percent sign"},
		{"/srv\u2215etc", "error: the path is ambiguous: it has U+2215, which may be taken for a dot, a slash or a percent sign"},
		{"/srv/.\u200b./etc", "error: the path is ambiguous: it has an invisible character"},
		{"/srv/... /etc", "error: the path is ambiguous: it has an element of dots and spaces"},
		{"/srv/.. /etc", "error: the path is ambiguous: it has an element of dots and spaces"},
		{"/" + strings.Repeat("a", maxPath), "error: the path is too long"},
	} {
		got, err := cleanPath(c.path)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%q\n got %s\nwant %s", c.path, got, c.want)
		}
	}
}

func TestIsWithin(t *testing.T) {
	for _, c := range []struct {
		path, root string
		want       bool
	}{
		{"/srv/project", "/srv/project", true},
		{"/srv/project/", "/srv/project", true},
		{"/srv/project/a", "/srv/project/", true},
		{"/srv/projectx/a", "/srv/project", false},
		{"/srv/project/../../etc", "/srv/project", false},
		{"/srv/project/../project/a", "/srv/project", true},
		{"/etc", "/", true},
		{"etc", "/", false},
		{"/etc", ".", false},
		{"a/b", ".", true},
		{"../a", ".", false},
		{"a/../..", ".", false},
		{"a/b", "a", true},
		{"ab", "a", false},
		{"..", "..", true},
		{"../a", "..", false},
		{"../../a", "..", false},
		{"/..", "/", true},
		{"/srv", "/srv/project", false},
	} {
		if got, err := isWithin(c.path, c.root); got != c.want || err != nil {
			t.Errorf("within(%q, %q) = %v, %v", c.path, c.root, got, err)
		}
	}
	for _, bad := range [][2]string{{"/srv/%2e%2e", "/srv"}, {"/srv/a", ""}, {"", "/srv"}} {
		if _, err := isWithin(bad[0], bad[1]); err == nil {
			t.Errorf("within(%q, %q) is not an error", bad[0], bad[1])
		}
	}
}

// readings are what servers may make of a path: as it is, percent-decoded once and twice, with
// backslashes for slashes, cut at a NUL, with full-width characters folded.
func readings(p string) []string {
	all := []string{p}
	for range 2 {
		if q, err := url.PathUnescape(all[len(all)-1]); err == nil {
			all = append(all, q)
		}
	}
	fold := strings.NewReplacer(`\`, "/", "\uff0e", ".", "\uff0f", "/", "\uff3c", "/", "\u2024", ".", "\u2025", "..", "\u2215", "/", "\u200b", "")
	for _, q := range slices.Clip(all) {
		all = append(all, fold.Replace(q))
		if before, _, cut := strings.Cut(q, "\x00"); cut {
			all = append(all, before)
		}
	}
	return all
}

// What is within is within for everybody who reads it.
func FuzzPathWithin(f *testing.F) {
	for _, p := range []string{
		"/srv/project/a", "/srv/project/../etc", "/srv/project/%2e%2e/%2e%2e/etc", "/srv/project/%252e%252e/etc", `/srv/project\..\..\etc`,
		"/srv/project/a\x00/../../etc", "/srv/project//..//..", "/srv/project/\uff0e\uff0e/etc", "/srv/project/.\u200b./.\u200b./x", "~", "//x", "/srv/projectx",
		"/srv/project/\u2025/\u2025", "/srv/project/....//", "/srv/project/..;/..;/x", "/srv/project/%c0%ae%c0%ae/",
	} {
		f.Add(p)
	}
	const root = "/srv/project"
	f.Fuzz(func(t *testing.T, p string) {
		within, err := isWithin(p, root)
		if err != nil && within {
			t.Fatalf("%q: within and an error: %v", p, err)
		}
		if !within {
			return
		}
		for _, q := range readings(p) {
			if c := filepath.Clean(q); c != root && !strings.HasPrefix(c, root+"/") {
				t.Fatalf("%q is within, but may be read as %q", p, c)
			}
		}
		clean, err := cleanPath(p)
		if again, err2 := cleanPath(clean); err != nil || err2 != nil || again != clean {
			t.Fatalf("%q: cleaned %q, again %q; %v, %v", p, clean, again, err, err2)
		}
	})
}

func TestPathFunctions(t *testing.T) {
	env := newEnv(t, Options{})
	f := open(t, env, Input{Method: "ping"}, false)
	for _, c := range []struct{ expression, want string }{
		{`path.base("/srv/a.tar.gz") == "a.tar.gz" && path.dir("/srv/x/a.txt") == "/srv/x" && path.ext("/srv/a.tar.gz") == ".gz"`, "true"},
		{`path.join("/srv", "a/../b") == "/srv/b"`, "true"},
		{`path.join("/srv", "/etc") == ""`, "error: path.join: the second path is absolute"},
		{`path.join("/srv", "%2e%2e") == ""`, "error: the path is ambiguous: it has a percent escape"},
		{`path.within("/srv/../etc", "/srv")`, "false"},
		{`path.base("a\\b") == "b"`, "error: the path is ambiguous: it has a backslash"},
		{`path.match("/srv/a/b.txt", "/srv/**/*.txt") && path.match("/srv/b.txt", "/srv/**/*.txt")`, "true"},
		{`path.match("/srv/a/b.txt", "/srv/*.txt")`, "false"},
		{`path.match("/srv/x/../b.txt", "/srv/?.txt")`, "true"},
		{`path.match("/srv", "/srv/**")`, "true"},
		{`glob("read_file", "read_*") && glob("a/b", "a*b") && glob("", "*") && glob("\u00fc", "?")`, "true"},
		{`glob("read_file", "read") || glob("x", "") || glob("ab", "?")`, "false"},
		{`glob("aXbXc", "a*b*c") && !glob("aXbX", "a*b*c") && glob("*", "*") && glob("?", "?")`, "true"},
	} {
		if got := outcomeOf(compile(t, env, c.expression, Bool, false), f); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expression, got, c.want)
		}
	}
}
