package gateway

import (
	"bytes"
	"strings"
	"testing"
)

func testSealer(t *testing.T) *sealer {
	t.Helper()
	s, err := newSealer(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSessionOpensOnlyForItsOwner(t *testing.T) {
	s := testSealer(t)
	alice := sessionOwner(nil, [32]byte{1}, "files")
	id, tag, err := s.seal(nil, alice, "upstream-id-1")
	if err != nil {
		t.Fatal(err)
	}
	if got, sameTag, _, err := s.open(nil, alice, id, nil); err != nil || string(got) != "upstream-id-1" || !bytes.Equal(tag, sameTag) {
		t.Fatalf("open = %q, %x, %v", got, sameTag, err)
	}
	for name, owner := range map[string][]byte{
		"another principal": sessionOwner(nil, [32]byte{2}, "files"),
		"another server":    sessionOwner(nil, [32]byte{1}, "mail"),
		"no owner":          nil,
	} {
		if got, _, _, err := s.open(nil, owner, id, nil); err == nil {
			t.Errorf("%s opened the session: %q", name, got)
		}
	}
	if bytes.Contains(id, []byte("upstream")) {
		t.Errorf("id %q shows the server's own id", id)
	}
	for _, c := range id {
		if c <= ' ' || c > '~' {
			t.Errorf("id %q is not visible ASCII", id)
		}
	}
}

func TestSessionKeysAndSizes(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := newSealer(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
	s := testSealer(t)
	if _, _, err := s.seal(nil, nil, strings.Repeat("x", maxSession+1)); err == nil {
		t.Error("an endless session id was sealed")
	}
	id, _, err := s.seal(nil, nil, strings.Repeat("x", maxSession))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := s.open(nil, nil, id, nil); err != nil {
		t.Errorf("the longest session id does not open: %v", err)
	}
	if _, _, _, err := s.open(nil, nil, bytes.Repeat([]byte("A"), 4*maxSession), nil); err == nil {
		t.Error("an endless id was opened")
	}
	random, err := newSealer(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := random.open(nil, nil, id, nil); err == nil {
		t.Error("another key opened the session")
	}
}

func FuzzSessionForgery(f *testing.F) {
	s, err := newSealer(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	owner := sessionOwner(nil, [32]byte{1}, "files")
	good, _, err := s.seal(nil, owner, "upstream-id-1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint(0), byte('A'))
	f.Add(uint(len(good)-1), byte('B'))
	f.Fuzz(func(t *testing.T, at uint, b byte) {
		id := bytes.Clone(good)
		id[at%uint(len(id))] = b
		if _, _, _, err := s.open(nil, owner, id, nil); err == nil && !bytes.Equal(id, good) {
			t.Fatalf("forged id %q opened", id)
		}
		if _, _, _, err := s.open(nil, owner, append(bytes.Clone(good), b), nil); err == nil {
			t.Fatalf("%q and one byte %q opened", good, b)
		}
	})
}
