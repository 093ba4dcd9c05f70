package mcp

import (
	"crypto/rand"
	"encoding/base64"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Session is what a client of before 2026-07-28 has said of itself in its handshake. Its id says all of that, so that nothing has to be
// kept for a client that only calls. Whoever passes ids on to clients seals them.
type Session struct {
	ID           string
	Version      string
	Capabilities jsonscan.Value
	Info         jsonscan.Value // clientInfo
	doc          jsonscan.Doc
}

const (
	sessionPrefix = "bridged."
	nonceLen      = 22 // 16 bytes in base64
	maxSession    = 1000
)

// OwnInfo is what the gateway calls itself where no client has a name.
const OwnInfo = `{"name":"sallyport","version":"1"}`

// NewSession makes an id that no other session has. What a client says of itself beyond its name goes first if there is too much. It gives
// "" if even its capabilities, JSON, are too much.
func NewSession(version string, capabilities []byte, info jsonscan.Value) string {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	b := append(append([]byte(sessionPrefix), base64.RawURLEncoding.EncodeToString(nonce[:])...), `.{"version":`...)
	b = append(append(jsonscan.AppendQuote(b, version), `,"capabilities":`...), capabilities...)
	names := jsonscan.AppendQuote([]byte(`{"name":`), info.Get("name").Text())
	names = append(jsonscan.AppendQuote(append(names, `,"version":`...), info.Get("version").Text()), '}')
	for _, text := range [][]byte{info.AppendTo(nil), names, []byte(OwnInfo)} {
		if whole := string(b) + `,"info":` + string(text) + "}"; len(text) > 0 && len(whole) <= maxSession {
			return whole
		}
	}
	return ""
}

// Read reads an id, and says whether it is one that NewSession has made. What was read may be used by several goroutines at once.
func (s *Session) Read(id string) bool {
	rest, ok := strings.CutPrefix(id, sessionPrefix)
	if !ok || len(rest) < nonceLen+1 || s.doc.Scan([]byte(rest[nonceLen+1:]), jsonscan.Options{}) != nil {
		return false
	}
	root := s.doc.Root()
	s.ID = id
	s.Version, s.Capabilities, s.Info = root.Get("version").Text(), root.Get("capabilities"), root.Get("info")
	return true
}

// BridgedCapabilities are those of a client that can be carried into the other era: of the extensions all but tasks, whose two
// forms have nothing in common.
func BridgedCapabilities(declared jsonscan.Value) []byte {
	var e jsonscan.Edits
	for c := declared.Cursor(); c.Next(); {
		switch c.Name().Text() {
		case "roots":
			e.Replace(c.Value(), []byte("{}")) // a change of them can't be announced
		case "extensions":
			e.Remove(c.Value().Get("io.modelcontextprotocol/tasks"))
		case "sampling", "elicitation", "experimental":
		default:
			e.Remove(c.Value())
		}
	}
	if b := declared.AppendEdited(nil, &e); declared.Kind() == jsonscan.Object {
		return b
	}
	return []byte("{}")
}
