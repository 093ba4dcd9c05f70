package condition

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// A Key writes down what conditions read of a message, and nothing else: of two messages about the same subjects, conditions say the
// same if their Keys write the same. Everything is written with its type and its length, so that no two values read the same.
//
// JSON is written as it was received, for that is what conditions go over: 1 and 1.0 are two values here, though CEL calls them equal.
// The zero Key writes nothing.
type Key struct{ reads []keyRead }

// keyRead is a name of the vocabulary with a path below it.
type keyRead struct {
	slot slot
	path []string
}

// UnkeyedError says why what conditions read can't be written down before they are evaluated.
type UnkeyedError struct {
	Field string
	Clock bool // it is the time; else it is headers whose names are not known
}

func (e *UnkeyedError) Error() string {
	if e.Clock {
		return e.Field + " is the time"
	}
	return e.Field + " is any header"
}

// NewKey makes the Key of fields, as Condition.Reads names them. Its error is an *UnkeyedError.
func NewKey(fields []string) (Key, error) {
	var k Key
	for _, field := range fields {
		r, err := newKeyRead(field)
		if err != nil {
			return Key{}, err
		}
		k.reads = append(k.reads, r)
	}
	return k, nil
}

// NewCallerKey makes the Key of those of the fields that tell callers apart, and not what they call. Its error is an *UnkeyedError.
func NewCallerKey(fields []string) (Key, error) {
	all, err := NewKey(fields)
	if err != nil {
		return Key{}, err
	}
	var k Key
	for _, r := range all.reads {
		switch r.slot {
		case slotMethod, slotToolName, slotToolTarget, slotServer, slotResourceURI, slotPromptName, slotArguments, slotParams, slotAnnotations:
		default:
			k.reads = append(k.reads, r)
		}
	}
	return k, nil
}

func newKeyRead(field string) (keyRead, error) {
	n := nameOf(field)
	if n == nil {
		return keyRead{}, fmt.Errorf("%s is no field", field)
	}
	path, known := FieldPath(strings.TrimPrefix(field[len(n.path):], "."))
	switch {
	case n.impure:
		return keyRead{}, &UnkeyedError{Field: field, Clock: true}
	case !known || n.opaque && len(path) == 0:
		return keyRead{}, &UnkeyedError{Field: field}
	}
	return keyRead{n.slot, path}, nil
}

// nameOf finds the name that a field begins with.
func nameOf(field string) (found *name) {
	for i := range vocabulary {
		if n := &vocabulary[i]; n.slot != noSlot && within(field, n.path) && (found == nil || len(n.path) > len(found.path)) {
			found = n
		}
	}
	return found
}

// FieldPath takes a field as Condition.Reads names it apart: `args["odd key"].x` is args, odd key, x. known is false if it ends where
// only evaluation knows which member is read ("request.headers[*]"); the steps lead to what that is a member of.
func FieldPath(field string) (steps []string, known bool) {
	for rest := field; rest != ""; {
		if rest[0] != '[' {
			rest = strings.TrimPrefix(rest, ".")
			n := strings.IndexAny(rest, ".[")
			if n < 0 {
				n = len(rest)
			}
			steps, rest = append(steps, rest[:n]), rest[n:]
			continue
		}
		quoted, err := strconv.QuotedPrefix(rest[1:])
		if err != nil {
			return steps, false
		}
		name, _ := strconv.Unquote(quoted) // it is quoted
		steps, rest = append(steps, name), strings.TrimPrefix(rest[1+len(quoted):], "]")
	}
	return steps, true
}

// FieldName is the field that FieldPath takes apart.
func FieldName(steps []string) string {
	var b strings.Builder
	for i, step := range steps {
		switch {
		case i == 0:
			b.WriteString(step)
		case isIdentifier(step):
			b.WriteString("." + step)
		default:
			b.WriteString("[" + strconv.Quote(step) + "]")
		}
	}
	return b.String()
}

