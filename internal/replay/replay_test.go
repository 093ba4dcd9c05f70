package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/seal"
)

var midnight = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

func compile(t testing.TB, files map[string]string) *engine.Snapshot {
	t.Helper()
	all := fstest.MapFS{}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	b, err := bundle.FS(all)
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(t.Context(), b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// rules are a policy with rules in flow style.
func rules(t testing.TB, all ...string) *engine.Snapshot {
	t.Helper()
	return compile(t, map[string]string{"p.yaml": "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n  - " + strings.Join(all, "\n  - ") + "\n"})
}

// recorded gives the lines of records.
func recorded(t testing.TB, all ...*audit.Record) []byte {
	t.Helper()
	var lines bytes.Buffer
	log, err := audit.Open(audit.Options{Writer: &lines, Now: func() time.Time { return midnight }})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if err := log.Append(r, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return lines.Bytes()
}

// allowed is the record of a call that was allowed, minutes after midnight.
func allowed(minute int, change ...func(*audit.Record)) *audit.Record {
	id := fmt.Sprintf("01M7Y%021d", minute)
	r := &audit.Record{
		Kind: audit.Decision, Time: midnight.Add(time.Duration(minute) * time.Minute), Revision: "sha256:00", PrincipalKind: "jwt", PrincipalID: "ann", Issuer: "https://idp.example",
		SourceAddress: "127.0.0.1", Method: "tools/call", Server: "files", Tool: "read", Phase: "request", Effect: "allow", Policy: "p", Rule: "a",
		Inputs: []audit.Input{{Name: "args.path", JSON: []byte(`"/srv/a"`)}}, Absent: []string{"args.mode"},
	}
	r.DecisionID, _ = audit.ParseID(id)
	for _, f := range change {
		f(r)
	}
	return r
}

func denied(r *audit.Record) {
	r.Kind, r.Effect, r.Rule, r.Reason = audit.Refusal, "deny", "d", "denied_by_rule"
}

func run(t *testing.T, s *engine.Snapshot, o Options, files ...[]byte) *Report {
	t.Helper()
	readers := make([]io.Reader, len(files))
	for i, f := range files {
		readers[i] = bytes.NewReader(f)
	}
	report, err := Run(t.Context(), s, readers, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

const allowAll = "{ name: a, effect: allow }"

func TestFlipsAreGroupedAndCounted(t *testing.T) {
	bob := func(r *audit.Record) { r.PrincipalID = "bob" }
	lines := recorded(t,
		allowed(5), allowed(4), allowed(3), allowed(2), allowed(1, bob), allowed(6, denied),
		allowed(7, func(r *audit.Record) { r.Inputs[0].JSON = []byte(`"/etc"`) }), allowed(8, func(r *audit.Record) { r.Rule = "other" }),
	)
	s := rules(t, `{ name: a, effect: allow }`, `{ name: d, effect: deny, when: 'args.path == "/srv/a" && now < timestamp("2026-11-21T00:06:00Z")' }`)
	got := run(t, s, Options{}, lines)
	flip := Flip{
		Was: "allow", Is: "deny", WasRule: "p/a", IsRule: "p/d", Phase: "request", Method: "tools/call", Server: "files", Name: "read",
		Principal: "ann", Count: 4, Examples: []string{allowed(2).DecisionID.String(), allowed(3).DecisionID.String(), allowed(4).DecisionID.String()},
	}
	other, back := flip, flip
	other.Principal, other.Count, other.Examples = "bob", 1, []string{allowed(1).DecisionID.String()}
	back.Was, back.Is, back.WasRule, back.IsRule = "deny", "allow", "p/d", "p/a"
	back.Count, back.Examples = 1, []string{allowed(6).DecisionID.String()}
	want := &Report{
		Revision: s.Revision(), Decisions: 8, Replayed: 8, OtherRule: 1, NewAllows: 1, NewDenies: 5, Flips: []Flip{back, flip, other}, NotReplayable: map[string]int{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestTheTimeAskedFor(t *testing.T) {
	first, second := recorded(t, allowed(1), allowed(2), allowed(3)), recorded(t, allowed(4), allowed(5))
	s := rules(t, allowAll)
	at := func(minute int) time.Time { return midnight.Add(time.Duration(minute) * time.Minute) }
	for _, tt := range []struct {
		since, until time.Time
		want         int
	}{{want: 5}, {since: at(2), want: 4}, {until: at(4), want: 3}, {since: at(3), until: at(5), want: 2}, {since: at(6)}} {
		if got := run(t, s, Options{Since: tt.since, Until: tt.until}, first, second); got.Decisions != tt.want || got.Replayed != tt.want {
			t.Errorf("%v to %v: %d decisions, want %d", tt.since, tt.until, got.Decisions, tt.want)
		}
	}
}

func TestWhatCannotBeReplayedIsSaid(t *testing.T) {
	reads := rules(t, `{ name: a, effect: allow, when: 'args.path != ""' }`)
	nothing := rules(t, allowAll)
	params := rules(t, `{ name: a, effect: allow, when: 'params.arguments.path != "" && jwt.sub != "" && !has(args.mode)' }`)
	input := func(name, value string) func(*audit.Record) {
		return func(r *audit.Record) { r.Inputs = append(r.Inputs, audit.Input{Name: name, JSON: []byte(value)}) }
	}
	for _, tt := range []struct {
		name   string
		s      *engine.Snapshot
		change func(*audit.Record)
		want   string
	}{
		{"all is there", reads, func(*audit.Record) {}, ""},
		{"a secret", reads, input("args.token", `"x"`), "inputs_masked"},
		{"the record's own mark", nothing, func(r *audit.Record) { r.NotReplayable = "inputs_unknown" }, "inputs_unknown"},
		{"a field that was not read", reads, func(r *audit.Record) { r.Inputs[0].Name = "args.other" }, "inputs_not_recorded"},
		{"a field that was not there", rules(t, `{ name: a, effect: allow, when: '!has(args.path)' }`), func(r *audit.Record) { r.Inputs, r.Absent = nil, []string{"args"} }, ""},
		{"more than a field", rules(t, `{ name: a, effect: allow, when: 'args == {}' }`), func(*audit.Record) {}, "inputs_not_recorded"},
		{"less than a field", reads, func(r *audit.Record) { r.Inputs[0] = audit.Input{Name: "args", JSON: []byte(`{"path":"x"}`)} }, ""},
		{"the same by another name", params, input("principal.claims.sub", `"ann"`), ""},
		{"all params", params, func(r *audit.Record) {
			r.Inputs, r.Absent = []audit.Input{{Name: "params", JSON: []byte(`{"arguments":{"path":"x"}}`)}, {Name: "jwt.sub", JSON: []byte(`"ann"`)}}, nil
		}, ""},
		{"a name with a secret in it", nothing, func(r *audit.Record) { r.Tool = "ghp_0123456789abcdefghijklmnopqrstuvwxyz" }, "inputs_masked"},
		{"a name that is too long", nothing, func(r *audit.Record) { r.Tool = strings.Repeat("x", 600) }, "inputs_truncated"},
		{"an answer of which nothing is recorded", nothing, func(r *audit.Record) { r.Kind, r.Phase = audit.Outcome, "response" }, "inputs_not_recorded"},
		{"inputs that contradict each other", nothing, input("args.path.x", `{"a":1,"a":2}`), "unreadable"},
		{"changes that could not be made", nothing, func(r *audit.Record) { denied(r); r.Reason = "not_rewritable" }, "plugin_rewrote"},
		{"refused before policy", nothing, func(r *audit.Record) { r.Revision = "" }, "no policy"},
		{"an effect that there is not", nothing, func(r *audit.Record) { r.Effect = "perhaps" }, "unreadable"},
	} {
		lines := recorded(t, allowed(1, tt.change))
		if tt.want == "unreadable" {
			lines = bytes.Replace(lines, []byte(`"args.path.x"`), []byte(`"args.path"`), 1)
		}
		r := run(t, tt.s, Options{}, lines)
		got := ""
		for why := range r.NotReplayable {
			got += why
		}
		if r.NoPolicy > 0 {
			got += "no policy"
		}
		if r.Unreadable > 0 {
			got += "unreadable"
		}
		if got != tt.want || (r.Replayed == 1) != (tt.want == "") || len(r.Flips) > 0 {
			t.Errorf("%s: %q, %+v; want %q", tt.name, got, r, tt.want)
		}
	}
}

// What a server said of a tool decides where there is a lock, so it must be known.
func TestReplayWithALockOfTools(t *testing.T) {
	const hash, other = "sha256:4f78cb7f436a5ff6f025c9daf2e7ec39f093616676f114b4e0af17bb9bb9ee3b", "sha256:00"
	b, err := bundle.FS(fstest.MapFS{
		"p.yaml":          {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules: [ { name: a, effect: allow } ]\n")},
		"tools.lock.json": {Data: []byte(`{"version":1,"servers":{"files":{"tools":[{"name":"get","hash":"` + hash + `"}]}}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(t.Context(), b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, tt := range []struct {
		name   string
		change func(*audit.Record)
		want   string
	}{
		{"the tool that the lock has", func(r *audit.Record) { r.ToolHash = hash }, ""},
		{"another", func(r *audit.Record) { r.ToolHash = other }, "allow deny"},
		{"not known", func(*audit.Record) {}, "tool_not_known"},
		{"not known, under the same revision", func(r *audit.Record) { r.Revision = s.Revision() }, ""},
		{"denied, under the same revision", func(r *audit.Record) {
			denied(r)
			r.Policy, r.Rule, r.Reason, r.Revision = "", "", engine.ReasonToolChanged, s.Revision()
		}, ""},
		{"a tool that the lock lacks", func(r *audit.Record) { r.Tool = "read" }, "allow deny"},
		{"a server that the lock lacks", func(r *audit.Record) { r.Server = "mail" }, ""},
	} {
		r := run(t, s, Options{}, recorded(t, allowed(1, func(r *audit.Record) { r.Tool = "get" }, tt.change)))
		got := ""
		for why := range r.NotReplayable {
			got = why
		}
		for _, f := range r.Flips {
			got = f.Was + " " + f.Is
		}
		if got != tt.want || r.OtherRule > 0 {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	shadow, err := engine.Compile(t.Context(), b, engine.Options{Pins: engine.PinsShadow})
	if err != nil {
		t.Fatal(err)
	}
	defer shadow.Close()
	if r := run(t, shadow, Options{}, recorded(t, allowed(1, func(r *audit.Record) { r.Tool = "get" }))); r.Replayed != 1 || len(r.Flips) > 0 {
		t.Errorf("a lock that is only a shadow: %+v", r)
	}
}

func TestReplayAgainstOtherPolicies(t *testing.T) {
	lines := recorded(t, allowed(1), allowed(2, denied))
	old, now := rules(t, `{ name: d, effect: deny }`), rules(t, `{ name: a, effect: allow, when: 'args.path == "/srv/a"' }`)
	r := run(t, now, Options{Against: old}, lines)
	if r.NewAllows != 2 || r.NewDenies != 0 || r.Against != old.Revision() || r.Flips[0].WasRule != "p/d" {
		t.Errorf("%+v", r)
	}
	if r = run(t, old, Options{Against: now}, lines); r.NewDenies != 2 {
		t.Errorf("%+v", r)
	}
}

func TestFilesMayBeAnything(t *testing.T) {
	good := recorded(t, allowed(1), allowed(2))
	s := rules(t, allowAll)
	for name, file := range map[string][]byte{
		"a line that was cut":      append(bytes.Clone(good), good[:50]...),
		"a line that is none":      append([]byte("{}\n"), good...),
		"text":                     append([]byte("not JSON\n\n\n"), good...),
		"a field that comes twice": append([]byte(`{"seq":1,"seq":2}`+"\n"), good...),
	} {
		if r := run(t, s, Options{}, file); r.Unreadable != 1 || r.Replayed != 2 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := run(t, s, Options{}, good[:len(good)-1], nil, []byte("\n")); r.Replayed != 2 || r.Unreadable != 0 {
		t.Errorf("without its last newline: %+v", r)
	}
	long := append(bytes.Repeat([]byte("x"), 3*maxLine), '\n')
	if _, err := Run(t.Context(), s, []io.Reader{bytes.NewReader(long)}, Options{}); !errors.Is(err, errLongLine) {
		t.Errorf("a long line: %v", err)
	}
	broken := errors.New("broken")
	if _, err := Run(t.Context(), s, []io.Reader{bytes.NewReader(good), failing{broken}}, Options{}); !errors.Is(err, broken) {
		t.Errorf("a file that can't be read: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Lines end where blocks do, and anywhere else.
func TestBlocksAreWholeLines(t *testing.T) {
	s := rules(t, allowAll)
	var all []*audit.Record
	for i := range 2000 {
		all = append(all, allowed(i, func(r *audit.Record) { r.Cause = strings.Repeat("x", i) }))
	}
	lines := recorded(t, all...)
	if len(lines) < 4*blockSize {
		t.Fatal("too short")
	}
	if r := run(t, s, Options{}, lines); r.Replayed != len(all) || r.Unreadable != 0 {
		t.Errorf("%+v", r)
	}
}

func TestKindsOfFlipsAreBounded(t *testing.T) {
	all := flips{}
	for i := range maxGroups + 10 {
		all.add(group{was: "deny", is: "allow", principal: fmt.Sprint(i)}, 2, fmt.Sprint(i))
	}
	total := 0
	for _, f := range all {
		total += f.Count
	}
	if len(all) != maxGroups+1 || total != 2*(maxGroups+10) {
		t.Errorf("%d groups of %d flips", len(all), total)
	}
}

// Records that are sealed are replayed by whoever holds an identity; of others it is said why not.
func TestRun_sealed(t *testing.T) {
	s := rules(t, `{ name: a, when: 'args.path == "/srv/a"', effect: allow }`)
	one, of := sealedFor(t)
	_, other := sealedFor(t)
	_, unaware := sealedFor(t)
	text := func(key *seal.Key, minutes ...int) []byte {
		var lines bytes.Buffer
		log, err := audit.Open(audit.Options{Writer: &lines, Now: func() time.Time { return midnight }, Seal: key})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range minutes {
			if err := log.Append(allowed(m), true); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		return lines.Bytes()
	}
	whole := text(one, 1, 2)
	_, keyless, _ := bytes.Cut(whole, []byte("\n"))
	for name, c := range map[string]struct {
		open *seal.Opener
		text []byte
		want map[string]int
	}{
		"opened":             {of, whole, map[string]int{}},
		"not opened":         {nil, whole, map[string]int{audit.InputsSealed: 2}},
		"for others":         {other, whole, map[string]int{SealOthers: 2}},
		"without its key":    {unaware, keyless, map[string]int{SealNoKey: 2}},
		"edited":             {of, bytes.Replace(whole, []byte(`"gen_ai.tool.name":"read"`), []byte(`"gen_ai.tool.name":"rm"`), 1), map[string]int{SealEdited: 1}},
		"not sealed at all":  {of, recorded(t, allowed(1)), map[string]int{}},
		"marked and unknown": {nil, bytes.ReplaceAll(whole, []byte(`"phase":"request",`), []byte(`"phase":"request","not_replayable":"inputs_masked",`)), map[string]int{"inputs_masked": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.open != nil {
				if _, _, err := audit.Learn(c.open, bytes.NewReader(c.text)); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Run(t.Context(), s, []io.Reader{bytes.NewReader(c.text)}, Options{Open: c.open})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.NotReplayable); diff != "" || got.Decisions-got.Replayed != got.Unreplayed() || len(got.Flips) > 0 || got.OtherRule > 0 {
				t.Errorf("%+v (-want +got)\n%s", got, diff)
			}
		})
	}
}

// sealedFor is a key, and what opens it once it has learned of it.
func sealedFor(t *testing.T) (*seal.Key, *seal.Opener) {
	t.Helper()
	identity, recipient, err := seal.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	var to seal.Recipients
	if err := to.Add(recipient); err != nil {
		t.Fatal(err)
	}
	k, err := seal.NewKey(&to)
	if err != nil {
		t.Fatal(err)
	}
	o, err := seal.NewOpener([]byte(identity))
	if err != nil {
		t.Fatal(err)
	}
	return k, o
}
