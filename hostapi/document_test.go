package hostapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// These tests hold ABI.md to what it shows: its examples are read from it, and run.

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	blockForm   = regexp.MustCompile("(?ms)^```([a-z]+) ?([^\n]*)\n(.*?)^```$")
	commentForm = regexp.MustCompile(`;.*`)
)

// example returns the bytes of a block of hexadecimal digits.
func example(t *testing.T, name string) []byte {
	t.Helper()
	for _, b := range blockForm.FindAllStringSubmatch(document(t), -1) {
		if b[1] != "hex" || b[2] != name {
			continue
		}
		out, err := hex.DecodeString(strings.Join(strings.Fields(commentForm.ReplaceAllString(b[3], "")), ""))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return out
	}
	t.Fatalf("ABI.md has no example %q", name)
	return nil
}

// manifest returns the content of a module's section for the manifest, found by walking over
// the sections.
func manifest(t *testing.T, module []byte) []byte {
	t.Helper()
	for rest := module[8:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		body := rest[1+n : 1+n+int(size)]
		if rest[0] == 0 {
			length, n := binary.Uvarint(body)
			if string(body[n:n+int(length)]) == hostapi.ManifestSection {
				return body[n+int(length):]
			}
		}
		rest = rest[1+n+int(size):]
	}
	t.Fatal("no manifest")
	return nil
}

// host is what a guest of the examples talks to, written from the document.
type host struct {
	fields   [][]byte // by id; nil is absent
	returned []int32  // by field
	reason   [2]string
}

func (h *host) field(m api.Module, id int32, buf, size uint32) int32 {
	v := h.fields[id]
	n := int32(len(v))
	if v == nil {
		n = int32(hostapi.CodeAbsent)
	} else if uint32(len(v)) <= size {
		m.Memory().Write(buf, v)
	}
	h.returned = append(h.returned, n)
	return n
}

func (h *host) setReason(m api.Module, code, codeLen, text, textLen uint32) {
	c, _ := m.Memory().Read(code, codeLen)
	s, _ := m.Memory().Read(text, textLen)
	h.reason = [2]string{string(c), string(s)}
}

