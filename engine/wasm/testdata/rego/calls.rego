package calls

# Each builtin that modules leave to their host, called with the arguments of the message.

a := input.args.a

results contains sprintf(a[0], a[1]) if input.args.f == "sprintf"

results contains strings.count(a[0], a[1]) if input.args.f == "strings.count"

results contains strings.any_prefix_match(a[0], a[1]) if input.args.f == "strings.any_prefix_match"

results contains strings.any_prefix_match({x | some x in a[0]}, a[1]) if input.args.f == "strings.any_prefix_match of a set"

results contains strings.any_suffix_match(a[0], a[1]) if input.args.f == "strings.any_suffix_match"

results contains strings.split_n(a[0], a[1], a[2]) if input.args.f == "strings.split_n"

results contains indexof_n(a[0], a[1]) if input.args.f == "indexof_n"

results contains glob.quote_meta(a[0]) if input.args.f == "glob.quote_meta"

results contains regex.replace(a[0], a[1], a[2]) if input.args.f == "regex.replace"

results contains regex.split(a[0], a[1]) if input.args.f == "regex.split"

results contains regex.find_n(a[0], a[1], a[2]) if input.args.f == "regex.find_n"

results contains semver.is_valid(a[0]) if input.args.f == "semver.is_valid"

results contains semver.compare(a[0], a[1]) if input.args.f == "semver.compare"

results contains trace(a[0]) if input.args.f == "trace"

results contains crypto.md5(a[0]) if input.args.f == "crypto.md5"

results contains crypto.sha1(a[0]) if input.args.f == "crypto.sha1"

results contains crypto.sha256(a[0]) if input.args.f == "crypto.sha256"

results contains crypto.hmac.md5(a[0], a[1]) if input.args.f == "crypto.hmac.md5"

results contains crypto.hmac.sha1(a[0], a[1]) if input.args.f == "crypto.hmac.sha1"

results contains crypto.hmac.sha256(a[0], a[1]) if input.args.f == "crypto.hmac.sha256"

results contains crypto.hmac.sha512(a[0], a[1]) if input.args.f == "crypto.hmac.sha512"

results contains crypto.hmac.equal(a[0], a[1]) if input.args.f == "crypto.hmac.equal"

results contains hex.encode(a[0]) if input.args.f == "hex.encode"

results contains hex.decode(a[0]) if input.args.f == "hex.decode"

results contains base64url.encode_no_pad(a[0]) if input.args.f == "base64url.encode_no_pad"

results contains urlquery.encode(a[0]) if input.args.f == "urlquery.encode"

results contains urlquery.decode(a[0]) if input.args.f == "urlquery.decode"

results contains urlquery.encode_object(a[0]) if input.args.f == "urlquery.encode_object"

results contains urlquery.decode_object(a[0]) if input.args.f == "urlquery.decode_object"

results contains time.now_ns() if input.args.f == "time.now_ns"

results contains time.parse_ns(a[0], a[1]) if input.args.f == "time.parse_ns"

results contains time.parse_rfc3339_ns(a[0]) if input.args.f == "time.parse_rfc3339_ns"

results contains time.parse_duration_ns(a[0]) if input.args.f == "time.parse_duration_ns"

results contains time.format(a[0]) if input.args.f == "time.format"

results contains time.date(a[0]) if input.args.f == "time.date"

results contains time.clock(a[0]) if input.args.f == "time.clock"

results contains time.weekday(a[0]) if input.args.f == "time.weekday"

results contains time.add_date(a[0], a[1], a[2], a[3]) if input.args.f == "time.add_date"

results contains time.diff(a[0], a[1]) if input.args.f == "time.diff"

results contains numbers.range_step(a[0], a[1], a[2]) if input.args.f == "numbers.range_step"

results contains object.subset(a[0], a[1]) if input.args.f == "object.subset"

results contains object.subset({x | some x in a[0]}, {x | some x in a[1]}) if input.args.f == "object.subset of sets"

results contains json.patch(a[0], a[1]) if input.args.f == "json.patch"

results contains json.patch({"s": {x | some x in a[0]}}, a[1]).s if input.args.f == "json.patch of a set"

results contains uuid.parse(a[0]) if input.args.f == "uuid.parse"

results contains net.cidr_is_valid(a[0]) if input.args.f == "net.cidr_is_valid"

results contains sort(net.cidr_expand(a[0])) if input.args.f == "net.cidr_expand"
