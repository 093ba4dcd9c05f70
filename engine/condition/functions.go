package condition

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// function is one form of one of our functions.
type function struct {
	name, id string
	member   bool
	args     []*cel.Type
	result   *cel.Type
	op       functions.FunctionOp
	product  bool // its cost is the product of the sizes of its arguments, not their sum
	doc      string
}

var (
	str     = cel.StringType
	urlType = cel.OpaqueType("url")
)

// own are the functions of the environment that are not cel-go's.
var own = []function{
	{
		name: "path.clean", id: "path_clean", args: types1(str), result: str, op: text1(cleanPath),
		doc: "the shortest path equivalent to a path; an error if the path can be read in two ways",
	},
	{
		name: "path.within", id: "path_within", args: types2(str, str), result: cel.BoolType, op: pathWithin,
		doc: "whether a path is a directory or lies inside it; an error if the path can be read in two ways",
	},
	{name: "path.base", id: "path_base", args: types1(str), result: str, op: text1(pathBase), doc: "the last element of a path"},
	{name: "path.dir", id: "path_dir", args: types1(str), result: str, op: text1(pathDir), doc: "a path without its last element"},
	{name: "path.ext", id: "path_ext", args: types1(str), result: str, op: text1(pathExt), doc: "the extension of a path, with its dot"},
	{name: "path.join", id: "path_join", args: types2(str, str), result: str, op: text2(joinPath), doc: "two paths joined; the second must be relative"},
	{
		name: "path.match", id: "path_match", args: types2(str, str), result: cel.BoolType, op: pathMatch, product: true,
		doc: "whether a path matches a pattern: * within an element, ** over any number of elements",
	},
	{
		name: "glob", id: "glob_string_string", args: types2(str, str), result: cel.BoolType, op: globMatch, product: true,
		doc: "whether a text matches a pattern: * is any text, ? any character",
	},

	{name: "url", id: "string_to_url", args: types1(str), result: urlType, op: toURL, doc: "a URL; an error if it can be read in two ways"},
	{name: "isURL", id: "is_url_string", args: types1(str), result: cel.BoolType, op: isURL, doc: "whether url() takes a text"},
	{name: "getScheme", id: "url_get_scheme", member: true, args: types1(urlType), result: str, op: onURL((*urlValue).scheme), doc: "the scheme, in lower case"},
	{name: "getHost", id: "url_get_host", member: true, args: types1(urlType), result: str, op: onURL((*urlValue).host), doc: "host and port"},
	{name: "getHostname", id: "url_get_hostname", member: true, args: types1(urlType), result: str, op: onURL((*urlValue).hostname), doc: "the host, in lower case, without port and brackets"},
	{name: "getPort", id: "url_get_port", member: true, args: types1(urlType), result: str, op: onURL((*urlValue).port), doc: "the port, or empty"},
	{name: "getEscapedPath", id: "url_get_escaped_path", member: true, args: types1(urlType), result: str, op: onURL((*urlValue).path), doc: "the path as it is written"},
	{name: "getQuery", id: "url_get_query", member: true, args: types1(urlType), result: cel.MapType(str, stringsType), op: urlQuery, doc: "the parameters of the query"},

	{
		name: "host.isPublic", id: "host_is_public", args: types1(str), result: cel.BoolType, op: hostIsPublic,
		doc: "whether a host is not, by its name or address alone, this machine or a private network",
	},
	{name: "isPublic", id: "ip_is_public", member: true, args: types1(ext.IPType), result: cel.BoolType, op: ipIsPublic, doc: "whether an address is one of the public Internet"},
	{name: "isPrivate", id: "ip_is_private", member: true, args: types1(ext.IPType), result: cel.BoolType, op: ipIsPrivate, doc: "whether an address is not one of the public Internet"},

	{name: "base64.decodeUrl", id: "base64_decode_url_string", args: types1(str), result: cel.BytesType, op: base64DecodeURL, doc: "bytes from base64url"},
	{name: "base64.encodeUrl", id: "base64_encode_url_bytes", args: types1(cel.BytesType), result: str, op: base64EncodeURL, doc: "bytes as base64url"},
	{
		name: "json.parse", id: "json_parse_string", args: types1(str), result: cel.OptionalType(cel.DynType), op: jsonParse,
		doc: "the value of a JSON text, strictly read; none if it is not one",
	},
	{name: "json.encode", id: "json_encode_dyn", args: types1(cel.DynType), result: str, op: jsonEncode, doc: "a value as JSON"},
}

func types1(a *cel.Type) []*cel.Type    { return []*cel.Type{a} }
func types2(a, b *cel.Type) []*cel.Type { return []*cel.Type{a, b} }

// declareOwn declares our functions with their costs: each goes over its arguments a small
// number of times.
func declareOwn() []cel.EnvOption {
	var out []cel.EnvOption
	for _, f := range own {
		declare := cel.Overload
		if f.member {
			declare = cel.MemberOverload
		}
		out = append(out,
			cel.Function(f.name, cel.FunctionDocs(f.doc), declare(f.id, f.args, f.result, cel.FunctionBinding(f.op))),
			cel.CostModel(f.cost()))
	}
	return out
}

func (f *function) cost() cost.OverloadModel {
	var sizes []cost.QuantityExpr
	rest := len(f.args)
	if f.member {
		sizes = append(sizes, cost.Const(100)) // of an address, or a URL that was measured when it was parsed
		rest--
	}
	for i := range rest {
		sizes = append(sizes, cost.Arg(i))
	}
	total := cost.Sum(sizes...)
	work := total
	if f.product {
		work = cost.Mul(sizes...)
	}
	opts := []cost.OverloadModelOption{cost.EvalCost(cost.Sum(cost.Const(cost.CallCost), cost.StringScan(work)))}
	if f.result.Kind() == types.StringKind {
		opts = append(opts, cost.ResultSize(cost.AtMost(cost.Sum(cost.Const(2), total, total))))
	}
	if f.member {
		return cost.MemberOverload(f.id, opts...)
	}
	return cost.Overload(f.id, opts...)
}

// text1 and text2 bind functions from texts to a text.
func text1(f func(string) (string, error)) functions.FunctionOp {
	return func(args ...ref.Val) ref.Val { return textOrError(f(textOf(args[0]))) }
}

func text2(f func(a, b string) (string, error)) functions.FunctionOp {
	return func(args ...ref.Val) ref.Val { return textOrError(f(textOf(args[0]), textOf(args[1]))) }
}

// textOf returns the text of an argument that the checker, or cel-go's dispatch, knows to be one.
func textOf(v ref.Val) string {
	s, _ := v.(types.String)
	return string(s)
}

func textOrError(s string, err error) ref.Val {
	if err != nil {
		return types.WrapErr(err)
	}
	return types.String(s)
}

func boolOrError(b bool, err error) ref.Val {
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Bool(b)
}

// Function is a function of the environment, for documentation and completion.
type Function struct {
	Name      string
	Signature string
	Doc       string
}

// Functions lists the functions that the environment adds to cel-go's libraries.
func Functions() []Function {
	out := make([]Function, 0, len(own))
	for _, f := range own {
		out = append(out, Function{Name: f.name, Signature: f.signature(), Doc: f.doc})
	}
	return out
}

func (f *function) signature() string {
	args, s := f.args, f.name
	if f.member {
		s, args = typeName(args[0])+"."+f.name, args[1:]
	}
	s += "("
	for i, a := range args {
		if i > 0 {
			s += ", "
		}
		s += typeName(a)
	}
	return s + ") -> " + typeName(f.result)
}
