package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"pgregory.net/rapid"
)

// somebody is an identity, and who it is sealed for.
type somebody struct{ file, recipient string }

func newSomebody(t testing.TB) somebody {
	t.Helper()
	file, recipient, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return somebody{file, recipient}
}

func keyFor(t testing.TB, all ...somebody) *Key {
	t.Helper()
	var to Recipients
	for _, s := range all {
		if err := to.Add(s.recipient); err != nil {
			t.Fatal(err)
		}
	}
	k, err := NewKey(&to)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func openerOf(t testing.TB, s somebody) *Opener {
	t.Helper()
	o, err := NewOpener([]byte(s.file))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func learn(t testing.TB, o *Opener, k *Key) *Opener {
	t.Helper()
	if opened, err := o.Learn(k.ID, k.Wrapped); !opened || err != nil {
		t.Fatalf("learned: %v %v", opened, err)
	}
	return o
}

// What is opened is what was sealed; it is nowhere in what was sealed, and any change of it, or of what it stands beside, is found.
func TestSealed(t *testing.T) {
	one, two := newSomebody(t), newSomebody(t)
	k := keyFor(t, one, two)
	openers := []*Opener{learn(t, openerOf(t, one), k), learn(t, openerOf(t, two), k)}
	var sealing, opening Box
	rapid.Check(t, func(t *rapid.T) {
		plain := append([]byte("secret"), rapid.SliceOf(rapid.Byte()).Draw(t, "plain")...)
		beside := rapid.SliceOf(rapid.Byte()).Draw(t, "beside")
		sealed := k.Seal(&sealing, []byte("before"), plain, beside)
		sealed, whole := bytes.CutPrefix(sealed, []byte("before"))
		if !whole || bytes.Contains(sealed, []byte("secret")) {
			t.Fatalf("%q", sealed)
		}
		o := rapid.SampledFrom(openers).Draw(t, "opener")
		got, err := o.Open(&opening, []byte("before"), sealed, beside)
		if err != nil || string(got) != "before"+string(plain) {
			t.Fatalf("%q %v, want %q", got, err, plain)
		}
		if got, err := o.Open(&opening, nil, sealed, append(beside, 'x')); !errors.Is(err, ErrEdited) || len(got) > 0 {
			t.Errorf("beside something else: %q %v", got, err)
		}
		changed := bytes.Clone(sealed)
		at := rapid.IntRange(0, len(sealed)-1).Draw(t, "at")
		changed[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		if got, err := o.Open(&opening, nil, changed, beside); err == nil || len(got) > 0 {
			t.Errorf("changed: %q", got)
		}
		if got, err := o.Open(&opening, nil, sealed[:at], beside); err == nil || len(got) > 0 {
			t.Errorf("cut off: %q", got)
		}
	})
}

// No two texts are sealed with one counter, whoever seals them.
func TestNoCounterComesTwice(t *testing.T) {
	k := keyFor(t, newSomebody(t))
	const each = 500
	seen := make([]map[string]bool, 4)
	var all sync.WaitGroup
	for i := range seen {
		seen[i] = map[string]bool{}
		all.Go(func() {
			var b Box
			for range each {
				sealed := k.Seal(&b, nil, []byte("same"), nil)
				raw, err := base64.RawStdEncoding.DecodeString(string(sealed[2*idSize+1:]))
				if err != nil {
					t.Error(err)
					return
				}
				seen[i][string(raw[:counterSize])] = true
			}
		})
	}
	all.Wait()
	together := map[string]bool{}
	for _, some := range seen {
		for counter := range some {
			together[counter] = true
		}
	}
	if len(together) != each*len(seen) {
		t.Errorf("%d counters of %d texts", len(together), each*len(seen))
	}
	if other := keyFor(t, newSomebody(t)); other.ID == k.ID || other.Wrapped == k.Wrapped {
		t.Error("two keys are one")
	}
}

// Why something can't be opened is told apart.
func TestOpen_refused(t *testing.T) {
	one, other := newSomebody(t), newSomebody(t)
	k := keyFor(t, one)
	sealed := k.Seal(new(Box), nil, []byte("x"), nil)
	others := openerOf(t, other)
	if opened, err := others.Learn(k.ID, k.Wrapped); opened || err != nil {
		t.Fatalf("%v %v", opened, err)
	}
	known := learn(t, openerOf(t, one), k)
	for name, c := range map[string]struct {
		o      *Opener
		sealed string
		want   error
	}{
		"no key":      {openerOf(t, one), string(sealed), ErrNoKey},
		"for others":  {others, string(sealed), ErrOthers},
		"nothing":     {known, "", ErrForm},
		"a short id":  {known, "ab:cd", ErrForm},
		"no base64":   {known, string(sealed[:2*idSize+1]) + "!!!!", ErrEdited},
		"no text":     {known, string(sealed[:2*idSize+1]), ErrEdited},
		"a short one": {known, string(sealed[:2*idSize+1]) + base64.RawStdEncoding.EncodeToString(make([]byte, counterSize+tagSize-1)), ErrEdited},
	} {
		if got, err := c.o.Open(new(Box), nil, []byte(c.sealed), nil); !errors.Is(err, c.want) || len(got) > 0 {
			t.Errorf("%s: %q %v, want %v", name, got, err, c.want)
		}
	}
}

// A record of a key that holds something else is refused, and never taken for another's.
func TestLearn_refused(t *testing.T) {
	one := newSomebody(t)
	k, second := keyFor(t, one), keyFor(t, one)
	short := wrapped(t, one, "too short")
	garbage := []byte("age-encryption.org/v1\n")
	for name, c := range map[string]struct{ id, wrapped string }{
		"another's id": {second.ID, k.Wrapped},
		"no base64":    {k.ID, "!"},
		"cut off":      {k.ID, k.Wrapped[:len(k.Wrapped)-4]},
		"no key":       {idOf(short), base64.StdEncoding.EncodeToString(short)},
		"no file":      {idOf(garbage), base64.StdEncoding.EncodeToString(garbage)},
	} {
		if opened, err := openerOf(t, one).Learn(c.id, c.wrapped); opened || !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v %v", name, opened, err)
		}
	}
	o := learn(t, learn(t, openerOf(t, one), k), k)
	for _, key := range []*Key{k, learned(t, o, second)} {
		if got, err := o.Open(new(Box), nil, key.Seal(new(Box), nil, []byte("x"), nil), nil); err != nil || string(got) != "x" {
			t.Errorf("%q %v", got, err)
		}
	}
}

func learned(t *testing.T, o *Opener, k *Key) *Key {
	t.Helper()
	learn(t, o, k)
	return k
}

func wrapped(t *testing.T, to somebody, text string) []byte {
	t.Helper()
	r, err := age.ParseX25519Recipient(to.recipient)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRecipients_refused(t *testing.T) {
	one := newSomebody(t)
	secret := strings.TrimSpace(one.file[strings.Index(one.file, "AGE-"):])
	for text, want := range map[string]string{
		secret:                                "an identity, which is secret",
		strings.ToLower(secret):               "an identity, which is secret",
		"":                                    "not a recipient of age",
		"age1":                                "not a recipient of age",
		"ssh-ed25519 AAAA":                    "not a recipient of age",
		one.recipient + "\n" + one.recipient:  "not a recipient of age",
		one.recipient[:len(one.recipient)-1]:  "not a recipient of age",
		"# " + one.recipient:                  "not a recipient of age",
		"# comment\n" + one.recipient:         "not a recipient of age",
		one.recipient + "\n# comment of mine": "not a recipient of age",
	} {
		err := new(Recipients).Add(text)
		if err == nil || !strings.Contains(err.Error(), want) || len(text) > 8 && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	var many Recipients
	for range MaxRecipients {
		if err := many.Add(one.recipient); err != nil {
			t.Fatal(err)
		}
	}
	if err := many.Add(one.recipient); err == nil || !strings.Contains(err.Error(), "more than 16") {
		t.Error(err)
	}
	if _, err := NewKey(new(Recipients)); err == nil {
		t.Error("a key for nobody")
	}
}

func TestRecipientsOfAFile(t *testing.T) {
	one, two := newSomebody(t), newSomebody(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		n    int
		err  string
	}{
		"two":           {"# us\n" + one.recipient + "\n\n  " + two.recipient + "\r\n", 2, ""},
		"against later": {hybrid.Recipient().String(), 1, ""},
		"none":          {"# us\n", 0, "names no recipient"},
		"a mistake":     {"# us\n" + one.recipient + "\nage2\n", 1, "line 3: not a recipient"},
		"an identity":   {one.file, 0, "line 2: that is an identity"},
	} {
		var r Recipients
		err := r.AddFile([]byte(c.text))
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || r.Len() != c.n {
			t.Errorf("%s: %d recipients, %v", name, r.Len(), err)
		}
	}
	var r Recipients
	if err := r.Add(hybrid.Recipient().String()); err != nil {
		t.Fatal(err)
	}
	k, err := NewKey(&r)
	if err != nil {
		t.Fatal(err)
	}
	learn(t, openerOf(t, somebody{file: hybrid.String()}), k)
}

func TestNewOpener_refused(t *testing.T) {
	one := newSomebody(t)
	for text, want := range map[string]string{
		"":                                   "no identity of age",
		one.recipient:                        "no identity of age",
		one.file[:len(one.file)-3]:           "no identity of age",
		string(wrapped(t, one, "x")):         "encrypted themselves",
		"-----BEGIN AGE ENCRYPTED FILE-----": "encrypted themselves",
	} {
		_, err := NewOpener([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "AGE-SECRET") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	k := keyFor(b, newSomebody(b))
	var box Box
	plain, beside := bytes.Repeat([]byte("x"), 100), bytes.Repeat([]byte("y"), 500)
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = k.Seal(&box, out[:0], plain, beside)
	}
}
