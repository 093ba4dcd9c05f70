package condition

import (
	"encoding/binary"

	"cel.dev/cel-go/common/ast"
)

// A plainKey is a key that is made of names alone, such as principal.id or [principal.id, mcp.tool.name]: most are. It is read from the
// message without an interpreter, or a Frame to run one in.
type plainKey struct {
	names []*name
	list  bool
	limit int // bytes of a text that may be looked into
}

// newPlainKey returns nil for an expression that is something else.
func newPlainKey(e ast.Expr, limit int) *plainKey {
	parts, p := []ast.Expr{e}, &plainKey{limit: limit}
	if e.Kind() == ast.ListKind {
		if len(e.AsList().OptionalIndices()) > 0 {
			return nil
		}
		parts, p.list = e.AsList().Elements(), true
	}
	for _, part := range parts {
		n, path := directField(part)
		if n == nil || len(path) > 0 {
			return nil
		}
		p.names = append(p.names, n)
	}
	return p
}

// AppendPlainKey is AppendKey for a key that needs no evaluation: one that is made of names of the call and its caller that are texts, and
// are there. Of anything else it says false, and has appended nothing.
func (c *Condition) AppendPlainKey(dst []byte, in *Input) ([]byte, bool) {
	p := c.plain
	if p == nil {
		return dst, false
	}
	key, about := dst, in.About()
	if p.list {
		key = binary.AppendUvarint(append(key, keyElems), uint64(len(p.names)))
	}
	for _, n := range p.names {
		s, ok := n.text(in)
		if !ok || n.subject&^about != 0 || len(s) > p.limit {
			return dst, false
		}
		key = append(binary.AppendUvarint(append(key, keyText), uint64(len(s))), s...)
	}
	return key, true
}

// text returns the text that a name stands for in a message that is about what the name is about. It is false for names of other things.
func (n *name) text(in *Input) (string, bool) {
	switch n.slot {
	case slotMethod:
		return in.Method, true
	case slotToolName:
		return in.Tool, true
	case slotToolTarget, slotServer:
		return in.Server, true
	case slotResourceURI:
		return in.Resource, true
	case slotPromptName:
		return in.Prompt, true
	case slotPrincipalID:
		if in.Principal != nil {
			return in.Principal.ID, true
		}
	default:
	}
	return "", false
}
