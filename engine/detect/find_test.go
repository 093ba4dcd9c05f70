package detect_test

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/detect"
)

// exprs are expressions of all kinds, with their keywords and how they are run.
var exprs = []struct {
	expr, mode string
	keywords   []string
}{
	{`ab_[a-z]{3}`, "anchor", []string{"ab_"}},
	{`\b(?:ab|ac|xyz)k[0-9]{2,}\b`, "anchor", []string{"abk", "ack", "xyzk"}},
	{`[0-9]{3}KEY[a-z]*`, "anchor", []string{"key"}},
	{`(?i)key["']?\s{0,3}=\s*(\w+)`, "anchor", []string{"key"}},
	{`(?i)task-[a-z]{2}$`, "anchor", []string{"task"}},
	{`(?m)^token:(.*)$`, "anchor", []string{"token"}},
	{`\Aab_.`, "anchor", []string{"ab_"}},
	{`ab_(?s:.*)_ba`, "anchor", []string{"ab_"}},
	{`(?:my)?token=\d`, "anchor", []string{"token"}},
	{`x?y?key`, "anchor", []string{"key"}},
	{`(?:ab_)+[a-z]`, "anchor", []string{"ab_"}},
	{`[a-z]{0,5}_key_[0-9]{1,4}\b`, "anchor", []string{"_key_"}},
	{`[a-z]{0,300}_key_[0-9]{1,4}\b`, "window", []string{"_key_"}},
	{`.{0,3}key.{0,3}`, "window", []string{"key"}},
	{`(?i)[\w.-]{0,150}?(?:task|desk)[\s'"]{0,3}=[\s'"]{0,3}([a-f0-9]{4})(?:['"\s;]|$)`, "window", []string{"task", "desk"}},
	{`(?:\pL{1,3}key|key\d)`, "window", []string{"key"}},
	{`\w+key`, "whole", []string{"key"}},
	{`[a-z]{4}`, "whole", []string{"key"}},
	{`k[a-z]y`, "whole", []string{"key"}},
	{`[0-9]{4}`, "whole", nil},
	{`(?:key|[0-9]{3})`, "whole", []string{"key"}},
}

func TestFind_runsExpressionsAsNarrowlyAsTheyAllow(t *testing.T) {
	for _, c := range exprs {
		s, err := detect.Of(c.expr, c.keywords...)
		if err != nil {
			t.Fatal(err)
		}
		if got := detect.Modes(s)["r"]; got != c.mode {
			t.Errorf("%s: %s, want %s", c.expr, got, c.mode)
		}
	}
}

// pieces are what texts for the expressions are made of: parts of matches, what breaks them, letters that are the same as ASCII's without
// case, broken UTF-8.
var pieces = []string{
	"ab_", "AB_", "abk12", "ack", "xyzk123", "123", "key", "KEY", "Key=", "_key_", "task", "ta\u017f\u212a", "de\u017fk", "=", "'", " ", "\n", "token:", "mytoken=7", "abc",
	"_ba", "a", "Z", "0", "beef", "\u00e9", "\u4e16", "\U0001f511", "\xc3", "\xe2\x84", "\xff", "\u212a", "\u017f", ".", "-", "$", "; ",
}

// same reports whether a set finds what the naive search does.
func same(t interface{ Errorf(string, ...any) }, s *detect.Set, what, text string) {
	got, want := detect.Find[detect.Match](s, nil, []byte(text)), detect.Naive(s, []byte(text))
	if !slices.Equal(got, want) {
		t.Errorf("%s in %q: got %v, want %v", what, text, got, want)
	}
	if until, done := detect.FindUntil[detect.Match](s, nil, []byte(text), func() bool { return false }); !done || !slices.Equal(until, got) {
		t.Errorf("%s in %q: got %v if it may be stopped, want %v", what, text, until, got)
	}
	if len(text) > 200 {
		return
	}
	if slowly, whole := detect.Slowly(s, []byte(text)); !slices.Equal(slowly, whole) {
		t.Errorf("%s in %q: got %v bit by bit, want %v", what, text, slowly, whole)
	}
}

func TestFind_isTheNaiveSearch(t *testing.T) {
	sets := make([]*detect.Set, len(exprs))
	for i, c := range exprs {
		var err error
		if sets[i], err = detect.Of(c.expr, c.keywords...); err != nil {
			t.Fatal(err)
		}
	}
	text := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 40), func(p []string) string { return strings.Join(p, "") })
	rapid.Check(t, func(rt *rapid.T) {
		text := text.Draw(rt, "text")
		for i, s := range sets {
			same(rt, s, exprs[i].expr, text)
		}
	})
}

