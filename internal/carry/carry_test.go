package carry

import (
	"bytes"
	"strings"
	"testing"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, Size) }

func keys(t testing.TB, all ...[]byte) *Keys {
	t.Helper()
	k, err := New(all...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestWhatIsSealedOpensForItsOwnerAndPurposeOnly(t *testing.T) {
	k := keys(t, key(1))
	for p := range purposes {
		box := k.Seal([]byte("before"), p, []byte("ann"), []byte("plain"))[len("before"):]
		if out, err := k.Open([]byte("> "), p, []byte("ann"), box); err != nil || string(out) != "> plain" {
			t.Errorf("purpose %d: %q, %v", p, out, err)
		}
		if out, err := k.Open(nil, p, []byte("bob"), box); err == nil {
			t.Errorf("purpose %d: bob opened %q", p, out)
		}
		for other := range purposes {
			if out, err := k.Open(nil, other, []byte("ann"), box); (err == nil) != (other == p) {
				t.Errorf("sealed for %d, opened for %d: %q, %v", p, other, out, err)
			}
		}
		if bytes.Contains(box, []byte("plain")) {
			t.Errorf("purpose %d: %q shows what is in it", p, box)
		}
	}
}

// What is sealed the same can be compared by its owner, and tells nothing else.
func TestTheSameIsSealedTheSame(t *testing.T) {
	k := keys(t, key(1))
	same := func(k *Keys, p Purpose, owner, plain string) string {
		box := k.SealSame([]byte("before"), p, []byte(owner), []byte(plain))
		out, err := k.Open(nil, p, []byte(owner), box[len("before"):])
		if err != nil || string(out) != plain {
			t.Errorf("%q of %q came back as %q, %v", plain, owner, out, err)
		}
		return string(box)
	}
	first := same(k, Tasks, "ann", "plain")
	if same(k, Tasks, "ann", "plain") != first || same(keys(t, key(1), key(2)), Tasks, "ann", "plain") != first {
		t.Error("the same is sealed in two ways")
	}
	nonces := map[string]bool{first[len("before"):][:nonceSize]: true}
	for i, other := range []string{
		same(k, Tasks, "annp", "lain"), same(k, Tasks, "an", "nplain"), same(k, Tasks, "ann", "plaim"), same(k, Calls, "ann", "plain"), same(keys(t, key(2)), Tasks, "ann", "plain"),
	} {
		nonce := other[len("before"):][:nonceSize]
		if nonces[nonce] {
			t.Errorf("%d has the nonce of another", i)
		}
		nonces[nonce] = true
	}
}

// A new key goes from opening to sealing, the old one the other way, and at each step whoever is a step ahead or behind is understood.
func TestKeysAreRotatedWithoutLosingAnything(t *testing.T) {
	old, fresh := key(1), key(2)
	steps := [][][]byte{{old}, {old, fresh}, {fresh, old}, {fresh}}
	for i := range steps {
		for j := max(0, i-1); j < min(len(steps), i+2); j++ {
			box := keys(t, steps[i]...).SealText(Calls, nil, []byte("x"))
			if _, err := keys(t, steps[j]...).OpenText(Calls, nil, box); err != nil {
				t.Errorf("sealed in step %d, and doesn't open in step %d", i, j)
			}
		}
	}
	k := keys(t, old)
	was := k.SealText(Calls, nil, []byte("x"))
	if err := k.Replace(fresh, old); err != nil {
		t.Fatal(err)
	}
	is := k.SealText(Calls, nil, []byte("x"))
	if err := k.Replace(fresh); err != nil {
		t.Fatal(err)
	}
	if _, err := k.OpenText(Calls, nil, is); err != nil {
		t.Error("the first key has not sealed")
	}
	if _, err := k.OpenText(Calls, nil, was); err == nil {
		t.Error("a key that was dropped opens")
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	k := keys(t, key(1))
	box := k.SealText(Sessions, nil, []byte("x"))
	for name, bad := range map[string][][]byte{
		"0 keys, want from 1 to 8": nil, "key 1 has 0 bytes, want 32": {nil}, "key 2 has 31 bytes, want 32": {key(2), key(1)[1:]},
		"9 keys, want from 1 to 8": {key(1), key(2), key(3), key(4), key(5), key(6), key(7), key(8), key(9)},
	} {
		if err := k.Replace(bad...); err == nil || err.Error() != name {
			t.Errorf("%v, want %q", err, name)
		}
	}
	if _, err := k.OpenText(Sessions, nil, box); err != nil {
		t.Error("keys that can't be used have replaced some that can")
	}
	if bytes.Equal(Random(), Random()) {
		t.Error("a random key is given twice")
	}
}

func TestHomesComeBack(t *testing.T) {
	for _, home := range []string{"", "http://10.0.0.3:8080", strings.Repeat("h", MaxHome)} {
		if err := CheckHome(home); err != nil {
			t.Fatal(err)
		}
		got, rest, err := CutHome(append(AppendHome(nil, home), "rest"...))
		if err != nil || string(got) != home || string(rest) != "rest" {
			t.Errorf("%q: %q, %q, %v", home, got, rest, err)
		}
	}
	for _, bad := range []string{"", "\x01", "\x05four"} {
		if home, _, err := CutHome([]byte(bad)); err == nil {
			t.Errorf("%q has the home %q", bad, home)
		}
	}
	if CheckHome(strings.Repeat("h", MaxHome+1)) == nil {
		t.Error("an endless home was taken")
	}
	if a, b := CallOwner("a", []byte("b")), CallOwner("ab", nil); bytes.Equal(a, b) {
		t.Errorf("two owners read the same: %q", a)
	}
}

// Nothing opens but what was sealed, for the owner and the purpose that it was sealed for.
func FuzzOpen(f *testing.F) {
	k := keys(f, key(1), key(2))
	// Sealed for ann, as a session id; the same in every process that takes part.
	const sealed = "eRzT-KVl1t3x7ol8dBTa0EqrDCNhRaSwULW9dS71hPMGgl5gvdQtjxGe2uN9_ykfO9_nO7_-9S32bNs"
	if _, err := k.OpenText(Sessions, []byte("ann"), sealed); err != nil {
		f.Fatal(err)
	}
	f.Add(sealed, []byte("ann"), uint8(Sessions))
	f.Add(sealed, []byte("ann"), uint8(Calls))
	f.Add(sealed, []byte("ann"), uint8(Passages))
	f.Add(sealed, []byte("bob"), uint8(Sessions))
	f.Add(sealed, []byte(""), uint8(Sessions))
	f.Add(sealed+"\n", []byte("ann"), uint8(Sessions))
	f.Add(sealed+"A", []byte("ann"), uint8(Sessions))
	f.Add(sealed[1:], []byte("ann"), uint8(Sessions))
	f.Add("A"+sealed[1:], []byte("ann"), uint8(Sessions))
	f.Add("", []byte("ann"), uint8(Cursors))
	f.Fuzz(func(t *testing.T, text string, owner []byte, purpose uint8) {
		p := Purpose(purpose % uint8(purposes))
		plain, err := k.OpenText(p, owner, text)
		if opened, own := err == nil, text == sealed && string(owner) == "ann" && p == Sessions; opened != own {
			t.Errorf("opened %v: %q of %q for %d", opened, text, owner, p)
		}
		if home, _, err := CutHome(plain); err == nil && string(home) != "http://10.0.0.3:8080" {
			t.Errorf("home %q", home)
		}
	})
}
