package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/seal"
)

// sealing is a new key, and what opens it.
func sealing(t testing.TB) (*seal.Key, *seal.Opener) {
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

func sealedAt(t *testing.T, path string, k *seal.Key) *Log {
	t.Helper()
	l, err := Open(Options{Path: path, Now: clock, Seal: k, direct: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// learned tells o of the keys in data, of which it opens as many as it must.
func learned(t *testing.T, o *seal.Opener, data []byte, keys int) {
	t.Helper()
	if found, opened, err := Learn(o, bytes.NewReader(data)); found != keys || opened != keys || err != nil {
		t.Fatalf("learned %d of %d keys, %v, want %d", opened, found, err, keys)
	}
}

func sealedLine(r *Record, k *seal.Key) string {
	r.encodeApart(Masker{}, true, k)
	return `{"seq":1,"prev":"` + zeroHash + `",` + strings.TrimSuffix(string(r.line), "\n")
}

// What is sealed, and what is not.
func TestSealedLine(t *testing.T) {
	k, o := sealing(t)
	if _, err := o.Learn(k.ID, k.Wrapped); err != nil {
		t.Fatal(err)
	}
	r := full()
	r.Plugins = []Plugin{{Name: "guard", Verdict: "deny", Message: "no"}}
	open := sealedLine(r, k)
	before, text, ok := strings.Cut(open, `"sealed":"`)
	want := `{"seq":1,"prev":"` + zeroHash + `","time":"2026-11-22T07:08:09.123456789Z","kind":"outcome","event":"e",` +
		`"decision_id":"01KAN3Q8Z3ABCDEFGHJKMNPQRS","revision":"sha256:00ff",` +
		`"principal":{"kind":"jwt","id":"alice","issuer":"https://idp.example"},"source.address":"::1","connections":3,` +
		`"http.request.method":"POST","mcp.method.name":"tools/call","mcp.protocol.version":"2026-07-28","mcp.session.id":"` + session.String() + `",` +
		`"jsonrpc.request.id":"7","server":"files","server_version":"canary","mirror":"next","gen_ai.tool.name":"read_file","tool_hash":"sha256:22dd","mcp.resource.uri":"file:///x","gen_ai.prompt.name":"p",` +
		`"phase":"request","now":"2026-11-22T06:08:09.123456789Z","effect":"deny","policy":"fs-guard","rule":"no-dotfiles","reason":"dotfile",` +
		`"shadow":[{"policy":"s","rule":"r","effect":"deny","reason":"x"},{"policy":"t","rule":"q","effect":"allow"}],` +
		`"absent":["args.mode","args[\"odd key\"]"],"http.response.status_code":403,"rpc.response.status_code":40301,` +
		`"decide_us":1.204,"upstream_us":3000.000,"total_us":3000.070,"request_bytes":1024,"response_bytes":99,` +
		`"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736",`
	if diff := cmp.Diff(want, before); diff != "" || !ok || !strings.HasPrefix(text, k.ID+":") || !strings.HasSuffix(text, `"}`) {
		t.Errorf("line (-want +got):\n%s\n%s", diff, text)
	}
	e, err := Read([]byte(open))
	if err != nil || !e.Record.Sealed || e.Record.NotReplayable != InputsSealed || len(e.Record.Inputs) > 0 {
		t.Errorf("unopened: %+v %v", e.Record, err)
	}
	lifecycle := &Record{Kind: Lifecycle, Event: ReloadFailed, Cause: "why", Time: at}
	if got := sealedLine(lifecycle, k); got != line(lifecycle) {
		t.Errorf("a lifecycle record is sealed: %s", got)
	}
	nothing := &Record{Kind: Refusal, Time: at}
	if got := sealedLine(nothing, k); got != line(nothing) {
		t.Errorf("nothing is sealed: %s", got)
	}
}

// Whatever was in a message: none of it is in the file, and an identity reads what would have been there without a seal.
func TestSealedRecordsSayNothingAndTellAll(t *testing.T) {
	k, o := sealing(t)
	if _, err := o.Learn(k.ID, k.Wrapped); err != nil {
		t.Fatal(err)
	}
	const canary = "canary-in-a-message"
	value := rapid.Custom(func(t *rapid.T) string {
		return rapid.StringMatching(`[ -~]{0,20}`).Draw(t, "before") + canary + rapid.String().Draw(t, "after")
	})
	quoted := rapid.Custom(func(t *rapid.T) []byte { return jsonscan.AppendQuote(nil, value.Draw(t, "value")) })
	var u Unsealer
	r := new(Record)
	rapid.Check(t, func(t *rapid.T) {
		r.Reset()
		*r = Record{
			Kind: rapid.SampledFrom([]Kind{Decision, Outcome, Refusal}).Draw(t, "kind"), Time: at, Tool: rapid.String().Draw(t, "tool"), Policy: "p", Rule: "r",
			Message: value.Draw(t, "message"), Cause: value.Draw(t, "cause"), NotReplayable: rapid.SampledFrom([]string{"", "plugins_asked"}).Draw(t, "mark"),
			Inputs: []Input{{"args.path", quoted.Draw(t, "path")}, {"args.all", append(append([]byte(`{"a":[`), quoted.Draw(t, "part")...), `]}`...)}},
			Plugins: []Plugin{{
				Name: "guard", Reason: "code", Message: value.Draw(t, "said"), Notes: []PluginNote{{"note", value.Draw(t, "note")}}, Labels: []string{value.Draw(t, "label")},
				Patch: []PluginEdit{{"set", "args.path", quoted.Draw(t, "patch")}},
			}},
			line: r.line, scratch: r.scratch, hidden: r.hidden, box: r.box, memo: r.memo,
		}
		want, err := Read([]byte(line(r)))
		if err != nil {
			t.Fatal(err)
		}
		text := sealedLine(r, k)
		if strings.Contains(text, canary) || !IsSealed([]byte(text)) || IsSealed([]byte(line(r))) {
			t.Fatal(text)
		}
		opened, err := u.Unseal(o, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Read(opened)
		if err != nil {
			t.Fatalf("%v in %s", err, opened)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Record{})); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		at := rapid.IntRange(len(`{"seq":1,"prev":"`+zeroHash+`",`), len(text)-1).Draw(t, "at")
		edited := []byte(text)
		edited[at] ^= byte(rapid.IntRange(1, 127).Draw(t, "edit"))
		if open, err := u.Unseal(o, edited); err == nil && !bytes.Equal(open, edited) {
			t.Fatalf("an edit of byte %d opens: %s", at, open)
		}
	})
}

// Number and hash are given after a record is sealed: the chain holds as without a seal.
func TestSealedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	k, o := sealing(t)
	l := sealedAt(t, path, k)
	mustAppend(t, l, &Record{Kind: Refusal, Tool: "a", Message: "hidden-text"}, true)
	mustAppend(t, l, &Record{Kind: Refusal, Tool: "b"}, true)
	data := readFile(t, path)
	wantTools(t, data, "sealing_key a b")
	if bytes.Contains(data, []byte("hidden-text")) {
		t.Errorf("in the clear: %s", data)
	}
	learned(t, o, data, 1)
	if shown := string(l.Show(&Record{Kind: Refusal, Tool: "a", Message: "hidden-text", Time: at})); shown != `{"time":"2026-11-22T07:08:09.123456789Z","kind":"refusal","gen_ai.tool.name":"a"}` {
		t.Errorf("shown: %s", shown)
	}
}

// A file that takes the place of another can be read without it.
func TestEveryFileHasItsKey(t *testing.T) {
	for name, renew := range map[string]func(l *Log) error{
		"told":  (*Log).Reopen,
		"found": func(l *Log) error { l.tick(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.jsonl")
			k, o := sealing(t)
			l := sealedAt(t, path, k)
			mustAppend(t, l, &Record{Kind: Refusal, Tool: "a", Message: "1"}, true)
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
			if err := renew(l); err != nil {
				t.Fatal(err)
			}
			mustAppend(t, l, &Record{Kind: Refusal, Tool: "b", Message: "2"}, true)
			wantTools(t, readFile(t, path+".1"), "sealing_key a")
			second := readFile(t, path)
			wantTools(t, second, "sealing_key b")
			learned(t, o, second, 1)
			wantMessages(t, o, second, "2")
		})
	}
	t.Run("after a full disk", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.jsonl")
		k, o := sealing(t)
		l := sealedAt(t, path, k)
		l.mu.Lock()
		l.failed(0, errors.New("the disk is full"))
		l.mu.Unlock()
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, &Record{Kind: Refusal, Tool: "b", Message: "2"}, true)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		second := readFile(t, path)
		wantTools(t, second, "b sealing_key")
		learned(t, o, second, 1)
		wantMessages(t, o, second, "2")
	})
}

// wantMessages wants the messages of all sealed records, in order.
func wantMessages(t *testing.T, o *seal.Opener, data []byte, want string) {
	t.Helper()
	var u Unsealer
	var got []string
	for l := range bytes.Lines(data) {
		l = bytes.TrimSuffix(l, newline)
		if !IsSealed(l) {
			continue
		}
		open, err := u.Unseal(o, l)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Read(open)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Record.Message)
	}
	if strings.Join(got, " ") != want {
		t.Errorf("messages %q, want %q", got, want)
	}
}

