package source

import (
	"embed"
	"slices"
)

// Code is an entry of the registry of diagnostics. A code never changes its meaning and is never used again.
type Code struct {
	ID    string // "SP1002"
	Title string // "unknown field"
}

// codes holds every code: SP10xx the text of files, SP11xx the config, SP20xx conditions, SP30xx policies, SP31xx what is wrong with policies that compile, SP40xx plugins, SP50xx cases, SP60xx detectors and tables, SP70xx the lock of tools and what it says of rules, SP80xx archives of bundles, SP81xx whether they are to be trusted.
var codes = []Code{
	{"SP1001", "not YAML"},
	{"SP1002", "unknown field"},
	{"SP1003", "not one of the accepted values"},
	{"SP1004", "wrong type"},
	{"SP1005", "field given twice"},
	{"SP1006", "missing field"},
	{"SP1007", "character not accepted"},
	{"SP1008", "file too large"},
	{"SP1009", "YAML feature not accepted"},
	{"SP1010", "nothing in the file"},
	{"SP1011", "empty or out of range"},
	{"SP1101", "invalid address"},
	{"SP1102", "variable cannot be expanded"},
	{"SP1103", "invalid URL"},
	{"SP1104", "invalid duration"},
	{"SP1105", "invalid size"},
	{"SP1106", "a server needs a url or a command"},
	{"SP1107", "invalid name"},
	{"SP1108", "invalid API key hash"},
	{"SP1109", "placeholder instead of a secret"},
	{"SP1110", "open listener without TLS"},
	{"SP1111", "open listener without hosts"},
	{"SP1112", "settings that don't go together"},
	{"SP1113", "identifier given twice"},
	{"SP1114", "invalid header"},
	{"SP1115", "not a client's list of MCP servers"},
	{"SP1116", "invalid host or origin"},
	{"SP1117", "invalid key"},
	{"SP1118", "nobody can call"},
	{"SP2001", "syntax error in a condition"},
	{"SP2002", "unknown name in a condition"},
	{"SP2003", "types don't fit"},
	{"SP2004", "wrong result type"},
	{"SP2005", "unknown field in a condition"},
	{"SP2006", "condition too expensive"},
	{"SP2007", "unknown function"},
	{"SP2008", "invalid literal"},
	{"SP2009", "name not available in this phase"},
	{"SP2010", "rule can never apply"},
	{"SP2099", "condition refused"},
	{"SP3001", "policy name used twice"},
	{"SP3002", "rule name used twice"},
	{"SP3003", "unknown method"},
	{"SP3004", "effect without meaning in the response phase"},
	{"SP3005", "message on a rule that allows"},
	{"SP3006", "invalid glob"},
	{"SP3007", "variable defined twice"},
	{"SP3008", "variable used before its definition"},
	{"SP3009", "policy without rules"},
	{"SP3010", "invalid name"},
	{"SP3011", "invalid reason"},
	{"SP3012", "match that no call can meet"},
	{"SP3013", "fields that don't go together in a rule"},
	{"SP3101", "rule that never decides"},
	{"SP3102", "condition that is always the same"},
	{"SP3103", "part of a condition without effect"},
	{"SP3104", "path compared as text"},
	{"SP3105", "pattern that isn't anchored"},
	{"SP3106", "argument that may be absent"},
	{"SP3107", "denial without a reason"},
	{"SP3108", "secret in a policy"},
	{"SP3109", "absence that lets a call through"},
	{"SP3110", "URL compared as text"},
	{"SP3111", "hint of a tool taken for granted"},
	{"SP3112", "variable that nothing reads"},
	{"SP3190", "ignore that says too little"},
	{"SP3191", "ignore of nothing"},
	{"SP4001", "unknown plugin"},
	{"SP4002", "plugin refused"},
	{"SP4003", "plugin without the hook of its phase"},
	{"SP5001", "fields that don't go together in a case"},
	{"SP5002", "unknown name in a case"},
	{"SP5003", "case name used twice"},
	{"SP5004", "value that a case can't have"},
	{"SP5005", "policies of a test can't be read"},
	{"SP6001", "not TOML"},
	{"SP6002", "detector refused"},
	{"SP6003", "detector that is slow or finds nothing"},
	{"SP6004", "table refused"},
	{"SP6005", "unknown set of detectors or table"},
	{"SP7001", "not a lock of tools"},
	{"SP7002", "lock that was changed by hand"},
	{"SP7003", "invisible character in the text of a tool"},
	{"SP7004", "rule about no known tool"},
	{"SP7005", "unknown argument"},
	{"SP7006", "argument of another type"},
	{"SP7007", "value that an argument never has"},
	{"SP7008", "argument that only some tools have"},
	{"SP7009", "server without its tools in the lock"},
	{"SP8001", "not a bundle"},
	{"SP8002", "bundle cut off"},
	{"SP8003", "bundle damaged"},
	{"SP8004", "data behind the end of a bundle"},
	{"SP8005", "second part in a bundle"},
	{"SP8006", "bundle too large"},
	{"SP8007", "path out of a bundle"},
	{"SP8008", "file name not accepted in a bundle"},
	{"SP8009", "bundle that unpacks to too much"},
	{"SP8010", "link in a bundle"},
	{"SP8011", "neither file nor link in a bundle"},
	{"SP8012", "file twice in a bundle"},
	{"SP8013", "file that the manifest doesn't name"},
	{"SP8014", "file without a part in a bundle"},
	{"SP8015", "wrong digest in a bundle"},
	{"SP8016", "bundle not in its one form"},
	{"SP8017", "invalid value in a manifest"},
	{"SP8018", "file missing from a bundle"},
	{"SP8019", "extended header in a bundle"},
	{"SP8020", "bundle for a newer Sallyport"},
	{"SP8021", "unknown CEL environment"},
	{"SP8022", "invalid trust file"},
	{"SP8023", "cases of a bundle failed"},
	{"SP8024", "cases of a bundle take too long"},
	{"SP8101", "bundle not signed"},
	{"SP8102", "malformed signatures"},
	{"SP8103", "signatures of something else"},
	{"SP8104", "signature doesn't hold"},
	{"SP8105", "key that doesn't count now"},
	{"SP8106", "no trusted key"},
	{"SP8107", "too few signatures"},
	{"SP8108", "bundle without trust"},
	{"SP8109", "trust without a bundle"},
	{"SP8110", "bundle expired"},
	{"SP8111", "bundle for others"},
	{"SP8112", "another bundle"},
	{"SP8113", "step back to an old version"},
	{"SP8114", "two bundles of one version"},
	{"SP8115", "last bundle can't be read"},
}

//go:embed pages/*.md
var pages embed.FS

// Codes returns every code, in order.
func Codes() []Code { return slices.Clone(codes) }

// Page returns the page that explains a code, as Markdown: what it means, an example and its fix.
func Page(id string) (markdown string, ok bool) {
	if !slices.ContainsFunc(codes, func(c Code) bool { return c.ID == id }) {
		return "", false
	}
	page, err := pages.ReadFile("pages/" + id + ".md")
	return string(page), err == nil
}
