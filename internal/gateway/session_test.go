package gateway

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

func testSealer(t testing.TB, key byte) sealer {
	t.Helper()
	return sealer{keysOf(t, bytes.Repeat([]byte{key}, 32))}
}

func TestSessionOpensOnlyForItsOwner(t *testing.T) {
	s := testSealer(t, 7)
	alice := sessionOwner(nil, [32]byte{1}, "files")
	id, tag, err := s.seal(nil, alice, "http://10.0.0.3:8080", "upstream-id-1")
	if err != nil {
		t.Fatal(err)
	}
	if got, o, _, err := s.open(nil, alice, id, nil); err != nil || string(got) != "upstream-id-1" || !bytes.Equal(tag, o.tag) || string(o.home) != "http://10.0.0.3:8080" {
		t.Fatalf("open = %q, %q, %v", got, o, err)
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
	s := testSealer(t, 7)
	if _, _, err := s.seal(nil, nil, "", strings.Repeat("x", maxSession+1)); err == nil {
		t.Error("an endless session id was sealed")
	}
	id, _, err := s.seal(nil, nil, "", strings.Repeat("x", maxSession))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := s.open(nil, nil, id, nil); err != nil {
		t.Errorf("the longest session id does not open: %v", err)
	}
	if _, _, _, err := s.open(nil, nil, bytes.Repeat([]byte("A"), 4*maxSession), nil); err == nil {
		t.Error("an endless id was opened")
	}
	if _, _, _, err := testSealer(t, 9).open(nil, nil, id, nil); err == nil {
		t.Error("another key opened the session")
	}
}

func FuzzSessionForgery(f *testing.F) {
	s := testSealer(f, 7)
	owner := sessionOwner(nil, [32]byte{1}, "files")
	good, _, err := s.seal(nil, owner, "", "upstream-id-1")
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

// What a connection remembers of a session is of no use to who else speaks on it, or to the same with another server.
func TestSessionOnASharedConnection(t *testing.T) {
	who, err := identity.New(identity.Options{AnonymousAllow: true, Now: time.Now, Keys: []identity.APIKey{{ID: "alice", Hash: sum("alice")}, {ID: "bob", Hash: sum("bob")}}})
	if err != nil {
		t.Fatal(err)
	}
	_, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("Mcp-Session-Id", "upstream-1")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, strings.ReplaceAll(okResult, "$ID", "7"))
	})
	w := newWorld(t, allowAll, served, func(_ *Options, s *Snapshot) {
		s.Identity, s.Routes = who, route.New("files", "mail")
		s.Servers = map[string]upstream.Server{"files": s.Servers["files"], "mail": s.Servers["files"]}
	})
	c := dial(t, w.onTCP())
	first := w.on(c, post(`{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`, as("alice")))
	session, read := "Mcp-Session-Id: "+first.header.Get("Mcp-Session-Id"), call("read_file", `{}`)
	for range 2 {
		for _, tt := range []struct {
			by, request string
			status      int
		}{
			{"its owner", post(read, session, as("alice")), 200},
			{"another", post(read, session, as("bob")), 404},
			{"nobody", post(read, session), 404},
			{"its owner", post(read, session, as("alice")), 200},
			{"its owner, of another server", postTo("/mcp/mail", read, session, as("alice")), 404},
		} {
			if r := w.on(c, tt.request); r.status != tt.status || r.closed {
				t.Errorf("used by %s: %+v, want %d", tt.by, r, tt.status)
			}
		}
	}
}
