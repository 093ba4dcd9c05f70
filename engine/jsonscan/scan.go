package jsonscan

const noNode = ^uint32(0)

// scanner is the state of one Scan. It keeps no stack of its own: the open
// containers are linked through their nodes.
type scanner struct {
	Options
	src   []byte
	nodes []node
	names *nameIndex
	open  uint32 // the innermost open container, or noNode
	depth int
	dirty int // the end of the last thing that AppendTo would write differently
	err   Error
}

// fail records the refusal; its result is the "offset" that tells a caller to stop.
func (s *scanner) fail(code ErrorCode, offset int) int {
	s.err = Error{Code: code, Offset: offset}
	return -1
}

// text scans the whole input.
func (s *scanner) text() bool {
	i := s.value(s.space(0))
	if i < 0 {
		return false
	}
	if i = s.space(i); i < len(s.src) {
		s.fail(CodeTrailingData, i)
		return false
	}
	return true
}

// value scans the value at i with all its content and returns the offset after it.
func (s *scanner) value(i int) int {
	for i >= 0 {
		if i >= len(s.src) {
			return s.fail(CodeSyntax, i)
		}
		var empty bool
		switch c := s.src[i]; c {
		case '"':
			i = s.stringValue(i)
		case '{', '[':
			i, empty = s.begin(i, c)
			if i >= 0 && !empty {
				continue
			}
		default:
			i = s.scalar(i, c)
		}
		if i < 0 || s.open == noNode {
			return i
		}
		var more bool
		if i, more = s.after(i); !more {
			return i
		}
	}
	return i
}

// begin opens the container at i and returns the offset of its first value, or,
// when it is empty, the offset after it.
func (s *scanner) begin(i int, bracket byte) (next int, empty bool) {
	kind, closer := Object, byte('}')
	if bracket == '[' {
		kind, closer = Array, ']'
	}
	if s.depth++; s.depth > s.Depth {
		return s.fail(CodeDepth, i), false
	}
	if s.Values--; s.Values < 0 {
		return s.fail(CodeSize, i), false
	}
	s.push(kind, 0, i, int(s.names.height()), s.open)
	s.open = uint32(len(s.nodes) - 1)
	if i = s.space(i + 1); i < len(s.src) && s.src[i] == closer {
		s.end(i + 1)
		return i + 1, true
	}
	if kind == Object {
		i = s.name(i)
	}
	return i, false
}

// end closes the innermost container, whose closing bracket is before offset i.
func (s *scanner) end(i int) {
	n := &s.nodes[s.open]
	s.open = n.next
	s.depth--
	s.names.truncate(n.end)
	n.next = uint32(len(s.nodes))
	n.end = uint32(i)
	if s.dirty <= int(n.start) {
		n.flags |= flagPlain
	}
}

// after goes from the end of a value inside a container to the next value, closing
// the containers that end between. more is false when the text's value has ended or
// the text is refused.
func (s *scanner) after(i int) (next int, more bool) {
	for s.open != noNode {
		i = s.space(i)
		if i >= len(s.src) {
			return s.fail(CodeSyntax, i), false
		}
		object := s.nodes[s.open].kind == Object
		switch c := s.src[i]; {
		case c == ',' && object:
			i = s.name(s.space(i + 1))
			return i, i >= 0
		case c == ',':
			return s.space(i + 1), true
		case c == '}' && object, c == ']' && !object:
			i++
			s.end(i)
		default:
			return s.fail(CodeSyntax, i), false
		}
	}
	return i, false
}

// name scans the member name at i and returns the offset of the member's value.
func (s *scanner) name(i int) int {
	if i >= len(s.src) || s.src[i] != '"' {
		return s.fail(CodeSyntax, i)
	}
	end, flags := s.str(i, true)
	if end < 0 {
		return end
	}
	at := uint32(len(s.nodes))
	s.push(String, flags|flagName, i, end, at+1)
	if code := s.names.add(s, at, s.src[i+1:end-1], flags); code != 0 {
		return s.fail(code, i)
	}
	if i = s.space(end); i >= len(s.src) || s.src[i] != ':' {
		return s.fail(CodeSyntax, i)
	}
	return s.space(i + 1)
}

// push adds a node. It is written field by field: a composite literal would be built
// elsewhere and copied, which stalls the processor.
func (s *scanner) push(kind Kind, flags uint8, start, end int, next uint32) {
	s.nodes = append(s.nodes, node{})
	n := &s.nodes[len(s.nodes)-1]
	n.start, n.end, n.next = uint32(start), uint32(end), next
	n.kind, n.flags = kind, flags
}

// leaf adds the node of a value without content and returns the offset after it.
func (s *scanner) leaf(kind Kind, flags uint8, start, end int) int {
	if s.Values--; s.Values < 0 {
		return s.fail(CodeSize, start)
	}
	s.push(kind, flags, start, end, uint32(len(s.nodes)+1))
	return end
}

// space returns the offset of the first byte at or after i that is not whitespace.
func (s *scanner) space(i int) int {
	if i >= 0 && i < len(s.src) && s.src[i] <= ' ' {
		return s.skip(i)
	}
	return i
}

func (s *scanner) skip(i int) int {
	from := i
	for i < len(s.src) && isSpace(s.src[i]) {
		i++
	}
	if i > from && s.open != noNode {
		s.dirty = i
	}
	return i
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t'
}
