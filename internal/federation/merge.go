package federation

import (
	"slices"
	"strconv"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// MissingMetaKey is the _meta member that names the servers which have not answered.
const MissingMetaKey = "dev.sallyport/missing"

// Missing is a server that should have been in a list and is not.
type Missing struct{ Server, Reason string }

// Merge puts a list together. The zero Merge is an empty one that holds for ever.
type Merge struct {
	Plain bool // Append writes no more than clients of before 2026-07-28 know

	items   [][]byte
	bytes   int // of them
	next    []Position
	ttl     int64
	bounded bool
	missing []Missing
}

// Grow makes room for n entries.
func (m *Merge) Grow(n int) { m.items = slices.Grow(m.items, n) }

// Add adds an entry as clients get it, which must not change before Append.
func (m *Merge) Add(entry []byte) {
	m.items = append(m.items, entry)
	m.bytes += len(entry) + 1
}

// Took says that a server has given its part, for how many milliseconds it holds, and whether there is more.
func (m *Merge) Took(server string, l *Listing, ttl int64) {
	m.holds(ttl)
	if l.More {
		m.next = append(m.next, Position{Server: server, Cursor: l.Cursor, More: true})
	}
}

// Miss says that a server has given nothing: what is known holds for no time.
func (m *Merge) Miss(server, reason string) {
	m.holds(0)
	m.missing = append(m.missing, Missing{server, reason})
}

func (m *Merge) holds(ttl int64) {
	if ttl = max(ttl, 0); !m.bounded || ttl < m.ttl {
		m.ttl, m.bounded = ttl, true
	}
}

// Next is where the list goes on; nothing, if it ends.
func (m *Merge) Next() []Position { return m.next }

// Append appends the answer to the request with this id: what was filtered for one caller is private. cursor is "" without a Next. report names
// the servers that are missing.
func (m *Merge) Append(dst, id []byte, list, cursor string, report bool) []byte {
	dst = slices.Grow(dst, m.bytes+len(cursor)+256)
	dst = append(append(append(dst, `{"jsonrpc":"2.0","id":`...), id...), `,"result":{`...)
	if !m.Plain {
		dst = append(dst, `"resultType":"complete",`...)
	}
	dst = append(jsonscan.AppendQuote(dst, list), ":["...)
	for i, entry := range m.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, entry...)
	}
	dst = append(dst, ']')
	if len(m.next) > 0 {
		dst = jsonscan.AppendQuote(append(dst, `,"nextCursor":`...), cursor)
	}
	if !m.Plain {
		dst = m.appendHints(dst)
	}
	if report && len(m.missing) > 0 {
		dst = append(m.appendMissing(append(dst, `,"_meta":{`...)), '}')
	}
	return append(dst, "}}"...)
}

func (m *Merge) appendHints(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `,"ttlMs":`...), m.ttl, 10)
	return append(dst, `,"cacheScope":"private"`...)
}

func (m *Merge) appendMissing(dst []byte) []byte {
	dst = append(jsonscan.AppendQuote(dst, MissingMetaKey), ":["...)
	for i, s := range m.missing {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendQuote(append(dst, `{"server":`...), s.Server)
		dst = jsonscan.AppendQuote(append(dst, `,"reason":`...), s.Reason)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