// boot links a module to every host function there is, those that the examples don't call
// ending the test.
func boot(t *testing.T, module []byte, h *host) api.Module {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { _ = rt.Close(ctx) })
	b := rt.NewHostModuleBuilder(hostapi.Module)
	for _, f := range hostapi.Functions() {
		called := func(context.Context, api.Module, []uint64) { t.Errorf("the guest calls %s", f.Name) }
		switch f.Name {
		case hostapi.FuncField:
			called = func(_ context.Context, m api.Module, s []uint64) {
				s[0] = api.EncodeI32(h.field(m, api.DecodeI32(s[0]), uint32(s[1]), uint32(s[2])))
			}
		case hostapi.FuncReason:
			called = func(_ context.Context, m api.Module, s []uint64) {
				h.setReason(m, uint32(s[0]), uint32(s[1]), uint32(s[2]), uint32(s[3]))
			}
		}
		var params []api.ValueType
		for _, p := range f.Params {
			params = append(params, byte(p.Type))
		}
		var results []api.ValueType
		for _, r := range f.Results {
			results = append(results, byte(r))
		}
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(called), params, results).Export(f.Name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	m, err := rt.Instantiate(ctx, module)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func call(t *testing.T, m api.Module) hostapi.Verdict {
	t.Helper()
	out, err := m.ExportedFunction(hostapi.ExportOnRequest).Call(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return hostapi.Verdict(api.DecodeI32(out[0]))
}

func TestDocument_theLeastModuleDenies(t *testing.T) {
	module := example(t, "deny-all")
	m, err := hostapi.ParseManifest(manifest(t, module))
	if err != nil {
		t.Fatal(err)
	}
	want := &hostapi.Manifest{
		Name: "deny-all", Version: "1.0.0", Hooks: []hostapi.Hook{hostapi.HookRequest}, Verdicts: []hostapi.Verdict{hostapi.VerdictDeny},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := call(t, boot(t, module, &host{})); got != hostapi.VerdictDeny {
		t.Errorf("it returns %s", got)
	}
}

func TestDocument_fieldWritesWhatFits(t *testing.T) {
	module, image := example(t, "need-path"), example(t, "need-path image")
	m, err := hostapi.ParseManifest(manifest(t, module))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Reads[hostapi.HookRequest]; len(got) != 1 || got[0].String() != "args.path" {
		t.Errorf("it reads %v", got)
	}
	written := slices.Concat(image[:16], example(t, "need-path after a text of 11 bytes"), image[32:])
	if bytes.Equal(written, image) {
		t.Error("the example shows no change")
	}
	for _, c := range []struct {
		value    string
		absent   bool
		memory   []byte
		returned int32
		verdict  hostapi.Verdict
		reason   [2]string
	}{
		{value: "/etc/passwd", memory: written, returned: 11},
		{value: "/home/alice/notes.txt", memory: image, returned: 21},
		{value: `{"a":[1,2.50]}`, memory: slices.Concat(image[:16], []byte(`{"a":[1,2.50]}`), image[30:]), returned: 14},
		{absent: true, memory: image, returned: -1, verdict: hostapi.VerdictDeny, reason: [2]string{"no_path", "A path is needed."}},
	} {
		h := &host{fields: [][]byte{[]byte(c.value)}}
		if c.absent {
			h.fields[0] = nil
		}
		guest := boot(t, module, h)
		if got, _ := guest.Memory().Read(0, 64); !bytes.Equal(got, image) {
			t.Fatalf("after boot the memory is\n% x", got)
		}
		if got := call(t, guest); got != c.verdict || h.reason != c.reason || !slices.Equal(h.returned, []int32{c.returned}) {
			t.Errorf("%q: %s, %q, field returned %d", c.value, got, h.reason, h.returned)
		}
		if got, _ := guest.Memory().Read(0, 64); !bytes.Equal(got, c.memory) {
			t.Errorf("%q: the memory is\n% x", c.value, got)
		}
	}
}

// entry is a value of a view.
type entry struct {
	kind  hostapi.Kind
	bytes string
	path  uint32
}

func view(entries ...entry) []byte {
	size := hostapi.ViewHeaderBytes + hostapi.ViewEntryBytes*len(entries)
	at := size
	for _, e := range entries {
		size += len(e.bytes)
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(entries)))
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	for _, e := range entries {
		for _, n := range []uint32{uint32(e.kind), uint32(at), uint32(len(e.bytes)), e.path} {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		at += len(e.bytes)
	}
	for _, e := range entries {
		b = append(b, e.bytes...)
	}
	return b
}

func TestDocument_viewIsLaidOutAsItSays(t *testing.T) {
	want := view(
		entry{hostapi.KindNumber, "10", 0}, entry{hostapi.KindString, "/etc/passwd", 1},
		entry{hostapi.KindAbsent, "", 2}, entry{hostapi.KindArray, `["dev","ops"]`, 3},
	)
	if diff := cmp.Diff(want, example(t, "view")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !strings.Contains(document(t), "`view(0, buf, cap)` returns 98") || len(want) != 98 {
		t.Errorf("the text gives another length than %d", len(want))
	}
}

func TestDocument_matchesAreLaidOutAsItSays(t *testing.T) {
	const text = "mail bob@example.com or +41 44 668 18 00"
	var want []byte
	for _, m := range []struct {
		found string
		rule  uint32
	}{{"bob@example.com", 0}, {"+41 44 668 18 00", 2}} {
		at := strings.Index(text, m.found)
		for _, n := range []uint32{uint32(at), uint32(at + len(m.found)), m.rule} {
			want = binary.LittleEndian.AppendUint32(want, n)
		}
	}
	if diff := cmp.Diff(want, example(t, "match")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(want) != 2*hostapi.MatchBytes || !strings.Contains(document(t), "`"+text+"`") || !strings.Contains(document(t), "`match(id, -1, buf, cap)` returns 24") {
		t.Errorf("the text is about other matches")
	}
}

func TestDocument_randomNumbersFollowFromTheModule(t *testing.T) {
	digest := sha256.Sum256(example(t, "deny-all"))
	if diff := cmp.Diff(digest[:], example(t, "deny-all digest")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	want := make([]byte, 32)
	if _, err := rand.NewChaCha8(digest).Read(want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, example(t, "deny-all random")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDocument_theManifestItShowsIsOne(t *testing.T) {
	for _, b := range blockForm.FindAllStringSubmatch(document(t), -1) {
		if b[1] != "json" {
			continue
		}
		m, err := hostapi.ParseManifest([]byte(b[3]))
		if err != nil {
			t.Fatal(err)
		}
		if m.Name != "redact-pii" || len(m.Capabilities) != 2 {
			t.Errorf("%+v", m)
		}
		return
	}
	t.Fatal("ABI.md shows no manifest")
}

func TestDocument_describesEveryFunction(t *testing.T) {
	text := document(t)
	for _, f := range hostapi.Functions() {
		if !strings.Contains(text, "**`"+f.Name+"`**") && !strings.Contains(text, "### `"+f.Name+"`") {
			t.Errorf("nothing is said of %s", f.Name)
		}
	}
	for _, name := range []string{hostapi.ABI, hostapi.Module, hostapi.WASIModule, hostapi.ManifestSection} {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("nothing is said of %s", name)
		}
	}
}
