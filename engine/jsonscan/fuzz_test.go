package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// extras reads a text that jsontext accepts and returns the reasons beyond RFC 7493
// for which Scan must refuse it.
func extras(t testing.TB, src []byte, o Options) map[ErrorCode]bool {
	t.Helper()
	found := map[ErrorCode]bool{}
	names := []map[string]bool{nil}
	d := jsontext.NewDecoder(bytes.NewReader(src))
	for {
		token, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, index := d.StackIndex(d.StackDepth())
		switch token.Kind() {
		case '{', '[':
			names = append(names, map[string]bool{})
			found[CodeDepth] = found[CodeDepth] || d.StackDepth() > DefaultDepth
		case '}', ']':
			names = names[:len(names)-1]
		case '0':
			_, err := strconv.ParseFloat(token.String(), 64)
			found[CodeNumber] = found[CodeNumber] || err != nil || len(token.String()) > DefaultNumber
		case '"':
			if kind != '{' || index%2 == 0 {
				break
			}
			name := token.String()
			seen := names[len(names)-1]
			for other := range seen {
				found[CodeFoldedName] = found[CodeFoldedName] || o.Fold && strings.EqualFold(other, name)
			}
			seen[name] = true
			found[CodeNULName] = found[CodeNULName] || strings.Contains(name, "\x00")
		}
	}
}

// FuzzScan: Scan accepts exactly what jsontext accepts as RFC 7493, less what has a
// documented reason.
func FuzzScan(f *testing.F) {
	addSeeds(f, func(src []byte) { f.Add(src, false); f.Add(src, true) })
	f.Fuzz(func(t *testing.T, src []byte, fold bool) {
		o := Options{Fold: fold}
		var d Doc
		err := d.Scan(src, o)
		var refusal *Error
		if err != nil && (!errors.As(err, &refusal) || refusal.Offset < 0 || refusal.Offset > len(src)) {
			t.Fatalf("refused with %v", err)
		}
		if !jsontext.Value(src).IsValid() {
			if err == nil {
				t.Fatal("accepted what jsontext refuses")
			}
			return
		}
		reasons := extras(t, src, o)
		for code, found := range reasons {
			if found && err == nil {
				t.Fatalf("accepted in spite of %v", code)
			}
		}
		if err != nil && !reasons[refusal.Code] {
			t.Fatalf("refused: %v", err)
		}
	})
}

// request is how a typical Go server reads a call: encoding/json matches names to
// these fields whatever their case.
type request struct {
	JSONRPC any
	ID      any
	Method  any
	Params  any
}

type callParams struct {
	Name      any
	Arguments any
}

// FuzzEmit: what AppendTo writes scans, is stable, loses nothing, and every decoder
// reads the same in it.
func FuzzEmit(f *testing.F) {
	addSeeds(f, func(src []byte) { f.Add(src) })
	f.Fuzz(func(t *testing.T, src []byte) {
		var d Doc
		o := Options{Fold: true}
		if d.Scan(src, o) != nil {
			return
		}
		out := d.Root().AppendTo(nil)
		again := scan(t, out, o)
		if again.nodes[0].flags&flagPlain == 0 {
			t.Errorf("not plain: %q", out)
		}
		// A deeper copy, so that the emission does not take the short way.
		nested := scan(t, append(append([]byte("[ "), out...), ']'), Options{Fold: true, Depth: DefaultDepth + 1})
		if got := nested.Root().Index(0).AppendTo(nil); !bytes.Equal(got, out) {
			t.Errorf("emitted %q, then %q", out, got)
		}
		if diff := cmp.Diff(tokens(t, src), tokens(t, out)); diff != "" {
			t.Errorf("tokens changed: %s", diff)
		}
		want := tree(d.Root())
		if got := decodeV1(t, out); !reflect.DeepEqual(got, want) {
			t.Errorf("encoding/json reads %v, want %v", got, want)
		}
		var v2 any
		if err := jsonv2.Unmarshal(out, &v2); err != nil {
			t.Fatalf("json/v2: %v", err)
		}
		if want := floats(t, want); !reflect.DeepEqual(v2, want) {
			t.Errorf("json/v2 reads %v, want %v", v2, want)
		}
		sameCall(t, out, d.Root())
	})
}

// sameCall compares the call that encoding/json reads from a message into a struct,
// matching names without case, with the one found by exact names.
func sameCall(t *testing.T, out []byte, root Value) {
	t.Helper()
	if root.Kind() != Object {
		return
	}
	var r request
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	same(t, root, "method", r.Method)
	same(t, root, "id", r.ID)
	same(t, root, "params", r.Params)
	params := root.Get("params")
	if params.Kind() != Object {
		return
	}
	var p callParams
	if err := json.Unmarshal(params.AppendTo(nil), &p); err != nil {
		t.Fatal(err)
	}
	same(t, params, "name", p.Name)
	same(t, params, "arguments", p.Arguments)
}