// What stands in base64 is found as a whole run, wherever that lies and whatever pads it.
func TestFind_inBase64(t *testing.T) {
	s := builtin(t)
	around := []string{"", " ", "data:text/plain;base64,", "a very long line of words and such, ", "\n"}
	rapid.Check(t, func(rt *rapid.T) {
		before, after := rapid.SampledFrom(around).Draw(rt, "before"), rapid.SampledFrom([]string{"", " and so on", ".", "\""}).Draw(rt, "after")
		plain := rapid.SampledFrom([]string{"", "key ", "{\"a\":1,\"k\":\"", "\xff\xfe"}).Draw(rt, "prefix") + githubToken + rapid.SampledFrom([]string{"", ".", " \n"}).Draw(rt, "suffix")
		encoding := rapid.SampledFrom([]*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding}).Draw(rt, "encoding")
		run := encoding.EncodeToString([]byte(plain))
		text := before + run + after
		got := detect.Find[detect.Match](s, nil, []byte(text))
		if len(got) != 1 || text[got[0].Start:got[0].End] != run || s.Rules()[got[0].Rule] != "github-token" {
			rt.Fatalf("%q: %v", text, got)
		}
		same(rt, s, "the set", text)
	})
	odd := base64.RawStdEncoding.EncodeToString([]byte(githubToken+" .")) + "A" // a character that stands for nothing
	if got := detect.Find[detect.Match](s, nil, []byte(odd)); len(odd)%4 != 1 || len(got) != 1 || got[0].End != len(odd) {
		t.Errorf("%q: %v", odd, got)
	}
	same(t, s, "the set", odd)
	same(t, s, "the set", strings.Repeat("QUJD", 5000)+" "+base64.StdEncoding.EncodeToString(dirty(5000))+" +-"+strings.Repeat("_/", 100))
}

// What stands in base64 on several lines is found as all of them, wherever a line ends in it.
func TestFind_inBase64OnLines(t *testing.T) {
	s := builtin(t)
	rapid.Check(t, func(rt *rapid.T) {
		plain := strings.Repeat("x ", rapid.IntRange(10, 100).Draw(rt, "before")) + githubToken + strings.Repeat(" y", rapid.IntRange(0, 60).Draw(rt, "after"))
		run, pad := strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(plain)), "="), ""
		if len(run)%4 > 0 {
			pad = "=="[len(run)%4-2:]
		}
		width, ending := rapid.IntRange(32, 80).Draw(rt, "width"), rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(rt, "ending")
		var lines []string
		for ; len(run) > width; run = run[width:] {
			lines = append(lines, run[:width])
		}
		block := strings.Join(append(lines, run), ending) + pad
		before := rapid.SampledFrom([]string{"", "see\n", "a\r\n\r\n", "\""}).Draw(rt, "text before")
		text := before + block + rapid.SampledFrom([]string{"", ending, ending + ending + "and so on", "\""}).Draw(rt, "text after")
		want := detect.Match{Start: len(before), End: len(before) + len(block), Rule: slices.Index(s.Rules(), "github-token")}
		if got := detect.Find[detect.Match](s, nil, []byte(text)); !slices.Contains(got, want) {
			rt.Fatalf("%q: got %v, want %v", text, got, want)
		}
		same(rt, s, "the set", text)
	})
	half := base64.StdEncoding.EncodeToString([]byte("what is here and there: " + githubToken[:21]))
	rest := base64.StdEncoding.EncodeToString([]byte(githubToken[21:]))
	for _, text := range []string{half + "\n" + rest + " and words", half + "\n\n" + rest, half + " " + rest, half + "A\n" + rest, half + "\n" + rest} {
		together := text == half+"\n"+rest && len(half)%4 == 0 && !strings.HasSuffix(half, "=")
		if got := detect.Find[detect.Match](s, nil, []byte(text)); len(got) > 0 != together {
			t.Errorf("%q: got %v", text, got)
		}
		same(t, s, "the set", text)
	}
}

// Texts that are full of keywords are searched as wholes, and nothing is different.
func TestFind_manyKeywords(t *testing.T) {
	for _, c := range exprs {
		s, err := detect.Of(c.expr, c.keywords...)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pieces {
			same(t, s, c.expr, strings.Repeat(p, 3000)+"ab_xyz 123keyabc token:x _key_12")
		}
	}
}