func TestFind_sealed(t *testing.T) {
	k, o := sealing(t)
	r := full()
	text := sealedLine(r, k) + "\n"
	if _, err := Find(strings.NewReader(text), r.DecisionID, o); !errors.Is(err, seal.ErrNoKey) || !strings.HasPrefix(err.Error(), "record 1: ") {
		t.Errorf("without its key: %v", err)
	}
	if _, err := o.Learn(k.ID, k.Wrapped); err != nil {
		t.Fatal(err)
	}
	found, err := Find(strings.NewReader(text), r.DecisionID, o)
	if err != nil || len(found) != 1 || found[0].Record.Message != r.Message || found[0].Record.Sealed {
		t.Errorf("%+v %v", found, err)
	}
	if found, err = Find(strings.NewReader(text), r.DecisionID, nil); err != nil || len(found) != 1 || !found[0].Record.Sealed {
		t.Errorf("without an identity: %+v %v", found, err)
	}
	if _, err := Find(strings.NewReader(strings.Replace(text, `"effect":"deny"`, `"effect":"allow"`, 1)), r.DecisionID, o); !errors.Is(err, seal.ErrEdited) {
		t.Errorf("edited: %v", err)
	}
}

func TestLearn_refused(t *testing.T) {
	k, o := sealing(t)
	text := line(&Record{Kind: Lifecycle, Event: Sealing, Time: at, Key: k.ID, Wrapped: k.Wrapped[4:]})
	if _, _, err := Learn(o, strings.NewReader("x\n"+text+"\n")); !errors.Is(err, seal.ErrKey) || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"a mark in a text": line(&Record{Kind: Refusal, Time: at, Message: `"event":"sealing_key"`}),
		"another kind":     strings.Replace(text, `"kind":"lifecycle"`, `"kind":"refusal"`, 1),
		"no record":        `{"event":"sealing_key"}`,
		"cut off":          text[:len(text)-10],
		"nothing":          "",
	} {
		if found, opened, err := Learn(o, strings.NewReader(text+"\n")); found+opened != 0 || err != nil {
			t.Errorf("%s: %d %d %v", name, found, opened, err)
		}
	}
}

