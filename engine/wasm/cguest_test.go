package wasm_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// cGuest returns a guest that was built of testdata/c. Its digest and those of its sources are
// in testdata/c/digests: whoever changes the one must build the other.
func cGuest(t testing.TB, name string) []byte {
	t.Helper()
	digests, err := os.ReadFile("testdata/c/digests")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(digests)) {
		digest, file, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok || !strings.HasPrefix(file, name+".") && file != "guest.h" {
			continue
		}
		b, err := os.ReadFile(filepath.Join("testdata/c", file))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != digest {
			t.Fatalf("%s is %s, digests says %s: run testdata/c/build, and sha256sum *.c *.h *.wasm >digests there", file, got, digest)
		}
	}
	b, err := os.ReadFile("testdata/c/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGuestsInCAreBuiltOfTheirSources(t *testing.T) {
	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skip("SKIPPED: clang-19 is not there: apt-get install clang-19 lld-19")
	}
	dir := t.TempDir()
	if out, err := exec.Command("testdata/c/build", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"authorise", "redact", "scan"} {
		built, err := os.ReadFile(filepath.Join(dir, name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(built, cGuest(t, name)) {
			t.Errorf("%s.wasm is not what clang-19 makes of %s.c", name, name)
		}
	}
}

func TestGuestInCAuthorises(t *testing.T) {
	p := load(t, newHost(t, wasm.Options{}), cGuest(t, "authorise"), wasm.Config{})
	for arguments, want := range map[string]string{
		`{"path":"/srv/a"}`:      "pass",
		`{"path":"/etc/passwd"}`: `pass`, // of the group ops
	} {
		if got := sum(ask(t, p, message(t, arguments))); got != want {
			t.Errorf("%s: got %s, want %s", arguments, got, want)
		}
	}
	m := message(t, `{"path":"/etc/passwd"}`)
	m.Principal.Groups = []string{"dev"}
	if got, want := sum(ask(t, p, m)), `deny outside "The path is outside of /srv."`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	m.Tool = "write_file"
	if got := sum(ask(t, p, m)); got != "abstain" {
		t.Errorf("got %s, want abstain", got)
	}
}

func TestTrapSaysWhereTheGuestWas(t *testing.T) {
	p := load(t, newHost(t, wasm.Options{}), cGuest(t, "redact"), wasm.Config{}) // without the capability
	r := ask(t, p, message(t, `{"a":"b"}`))
	if got, want := sum(r), "deny capability: match:pii is not granted"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r.Failure.Trace != nil {
		t.Errorf("what the host refuses has the trace %q", r.Failure.Trace)
	}
	m := hostile(plentyOfFuel, 5e9)
	m.mem(1, 1)
	inner := m.fun("", ":", "", unreachable)
	m.attack("", call(inner), i32(0))
	names := cat(raw(1), sized(cat(leb(2), leb(1), named("inner"), leb(2), named("outer"))))
	r = ask(t, plugin(t, m.after("name", names), wasm.Config{}), message(t, harm))
	if diff := cmp.Diff([]string{"inner()", "outer() i32"}, r.Failure.Trace); diff != "" {
		t.Error(diff)
	}
}

// clean and dirty are calls of about a kibibyte.
var (
	filler = strings.Repeat(" The quick brown fox jumps over the lazy dog while the gateway checks every argument.", 9)
	clean  = `{"to":"jane","subject":"Invoice 2026-11","priority":3,"cc":["ops","finance"],"meta":{"tenant":"acme","trace":"7f3a9c1e"},"body":"Hi, please confirm order 88213.` + filler + `"}`
	dirty  = `{"to":"jane.doe@example.com","subject":"Invoice 2026-11","priority":3,"cc":["ops","finance"],"meta":{"tenant":"acme","trace":"7f3a9c1e"},"body":"Hi, please charge card 4111 1111 1111 1111 for order 88213 and confirm.` + filler + `"}`
)

func TestGuestsInCRedact(t *testing.T) {
	h := newHost(t, wasm.Options{})
	for name, p := range map[string]*wasm.Plugin{
		"redact": load(t, h, cGuest(t, "redact"), withPII()),
		"scan":   load(t, h, cGuest(t, "scan"), wasm.Config{}),
	} {
		t.Run(name, func(t *testing.T) {
			if got := sum(ask(t, p, message(t, clean))); got != "pass" {
				t.Errorf("of what is clean: %s", got)
			}
			m := message(t, dirty)
			r := ask(t, p, m)
			var e jsonscan.Edits
			if !r.Apply(&e) {
				t.Fatal("the edits don't fit")
			}
			want := strings.NewReplacer("jane.doe@example.com", "***", "4111 1111 1111 1111", "***").Replace(dirty)
			if diff := cmp.Diff(want, string(m.Params.Get("arguments").AppendEdited(nil, &e))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// withPII grants the detectors that the C guest asks for.
func withPII() wasm.Config {
	return wasm.Config{Grant: wasm.Grant{Capabilities: capabilities("match:pii")}, Matchers: map[string]wasm.Matcher{"pii": pii}}
}

// pii finds addresses, and card numbers that have blanks, as a host's detectors would: by what
// every match must hold first.
var pii = wasm.Matcher{Rules: []string{"email", "card"}, Find: func(dst []wasm.Match, text []byte, _ func() bool) ([]wasm.Match, bool) {
	if i := bytes.IndexByte(text, '@'); i >= 0 {
		from, to := bytes.LastIndexByte(text[:i], ' ')+1, len(text)
		if k := bytes.IndexByte(text[i:], ' '); k >= 0 {
			to = i + k
		}
		dst = append(dst, wasm.Match{Start: from, End: to, Rule: 0})
	}
	if i := bytes.Index(text, []byte("4111 ")); i >= 0 {
		dst = append(dst, wasm.Match{Start: i, End: min(i+19, len(text)), Rule: 1})
	}
	return dst, true
}}