// A search that is not stopped finds what it would have found, however often it asks; one that is asks no more.
func TestFindUntil(t *testing.T) {
	s := builtin(t)
	words := []byte(strings.Repeat("ghp_ AKIA sk_live_ xoxb- token=secret api_key glpat- eyJ ", 1000) + githubToken)
	for _, text := range [][]byte{words, []byte(base64.StdEncoding.EncodeToString(words))} {
		want, asked := detect.Find[detect.Match](s, nil, text), 0
		got, done := detect.FindUntil[detect.Match](s, nil, text, func() bool { asked++; return false })
		if !done || !slices.Equal(got, want) {
			t.Errorf("not stopped: %v, %d finds, want %d", done, len(got), len(want))
		}
		for last := range asked {
			n := 0
			if _, done := detect.FindUntil[detect.Match](s, nil, text, func() bool { n++; return n > last }); done || n != last+1 {
				t.Errorf("stopped at question %d of %d: %v after %d", last+1, asked, done, n)
			}
		}
		if got := detect.Find[detect.Match](s, nil, text); !slices.Equal(got, want) {
			t.Error("what was stopped has left something")
		}
		if asked < 3 {
			t.Errorf("asked %d times", asked)
		}
	}
	whole, err := detect.Of(`\w+key`, "key")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	if got, done := detect.FindUntil[detect.Match](whole, nil, []byte(strings.Repeat("a ", 50_000)+"akey"), func() bool { asked++; return false }); !done || len(got) != 1 || asked < 20 {
		t.Errorf("one expression over 100 KB: %v, %v, asked %d times", got, done, asked)
	}
}

func FuzzFind(f *testing.F) {
	builtin := builtin(f)
	for _, e := range examples() {
		text := strings.NewReplacer("\u00ab", "", "\u00bb", "").Replace(e.text)
		f.Add(`(?i)tok[e3]n[=: ]+(\w{4,})`, "token", text)
	}
	f.Add("x", "x", base64.StdEncoding.EncodeToString(dirty(100)))
	for _, c := range exprs {
		f.Add(c.expr, strings.Join(c.keywords, "|"), strings.Join(pieces, ""))
	}
	f.Fuzz(func(t *testing.T, expr, keywords, text string) {
		same(t, builtin, "the set", text)
		if len(expr) > 100 || len(text) > 1000 || strings.ContainsFunc(keywords, func(r rune) bool { return r > 0x7e || r < 0x20 }) {
			return
		}
		var words []string
		for w := range strings.SplitSeq(strings.ToLower(keywords), "|") {
			if w != "" && len(w) <= 64 && !slices.Contains(words, w) {
				words = append(words, w)
			}
		}
		if re, err := regexp.Compile(expr); err != nil || re.MatchString("") {
			return
		}
		if s, err := detect.Of(expr, words...); err == nil && !detect.MatchesEmpty(expr) {
			same(t, s, expr, text)
		}
	})
}

// Words are found wherever they are, in any case, once.
func TestWords(t *testing.T) {
	word := rapid.StringOfN(rapid.SampledFrom([]rune("abk_-[{@`")), 1, 6, -1)
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfNDistinct(word, 1, 6, func(s string) string { return s }).Draw(rt, "words")
		text := rapid.StringOfN(rapid.SampledFrom([]rune("abkABK_-[{@`\u212a")), 0, 40, -1).Draw(rt, "text")
		var want []string
		for i := range text {
			for _, w := range words {
				if rest := text[i:]; len(rest) >= len(w) && ascii(rest[:len(w)]) && strings.ToLower(rest[:len(w)]) == w {
					want = append(want, w+"@"+strconv.Itoa(i))
				}
			}
		}
		got := detect.Words(text, words...)
		slices.Sort(got)
		slices.Sort(want)
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatalf("%q in %q: %s", words, text, d)
		}
	})
}

func ascii(s string) bool {
	return utf8.RuneCountInString(s) == len(s) && !strings.ContainsRune(s, utf8.RuneError)
}

func TestFind_isSafeForConcurrentUse(t *testing.T) {
	s := builtin(t)
	text := dirty(4096)
	want := detect.Find[detect.Match](s, nil, text)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if got := detect.Find[detect.Match](s, nil, text); !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			}
		})
	}
	wg.Wait()
	if len(want) != 2 {
		t.Error(want)
	}
}

func TestFind_zeroSet(t *testing.T) {
	if got := detect.Find[detect.Match](&detect.Set{}, nil, []byte("anything")); got != nil {
		t.Error(got)
	}
}

func TestEntropy(t *testing.T) {
	for text, want := range map[string]float64{"a": 0, "aaaa": 0, "ab": 1, "abcd": 2, "aabb": 1, "aaab": 0.8112781244591328, strings.Repeat("abcdefgh", 100): 3} {
		if got := detect.Entropy([]byte(text)); got < want-1e-9 || got > want+1e-9 {
			t.Errorf("%.10q: %v, want %v", text, got, want)
		}
	}
}
