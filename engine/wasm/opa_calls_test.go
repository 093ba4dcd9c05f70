package wasm_test

import (
	"fmt"
	"strings"
)

// calls are arguments of builtins, each a list of JSON texts without the brackets.
var calls = map[string]string{
	"sprintf": `"%s is %d of %v", ["one", 2, [1, "a", {"b": null}]]
"%v %v %v %v", [1.5, 1e3, 123456789012345678901234567890, true]
"%d %s", ["not a number", 5]
"%5.2f|%-6s|%06d|%x|%X|%q", [3.14159, "ab", 42, "hi", 255, "quote\"d"]
"no verbs", [1]
"%s", []
"%d%%", [50]
"%v", [{"b": 1, "a": [true, null]}]
"%[2]s %[1]s", ["a", "b"]
"%d", [1e2]
"%d", [100.0]
1, []
"%s", "x"`,
	"strings.count":                     "\"cheese\", \"e\"\n\"five\", \"\"\n\"\", \"\"\n\"aaa\", \"aa\"\n1, \"a\"",
	"strings.any_prefix_match":          "[\"abc\", \"def\"], [\"x\", \"de\"]\n[\"abc\"], [\"b\"]\n[], [\"a\"]\n[\"a\", 1], [\"a\"]\n[\"a\"], \"\"",
	"strings.any_prefix_match of a set": "[\"abc\", \"def\"], [\"x\", \"de\"]\n[\"abc\"], [\"b\"]",
	"object.subset of sets":             "[1, 2, 3], [3, 1]\n[1], [1, 2]\n[], []\n[[1, {\"a\": 2.0}], \"x\"], [[1, {\"a\": 2}]]",
	"strings.any_suffix_match":          "\"photo.png\", [\".jpg\", \".png\"]\n\"photo\", \"to\"\n[\"a\", \"b\"], \"c\"\n1, \"a\"",
	"strings.split_n":                   "\"a,b,c\", \",\", 2\n\"a,b,c\", \",\", -2\n\"a,b,c\", \",\", 0\n\"a,b,c\", \",\", 99\n\"abc\", \"\", 2\n\"\", \",\", 1\n\"a\", \",\", 1.5",
	"indexof_n":                         "\"banana\", \"ana\"\n\"h\u00e9h\u00e9\", \"h\"\n\"abc\", \"x\"\n\"abc\", \"\"\n\"\u00e9\u00e9\u00e9\", \"\u00e9\u00e9\"",
	"glob.quote_meta":                   "\"*.github.com\"\n\"a[b]{c}!d-e?f\\\\g,h\"",
	"regex.replace":                     "\"foo bar\", \"o+\", \"0\"\n\"abc\", \"(b)\", \"<$1>\"\n\"abc\", \"(\", \"\"\n\"h\u00e9\", \"\", \"-\"\n\"aaa\", \"(?P<x>a)\", \"${x}!\"\n1, \"a\", \"b\"",
	"regex.split":                       "\",\\\\s*\", \"a, b,c\"\n\"\", \"abc\"\n\"x\", \"\"\n\"[\", \"a\"",
	"regex.find_n":                      "\"[oa]+\", \"foo bar\", -1\n\"[oa]+\", \"foo bar\", 1\n\"z\", \"foo\", -1\n\"o\", \"foo\", 0\n\"o\", \"foo\", 1.5",
	"semver.is_valid":                   "\"1.2.3\"\n\"v1.2.3-rc.1+build\"\n\"1.2\"\n\"01.2.3\"\n\"1.2.3-01\"\n\"1.2.3-a..b\"\n\"1.2.3+\"\n7\n\"1.2.3-0a\"",
	"semver.compare": "\"1.2.3\", \"1.2.4\"\n\"2.0.0\", \"1.9.9\"\n\"1.0.0-rc.1\", \"1.0.0\"\n\"1.0.0-alpha\", \"1.0.0-alpha.1\"\n\"1.0.0-alpha.1\", \"1.0.0-alpha.beta\"\n" +
		"\"1.0.0-beta.11\", \"1.0.0-beta.2\"\n\"1.0.0+a\", \"1.0.0+b\"\n\"v1.0.0\", \"1.0.0\"\n\"x\", \"1.0.0\"\n\"1.0.0-1\", \"1.0.0-a\"",
	"trace":                   "\"here\"",
	"crypto.md5":              "\"\"\n\"abc\"\n1",
	"crypto.sha1":             "\"abc\"",
	"crypto.sha256":           "\"abc\"\n\"h\u00e9\"",
	"crypto.hmac.md5":         "\"message\", \"key\"",
	"crypto.hmac.sha1":        "\"message\", \"key\"",
	"crypto.hmac.sha256":      "\"message\", \"key\"\n\"message\", 1",
	"crypto.hmac.sha512":      "\"message\", \"\"",
	"crypto.hmac.equal":       "\"a\", \"a\"\n\"a\", \"b\"",
	"hex.encode":              "\"h\u00e9\"\n\"\"",
	"hex.decode":              "\"68c3a9\"\n\"6\"\n\"zz\"",
	"base64url.encode_no_pad": "\"a?b>\"\n\"\"",
	"urlquery.encode":         "\"a b&c=d/\u00e9\"",
	"urlquery.decode":         "\"a+b%26c\"\n\"%zz\"",
	"urlquery.encode_object":  "{\"b\": \"1 2\", \"a\": [\"x\", \"y\"]}\n{\"a\": 1}\n{}\n[]",
	"urlquery.decode_object":  "\"b=1+2&a=x&a=y\"\n\"\"\n\"a=%zz\"",
	"time.now_ns":             "",
	"time.parse_ns":           "\"RFC3339\", \"2026-11-22T14:00:00+01:00\"\n\"2006-01-02\", \"2026-11-22\"\n\"2006\", \"x\"\n\"2006\", \"9999\"",
	"time.parse_rfc3339_ns":   "\"2026-11-22T14:00:00.123456789Z\"\n\"yesterday\"\n\"0001-01-01T00:00:00Z\"",
	"time.parse_duration_ns":  "\"1h30m\"\n\"1d2h\"\n\"1w1d\"\n\"-1.5d\"\n\"1y\"\n\"5\"\n\"\"\n\"1d1\"\n\"d\"\n\"100ms\"\n\"1e3d\"",
	"time.format": "1795355000123456789\n[1795355000000000000, \"UTC\", \"RFC1123\"]\n[1795355000000000000, \"\", \"2006 Jan\"]\n[1795355000000000000, \"\"]\n" +
		"[]\n\"x\"\n[1.5]\n[1795355000000000000, 1]",
	"time.date":    "1795355000123456789\n[0, \"UTC\"]\n-1",
	"time.clock":   "1795355000123456789\n0",
	"time.weekday": "1795355000123456789\n0",
	"time.add_date": "1795355000123456789, 1, 2, 3\n0, 0, 0, -1\n1795355000123456789, 300, 0, 0\n1795355000123456789, 0.5, 0, 0\n" +
		"1706659200000000000, 0, 1, 0",
	"time.diff": "1795355000123456789, 0\n0, 1795355000123456789\n1706659200000000000, 1709251199000000000\n1711843200000000000, 1709251199000000000\n" +
		"1709164800000000000, 1711929599000000000\n0, 0\n0, \"x\"",
	"numbers.range_step": "0, 10, 3\n10, 0, 4\n1, 1, 1\n0, 1, 0\n0, 1, -1\n-3, 3, 2\n0, 1.5, 1\n0, 1000, 250",
	"object.subset": "{\"a\": 1, \"b\": {\"c\": [1, 2, 3]}}, {\"b\": {\"c\": [2, 3]}}\n{\"a\": 1}, {\"a\": 2}\n{\"a\": 1}, {}\n[1, 2, 3, 4], [2, 3]\n[1, 2, 3], [1, 3]\n" +
		"[1, 2, 3], [3, 1]\n[], []\n{\"a\": [1]}, {\"a\": [1, 2]}",
	"json.patch": `{"a": [1, 2]}, [{"op": "add", "path": "/a/1", "value": 9}, {"op": "add", "path": "/a/-", "value": 3}]
{"a": {"b": 1}}, [{"op": "replace", "path": "a/b", "value": 2}, {"op": "add", "path": "/c~1d~0e", "value": null}]
{"a": 1}, [{"op": "remove", "path": "/b"}]
{"a": 1, "b": [{"c": 2}]}, [{"op": "move", "from": "/b/0", "path": "/d"}, {"op": "copy", "from": "/d", "path": "/b/0"}, {"op": "remove", "path": "/a"}]
{"a": 1}, [{"op": "test", "path": "/a", "value": 1.0}, {"op": "add", "path": "/ok", "value": true}]
{"a": 1}, [{"op": "test", "path": "/a", "value": 2}]
{"a": 1}, [{"op": "replace", "path": "", "value": [1]}]
{"a": 1}, [{"op": "add", "path": ["x", "y"], "value": 0}]
{"a": {"x": 1}}, [{"op": "add", "path": ["a", "y/z"], "value": 0}]
[1, 2], [{"op": "add", "path": "/3", "value": 0}]
[1, 2], [{"op": "remove", "path": "/-"}]
[1, 2], [{"op": "replace", "path": "/01", "value": 0}]
[1, 2], [{"op": "replace", "path": "/1", "value": 0}, {"op": "add", "path": "/2", "value": {"n": []}}, {"op": "add", "path": "/2/n/0", "value": 5}]
[1, 2], [{"op": "add", "path": "/-1", "value": 0}]
[[1], [2]], [{"op": "add", "path": [1, 0], "value": 0}]
{"a": 1}, []
{"a": 1}, [{"op": "jump", "path": "/a"}]
{"a": 1}, [{"op": "add", "path": "/a/b", "value": 1}]
{"a": 1}, [7]
{"": {"": 1}}, [{"op": "replace", "path": "/", "value": 2}]`,
	"json.patch of a set": `[1, "a"], [{"op": "add", "path": ["s", 2], "value": 2}]
[1, "a"], [{"op": "remove", "path": "/s/a"}]
[1, "a"], [{"op": "add", "path": "/s/b", "value": "c"}]
[1, "a"], [{"op": "remove", "path": "/s/1"}]`,
	"uuid.parse": `"00000000-0000-1000-8000-325096b39f47"
"6ba7b810-9dad-11d1-80b4-00c04fd430c8"
"{6ba7b811-9dad-11d1-80b4-01c04fd430c8}"
"urn:uuid:000003e8-cf2c-21ef-9501-325096b39f47"
"f47ac10b-58cc-4372-a567-0e02b2c3d479"
"f47ac10b58cc4372e5670e02b2c3d479"
"f47ac10b-58cc-0372-c567-0e02b2c3d47"
"f47ac10b-58cc-0372-c567_0e02b2c3d479"
"F47AC10B-58CC-0372-C567-0E02B2C3D479"
"g47ac10b-58cc-4372-a567-0e02b2c3d479"
""`,
	"net.cidr_is_valid": "\"10.0.0.0/8\"\n\"10.0.0.0/33\"\n\"::1/64\"\n\"10.0.0.1\"\n1",
	"net.cidr_expand":   "\"192.168.0.0/30\"\n\"192.168.0.9/30\"\n\"::1/126\"\n\"x\"",
}

func callsCases() []string {
	var out []string
	for _, name := range sorted(calls) {
		for line := range strings.SplitSeq(calls[name], "\n") {
			out = append(out, fmt.Sprintf(`{"f":%q,"a":[%s]}`, name, line))
		}
	}
	return out
}