// A log whose key can't be recorded takes no records.
func TestKeyThatCantBeRecorded(t *testing.T) {
	k, _ := sealing(t)
	if _, err := Open(Options{Writer: refusing{}, Now: clock, Seal: k}); err == nil {
		t.Error("opened")
	}
}

type refusing struct{}

func (refusing) Write([]byte) (int, error) { return 0, errors.New("no") }

// However a line was spoilt, opening it ends, and gives what was sealed or the line.
func FuzzUnseal(f *testing.F) {
	k, o := sealing(f)
	if _, err := o.Learn(k.ID, k.Wrapped); err != nil {
		f.Fatal(err)
	}
	whole := sealedLine(full(), k)
	f.Add(whole)
	f.Add(strings.Replace(whole, `"time":`, `"tame":`, 1))
	f.Add(`{"time":"x","sealed":"` + k.ID + `:"}`)
	f.Add(`,"sealed":""}`)
	f.Add(`,"sealed":""},"time":"`)
	f.Add(`"time":","sealed":"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var u Unsealer
		open, err := u.Unseal(o, []byte(text))
		if err != nil || !IsSealed([]byte(text)) {
			if string(open) != text {
				t.Errorf("%q became %q", text, open)
			}
			return
		}
		if body := whole[strings.Index(whole, `"time"`):]; !strings.HasSuffix(text, body) {
			t.Errorf("%q opens, and nobody has sealed it", text)
		}
	})
}