// same says that a decoder that ignores case read got for the member name; when
// there is no such member, GetFold must have found what it read.
func same(t *testing.T, object Value, name string, got any) {
	t.Helper()
	member := object.Get(name)
	if !member.Exists() {
		member = object.GetFold(name)
	} else if fold := object.GetFold(name); fold != member {
		t.Errorf("two members match %q", name)
	}
	if want := floats(t, tree(member)); !reflect.DeepEqual(got, want) {
		t.Errorf("encoding/json reads the %s %v, want %v", name, got, want)
	}
}

// model applies edits the slow, obvious way.
type model struct {
	edited  map[Value]string // "" is removed
	appends map[Value][]string
	added   map[Value]map[string]string
}

func (m *model) emit(v Value) string {
	if json, ok := m.edited[v]; ok {
		return json
	}
	var parts []string
	for c := v.Cursor(); c.Next(); {
		text := m.emit(c.Value())
		if text == "" {
			continue
		}
		if c.Name().Exists() {
			text = string(c.Name().AppendTo(nil)) + ":" + text
		}
		parts = append(parts, text)
	}
	for _, name := range m.appends[v] {
		parts = append(parts, string(AppendQuote(nil, name))+":"+m.added[v][name])
	}
	switch v.Kind() {
	case Object:
		return "{" + strings.Join(parts, ",") + "}"
	case Array:
		return "[" + strings.Join(parts, ",") + "]"
	}
	return string(v.AppendTo(nil))
}

func (m *model) set(v Value, name, json string) {
	if member := v.Get(name); member.Exists() {
		m.edited[member] = json
		return
	}
	if m.added[v] == nil {
		m.added[v] = map[string]string{}
	}
	m.appends[v] = deleteName(m.appends[v], name)
	m.appends[v] = append(m.appends[v], name)
	m.added[v][name] = json
}

func deleteName(names []string, name string) []string {
	var kept []string
	for _, n := range names {
		if n != name {
			kept = append(kept, n)
		}
	}
	return kept
}

func allValues(v Value) []Value {
	all := []Value{v}
	for c := v.Cursor(); c.Next(); {
		all = append(all, allValues(c.Value())...)
	}
	return all
}

// FuzzEdits: AppendEdited writes what a naive rewrite of the tree gives, and the
// result scans. Three bytes of ops make an edit: place, kind, JSON.
func FuzzEdits(f *testing.F) {
	addSeeds(f, func(src []byte) {
		f.Add(src, []byte{3, 0, 1, 7, 1, 0, 2, 2, 3, 2, 2, 1})
		f.Add(src, []byte{9, 2, 4, 4, 1, 0, 3, 1, 0, 2, 1, 1, 8, 0, 5, 0, 2, 9})
	})
	texts := []string{`null`, `0`, `"x"`, `[]`, `{"a":[1,{}]}`, `{}`}
	names := []string{"a", "", "method", "q\"uote", "é"}
	f.Fuzz(func(t *testing.T, src, ops []byte) {
		var d Doc
		if d.Scan(src, Options{}) != nil || len(ops) > 300 {
			return
		}
		all := allValues(d.Root())
		m := model{map[Value]string{}, map[Value][]string{}, map[Value]map[string]string{}}
		var e Edits
		for ; len(ops) >= 3; ops = ops[3:] {
			v, text := all[int(ops[0])%len(all)], texts[int(ops[2])%len(texts)]
			name := names[int(ops[2])%len(names)]
			switch ops[1] % 3 {
			case 0:
				m.edited[v] = text
				mustApply(t, e.Replace(v, []byte(text)), true)
			case 1:
				if v != d.Root() {
					m.edited[v] = ""
				}
				mustApply(t, e.Remove(v), v != d.Root())
			case 2:
				if v.Kind() == Object {
					m.set(v, name, text)
				}
				mustApply(t, e.Set(v, name, []byte(text)), v.Kind() == Object)
			}
		}
		for _, v := range all {
			if diff := cmp.Diff(m.emit(v), string(v.AppendEdited(nil, &e))); diff != "" {
				t.Fatal(diff)
			}
		}
		scan(t, d.Root().AppendEdited(nil, &e), Options{Depth: DefaultDepth + 3})
	})
}

func mustApply(t *testing.T, got, want bool) {
	t.Helper()
	if got != want {
		t.Fatalf("applied: %v, want %v", got, want)
	}
}
