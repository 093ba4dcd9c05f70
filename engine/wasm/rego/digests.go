package rego

import (
	"crypto/hmac"
	"crypto/md5"  //nolint:gosec // what policies compute is theirs to choose
	"crypto/sha1" //nolint:gosec // likewise
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/url"
)

// digests are the builtins on encodings and digests.
var digests = []Builtin{
	{Name: "crypto.md5", Args: 1, Do: digest(md5.New)},
	{Name: "crypto.sha1", Args: 1, Do: digest(sha1.New)},
	{Name: "crypto.sha256", Args: 1, Do: digest(sha256.New)},
	{Name: "crypto.hmac.md5", Args: 2, Do: mac(md5.New)},
	{Name: "crypto.hmac.sha1", Args: 2, Do: mac(sha1.New)},
	{Name: "crypto.hmac.sha256", Args: 2, Do: mac(sha256.New)},
	{Name: "crypto.hmac.sha512", Args: 2, Do: mac(sha512.New)},
	{Name: "crypto.hmac.equal", Args: 2, Do: withTexts(func(_ *Call, s []string) Value { return hmac.Equal([]byte(s[0]), []byte(s[1])) })},
	{Name: "hex.encode", Args: 1, Do: withTexts(func(_ *Call, s []string) Value { return hex.EncodeToString([]byte(s[0])) })},
	{Name: "hex.decode", Args: 1, Do: withTexts(func(_ *Call, s []string) Value {
		b, err := hex.DecodeString(s[0])
		return orUndefined(string(b), err)
	})},
	{Name: "base64url.encode_no_pad", Args: 1, Do: withTexts(func(_ *Call, s []string) Value {
		return base64.RawURLEncoding.EncodeToString([]byte(s[0]))
	})},
	{Name: "urlquery.encode", Args: 1, Do: withTexts(func(_ *Call, s []string) Value { return url.QueryEscape(s[0]) })},
	{Name: "urlquery.decode", Args: 1, Do: withTexts(func(_ *Call, s []string) Value {
		text, err := url.QueryUnescape(s[0])
		return orUndefined(text, err)
	})},
	{Name: "urlquery.encode_object", Args: 1, Do: encodeQuery},
	{Name: "urlquery.decode_object", Args: 1, Do: withTexts(decodeQuery)},
}

func orUndefined(v Value, err error) Value {
	if err != nil {
		return Undefined
	}
	return v
}

func digest(of func() hash.Hash) func(*Call, []Value) (Value, error) {
	return withTexts(func(c *Call, s []string) Value {
		c.Charge(int64(len(s[0])))
		h := of()
		h.Write([]byte(s[0]))
		return hex.EncodeToString(h.Sum(nil))
	})
}

func mac(of func() hash.Hash) func(*Call, []Value) (Value, error) {
	return withTexts(func(c *Call, s []string) Value {
		c.Charge(int64(len(s[0]) + len(s[1])))
		h := hmac.New(of, []byte(s[1]))
		h.Write([]byte(s[0]))
		return hex.EncodeToString(h.Sum(nil))
	})
}

// encodeQuery writes an object of texts, or lists of texts.
func encodeQuery(_ *Call, args []Value) (Value, error) {
	o, ok := args[0].(*Object)
	if !ok {
		return Undefined, nil
	}
	query := url.Values{}
	for i, key := range o.Keys {
		name, ok := key.(string)
		list, ok2 := textsOf(o.Values[i])
		if !ok || !ok2 {
			return Undefined, nil
		}
		query[name] = list
	}
	return query.Encode(), nil
}

func decodeQuery(_ *Call, s []string) Value {
	query, err := url.ParseQuery(s[0])
	if err != nil {
		return Undefined
	}
	var keys, values []Value
	for name, list := range query {
		keys, values = append(keys, name), append(values, arrayOf(list))
	}
	return newObject(keys, values)
}
