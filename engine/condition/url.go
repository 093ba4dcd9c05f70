package condition

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// urlValue is a URL. The names of its functions are those of Kubernetes' CEL library.
type urlValue struct{ u *url.URL }

// parseURL parses an absolute URL, and refuses one that clients are known to read in
// different ways: with user info ("http://good@evil"), a backslash, white space or control
// characters, or a host that is not plain ASCII.
func parseURL(s string) (*urlValue, error) {
	for _, r := range s {
		if r <= ' ' || r == 0x7f || r == '\\' {
			return nil, errors.New("the URL is ambiguous: it has a backslash, white space or a control character")
		}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("the text is not a URL")
	case u.Scheme == "":
		return nil, errors.New("the URL is not absolute")
	case u.User != nil:
		return nil, errors.New("the URL is ambiguous: it has user info")
	case u.Opaque != "" && webScheme(u.Scheme):
		return nil, errors.New("the URL is ambiguous: it has no // before its host")
	case u.Host == "" && webScheme(u.Scheme):
		return nil, errors.New("the URL has no host")
	}
	for _, r := range u.Host {
		if r >= 0x80 || r == '%' {
			return nil, errors.New("the URL is ambiguous: its host is not plain ASCII")
		}
	}
	return &urlValue{u: u}, nil
}

// webScheme says that browsers and clients repair a URL of this scheme to find a host.
func webScheme(scheme string) bool {
	switch scheme {
	case "http", "https", "ws", "wss", "ftp":
		return true
	}
	return false
}

func (v *urlValue) scheme() string   { return v.u.Scheme }
func (v *urlValue) host() string     { return strings.ToLower(v.u.Host) }
func (v *urlValue) hostname() string { return strings.ToLower(v.u.Hostname()) }
func (v *urlValue) port() string     { return v.u.Port() }
func (v *urlValue) path() string     { return v.u.EscapedPath() }

func toURL(args ...ref.Val) ref.Val {
	v, err := parseURL(textOf(args[0]))
	if err != nil {
		return types.WrapErr(err)
	}
	return v
}

func isURL(args ...ref.Val) ref.Val {
	_, err := parseURL(textOf(args[0]))
	return types.Bool(err == nil)
}

func onURL(f func(*urlValue) string) functions.FunctionOp {
	return func(args ...ref.Val) ref.Val {
		v, ok := args[0].(*urlValue)
		if !ok {
			return types.MaybeNoSuchOverloadErr(args[0])
		}
		return types.String(f(v))
	}
}

func urlQuery(args ...ref.Val) ref.Val {
	v, ok := args[0].(*urlValue)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	q, err := url.ParseQuery(v.u.RawQuery)
	if err != nil {
		return types.NewErr("the query of the URL cannot be read: %w", err)
	}
	return types.DefaultTypeAdapter.NativeToValue(map[string][]string(q))
}

// ConvertToNative implements ref.Val.
func (v *urlValue) ConvertToNative(t reflect.Type) (any, error) {
	if t.Kind() == reflect.String {
		return v.u.String(), nil
	}
	return nil, fmt.Errorf("a URL is not a %s", t)
}

// ConvertToType implements ref.Val.
func (v *urlValue) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.StringType:
		return types.String(v.u.String())
	case types.TypeType:
		return urlType
	}
	return types.NewErr("type conversion error from 'url' to '%s'", t)
}

// Equal implements ref.Val.
func (v *urlValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(*urlValue)
	return types.Bool(ok && v.u.String() == o.u.String())
}

// Type implements ref.Val.
func (v *urlValue) Type() ref.Type { return urlType }

// Value implements ref.Val.
func (v *urlValue) Value() any { return v.u.String() }
