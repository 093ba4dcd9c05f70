package condition

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// maxJSON bounds what json.parse reads and json.encode writes.
const maxJSON = 64 << 10

var errJSONSize = errors.New("json: larger than 64 KiB")

func jsonParse(args ...ref.Val) ref.Val {
	text := textOf(args[0])
	if len(text) > maxJSON {
		return types.WrapErr(errJSONSize)
	}
	var doc jsonscan.Doc
	if err := doc.Scan([]byte(text), jsonscan.Options{}); err != nil {
		return types.OptionalNone
	}
	v := reader{limit: maxJSON}.value(doc.Root())
	if types.IsError(v) {
		return v
	}
	return types.OptionalOf(v)
}

func jsonEncode(args ...ref.Val) ref.Val {
	out, err := appendJSON(nil, args[0], 0)
	if err == nil && len(out) > maxJSON {
		err = errJSONSize
	}
	if err != nil {
		return types.WrapErr(err)
	}
	return types.String(out)
}

// maxJSONDepth bounds how deep json.encode goes.
const maxJSONDepth = 64

// appendJSON writes a value as JSON, the members of a computed map in the order of their names.
func appendJSON(dst []byte, v ref.Val, depth int) ([]byte, error) {
	if len(dst) > maxJSON || depth > maxJSONDepth {
		return nil, errJSONSize
	}
	switch v := v.(type) {
	case *jsonObject:
		v.mustWhole(v.v)
		if !v.v.Exists() {
			return append(dst, "{}"...), nil
		}
		return v.v.AppendTo(dst), nil
	case *jsonArray:
		v.mustWhole(v.v)
		return v.v.AppendTo(dst), nil
	case types.String:
		return jsonscan.AppendQuote(dst, string(v)), nil
	case types.Bytes:
		return jsonscan.AppendQuote(dst, base64.StdEncoding.EncodeToString(v)), nil
	case types.Bool:
		return strconv.AppendBool(dst, bool(v)), nil
	case types.Int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case types.Uint:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case types.Null:
		return append(dst, "null"...), nil
	case types.Double:
		return appendDouble(dst, float64(v))
	case traits.Mapper:
		return appendMap(dst, v, depth)
	case traits.Lister:
		return appendList(dst, v, depth)
	}
	if s, ok := v.ConvertToType(types.StringType).(types.String); ok {
		return jsonscan.AppendQuote(dst, string(s)), nil
	}
	return nil, errors.New("json: a " + v.Type().TypeName() + " has no form in JSON")
}

func appendDouble(dst []byte, f float64) ([]byte, error) {
	if f != f || f-f != 0 {
		return nil, errors.New("json: not a finite number")
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64), nil
}

func appendList(dst []byte, l traits.Lister, depth int) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	for it, first := l.Iterator(), true; it.HasNext() == types.True; first = false {
		if !first {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, it.Next(), depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendMap(dst []byte, m traits.Mapper, depth int) ([]byte, error) {
	type entry struct {
		name string
		key  ref.Val
	}
	var entries []entry
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.ConvertToType(types.StringType).(types.String)
		if !ok {
			return nil, errors.New("json: a key of the map has no form in JSON")
		}
		entries = append(entries, entry{string(name), key})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	var err error
	dst = append(dst, '{')
	for i, e := range entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonscan.AppendQuote(dst, e.name), ':')
		if dst, err = appendJSON(dst, m.Get(e.key), depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func base64DecodeURL(args ...ref.Val) ref.Val {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(textOf(args[0]), "="))
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Bytes(b)
}

func base64EncodeURL(args ...ref.Val) ref.Val {
	b, ok := args[0].(types.Bytes)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	return types.String(base64.URLEncoding.EncodeToString(b))
}