// Append appends what the Key writes of a message. It must see in a name what Frame.compute sees in it: TestKey_seesWhatConditionsSee
// goes through the vocabulary.
func (k *Key) Append(dst []byte, in *Input) []byte {
	for i := range k.reads {
		dst = k.reads[i].append(dst, in)
	}
	return dst
}

func (r *keyRead) append(dst []byte, in *Input) []byte {
	switch r.slot {
	case slotMethod:
		return appendKeyText(dst, in.Method)
	case slotToolName:
		return appendKeyText(dst, in.Tool)
	case slotToolTarget, slotServer:
		return appendKeyText(dst, in.Server)
	case slotResourceURI:
		return appendKeyText(dst, in.Resource)
	case slotPromptName:
		return appendKeyText(dst, in.Prompt)
	case slotArguments:
		return appendKeyJSON(dst, in.Arguments, r.path)
	case slotParams:
		return appendKeyJSON(dst, in.Params, r.path)
	case slotAnnotations:
		return appendKeyJSON(dst, in.Annotations, r.path)
	case slotResult:
		return appendKeyJSON(dst, in.Result, r.path)
	case slotError:
		return appendKeyJSON(dst, in.Error, r.path)
	case slotHeaders:
		if in.Header == nil {
			return appendKeyText(dst, "")
		}
		return appendKeyText(dst, in.Header(r.path[0]))
	case slotSource:
		return appendKeyAddress(dst, in)
	default:
		return r.appendWho(dst, in.Principal)
	}
}

// Before what is written of the caller stands whether there is anything.
const (
	keyNobody = iota // nobody is known
	keyOther         // it is not known in this way
	keyKnown
)

func (r *keyRead) appendWho(dst []byte, p *Principal) []byte {
	if p == nil {
		return append(dst, keyNobody)
	}
	kind := ""
	switch r.slot {
	case slotJWT:
		kind = KindJWT
	case slotKeyID, slotKeyClaims:
		kind = KindAPIKey
	default:
	}
	if kind != "" && p.Kind != kind {
		return append(dst, keyOther)
	}
	dst = append(dst, keyKnown)
	switch r.slot {
	case slotPrincipalID:
		return appendKeyText(dst, p.ID)
	case slotPrincipalType:
		return appendKeyText(dst, p.Kind)
	case slotPrincipalIssuer:
		return appendKeyText(dst, p.Issuer)
	case slotKeyID:
		return appendKeyText(dst, p.APIKey)
	case slotGroups:
		return appendKeyList(dst, p.Groups)
	case slotRoles:
		return appendKeyList(dst, p.Roles)
	case slotScopes:
		return appendKeyList(dst, p.Scopes)
	default:
		return appendKeyJSON(dst, p.Claims, r.path)
	}
}

func appendKeyText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendKeyList(dst []byte, all []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(all)))
	for _, s := range all {
		dst = appendKeyText(dst, s)
	}
	return dst
}

func appendKeyAddress(dst []byte, in *Input) []byte {
	if !in.Source.IsValid() {
		return append(dst, 0)
	}
	a := in.Source.Unmap()
	b := a.As16()
	return append(append(dst, byte(a.BitLen())), b[:]...)
}

// keyInside says that the value is an object of which only what stands behind is read. It is no jsonscan.Kind.
const keyInside = 0xff

// appendKeyJSON writes the value at the end of a path. Of the objects on the way it matters only that they are objects; something else
// there is written as it is, for that is what an error is about.
func appendKeyJSON(dst []byte, v jsonscan.Value, path []string) []byte {
	for _, name := range path {
		if v.Kind() != jsonscan.Object {
			break
		}
		dst, v = append(dst, keyInside), v.Get(name)
	}
	raw := v.Raw()
	return append(binary.AppendUvarint(append(dst, byte(v.Kind())), uint64(len(raw))), raw...)
}
